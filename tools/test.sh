#!/usr/bin/env bash
# All tests in two processes beside each other; what each starts (servers, databases) is its own.
# Usage: tools/test.sh RUNNER…, for example: tools/test.sh .venv/bin/python -m pytest -q
# Ends with one line that counts both. The lines of each are in build/tests-1.log and build/tests-2.log.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
first="tests/oauth tests/interop tests/sandbox tests/stores tests/conformance"
second=$(for folder in tests/*/ examples/providers/tests; do
    folder=${folder%/}
    [ "$folder" = tests/data ] || [ "$folder" = tests/stacks ] || [[ " $first " == *" $folder "* ]] || echo "$folder"
done)

# shellcheck disable=SC2086  these are several words
"$@" $first >build/tests-1.log 2>&1 &
one=$!
# shellcheck disable=SC2086
"$@" $second >build/tests-2.log 2>&1 &
two=$!
wait $one; first_status=$?
wait $two; second_status=$?
for log in build/tests-1.log build/tests-2.log; do
    grep -vE '^[.sxFE]+ +\[ *[0-9]+%\]$' "$log"
done
count() { tail -n 1 -q build/tests-1.log build/tests-2.log | grep -oE "[0-9]+ $1" | awk '{ sum += $1 } END { print sum + 0 }'; }
echo "$(count passed) passed, $(($(count failed) + $(count error))) failed, $(count skipped) skipped"
exit $((first_status > second_status ? first_status : second_status))
