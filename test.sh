#!/bin/sh
# Build maudio and run its tests.
set -eu

root=$(cd "$(dirname "$0")" && pwd)
. "$root/.ci/debian.sh"

# A sound server for the tests of maudio live; not where it would replace one
sound="pulseaudio pulseaudio-utils libasound2-plugins jackd2"
case $(dpkg-query -W -f='${db:Status-Status}' pipewire-pulse 2>/dev/null) in
installed) sound= ;;
esac

# shellcheck disable=SC2086 # one word per package
need libcmocka-dev g++ clang clang-format clang-tidy cppcheck libclang-rt-14-dev \
  python3 sndfile-programs valgrind liblilv-dev lilv-utils serdi sordi $sound
build "$root" -DMAUDIO_TESTS=ON

# Slow ones with real hosts: ctest --test-dir build -L hosts
exec ctest --test-dir "$root/build" --output-on-failure -LE hosts
