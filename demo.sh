#!/bin/sh
# Build maudio and remove the noise from a recording.
set -eu

root=$(cd "$(dirname "$0")" && pwd)
. "$root/.ci/debian.sh"

need
build "$root" -DMAUDIO_TESTS=OFF

noisy=$root/tests/audio/noisy.wav
cleaned=$root/build/cleaned.wav
"$root/build/cli/maudio" process "$noisy" "$cleaned"

cat <<END

The recording:    $noisy
without noise:    $cleaned

Play one after the other: the voice stays, the noise behind it goes, in the
pauses and under the words.
END
