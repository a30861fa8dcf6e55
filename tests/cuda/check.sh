#!/bin/bash
# What is checked and measured on a GPU, from a folder that bundle.sh made: check.sh LOGS [STEP...]
# Steps: compare, memcheck and racecheck at once; then hour, bench and bulk. Without any: all but hour.
# LIMIT is the most seconds of a step (560), HOURS the size of the archive of bulk (5).
set -uo pipefail
if [ $# -lt 1 ]; then
  echo "usage: $0 LOGS [compare] [memcheck] [racecheck] [hour] [bench] [bulk]" >&2
  exit 2
fi
mkdir -p "$1"
logs=$(cd "$1" && pwd)
shift
steps=${*:-compare memcheck racecheck bench bulk}
cd "$(dirname "$0")" || exit
export PATH=$PATH:/usr/local/cuda/bin
export LD_LIBRARY_PATH=$PWD/lib:/usr/local/cuda/lib64
export MAUDIO_CUDA_LIBRARY=$PWD/lib/libmaudio-cuda.so MAUDIO_PRESETS=$PWD/presets
failures=0

wants() {
  [[ " $steps " == *" $1 "* ]]
}

# run NAME COMMAND...: into a log of its own; say how it ended
run() {
  local log=$logs/$1.log begin=$SECONDS status=0
  timeout -k 10 "${LIMIT:-560}" "${@:2}" >"$log" 2>&1 || status=$?
  echo "$1: status $status, $((SECONDS - begin)) s, $(grep -c '^ok ' "$log") ok, $(grep -c '^FAIL' "$log") failed"
  grep -E '^FAIL|SUMMARY|realtime|not found' "$log" | head -20
  return "$status"
}

run_sanitizer() {
  run "$1" compute-sanitizer --tool "$1" --error-exitcode 9 ./test_cuda --short presets
}

echo "version $(cat version), $(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | head -1)"
jobs=()
if wants compare; then
  run compare ./test_cuda presets &
  jobs+=($!)
fi
for tool in memcheck racecheck; do
  if wants "$tool"; then
    run_sanitizer "$tool" &
    jobs+=($!)
  fi
done
if wants hour; then
  for model in voice voice-studio voice-live voice-zero mamba; do
    run "hour-$model" ./test_cuda --hour=$model presets &
    jobs+=($!)
  done
fi
for job in "${jobs[@]}"; do
  wait "$job" || failures=$((failures + 1))
done
if wants bench; then
  for model in voice-studio voice-zero; do
    run "bench-$model" ./maudio-bench-cuda-network presets/$model.safetensors || failures=$((failures + 1))
  done
fi
if wants bulk; then
  archive=$(mktemp -d -p "${TMPDIR:-/dev/shm}")
  run bulk-make python3 bulk.py make --hours "${HOURS:-5}" --cpu-hours 0.5 tests/audio/noisy.wav "$archive/in"
  TMPDIR=$archive run bulk python3 bulk.py run --command ./maudio --devices cuda:0 --json "$logs/bulk.json" -- \
    "$archive/in" || failures=$((failures + 1))
  rm -rf "$archive"
fi
exit "$failures"
