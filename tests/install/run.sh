#!/bin/sh
# Install a build and use it as a stranger would; called by ctest.
# Usage: run.sh BUILD_FOLDER
set -eu

build=$(cd "$1" && pwd)
cd "$(dirname "$0")"
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

cmake --install "$build" --prefix "$prefix" >"$prefix/log"
library=$(find "$prefix" -name libmaudio.so)
folder=$(dirname "$library")

# Exactly the functions of the header are exported
nm -D --defined-only "$library" | awk '{ print $3 }' | sort >"$prefix/exported"
sed '/^\/\*\*/,/\*\//d; s,//.*,,' "$prefix/include/maudio.h" |
  grep -o 'maudio_[a-z_]*(' | tr -d '(' | sort >"$prefix/declared"
diff "$prefix/declared" "$prefix/exported"

# The prefix is not the one the build was configured for
flags=$(PKG_CONFIG_PATH="$folder/pkgconfig" pkg-config \
  --define-variable=prefix="$prefix" --cflags --libs maudio)
# shellcheck disable=SC2086 # flags are words
cc -std=c11 -Wall -Wextra -Werror -o "$prefix/consumer" consumer.c $flags
LD_LIBRARY_PATH="$folder" "$prefix/consumer"

# The command finds the library beside it
"$prefix/bin/maudio" --version
