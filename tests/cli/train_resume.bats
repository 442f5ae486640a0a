#!/usr/bin/env bats
# bs-train killed, stopped, crowded and cut short: what was saved holds, and the same
# command ends in the same bytes.
# shellcheck disable=SC2086,SC2016,SC2030,SC2031,SC2154 # lists of words; bats sets $stderr

load helper

setup_file() {
    export DIR=$BATS_FILE_TMPDIR
    export TINY=$PWD/tests/parity/golden/tiny
    TRAIN=$(cd "${BS_BIN:-bin}" && pwd)/bs-train
    export TRAIN
    make_texts 0 96 >"$DIR/train.tsv"
    make_texts 500 20 >"$DIR/eval.tsv"
    export ARGS="-m $TINY --eval-data $DIR/eval.tsv --epochs 4 --warmup-steps 5 --learning-rate 1e-3
        --eval-steps 10 --save-steps 3"
    began=$(date +%s%N)
    "$TRAIN" $ARGS -o "$DIR/base" "$DIR/train.tsv" >"$DIR/base.out" 2>"$DIR/base.err"
    export TOOK=$((($(date +%s%N) - began) / 1000000)) # milliseconds
    # The same, but long enough to be met by a signal.
    export LONG="-m $TINY --eval-data $DIR/eval.tsv --epochs 5000 --warmup-steps 5 --eval-steps 20"
}

setup() {
    bats_require_minimum_version 1.5.0
}

# same_run NAME: $DIR/NAME holds what the undisturbed run holds, byte for byte.
same_run() {
    diff -r --no-dereference "$DIR/base" "$DIR/$1"
}

# start NAME ARGUMENTS...: a long run in the background; returns when it has saved.
start() {
    local name=$1
    shift
    "$TRAIN" $LONG -o "$DIR/$name" "$@" "$DIR/train.tsv" \
        >"$DIR/$name.out" 2>"$DIR/$name.err" 3>&- &
    pid=$!
    for _ in $(seq 600); do
        [ -e "$DIR/$name/last" ] && return 0
        sleep 0.05
    done
    cat "$DIR/$name.err"
    return 1
}

# ended EXPECTED: waits for the run; its status.
ended() {
    local status=0
    wait "$pid" || status=$?
    echo "status $status"
    [ "$status" -eq "$1" ]
}

@test "killed at random moments, again and again: the same bytes" {
    kills=0
    for _ in $(seq 60); do
        "$TRAIN" $ARGS -o "$DIR/killed" "$DIR/train.tsv" >"$DIR/killed.out" 2>"$DIR/killed.err" 3>&- &
        pid=$!
        sleep "$(awk -v ms=$((RANDOM % (TOOK / 2))) 'BEGIN { print ms / 1000 }')"
        kill -9 $pid 2>/dev/null || true
        if wait $pid; then break; fi
        kills=$((kills + 1))
    done
    echo "killed $kills times"
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/killed" "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    [ "$output" = "$(cat "$DIR/base.out")" ]
    [ "$kills" -gt 0 ]
    same_run killed
}

@test "killed in every stage of a save: the same bytes" {
    command -v strace >/dev/null || skip "strace is not installed"
    for call in renameat2 rename symlink unlinkat; do
        for n in 2 5; do
            rm -rf "$DIR/staged"
            strace -f -o /dev/null -e trace=$call -e "inject=$call:signal=KILL:when=$n" \
                "$TRAIN" $ARGS -o "$DIR/staged" "$DIR/train.tsv" >/dev/null 2>&1 || true
            run "$TRAIN" $ARGS -o "$DIR/staged" "$DIR/train.tsv"
            [ "$status" -eq 0 ]
            same_run staged
        done
    done
}

@test "SIGTERM and SIGINT: saved, 128 + N, gone on with by other threads" {
    for signal in TERM:143 INT:130; do
        name=stop-${signal%:*}
        # A shell's background jobs ignore SIGINT unless told otherwise.
        env --default-signal=INT "$TRAIN" $ARGS -o "$DIR/$name" "$DIR/train.tsv" --threads 1 \
            >"$DIR/$name.out" 2>"$DIR/$name.err" 3>&- &
        pid=$!
        for _ in $(seq 600); do
            [ -e "$DIR/$name/last" ] && break
            sleep 0.02
        done
        kill -s "${signal%:*}" $pid
        ended "${signal#*:}"
        grep -q 'stopped after step' "$DIR/$name.err"
        run --separate-stderr "$TRAIN" $ARGS -o "$DIR/$name" "$DIR/train.tsv" --threads 2
        [ "$status" -eq 0 ]
        [ "$output" = "$(cat "$DIR/base.out")" ]
        same_run "$name"
    done
}

@test "a second signal ends at once; SIGHUP is not heard" {
    start signals
    kill -HUP $pid
    sleep 0.3
    kill -0 $pid
    kill -TERM $pid
    kill -TERM $pid || true
    ended 143
}

@test "SIGTERM while data is read: 143, nothing left behind" {
    mkfifo "$DIR/pipe"
    "$TRAIN" $LONG -o "$DIR/reading" --from tsv - <"$DIR/pipe" \
        >"$DIR/reading.out" 2>"$DIR/reading.err" 3>&- &
    pid=$!
    exec 9>"$DIR/pipe"
    head -n 20 "$DIR/train.tsv" >&9
    sleep 0.5
    kill -TERM $pid
    ended 143
    exec 9>&-
    [ ! -s "$DIR/reading.out" ]
    [ ! -e "$DIR/reading" ]
}

