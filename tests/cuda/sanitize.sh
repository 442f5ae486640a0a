#!/bin/sh
# TAP: each program of SANITIZE under compute-sanitizer, by memcheck and by racecheck.
# Skipped where it is not installed; on a GPU alone.
set -u

if ! command -v compute-sanitizer >/dev/null; then
    echo "ok 1 # SKIP compute-sanitizer is not installed"
    echo "1..1"
    exit 0
fi

report=$(mktemp)
trap 'rm -f "$report"' EXIT
n=0 failed=0
for tool in memcheck racecheck; do
    for program in ${SANITIZE:?names no programs}; do
        n=$((n + 1))
        if compute-sanitizer --tool "$tool" --error-exitcode 99 "$program" >"$report" 2>&1; then
            echo "ok $n - $tool: $program"
        else
            echo "not ok $n - $tool: $program"
            grep '^=========' "$report" | head -n 40 | sed 's/^/# /'
            failed=1
        fi
    done
done
echo "1..$n"
exit "$failed"
