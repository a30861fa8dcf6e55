#!/bin/sh
# Check the sources; called by ctest.
# Usage: lint.sh format|tidy|cppcheck|text BUILD_FOLDER
set -eu

build=$(cd "$2" && pwd)
cd "$(dirname "$0")/.."

# Sources that this build compiles: kernels of other machines are left out
compiled() {
  for file in core/*.c cli/*.c cuda/*.c lv2/*.c; do
    if grep -q "/$file\"" "$build/compile_commands.json"; then
      echo "$file"
    fi
  done
}

case $1 in
format)
  find core cli cuda lv2 bench tests \( -name '*.[ch]' -o -name '*.cu' -o \
    -name '*.cuh' -o -name '*.cpp' \) -exec \
    clang-format --dry-run -Werror {} +
  ;;
tidy)
  compiled | xargs -n 1 -P "$(nproc)" clang-tidy --quiet -p "$build"
  ;;
cppcheck)
  # The scalar kernels are vectors of one; structs may be filled elsewhere
  cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr -Icore -Itests \
    --enable=warning,style,performance,portability -j "$(nproc)" \
    --suppress=moduloofone:core/kernels_body.h \
    --suppress=unsignedLessThanZero:core/kernels_body.h \
    --suppress=moduloofone:core/kernels_ssd.h \
    --suppress=unsignedLessThanZero:core/kernels_ssd.h \
    --suppress=unusedStructMember \
    core cli cuda lv2 bench tests
  ;;
text)
  # Tabs, trailing blanks, marks of unfinished work
  marks='TO''DO|FIX''ME'
  if grep -rnEI "	| +\$|($marks)" core cli cuda lv2 bench tests training docs \
    --include='*.[ch]' --include='*.cu' --include='*.cuh' --include='*.cpp' --include='*.sh' --include='*.py' --include='*.md' \
    --include=CMakeLists.txt --include='*.in' --exclude=lint.sh; then
    exit 1
  fi
  ;;
*)
  echo "lint.sh: unknown check '$1'" >&2
  exit 2
  ;;
esac
