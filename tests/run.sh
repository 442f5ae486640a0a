#!/bin/sh
# Runs C tests (TAP programs) and Bats files, and counts. Prints each failure as it
# comes, the skipped checks with their reasons, and as its last line
# `N passed, N failed`. A program that crashes, or ends before its plan, is a failure.
#
#     tests/run.sh PROGRAM-OR-BATS-FILE...
#
# Programs of the stand-in's build test the CUDA back end alone (BS_TEST_DEVICE).
#
# TEST_UNDER, such as a memory checker with its options, runs the programs; the Bats files
# may use it too.
set -u

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0 skipped=0

for test in "$@"; do
    began=$(date +%s)
    # shellcheck disable=SC2086 # TEST_UNDER is a command with its options
    case $test in
    *.bats) bats --tap "$test" >"$scratch/tap" 2>"$scratch/err" </dev/null ;;
    */standin/tests/compute/* | */standin/tests/parity/*)
        BS_TEST_DEVICE=cuda ${TEST_UNDER:-} "$test" >"$scratch/tap" 2>"$scratch/err" </dev/null
        ;;
    *) ${TEST_UNDER:-} "$test" >"$scratch/tap" 2>"$scratch/err" </dev/null ;;
    esac
    status=$?
    ok=$(grep -c '^ok ' "$scratch/tap")
    not_ok=$(grep -c '^not ok ' "$scratch/tap")
    skip=$(grep -ciE '^ok .*# skip' "$scratch/tap")
    plan=$(sed -n 's/^1\.\.//p' "$scratch/tap" | tail -n 1)
    if [ "$not_ok" -eq 0 ] && { [ "$status" -ne 0 ] || [ "${plan:-x}" != "$ok" ]; }; then
        not_ok=1
        echo "not ok - $test: exit status $status, $ok of ${plan:-no plan} checks"
        tail -n 30 "$scratch/err"
    fi
    awk '/^ok /{ show = 0 } /^not ok /{ show = 1 } show' "$scratch/tap"
    grep -iE '^ok .*# skip' "$scratch/tap" | sed -E 's/^ok [0-9]+ *-* *(# *skip *)?/skipped: /I'
    [ "$not_ok" -eq 0 ] || tail -n 30 "$scratch/err"
    echo "$test: $((ok - skip)) passed, $not_ok failed, $skip skipped, $(($(date +%s) - began)) s"
    passed=$((passed + ok - skip)) failed=$((failed + not_ok)) skipped=$((skipped + skip))
done

[ "$skipped" -eq 0 ] || echo "$skipped checks skipped"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