@test "a finished run is left alone, another is refused, --restart begins anew" {
    cp -a "$DIR/base" "$DIR/own"
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/own" "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    [ "$output" = "$(cat "$DIR/base.out")" ]
    [[ $stderr == *"this run is finished, at step 48"* ]]
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/own" --learning-rate 2e-3 "$DIR/train.tsv"
    [ "$status" -eq 2 ]
    [ -z "$output" ]
    [[ $stderr == *"learning_rate is 0.002, was 0.001"* ]]
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/own" "$DIR/eval.tsv"
    [ "$status" -eq 2 ]
    [[ $stderr == *"training_data is not the same"* ]]
    same_run own
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/own" --restart --max-steps 2 "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    [ "$(readlink "$DIR/own/last")" = checkpoint-2 ]
    [ ! -e "$DIR/own/checkpoint-48" ]
}

@test "two runs in one folder: the second is told so, the first goes on" {
    start crowded
    run --separate-stderr timeout 60 "$TRAIN" $LONG -o "$DIR/crowded" "$DIR/train.tsv"
    [ "$status" -eq 2 ]
    [ -z "$output" ]
    [[ $stderr == "bs-train: $DIR/crowded: another run is using this folder" ]]
    kill -0 $pid
    kill -TERM $pid
    ended 143
}

@test "a folder of other things is not written to" {
    mkdir "$DIR/foreign"
    echo mine >"$DIR/foreign/notes.txt"
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/foreign" --restart "$DIR/train.tsv"
    [ "$status" -eq 2 ]
    [[ $stderr == *'"notes.txt"'* ]]
    [ "$(ls -A "$DIR/foreign")" = notes.txt ]
}

@test "a folder that cannot be made: exit 5" {
    run --separate-stderr "$TRAIN" $ARGS -o /proc/none "$DIR/train.tsv"
    [ "$status" -eq 5 ]
    [ -z "$output" ]
    [[ $stderr == *"/proc/none: cannot create folder"* ]]
    echo >"$DIR/file"
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/file" "$DIR/train.tsv"
    [ "$status" -eq 5 ]
}

@test "no space for a checkpoint: exit 5, what was saved before holds" {
    cp -a "$DIR/base" "$DIR/none"
    run --separate-stderr bash -c 'trap "" XFSZ; ulimit -f 600; "$0" $ARGS -o "$1" "$2"' \
        "$TRAIN" "$DIR/full" "$DIR/train.tsv"
    [ "$status" -eq 5 ]
    [[ $stderr == *"File too large"* ]]
    [ ! -e "$DIR/full/last" ]
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/full" "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    same_run full
}

@test "a full tmpfs: exit 5, then enough room and the same bytes" {
    mkdir "$DIR/small"
    mount -t tmpfs -o size=1m none "$DIR/small" 2>/dev/null || skip "mounting is not allowed"
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/small/run" "$DIR/train.tsv"
    umount "$DIR/small"
    [ "$status" -eq 5 ]
    [[ $stderr == *"No space left"* ]]
}

@test "stdout full or closed: the work is done, then exit 5" {
    run --separate-stderr bash -c '"$0" $ARGS -o "$1" "$2" >/dev/full' \
        "$TRAIN" "$DIR/devfull" "$DIR/train.tsv"
    [ "$status" -eq 5 ]
    [[ $stderr == *"standard output: cannot write: No space left on device"* ]]
    same_run devfull
    run --separate-stderr bash -c '"$0" $ARGS -o "$1" "$2" >&-' \
        "$TRAIN" "$DIR/closed" "$DIR/train.tsv"
    [ "$status" -eq 5 ]
    same_run closed
    run bash -c 'set -o pipefail; "$0" $ARGS -o "$1" "$2" 2>"$3" | true' \
        "$TRAIN" "$DIR/piped" "$DIR/train.tsv" "$DIR/piped.err"
    [ "$status" -eq 5 ]
    grep -q 'Broken pipe' "$DIR/piped.err"
    same_run piped
}

@test "--log to a full device: the work is done, then exit 5" {
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/logfull" --log /dev/full "$DIR/train.tsv"
    [ "$status" -eq 5 ]
    [[ $stderr == *"/dev/full: cannot write"* ]]
    [ "$output" = "$(cat "$DIR/base.out")" ]
    same_run logfull
}

@test "a damaged state is told, --restart helps" {
    start damaged
    kill -TERM $pid
    ended 143
    printf X | dd of="$DIR/damaged/last/optimizer.bin" bs=1 seek=2000 conv=notrunc 2>/dev/null
    run --separate-stderr "$TRAIN" $LONG -o "$DIR/damaged" "$DIR/train.tsv"
    [ "$status" -eq 4 ]
    [ -z "$output" ]
    [[ $stderr == *"optimizer.bin: damaged; --restart begins the run anew"* ]]
}

@test "in bf16 too: stopped and gone on with, the same bytes" {
    "$TRAIN" $ARGS --precision bf16 -o "$DIR/whole16" "$DIR/train.tsv" >/dev/null 2>&1
    timeout -s TERM "$(awk -v ms="$TOOK" 'BEGIN { print ms / 2000 }')" "$TRAIN" $ARGS --precision bf16 -o "$DIR/parts16" "$DIR/train.tsv" \
        >/dev/null 2>&1 || true
    run --separate-stderr "$TRAIN" $ARGS --precision bf16 -o "$DIR/parts16" "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    diff -r --no-dereference "$DIR/whole16" "$DIR/parts16"
}
