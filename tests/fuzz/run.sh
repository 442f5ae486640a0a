#!/bin/bash
# Fuzzes one target after the other, and ends at the first finding. `make fuzz` calls it.
#
#     FUZZ_SECONDS=60 tests/fuzz/run.sh PROGRAMS TARGET...
#
# PROGRAMS is the folder of fuzz_TARGET. A target begins with tests/fuzz/corpus/TARGET;
# what it finds is kept in PROGRAMS/corpus/TARGET for the next time, a reproducer in
# PROGRAMS/findings. CPU seconds, executions and findings are added to tally.tsv.
#
#     tests/fuzz/run.sh --merge PROGRAMS TARGET...
#
# makes corpora anew: few and small files that reach the same code, called by their SHA-1.
# Those with names are made by hand, or (found-...) were findings; they stay.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/fuzz/tally.sh
. tests/fuzz/tally.sh

largest_corpus=20000 # bytes
# A header that claims much memory is a finding. What may be a compressed stream has a window
# of up to 128 MiB.
limits=(-rss_limit_mb=600 -malloc_limit_mb=100 -timeout=60 -max_len=16384)
packed_limits=(-rss_limit_mb=600 -malloc_limit_mb=200 -timeout=60 -max_len=16384)
export ASAN_OPTIONS=quarantine_size_mb=16:detect_leaks=1
export UBSAN_OPTIONS=print_stacktrace=1

limits_of() {
    case $1 in
        archive | compressed | csv | jsonl | lines | msgpack | tsv)
            printf '%s\n' "${packed_limits[@]}"
            ;;
        *) printf '%s\n' "${limits[@]}" ;;
    esac
}

# fuzz TARGET: false at a finding.
fuzz() {
    local target=$1 status=0 executions log=$programs/$1.log own
    mapfile -t own < <(limits_of "$target")
    mkdir -p "$programs/corpus/$target" "$programs/findings"
    TIMEFORMAT='%U %S'
    { time "$programs/fuzz_$target" "${own[@]}" -max_total_time="${FUZZ_SECONDS:-60}" \
        -print_final_stats=1 -artifact_prefix="$programs/findings/$target-" \
        "$programs/corpus/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1 || status=$?; } \
        2>"$log.time"
    executions=$(awk '/^stat::number_of_executed_units:/ { n = $2 } END { print n + 0 }' "$log")
    add_to_tally "$target" "$(awk '{ print $1 + $2 }' "$log.time")" "$executions" $((status != 0))
    if [ "$status" = 0 ]; then
        echo "$target: $executions executions, nothing found"
        return
    fi
    grep -aE 'ERROR:|SUMMARY:|runtime error:|^fuzz:' "$log" | head -n 5 || true
    echo "$target: $(grep -ao "$programs/findings/[^ ]*" "$log" | tail -n 1) is a finding, see $log"
    return 1
}

# smallest FOLDER: its files, as many as are within the bound.
smallest() {
    find "$1" -type f -printf '%s %p\n' | sort -n |
        awk -v most="$largest_corpus" '(sum += $1) <= most { print $2 }'
}

merge() {
    local target=$1 kept=tests/fuzz/corpus/$1 own fresh=$programs/merged/$1
    mapfile -t own < <(limits_of "$target")
    rm -rf "$fresh"
    mkdir -p "$fresh" "$programs/corpus/$target"
    "$programs/fuzz_$target" -set_cover_merge=1 "${own[@]}" -use_counters=0 \
        "$fresh" "$kept" "$programs/corpus/$target" >"$programs/$target.log" 2>&1
    find "$kept" -type f -regextype posix-extended -regex '.*/[0-9a-f]{40}' -delete
    smallest "$fresh" | xargs -r cp -t "$kept"
    echo "$target: $(find "$kept" -type f | wc -l) files, $(cat "$kept"/* | wc -c) bytes"
}

work=fuzz
if [ "$1" = --merge ]; then
    work=merge
    shift
fi
programs=$(cd "$1" && pwd) # a target may stand elsewhere when it ends
shift
for target in "$@"; do
    "$work" "$target"
done
