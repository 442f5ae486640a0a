#!/usr/bin/env bats
# Every tool under memcheck on sentences of the default data: bs-tokenize with the
# default model, the others with a tiny one (memcheck is some fifty times slower). Run by
# `make valgrind`; TEST_UNDER is the command that runs a program and ends in another
# status than the program's own if memory was misused or lost.
# shellcheck disable=SC2154 # status comes from helper.bash

load ../cli/helper

setup_file() {
    export MODEL=$ROOT/models/all-minilm-l6-v2
    cd "$BATS_FILE_TMPDIR" || return 1
    make_model tiny
    awk -F '\t' 'NR == 1 || n[$1]++ < 10' "$ROOT/data/film-reviews.tsv" >texts.tsv
    tool tokenize -m tiny -o tokens texts.tsv
    tool predict -m tiny -f msgpack -t msgpack -o predictions tokens
    mkdir -p films/good films/bad
    echo 'fine' >films/good/1.txt
    echo 'awful' >films/bad/1.txt
    tar -czf films.tar.gz films
}

setup() {
    cd "$BATS_FILE_TMPDIR" || return 1
}

# under STATUS NAME ARGS...: bs-NAME ends in STATUS, as it would without memcheck.
under() {
    local wanted=$1 name=$2
    shift 2
    [ -n "$TEST_UNDER" ]
    # shellcheck disable=SC2086 # a command with its options
    go $TEST_UNDER "$BIN/bs-$name" --threads 2 "$@"
    status_is "$wanted"
}

@test "bs-tokenize: a table, an archive, lines" {
    under 0 tokenize -m "$MODEL" -t ids texts.tsv
    tool tokenize -m "$MODEL" -t ids texts.tsv | cmp - out
    under 0 tokenize -m tiny --split a=1,b=1 --part a --rejects rejected -o part films.tar.gz
    under 0 tokenize -m tiny -t jsonl texts.tsv
    under 0 tokenize -m tiny -t ids films/*/1.txt
}

@test "bs-train: a run, the same again, by plain loops" {
    under 0 train -m tiny -o run --max-steps 2 --eval-data tokens tokens
    under 0 train -m tiny -o run --max-steps 2 --eval-data tokens tokens
    under 0 train -m tiny -o plain --device ref --max-steps 2 --accumulation 2 texts.tsv
}

@test "bs-predict: a table, token records, a pipe" {
    under 0 predict -m tiny --probabilities texts.tsv
    under 0 predict -m tiny -f msgpack -t jsonl --threshold 0.6 tokens
    echo fine | under 0 predict -m tiny
}

@test "bs-eval: predictions, labelled texts" {
    under 0 eval --confusion predictions
    under 1 eval --require 'accuracy>=1.1' predictions
    under 0 eval -m tiny --resamples 10 texts.tsv
}

@test "bs-export: a bundle, a directory, looked through" {
    under 0 export -m tiny --to bundle -o tiny.bundle
    under 0 export -m tiny.bundle --verify
    under 0 export -m tiny.bundle --to hf -o tiny.hf texts.tsv
}

@test "what is wrong is left in good order too" {
    head -c 2000 tokens >half
    under 4 predict -m tiny -f msgpack half
    under 4 train -m tiny -o half.run -f msgpack half
    under 4 eval -f msgpack half
    printf 'text\tlabel\nfine\n' >short.tsv
    under 3 tokenize -m tiny -o short short.tsv
    under 4 tokenize -m films texts.tsv
    under 2 train -m tiny tokens
}
