#!/bin/sh
# Build maudio and run its tests.
set -eu

root=$(cd "$(dirname "$0")" && pwd)
. "$root/.ci/debian.sh"

need libcmocka-dev clang clang-format clang-tidy cppcheck libclang-rt-14-dev \
  python3 sndfile-programs
build "$root" -DMAUDIO_TESTS=ON

exec ctest --test-dir "$root/build" --output-on-failure
