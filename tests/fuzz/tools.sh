#!/bin/bash
# Fuzzes the tools themselves, one kind of file (or of command line) after the other, with
# AFL++, and ends at the first finding. `make fuzz-tools` calls it.
#
#     FUZZ_SECONDS=60 tests/fuzz/tools.sh BIN KIND...
#
# BIN is the folder of tools that afl-clang-fast has compiled, with sanitizers; beside it
# are values.so, for numbers on command lines, and seal.so, for checkpoints. It begins
# with small files of each kind that the tools make here, and goes on from where it was in
# build/fuzz-tools/runs. CPU seconds, executions and findings are added to tally.tsv.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/fuzz/tally.sh
. tests/fuzz/tally.sh

bin=$(cd "$1" && pwd)
parts=$(dirname "$bin")/tests/fuzz
shift
work=$PWD/build/fuzz-tools
tiny=$work/tiny
model=$work/model # a copy of it, one file of which is what is tried
run=$work/run     # a finished training of it
train=("$bin/bs-train" -m "$tiny" --device ref --threads 1 -f tsv -o "$run")
largest_claim=200 # MB: more at once, from files as small as these, is a finding
export AFL_NO_UI=1 AFL_NO_AFFINITY=1 AFL_QUIET=1 AFL_AUTORESUME=1 AFL_SKIP_CPUFREQ=1
export AFL_BENCH_UNTIL_CRASH=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1
export ASAN_OPTIONS=abort_on_error=1:symbolize=0:detect_leaks=0:max_allocation_size_mb=$largest_claim
export UBSAN_OPTIONS=abort_on_error=1
export FUZZ_VALUES=$work/input

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
    "${train[@]}" -q --restart --max-steps 1 "$work/seeds/tsv/rows" >"$work/out"
    given checkpoint finished <"$run/last/optimizer.bin"
    printf '%s\n' 0.5 64 8 1M | given predict_numbers some
    printf '%s\n' a=80,b=20 7 1000 8 | given tokenize_numbers some
    printf '%s\n' 'accuracy>=0' 10 7 1000 | given eval_numbers some
    printf '%s\n' 1e-3 0.1 5 2 1 0.1 3 7 1 8 64K positive=2,negative=1 | given train_numbers some
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
        checkpoint) words=("${train[@]}" --max-steps 1 "$work/seeds/tsv/rows") ;;
        # What is behind an @ is a line of the file, or stands where it has no more lines.
        predict_numbers) words=("${predict[@]}" -m "$tiny" --threshold @0.5 --batch-tokens @64
            --max-length @8 --max-record @1M "$work/seeds/lines/rows") ;;
        tokenize_numbers) words=("$bin/bs-tokenize" -m "$tiny" --threads 1 -f tsv --part a
            --split @a=1 --seed @7 --max-record @1000 --max-length @8 "$work/seeds/tsv/rows") ;;
        eval_numbers) words=("$bin/bs-eval" -f tsv --require '@accuracy>=0' --resamples @10
            --seed @7 --max-record @1000 "$work/seeds/answers/rows") ;;
        train_numbers) words=("${train[@]}" --restart --max-steps 1 --learning-rate @1e-3
            --weight-decay @0 --warmup-steps @0 --batch-size @2 --max-grad-norm @1
            --label-smoothing @0 --eval-steps @1 --seed @7 --save-steps @1 --max-length @8
            --max-record @64K --class-weights @balanced "$work/seeds/tsv/rows") ;;
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
        checkpoint) echo "$run/last/optimizer.bin" ;;
        *) echo "$work/input" ;;
    esac
}

# helped KIND COMMAND...: COMMAND, which is AFL++, with what it needs for the kind.
helped() {
    local kind=$1
    shift
    case $kind in
        checkpoint) AFL_CUSTOM_MUTATOR_LIBRARY=$parts/seal.so "$@" ;;
        # Memory that the command line asks for, and does not get, is exit 5.
        *_numbers) ASAN_OPTIONS=$ASAN_OPTIONS:allocator_may_return_null=1 \
            AFL_PRELOAD=$parts/values.so "$@" ;;
        *) "$@" ;;
    esac
}

stat_of() {
    awk -v name="$2" '$1 == name { print $3 }' "$work/runs/$1/default/fuzzer_stats"
}

# reads KIND COMMAND...: that it takes the seeds.
reads() {
    local seed kind=$1 preload=
    shift
    [[ "$kind" != *_numbers ]] || preload=$parts/values.so
    for seed in "$work/seeds/$kind"/*; do
        cp "$seed" "$(place "$kind")"
        LD_PRELOAD=$preload "$@" >"$work/runs/$kind.log" 2>&1 || { cat "$work/runs/$kind.log" >&2; return 1; }
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
    { time helped "$1" afl-fuzz -V "${FUZZ_SECONDS:-60}" -i "$work/seeds/$1" -o "$work/runs/$1" -f "$file" -m none \
        -t 10000 -- "${words[@]}" >"$work/runs/$1.log" 2>&1; } 2>"$work/runs/$1.time" || {
        tail -n 20 "$work/runs/$1.log" >&2
        return 1
    }
    [ "$(dirname "$file")" != "$model" ] || cp "$tiny/$(basename "$file")" "$file"
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
