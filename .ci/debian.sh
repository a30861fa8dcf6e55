# shellcheck shell=sh
# What demo.sh and test.sh share: packages of Debian 12, and the build.

die() {
  echo "$0: $*" >&2
  exit 1
}

# apt_install PACKAGE...: install with apt-get, as root or through sudo
apt_install() {
  if [ "$(id -u)" -eq 0 ]; then
    sudo=
  elif command -v sudo >/dev/null; then
    sudo=sudo
  else
    die "neither root nor sudo; as root: apt-get install $*"
  fi
  echo "Installing: $*"
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q update
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q install -y \
    --no-install-recommends "$@"
}

# need PACKAGE...: have these and what the build needs; install what is missing
need() {
  missing=
  for package in gcc libc6-dev cmake ninja-build pkg-config libsndfile1-dev \
    libjansson-dev libkissfft-dev portaudio19-dev libsamplerate0-dev lv2-dev "$@"; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || :
    [ "$state" = installed ] || missing="$missing $package"
  done
  if [ -z "$missing" ]; then
    return 0
  fi
  if command -v apt-get >/dev/null; then
    # shellcheck disable=SC2086 # one word per package
    apt_install $missing
  else
    echo "Not Debian; what these packages hold has to be there:$missing" >&2
  fi
}

# build SOURCE OPTION...: configure and build in SOURCE/build
build() {
  version=$(cmake --version | sed -n 's/^cmake version //p')
  newest=$(printf '3.25\n%s\n' "$version" | sort -V | tail -n 1)
  [ "$newest" = "$version" ] || die "cmake is $version, 3.25 or later is needed"

  source=$1
  shift
  if [ ! -e "$source/build/CMakeCache.txt" ]; then
    set -- -G Ninja "$@"
  fi
  cmake -S "$source" -B "$source/build" -DCMAKE_BUILD_TYPE=Release "$@"
  cmake --build "$source/build" --parallel "$(nproc)"
}
