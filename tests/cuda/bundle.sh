#!/bin/bash
# Put what the checks on a GPU need into one folder, for a machine that has a CUDA toolkit but none of our packages:
# tests/cuda/bundle.sh BUILD FOLDER, where BUILD was configured with -DMAUDIO_TESTS=ON; then there FOLDER/check.sh
set -euo pipefail
if [ $# -ne 2 ]; then
  echo "usage: $0 BUILD FOLDER" >&2
  exit 2
fi
build=$1 folder=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$folder/lib" "$folder/tests/audio"
for program in tests/cuda/test_cuda bench/maudio-bench-cuda-network bench/maudio-bench-cuda-scan cli/maudio; do
  cp "$build/$program" "$folder/"
done
cp "$build/cuda/libmaudio-cuda.so" "$folder/lib/"
cp -L "$build/core/libmaudio.so.0" "$folder/lib/"

# Libraries that come with neither the toolkit nor every system
for file in "$folder"/test_cuda "$folder"/maudio* "$folder"/lib/libmaudio*; do
  ldd "$file"
done | awk '$3 ~ "^/" {print $3}' | sort -u |
  grep -vE 'libmaudio|/cuda|/lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s)\.so' | xargs -I{} cp -L {} "$folder/lib/"

cp -r "$root/presets" "$folder/"
cp "$root/bench/bulk.py" "$root/tests/cuda/check.sh" "$folder/"
cp "$root/tests/audio/noisy.wav" "$folder/tests/audio/"
git -C "$root" describe --always --dirty >"$folder/version"
strip --strip-unneeded "$folder"/test_cuda "$folder"/maudio* "$folder"/lib/*
du -sh "$folder"
