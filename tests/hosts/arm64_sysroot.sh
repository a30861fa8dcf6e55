#!/bin/sh
# Fetch the libraries that maudio needs, for 64-bit ARM, with the sources of
# packages that this Debian has; nothing of the system changes.
# Usage: arm64_sysroot.sh FOLDER
set -eu

mkdir -p "$1"
folder=$(cd "$1" && pwd)
packages="libjansson4 libjansson-dev libkissfft-float131 libkissfft-dev
  libsamplerate0 libsamplerate0-dev libcmocka0 libcmocka-dev libsndfile1
  libsndfile1-dev libflac12 libflac-dev libmp3lame0 libmp3lame-dev libmpg123-0
  libmpg123-dev libogg0 libogg-dev libopus0 libopus-dev libvorbis0a
  libvorbisenc2 libvorbis-dev"

apt=$folder/apt
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/packages"
: >"$apt/status"

# arm64_apt ARGUMENT...: apt-get with lists and a state of its own
arm64_apt() {
  apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
    -o APT::Sandbox::User=root -o Dir::State::Lists="$apt/lists" \
    -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" \
    -o Debug::NoLocking=1 "$@"
}

arm64_apt update
# shellcheck disable=SC2086 # one word per package
(cd "$apt/packages" && arm64_apt download $packages)
for package in "$apt"/packages/*.deb; do
  dpkg -x "$package" "$folder"
done
rm -r "$apt"
touch "$folder/complete"
