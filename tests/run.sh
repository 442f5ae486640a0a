#!/bin/bash
# Runs C tests (TAP programs) and Bats files, and counts. Prints each failure as it
# comes, the skipped checks with their reasons, and as its last line
# `N passed, N failed`. A program that crashes, or ends before its plan, is a failure.
#
#     tests/run.sh PROGRAM-OR-BATS-FILE...
#
# TEST_JOBS of them run at once, as many as there are processors unless it says so.
#
# Programs of the stand-in's build test the CUDA back end alone (BS_TEST_DEVICE), on the
# second of two GPUs, which no thread has for its own from the start.
#
# TEST_UNDER, such as a memory checker with its options, runs the programs; the Bats files
# may use it too.
set -u
unset MAKEFLAGS # of who calls this; tests that build do it by themselves

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# perform TEST: its TAP.
perform() {
    # shellcheck disable=SC2086 # TEST_UNDER is a command with its options
    case $1 in
        *.bats) bats --tap "$1" ;;
        */torture.sh) TORTURE=short TORTURE_TAP=1 "$1" ;;
        */standin/tests/compute/* | */standin/tests/parity/* | */standin/tests/unit/*)
            BS_STANDIN_DEVICES=2 BS_TEST_DEVICE=cuda:1 ${TEST_UNDER:-} "$1"
            ;;
        *) ${TEST_UNDER:-} "$1" ;;
    esac
}

# report TEST AT: runs it; says what failed or was skipped; its counts go to AT.counts.
report() {
    local began=$SECONDS tap=$2.tap err=$2.err status ok not_ok skip plan
    perform "$1" >"$tap" 2>"$err" </dev/null
    status=$?
    ok=$(grep -c '^ok ' "$tap")
    not_ok=$(grep -c '^not ok ' "$tap")
    skip=$(grep -ciE '^ok .*# skip' "$tap")
    plan=$(sed -n 's/^1\.\.//p' "$tap" | tail -n 1)
    if [ "$not_ok" -eq 0 ] && { [ "$status" -ne 0 ] || [ "${plan:-x}" != "$ok" ]; }; then
        not_ok=1
        echo "not ok - $1: exit status $status, $ok of ${plan:-no plan} checks"
        tail -n 30 "$err"
    fi
    awk '/^ok /{ show = 0 } /^not ok /{ show = 1 } show' "$tap"
    grep -iE '^ok .*# skip' "$tap" | sed -E 's/^ok [0-9]+ *-* *(# *skip *)?/skipped: /I'
    [ "$not_ok" -eq 0 ] || tail -n 30 "$err"
    echo "$1: $((ok - skip)) passed, $not_ok failed, $skip skipped, $((SECONDS - began)) s"
    echo "$((ok - skip)) $not_ok $skip" >"$2.counts"
}

at=0
for test in "$@"; do
    at=$((at + 1))
    [ "$at" -le "${TEST_JOBS:-$(nproc)}" ] || wait -n
    { report "$test" "$scratch/$at" >"$scratch/$at.report"; cat "$scratch/$at.report"; } &
done
wait

# A test without counts was itself killed: it counts as failed.
read -r passed failed skipped < <(
    cat "$scratch"/*.counts |
        awk -v tests=$# '{ p += $1; f += $2; s += $3 } END { print p + 0, f + tests - NR, s + 0 }'
)
[ "$skipped" -eq 0 ] || echo "$skipped checks skipped"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
