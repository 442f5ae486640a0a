#!/bin/bash
# Fuzzes the tools themselves, one kind of file after the other, with AFL++, and ends at the
# first finding. `make fuzz-tools` calls it.
#
#     FUZZ_SECONDS=60 tests/fuzz/tools.sh BIN KIND...
#
# BIN is the folder of tools that afl-clang-fast has compiled, with sanitizers. It begins
# with small files of each kind that the tools make here, and goes on from where it was in
# build/fuzz-tools/runs. CPU seconds, executions and findings are added to tally.tsv.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/fuzz/tally.sh
. tests/fuzz/tally.sh

bin=$(cd "$1" && pwd)
shift
work=$PWD/build/fuzz-tools
tiny=$work/tiny
model=$work/model # a copy of it, one file of which is what is tried
largest_claim=200 # MB: more at once, from files as small as these, is a finding
export AFL_NO_UI=1 AFL_NO_AFFINITY=1 AFL_QUIET=1 AFL_AUTORESUME=1 AFL_SKIP_CPUFREQ=1
export AFL_BENCH_UNTIL_CRASH=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1
export ASAN_OPTIONS=abort_on_error=1:symbolize=0:detect_leaks=0:max_allocation_size_mb=$largest_claim
export UBSAN_OPTIONS=abort_on_error=1

# given KIND: a seed of that kind, in work/seeds/KIND.
given() {
    mkdir -p "$work/seeds/$1"
    cat >"$work/seeds/$1/$2"
}

prepare() {
    rm -rf "$tiny" "$model" "$work/seeds"
    mkdir -p "$work/seeds" "$work/runs" "$work/texts/good"
    perl tests/cli/make-model.pl "$tiny"
    cp -r "$tiny" "$model"
    printf 'label\ttext\npositive\tgood film\nnegative\t"bad"\n' | given tsv rows
    printf 'label,text\npositive,"good, film"\nnegative,"b""ad"\n' | given csv rows
    printf '{"label": "positive", "text": "good\\u00e9 film", "more": [1, {"a": null}]}\n' |
        given jsonl rows
    printf 'good film\r\n\n\xff bad [SEP]' | given lines rows
    cp "$work"/seeds/tsv/rows "$work/texts/good/1.txt"
    tar cf - -C "$work/texts" . | given tree tar
    gzip <"$work/seeds/lines/rows" | given auto gz
    xz <"$work/seeds/lines/rows" | given auto xz
    zstd -q <"$work/seeds/lines/rows" | given auto zst
    "$bin/bs-tokenize" -m "$tiny" -f tsv "$work/seeds/tsv/rows" 2>"$work/err" | given tokens rows
    "$bin/bs-predict" -m "$tiny" -f tsv -t msgpack "$work/seeds/tsv/rows" 2>"$work/err" |
        given predictions rows
    "$bin/bs-predict" -m "$tiny" -f tsv "$work/seeds/tsv/rows" 2>"$work/err" | given answers rows
    "$bin/bs-export" -q -m "$tiny" --to bundle -o "$work/bundle"
    given bundle bundle <"$work/bundle"
    given config config <"$tiny/config.json"
    given vocabulary vocabulary <"$tiny/vocab.txt"
    given tokenizer tokenizer <"$tiny/tokenizer_config.json"
    given weights weights <"$tiny/model.safetensors"
}

# command_for KIND: what reads a file of that kind, one word a line.
command_for() {
    local file=$work/input predict=("$bin/bs-predict" --device ref --threads 1) words
    case $1 in
        lines | tsv | csv | jsonl | tree | auto)
            words=("$bin/bs-tokenize" -m "$tiny" --threads 1 -f "$1" "$file") ;;
        tokens) words=("${predict[@]}" -m "$tiny" -f msgpack "$file") ;;
        predictions) words=("$bin/bs-eval" --resamples 0 -f msgpack "$file") ;;
        answers) words=("$bin/bs-eval" --resamples 0 -f tsv "$file") ;;
        bundle) words=("${predict[@]}" -m "$file" "$work/seeds/lines/rows") ;;
        config | vocabulary | tokenizer | weights)
            words=("${predict[@]}" -m "$model" "$work/seeds/lines/rows") ;;
        *) echo "fuzz: no files of kind \"$1\"" >&2; return 2 ;;
    esac
    printf '%s\n' "${words[@]}"
}

# place KIND: where a file of that kind lies.
place() {
    case $1 in
        config) echo "$model/config.json" ;;
        vocabulary) echo "$model/vocab.txt" ;;
        tokenizer) echo "$model/tokenizer_config.json" ;;
        weights) echo "$model/model.safetensors" ;;
        *) echo "$work/input" ;;
    esac
}

stat_of() {
    awk -v name="$2" '$1 == name { print $3 }' "$work/runs/$1/default/fuzzer_stats"
}

# reads KIND COMMAND...: that it takes the seeds.
reads() {
    local seed kind=$1
    shift
    for seed in "$work/seeds/$kind"/*; do
        cp "$seed" "$(place "$kind")"
        "$@" >"$work/runs/$kind.log" 2>&1 || { cat "$work/runs/$kind.log" >&2; return 1; }
    done
}

# fuzz KIND: false at a finding.
fuzz() {
    local words file found before=0
    command_for "$1" >"$work/words"
    mapfile -t words <"$work/words"
    file=$(place "$1")
    reads "$1" "${words[@]}"
    [ ! -e "$work/runs/$1/default/fuzzer_stats" ] || before=$(stat_of "$1" execs_done)
    TIMEFORMAT='%U %S'
    { time afl-fuzz -V "${FUZZ_SECONDS:-60}" -i "$work/seeds/$1" -o "$work/runs/$1" -f "$file" -m none \
        -t 10000 -- "${words[@]}" >"$work/runs/$1.log" 2>&1; } 2>"$work/runs/$1.time" || {
        tail -n 20 "$work/runs/$1.log" >&2
        return 1
    }
    [ "$file" = "$work/input" ] || cp "$tiny/$(basename "$file")" "$file"
    found=$(find "$work/runs/$1/default/crashes" "$work/runs/$1/default/hangs" -name 'id:*')
    add_to_tally "tool: $1" "$(awk '{ print $1 + $2 }' "$work/runs/$1.time")" \
        $(($(stat_of "$1" execs_done) - before)) "$(grep -c . <<<"$found" || true)"
    if [ -n "$found" ]; then
        echo "$1: these are findings:" "$found"
        return 1
    fi
    echo "$1: $(stat_of "$1" execs_done) executions, nothing found"
}

prepare
for kind in "$@"; do
    fuzz "$kind"
done
