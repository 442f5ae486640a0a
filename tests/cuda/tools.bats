#!/usr/bin/env bats
# bs-train and bs-predict on a GPU that the stand-in plays, as built by VARIANT=standin:
# the same bytes whatever does not change numbers, what is learnt on the CPU, runs cut
# short, and a GPU that fails.
# shellcheck disable=SC2086,SC2030,SC2031,SC2154 # lists of words; bats sets $status

export BS_BIN=$BATS_TEST_DIRNAME/../../build/standin/bin
load ../cli/helper

setup_file() {
    export DIR=$BATS_FILE_TMPDIR
    export TINY=$ROOT/tests/parity/golden/tiny
    make_texts 0 40 >"$DIR/train.tsv"
    make_texts 500 8 >"$DIR/eval.tsv"
    export ARGS="-m $TINY --eval-data $DIR/eval.tsv --max-steps 9 --warmup-steps 2
        --learning-rate 1e-3 --eval-steps 3 --max-length 16 --device cuda"
    for precision in fp16 bf16; do
        BS_STANDIN_REPORT=$DIR/$precision.report "$BIN/bs-train" $ARGS \
            --precision $precision -o "$DIR/$precision" "$DIR/train.tsv" \
            >"$DIR/$precision.out" 2>"$DIR/$precision.err"
    done
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
}

# trains FOLDER ARGUMENTS...: the run of setup_file, in FOLDER.
trains() {
    local folder=$1
    shift
    go tool train $ARGS "$@" -o "$folder" "$DIR/train.tsv"
}

# same_run PRECISION FOLDER: it holds what the undisturbed run holds, byte for byte.
same_run() {
    diff -r --no-dereference "$DIR/$1" "$2"
}

@test "a sound run: no fault, nothing left behind" {
    for precision in fp16 bf16; do
        grep -q $'^live\t0$' "$DIR/$precision.report"
        fails grep ^fault "$DIR/$precision.report"
        [ "$(readlink "$DIR/$precision/last")" = checkpoint-9 ]
    done
}

@test "twice, with another number of threads, in another order of threads: the same bytes" {
    trains run --precision fp16 --threads 1
    status_is 0
    same_run fp16 run
    BS_STANDIN_SEED=7 trains seven --precision fp16 --threads 2
    status_is 0
    same_run fp16 seven
}

@test "recordings or none: the same bytes, with class weights too" {
    for precision in fp16 bf16; do
        BS_CUDA_GRAPHS=0 trains $precision --precision $precision
        status_is 0
        same_run $precision $precision
    done
    for graphs in 0 1; do
        BS_CUDA_GRAPHS=$graphs BS_STANDIN_REPORT=$graphs.report \
            trains weighted-$graphs --precision bf16 --class-weights bad=1,good=3
        status_is 0
    done
    diff -r --no-dereference weighted-0 weighted-1
    grep -q $'^graphs\t0$' 0.report
    fails grep -q $'^graphs\t0$' "$DIR/bf16.report"
}

@test "killed at a report and gone on with: the same bytes, the loss scale among them" {
    row=$(head -n 1 "$DIR/fp16.out" | wc -c)
    for precision in fp16 bf16; do
        gate $((row * 2 + 10)) # room for the heading and one row: it waits with the next
        OUT=gate launch train $ARGS --precision $precision -o $precision "$DIR/train.tsv"
        wait_until 60 has_lines $precision/log.tsv 3 2>/dev/null
        kill -KILL $pid
        ends 137
        exec 7>&-
        [ "$(readlink $precision/last)" = checkpoint-3 ]
        [ $precision = bf16 ] || grep -aq scale $precision/last/optimizer.bin
        trains $precision --precision $precision
        status_is 0
        err_has "$precision: goes on after step 3 of 9"
        same_run $precision $precision
    done
}

