#!/bin/sh
# Check the Turtle of a bundle; called by ctest.
# Usage: check_ttl.sh BUNDLE
set -eu

bundle=$1

fail() {
  echo "check_ttl.sh: $*" >&2
  exit 1
}

# lv2_validate forgives syntax errors, serdi does not
for ttl in "$bundle"/*.ttl; do
  serdi -q "$ttl" >/dev/null || fail "$ttl is not Turtle"
done

# It needs the specifications beside the bundle; its exit status is no verdict
report=$(lv2_validate "$bundle"/*.ttl 2>&1) || fail "$report"
case $report in
*"Found 0 errors"*) ;;
*) fail "$report" ;;
esac

# What it does not ask for, of each plugin and each port
for plugin in denoise-mono denoise-stereo generator; do
  uri=urn:maudio:$plugin
  triples=$(serdi -q -o ntriples "$bundle/$plugin.ttl")
  for predicate in doap#name doap#license doap#shortdesc lv2core#minorVersion \
    lv2core#microVersion lv2core#project rdf-schema#comment; do
    echo "$triples" | grep -q "^<$uri> <[^>]*$predicate> " ||
      fail "$uri has no $predicate"
  done
  ports=$(echo "$triples" | grep -c "^<$uri> <[^>]*lv2core#port> ")
  for predicate in index symbol name; do
    found=$(echo "$triples" | grep -c "^_:[^ ]* <[^>]*lv2core#$predicate> ")
    [ "$found" -eq "$ports" ] ||
      fail "$uri has $ports ports, $found with an lv2:$predicate"
  done

  # Presets: each in the manifest has a label and values
  presets=$(serdi -q -o ntriples "$bundle/presets-${plugin#denoise-}.ttl")
  for preset in $(serdi -q -o ntriples "$bundle/manifest.ttl" |
    sed -n "s,^<\($uri:[^>]*\)> <[^>]*appliesTo> .*,\1,p"); do
    echo "$presets" | grep -q "^<$preset> <[^>]*rdf-schema#label> " ||
      fail "$preset has no label"
  done
done

# Nothing but the entry is exported
exported=$(nm -D --defined-only "$bundle/maudio.so" | awk '{ print $3 }')
[ "$exported" = lv2_descriptor ] || fail "exported: $exported"
