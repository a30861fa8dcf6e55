#!/bin/sh
# Run a program built with ThreadSanitizer; called by ctest.
# Usage: thread_sanitizer.sh PROGRAM [ARGUMENT]...
set -eu

# Where addresses are too random, older sanitizers do not start
if setarch -R true 2>/dev/null; then
  exec setarch -R "$@"
fi
exec "$@"