@test "a text alone and among others: the same probability, recorded or not" {
    make_texts 0 128 | tail -n +2 | cut -f 1 >texts
    for precision in fp32 tf32 bf16 fp16; do
        ask="predict -m $DIR/fp16 --device cuda --precision $precision"
        go tool $ask texts
        status_is 0
        mv out together
        go env BS_CUDA_GRAPHS=0 BS_STANDIN_SEED=3 "$BIN/bs-predict" ${ask#* } --batch-tokens 64 texts
        cmp out together
        for line in 1 64 128; do
            sed -n ${line}p texts >one
            go tool $ask one
            cmp <(tail -n 1 out) <(sed -n $((line + 1))p together)
        done
    done
}

@test "fp32 on CPU and GPU: the same losses to 1e-3 over 100 steps" {
    args="${ARGS/ --device cuda/} --max-steps 100 --eval-steps 1 --save-steps 100 --precision fp32"
    args=${args/--eval-data $DIR\/eval.tsv/}
    for device in cpu cuda; do
        go tool train ${args/--max-steps 9/} --device $device --log $device.tsv \
            -o $device "$DIR/train.tsv"
        status_is 0
    done
    paste cpu.tsv cuda.tsv | awk 'NR > 1 {
        off = $2 - $(NF / 2 + 2)
        if (off > 1e-3 || off < -1e-3) { print; bad = 1 }
    } END { exit bad || NR != 101 }'
}

@test "each kind of failure at calls all along: exit 6, in words, and gone on with" {
    calls=$(sed -n 's/^calls\t//p' "$DIR/fp16.report")
    errors=(cudaErrorMemoryAllocation cudaErrorECCUncorrectable cudaErrorLaunchFailure)
    for part in 0 1 2 3 4 5 6 7 8; do
        rm -rf run
        BS_STANDIN_FAIL=$((1 + calls * part / 9)):${errors[part % 3]} \
            trains run --precision fp16
        status_is 6
        grep -qE 'batch-tokens|same command' err
        if [ -e run/last ]; then
            [ -s run/last/model.safetensors ]
            grep -qE ', step [4-9]|after step [3-9]' err
        fi
        trains run --precision fp16
        status_is 0
        same_run fp16 run
    done
}

@test "queued work that fails: exit 6, in words, and gone on with" {
    work=$(sed -n 's/^work\t//p' "$DIR/bf16.report")
    for part in 1 2 3; do
        rm -rf run
        BS_STANDIN_FAULT=$((work * part / 4)):cudaErrorECCUncorrectable \
            trains run --precision bf16
        status_is 6
        err_has 'another GPU'
        trains run --precision bf16
        status_is 0
        same_run bf16 run
    done
}

@test "no memory for a batch, in labelling: exit 6, with the remedy" {
    echo fine >text
    BS_STANDIN_MEMORY=4000000 go tool predict -m "$DIR/fp16" --device cuda text
    status_is 6
    out_is ''
    err_has '--batch-tokens'
}

@test "an infinite weight: exit 4, the tensor by name" {
    cp -r "$DIR/bf16/checkpoint-3" broken
    perl -e 'open my $f, "+<:raw", "broken/model.safetensors" or die;
        seek $f, -4, 2; print $f pack "f<", 9**9**9'
    for precision in fp32 bf16 fp16; do
        go tool train ${ARGS/$TINY/broken} --precision $precision -o new "$DIR/train.tsv"
        status_is 4
        err_has 'tensor classifier.weight has a value that is not finite'
        [ ! -e new/last ]
        rm -rf new
    done
}

# The rate is 0 in step 1: what is saved after it is sound, and later steps are not. fp16
# leaves such steps out as long as it can take gradients smaller: from 2^16 times down to 1.
@test "a step that is not finite: exit 6, the step by number, what was saved holds" {
    ARGS="${ARGS/1e-3/1e38} --save-steps 1 --max-steps 40"
    for precision in fp32 bf16 fp16; do
        rm -rf run before
        trains run --precision $precision
        status_is 6
        err_has ' not finite; nothing was saved from there on'
        last=$(readlink run/last)
        cp -r "run/$last" before
        trains run --precision $precision
        status_is 6
        err_has "run: goes on after step ${last#checkpoint-} of 40"
        diff -r before "run/$last"
    done
}
