#!/bin/sh
# Cross-compile for 64-bit ARM, run the unit tests of what NEON computes under
# emulation, and compare cleaned speech with that of this machine; called by
# ctest. Ends with 77 where something is missing, and installs nothing: the
# libraries are fetched into the build folder.
# Usage: test_neon.sh BUILD_FOLDER
set -eu

build=$(cd "$1" && pwd)
hosts=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$hosts/../.." && pwd)
folder=$build/aarch64
sysroot=$folder/sysroot
libraries=$sysroot/usr/lib/aarch64-linux-gnu

# The longest first
tests="test_stream_calls test_fft test_conformance test_generator test_sampling
  test_kernels_gemm test_stream test_stream_filter test_stream_params
  test_smoothness test_steer_fast test_effect test_stream_state
  test_stream_steer test_deep_filter test_quantize test_band_mlp test_dtype
  test_high_band test_kernels test_mamba test_mamba2 test_matrix test_mlp
  test_model test_spectral test_steer test_steer_slow"

missing() {
  echo "test_neon.sh: missing: $*" >&2
  exit 77
}

need=
for program in aarch64-linux-gnu-gcc aarch64-linux-gnu-g++ qemu-aarch64; do
  command -v "$program" >/dev/null || need="$need $program"
done
if [ -n "$need" ]; then
  missing "${need# }; apt-get install --no-install-recommends" \
    "gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user"
fi

if [ ! -e "$sysroot/complete" ]; then
  rm -rf "$sysroot"
  mkdir -p "$folder"
  if ! "$hosts/arm64_sysroot.sh" "$sysroot" >"$folder/sysroot.log" 2>&1; then
    tail -n 5 "$folder/sysroot.log" >&2
    missing "libraries of arm64, which arm64_sysroot.sh could not fetch"
  fi
fi

# shellcheck disable=SC2086 # one word per test
{
  cmake -S "$source" -B "$folder/build" -DCMAKE_BUILD_TYPE=Release \
    -DMAUDIO_CUDA=OFF -DMAUDIO_SYSROOT="$sysroot" \
    --toolchain "$hosts/aarch64.cmake" >"$folder/cmake.log"
  cmake --build "$folder/build" --parallel "$(nproc)" \
    --target maudio_command $tests >"$folder/build.log"
} || {
  tail -n 20 "$folder/cmake.log" "$folder/build.log" >&2
  exit 1
}

# emulate PROGRAM ARGUMENT...
cat >"$folder/emulate" <<END
#!/bin/sh
exec qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=$libraries "\$@"
END
cat >"$folder/maudio" <<END
#!/bin/sh
exec "$folder/emulate" "$folder/build/cli/maudio" "\$@"
END
chmod +x "$folder/emulate" "$folder/maudio"

"$folder/maudio" --version | grep -q 'neon kernels'

# shellcheck disable=SC2016 # what xargs runs
run='if "$0/emulate" "$0/build/tests/$1" >"$0/$1.log" 2>&1; then
  echo "$1: $(grep -c "^\[       OK \]" "$0/$1.log") passed"
else
  tail -n 30 "$0/$1.log"
  echo "$1: failed"
  exit 1
fi'
failed=
# shellcheck disable=SC2086 # one word per test
printf '%s\n' $tests | xargs -P "$(nproc)" -I '{}' sh -c "$run" "$folder" '{}' ||
  failed=" unit tests"

export MAUDIO_PRESETS="$source/presets"
export MAUDIO_EMULATED="$folder/maudio"
export MAUDIO_COMMAND="${MAUDIO_COMMAND:-$build/cli/maudio}"
cd "$hosts"
python3 -B -m unittest -v neon_outputs || failed="$failed, outputs"

if [ -n "$failed" ]; then
  echo "test_neon.sh: failed:$failed" >&2
  exit 1
fi
