#!/bin/bash
# Promises of docs/reliability.md, put to the test. Prints a table, keeps it in
# build/torture/results.tsv, and ends with `N passed, N failed`.
#
#     make torture [TORTURE=short|full] [PROMISES="records kills ..."]
#
# short takes minutes and is part of `make test`; full takes hours. TORTURE_SEED chooses
# the random moments; it is said, so that a failure can be had again. TORTURE_TAP=1 prints TAP.
#
# Each file here tests promises of one kind, by functions called torture_NAME that print
# rows by `promise`. A promise that fails leaves what it needs to be looked at in
# build/torture/NAME.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/../.."

root=$PWD
# shellcheck disable=SC2034 # for the files that are sourced
bin=$(cd "${BS_BIN:-bin}" && pwd)
budget=${TORTURE:-short}
scratch=$root/build/torture
results=$scratch/results.tsv
seed=${TORTURE_SEED:-$((SRANDOM % 100000))}
RANDOM=$seed
mkdir -p "$scratch"

# budget SHORT FULL: the one that is wanted.
budget() {
    case $budget in
        short) echo "$1" ;;
        full) echo "$2" ;;
        *) echo "torture: TORTURE is short or full, not \"$budget\"" >&2; return 1 ;;
    esac
}

machine="$(grep -m 1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(nproc) processors"
passed=0 failed=0 rows=0

# promise NAME MEASURED REQUIRED UNIT: a row. REQUIRED is `=N`, `>=N` or `<=N`.
promise() {
    local verdict=FAIL
    if awk -v a="$2" -v required="$3" 'BEGIN {
        match(required, /^[<>=]+/)
        how = substr(required, 1, RLENGTH); b = substr(required, RLENGTH + 1) + 0
        exit !(how == "=" ? a == b : how == ">=" ? a >= b : a <= b) }'; then
        verdict=ok
    fi
    row "$1" "$2" "$3" "$4" "$verdict"
}

row() {
    rows=$((rows + 1))
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "$machine" "$5" >>"$results"
    if [ -z "${TORTURE_TAP:-}" ]; then
        printf '%-26s %12s %12s  %-34s %s\n' "$1" "$2" "$3" "$4" "$5"
    else
        [ "$5" != FAIL ] || printf 'not '
        printf 'ok %d - %s: %s %s (%s)%s\n' "$rows" "$1" "$2" "$4" "$3" \
            "$([ "$5" != skipped ] || echo ' # SKIP')"
    fi
    case $5 in
        ok) passed=$((passed + 1)) ;;
        FAIL) failed=$((failed + 1)) ;;
    esac
}

# skip NAME UNIT WHY
skip() {
    row "$1" - - "$2" skipped
    echo "#   $3"
}

# workplace NAME: a fresh folder to be in.
workplace() {
    rm -rf "${scratch:?}/$1"
    mkdir -p "$scratch/$1"
    cd "$scratch/$1"
}

need_tiny() {
    tiny=$scratch/tiny
    [ -e "$tiny/config.json" ] || perl "$root/tests/cli/make-model.pl" "$tiny"
}

# One that takes 48 times as long.
need_slow() {
    slow=$scratch/slow
    [ -e "$slow/config.json" ] || perl "$root/tests/cli/make-model.pl" "$slow" layers=96
}

# labelled_rows N: TSV with a header; every text is another.
labelled_rows() {
    awk -v n="$1" 'BEGIN {
        split("good bad film fine awful the not very a plot of and", word, " ")
        srand(7)
        print "label\ttext"
        for (i = 1; i <= n; i++) {
            line = i
            for (k = 1 + int(12 * rand()); k; k--) line = line " " word[1 + int(12 * rand())]
            print (i % 2 ? "positive" : "negative") "\t" line
        }
    }'
}

# The last line, even where a promise could not be put to the test.
finish() {
    local status=$?
    [ -z "$name" ] || row "$name" - - "broke off with status $status" FAIL
    if [ -n "${TORTURE_TAP:-}" ]; then echo "1..$rows"; else echo "$passed passed, $failed failed"; fi
}
name=
trap finish EXIT

for file in tests/torture/*.sh; do
    # shellcheck source=/dev/null
    [ "$file" = tests/torture/torture.sh ] || source "$file"
done

printf 'promise\tmeasured\trequired\tunit\tmachine\tverdict\n' >"$results"
echo "# torture: $budget, TORTURE_SEED=$seed, $machine"
for name in ${PROMISES:-built records dying cuts flips hostile stops writes memory kills logs numbers foreign live grows}; do
    cd "$root"
    began=$SECONDS
    "torture_$name"
    echo "#   $name: $((SECONDS - began)) s"
done
name=
[ "$failed" = 0 ]
