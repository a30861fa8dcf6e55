#!/bin/sh
# Fuzz for some seconds; called by ctest.
# Usage: run.sh TARGET FOLDER_OF_PROGRAMS SECONDS
set -eu

target=$1
programs=$(cd "$2" && pwd)
seconds=$3
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

set -- "$work"
if [ "$target" = fuzz_model ]; then
  "$programs/write_seeds" "$work"
  set -- "$work" corpus
elif [ "$target" = fuzz_hf ]; then
  set -- "$work" corpus_hf
fi

# What it finds is written beside the programs, to be added to the corpus
"$programs/$target" "$@" -max_total_time="$seconds" -max_len=16384 \
  -timeout=10 -rss_limit_mb=1024 -verbosity=0 -print_final_stats=1 \
  -artifact_prefix="$programs/"
