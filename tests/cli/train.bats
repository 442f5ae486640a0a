#!/usr/bin/env bats
# bs-train on a tiny model and made-up sentences: what it prints, what it leaves behind,
# what every option changes, and what it says to wrong input.
# shellcheck disable=SC2086 # ARGS, LONG and options are lists of words

load helper

setup_file() {
    export DIR=$BATS_FILE_TMPDIR
    export TINY=$PWD/tests/parity/golden/tiny
    TRAIN=$(cd "${BS_BIN:-bin}" && pwd)/bs-train
    export TRAIN
    make_texts 0 61 >"$DIR/train.tsv"
    make_texts 500 20 >"$DIR/eval.tsv"
    export ARGS="-m $TINY --epochs 2 --warmup-steps 2 --learning-rate 1e-3 --eval-steps 5"
    "$TRAIN" $ARGS -o "$DIR/base" --eval-data "$DIR/eval.tsv" "$DIR/train.tsv" \
        >"$DIR/base.out" 2>"$DIR/base.err"
}

# train NAME ARGUMENTS...: into $DIR/NAME, after the common arguments.
train() {
    local name=$1
    shift
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/$name" "$@"
}

setup() {
    bats_require_minimum_version 1.5.0
}

same_model() {
    cmp "$DIR/$1/last/model.safetensors" "$DIR/$2/last/model.safetensors"
}

# A line that begins with "!" never fails a test; this does.
other_model() {
    if same_model "$1" "$2" >/dev/null 2>&1; then
        echo "$1 and $2 are the same model"
        return 1
    fi
}

# differs NAME OPTIONS...: the options change the trained weights.
differs() {
    local name=$1
    shift
    train "$name" --eval-data "$DIR/eval.tsv" "$@" "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    other_model "$name" base
}

@test "the report: aligned on stdout, the same figures in log.tsv" {
    [ "$(head -n 1 "$DIR/base.out")" = "    Step  Training Loss  Validation Loss  Accuracy        F1  Precision    Recall" ]
    [ "$(wc -l <"$DIR/base.out")" -eq 5 ]
    diff <(tail -n +2 "$DIR/base.out" | awk '{ $1 = $1; print }' OFS='\t') \
        <(tail -n +2 "$DIR/base/log.tsv")
    [ "$(head -n 1 "$DIR/base/log.tsv")" = $'step\ttraining_loss\tvalidation_loss\taccuracy\tf1\tprecision\trecall' ]
    [ "$(cut -f 1 "$DIR/base/log.tsv" | tr '\n' ' ')" = "step 5 10 15 16 " ]
    grep -q '61 examples to train on, 20 to evaluate, 2 labels' "$DIR/base.err"
    grep -q 'bs-train: 16 steps in' "$DIR/base.err"
}

@test "the training loss is the mean since the last report" {
    train single --eval-steps 1 --eval-data "$DIR/eval.tsv" "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    same_model single base
    awk -F '\t' 'NR == FNR { loss[$1] = $2; next }
        FNR > 1 { sum = 0; n = $1 - from
            for (i = from + 1; i <= $1; i++) sum += loss[i]
            if ((d = sum / n - $2) > 2e-6 || d < -2e-6) exit 1
            from = $1; rows++ }
        END { if (rows != 4) exit 1 }' "$DIR/single/log.tsv" "$DIR/base/log.tsv"
}

@test "the folder: best and last are model directories with their labels" {
    [ "$(readlink "$DIR/base/last")" = checkpoint-16 ]
    [ -s "$DIR/base/best/model.safetensors" ]
    for file in config.json model.safetensors vocab.txt tokenizer.json bs.json; do
        [ -s "$DIR/base/last/$file" ]
    done
    grep -q '"good"' "$DIR/base/last/config.json"
    grep -q '"step": 16' "$DIR/base/last/bs.json"
    grep -q '"learning_rate": 0.001' "$DIR/base/last/bs.json"
    [ "$(find "$DIR/base" -name 'checkpoint-*' | wc -l)" -le 2 ]
    [ "$(find "$DIR/base" -name '*partial*' -o -name '.link*')" = "" ]
}

@test "without evaluation data: the training loss alone, no best" {
    train plain "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 5 ]
    [[ ${lines[1]} =~ ^\ +5\ +0\.[0-9]+\ +-\ +-\ +-\ +-\ +-$ ]]
    [ ! -e "$DIR/plain/best" ]
    same_model plain base
}

@test "the same command, run after run and for 1 and 2 threads, gives the same bytes" {
    for threads in 1 2; do
        train "threads$threads" --threads $threads --eval-data "$DIR/eval.tsv" "$DIR/train.tsv"
        [ "$status" -eq 0 ]
        [ "$output" = "$(cat "$DIR/base.out")" ]
        same_model "threads$threads" base
        cmp "$DIR/threads$threads/log.tsv" "$DIR/base/log.tsv"
        cmp "$DIR/threads$threads/last/bs.json" "$DIR/base/last/bs.json"
    done
}

@test "token records give the same model as the text they were made from" {
    tokenize=$(dirname "$TRAIN")/bs-tokenize
    [ -x "$tokenize" ] || skip "bs-tokenize is not built"
    "$tokenize" -m "$TINY" "$DIR/train.tsv" --to msgpack >"$DIR/train.msgpack"
    "$tokenize" -m "$TINY" "$DIR/eval.tsv" --to msgpack >"$DIR/eval.msgpack"
    train tokens --eval-data "$DIR/eval.msgpack" "$DIR/train.msgpack"
    [ "$status" -eq 0 ]
    same_model tokens base
    cmp "$DIR/tokens/last/bs.json" "$DIR/base/last/bs.json"
}

@test "a pipe, gzip, CSV and JSON lines give the same model" {
    train pipe --from tsv - <"$DIR/train.tsv"
    [ "$status" -eq 0 ]
    same_model pipe base
    gzip -c "$DIR/train.tsv" >"$DIR/train.tsv.gz"
    tr '\t' ',' <"$DIR/train.tsv" >"$DIR/train.csv"
    awk -F '\t' 'NR > 1 { printf "{\"label\": \"%s\", \"text\": \"%s\"}\n", $2, $1 }' \
        "$DIR/train.tsv" >"$DIR/train.jsonl"
    for input in train.tsv.gz train.csv train.jsonl; do
        train "from-$input" "$DIR/$input"
        [ "$status" -eq 0 ]
        same_model "from-$input" base
    done
}

@test "every option of the training changes the weights" {
    differs epochs --epochs 1
    differs steps --max-steps 7
    [ "$(readlink "$DIR/steps/last")" = checkpoint-7 ]
    differs batch --batch-size 4
    differs accumulation --accumulation 2
    [ "$(readlink "$DIR/accumulation/last")" = checkpoint-8 ]
    differs rate --learning-rate 2e-3
    differs warmup --warmup-steps 3
    differs decay --weight-decay 0.5
    differs clip --max-grad-norm 0.01
    differs cosine --schedule cosine
    differs constant --schedule constant
    differs weights --class-weights good=3
    differs smoothing --label-smoothing 0.2
    differs seed --seed 7
    differs length --max-length 5
    differs precision --precision bf16
}

@test "--class-weights balanced follows the counts" {
    head -n 41 "$DIR/train.tsv" >"$DIR/skewed.tsv"
    grep 'good$' "$DIR/train.tsv" | tail -n 10 >>"$DIR/skewed.tsv"
    train skewed "$DIR/skewed.tsv"
    [ "$status" -eq 0 ]
    train balanced --class-weights balanced "$DIR/skewed.tsv"
    [ "$status" -eq 0 ]
    other_model skewed balanced
}

@test "--freeze leaves what it names as it was" {
    differs frozen --freeze embeddings
    differs layers --freeze 2
    other_model frozen layers
    train all --freeze 9 "$DIR/train.tsv"
    [ "$status" -eq 2 ]
    [[ $stderr == *"bs-train: --freeze 9: the model has 3 layers" ]]
    [ -z "$output" ]
    [ ! -e "$DIR/all" ]
}

@test "--eval-fraction holds back part of the data, by seed" {
    train fraction --eval-fraction 0.3 "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    [[ $stderr =~ ([0-9]+)\ examples\ to\ train\ on,\ ([0-9]+)\ to\ evaluate ]]
    [ $((BASH_REMATCH[1] + BASH_REMATCH[2])) -eq 61 ]
    [ "${BASH_REMATCH[2]}" -gt 5 ]
    [ -e "$DIR/fraction/best" ]
}

@test "--metric chooses the best checkpoint, --patience ends the run" {
    train patience --eval-data "$DIR/eval.tsv" --eval-steps 1 --patience 1 --learning-rate 0 \
        "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    [ "$(readlink "$DIR/patience/last")" = checkpoint-2 ]
    [ "$(readlink "$DIR/patience/best")" = checkpoint-1 ]
    [[ $stderr == *"stopped early, at step 2"* ]]
    [ ! -e "$DIR/patience/best/optimizer.bin" ]
    for metric in loss accuracy macro_f1; do
        train "metric-$metric" --eval-data "$DIR/eval.tsv" --eval-steps 2 --metric $metric \
            "$DIR/train.tsv"
        [ "$status" -eq 0 ]
        column=$(case $metric in loss) echo 3r ;; accuracy) echo 4 ;; *) echo 5 ;; esac)
        best=$(tail -n +2 "$DIR/metric-$metric/log.tsv" |
            awk -v c="${column%r}" -v low="${column#?}" \
                'NR == 1 || (low != "" ? $c < v : $c > v) { v = $c; s = $1 } END { print s }')
        [ "$(readlink "$DIR/metric-$metric/best")" = "checkpoint-$best" ]
    done
}

@test "--save-steps changes no number" {
    train saves --save-steps 3 --eval-data "$DIR/eval.tsv" "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    same_model saves base
    cmp "$DIR/saves/log.tsv" "$DIR/base/log.tsv"
}

@test "--log is a copy of log.tsv" {
    echo old >"$DIR/copy.tsv"
    train logged --log "$DIR/copy.tsv" --eval-data "$DIR/eval.tsv" "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    cmp "$DIR/copy.tsv" "$DIR/logged/log.tsv"
}

@test "--check tells steps, memory and time, and leaves nothing behind" {
    run --separate-stderr "$TRAIN" $ARGS --check --eval-data "$DIR/eval.tsv" "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    [[ $output == *$'training_examples\t61'* ]]
    [[ $output == *$'steps\t16'* ]]
    for part in weights gradients moments activations data sum measured; do
        [[ $output == *"memory_mb:$part"* ]]
    done
    [[ $output == *"seconds:sum"* ]]
    train checked --check "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    [ ! -e "$DIR/checked" ]
}

@test "a long warm-up is warned about" {
    train warm --warmup-steps 4 "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    [[ $stderr == *"4 warm-up steps are 25 % of this run's 16"* ]]
    train cool --warmup-steps 3 "$DIR/train.tsv"
    [[ $stderr != *"warm-up"* ]]
}

@test "a head with the same labels is kept, another is made" {
    run --separate-stderr "$TRAIN" $ARGS -m "$DIR/base/last" -o "$DIR/again" --max-steps 1 "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    [[ $stderr == *"has these labels and is kept"* ]]
    sed 's/good$/fine/' "$DIR/train.tsv" >"$DIR/renamed.tsv"
    run --separate-stderr "$TRAIN" $ARGS -m "$DIR/base/last" -o "$DIR/new" --max-steps 1 "$DIR/renamed.tsv"
    [ "$status" -eq 0 ]
    [[ $stderr != *"is kept"* ]]
    grep -q '"fine"' "$DIR/new/last/config.json"
}

@test "a kept head follows its labels into another order" {
    awk -F '\t' 'NR == 1 { print; next } { print $1 "\t" substr("abc", 1 + NR % 3, 1) }' \
        "$DIR/train.tsv" >"$DIR/three.tsv"
    train three "$DIR/three.tsv"
    for order in a,b,c c,a,b; do
        run --separate-stderr "$TRAIN" $ARGS -m "$DIR/three/last" -o "$DIR/order-$order" --labels $order \
            --learning-rate 0 --max-steps 1 "$DIR/three.tsv"
        [ "$status" -eq 0 ]
        [[ $stderr == *"has these labels and is kept"* ]]
        cmp <(tool predict -m "$DIR/order-$order" "$DIR/three.tsv") \
            <(tool predict -m "$DIR/three" "$DIR/three.tsv")
    done
    grep -q '"0": "c"' "$DIR/order-c,a,b/last/config.json"
    other_model order-c,a,b order-a,b,c
}

@test "labels are sorted by bytes, or as --labels says; five of them" {
    awk -F '\t' 'NR == 1 { print; next } { print $1 "\t" substr("cebad", 1 + NR % 5, 1) }' \
        "$DIR/train.tsv" >"$DIR/five.tsv"
    train five --max-steps 1 "$DIR/five.tsv"
    [ "$status" -eq 0 ]
    grep -o '"[0-4]": "[a-e]"' "$DIR/five/last/config.json" | tr -d '\n' |
        grep -qx '"0": "a""1": "b""2": "c""3": "d""4": "e"'
    train given --max-steps 1 --labels good,bad "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    grep -q '"0": "good"' "$DIR/given/last/config.json"
}

@test "one class only, or no record at all: exit 4 and nothing left behind" {
    grep -v 'good$' "$DIR/train.tsv" >"$DIR/one.tsv"
    train one "$DIR/one.tsv"
    [ "$status" -eq 4 ]
    [ -z "$output" ]
    [[ $stderr == *'one class only, "bad"; two are needed'* ]]
    [ ! -e "$DIR/one" ]
    : >"$DIR/empty.tsv"
    train empty "$DIR/empty.tsv"
    [ "$status" -eq 4 ]
    [ -z "$output" ]
    [ -n "$stderr" ]
    [ ! -e "$DIR/empty" ]
}

@test "records that cannot be used are rejected, and the rest is trained on: exit 3" {
    { cat "$DIR/eval.tsv" && printf 'word1\tawful\n'; } >"$DIR/eval2.tsv"
    train rejected --rejects "$DIR/rejects.jsonl" --eval-data "$DIR/eval2.tsv" "$DIR/train.tsv"
    [ "$status" -eq 3 ]
    [ "$output" = "$(cat "$DIR/base.out")" ]
    [[ $stderr == *'"awful"'* ]]
    [ "$(wc -l <"$DIR/rejects.jsonl")" -eq 1 ]
    same_model rejected base
    train strict --strict --eval-data "$DIR/eval2.tsv" "$DIR/train.tsv"
    [ "$status" -eq 4 ]
    [ ! -e "$DIR/strict" ]
    { cat "$DIR/train.tsv" && printf 'word1\n'; } >"$DIR/short.tsv"
    train short "$DIR/short.tsv"
    [ "$status" -eq 3 ]
    same_model short base
}

@test "a wrong command line: exit 2, nothing on stdout" {
    for wrong in "--epochs 0" "--learning-rate fast" "--schedule step" "--metric f2" \
        "--eval-fraction 1" "--label-smoothing 1" "--batch-size 1e3" "--patience 3" \
        "--eval-fraction 0.1 --eval-data $DIR/eval.tsv" "--class-weights fine=2" \
        "--class-weights good=2,good=3" "--log -" "--freeze all" \
        "--check --restart" "--precision fp8" "--threads 0" "--nonsense"; do
        run --separate-stderr "$TRAIN" $ARGS -o "$DIR/wrong" $wrong "$DIR/train.tsv"
        echo "$wrong: $status $stderr"
        [ "$status" -eq 2 ]
        [ -z "$output" ]
        [ -n "$stderr" ]
        [ ! -e "$DIR/wrong" ]
    done
    run --separate-stderr "$TRAIN" -o "$DIR/wrong" "$DIR/train.tsv"
    [ "$status" -eq 2 ]
    run --separate-stderr "$TRAIN" -m "$TINY" "$DIR/train.tsv"
    [ "$status" -eq 2 ]
    [[ $stderr == *"-o FOLDER is needed"* ]]
}

@test "a model or input that is not there: exit 4" {
    run --separate-stderr "$TRAIN" -m "$DIR/nothing" -o "$DIR/wrong" "$DIR/train.tsv"
    [ "$status" -eq 4 ]
    [[ $stderr == *"$DIR/nothing"* ]]
    train wrong "$DIR/nothing.tsv"
    [ "$status" -eq 4 ]
    [[ $stderr == *"$DIR/nothing.tsv"* ]]
    [ ! -e "$DIR/wrong" ]
}

@test "a dropout that leaves nothing: exit 4, the key by name; bs-predict takes the model" {
    cp -r "$TINY" "$DIR/drops"
    for key in hidden_dropout_prob attention_probs_dropout_prob classifier_dropout; do
        for value in 1.0 1 0.999995; do
            sed -E "s/\"$key\": [^,]*/\"$key\": $value/" "$TINY/config.json" >"$DIR/drops/config.json"
            for check in '' --check; do
                train wrong -m "$DIR/drops" $check "$DIR/train.tsv"
                [ "$status" -eq 4 ]
                [ -z "$output" ]
                [[ $stderr == *"bs-train: $DIR/drops/config.json: \"$key\" must be from 0 to 0.99999 for training" ]]
                [ ! -e "$DIR/wrong" ]
            done
        done
    done
    tool predict -m "$DIR/drops" "$DIR/train.tsv" | cmp - <(tool predict -m "$TINY" "$DIR/train.tsv")
    sed 's/"hidden_dropout_prob": [^,]*/"hidden_dropout_prob": 0.99999/' "$TINY/config.json" >"$DIR/drops/config.json"
    train drops-much -m "$DIR/drops" --max-steps 1 "$DIR/train.tsv"
    [ "$status" -eq 0 ]
}

@test "--help and --version" {
    run --separate-stderr "$TRAIN" --help
    [ "$status" -eq 0 ]
    [[ $output == *"bs-train -m models/"* ]]
    [[ $output == *--label-smoothing* ]]
    run --separate-stderr "$TRAIN" --version
    [ "$status" -eq 0 ]
    [[ $output == "bs-train "* ]]
    [[ $output == *ref* ]]
}

@test "a loss that is not finite: exit 6, the step by number, nothing saved past it" {
    train burst --learning-rate 1e37 --max-grad-norm 0 --warmup-steps 0 --weight-decay 0 \
        --save-steps 1 --epochs 40 "$DIR/train.tsv"
    [ "$status" -eq 6 ]
    [[ $stderr =~ step\ ([0-9]+):\ .*\ not\ finite ]]
    bad=${BASH_REMATCH[1]}
    for checkpoint in "$DIR"/burst/checkpoint-*; do
        [ ! -e "$checkpoint" ] || [ "${checkpoint##*-}" -lt "$bad" ]
    done
}

# diverges RATE WHAT ARGUMENTS...: one step at this rate, and nothing is kept of it.
diverges() {
    local rate=$1 what=$2
    shift 2
    go "$TRAIN" $ARGS -o diverged --learning-rate "$rate" --max-grad-norm 0 --warmup-steps 0 \
        --max-steps 1 "$@" "$DIR/train.tsv"
    status_is 6
    err_has "bs-train: after step 1: $what"
    err_has ' are not finite; nothing was saved from there on'
    fails grep -i nan out
    [ ! -e diverged ]
}

@test "weights that the last step made no numbers: exit 6, no scores, nothing saved" {
    cd "$BATS_TEST_TMPDIR"
    for device in cpu ref; do
        diverges 1e38 'weights of ' --device $device
        diverges 1e38 'weights of ' --device $device --save-steps 1
        diverges 1e38 'logits of the evaluation' --device $device --eval-data "$DIR/eval.tsv"
        # Finite weights, whose products are not.
        diverges 1e30 'logits of the evaluation' --device $device --eval-data "$DIR/eval.tsv"
    done
}

@test "weights that went wrong before a save: what was saved earlier holds" {
    cd "$BATS_TEST_TMPDIR"
    go "$TRAIN" $ARGS -o run --learning-rate 1e38 --warmup-steps 1 --max-steps 5 --save-steps 1 \
        "$DIR/train.tsv"
    status_is 6
    err_has 'bs-train: after step 2: weights of '
    [ "$(readlink run/last)" = checkpoint-1 ]
    go tool predict -m run/last "$DIR/eval.tsv"
    status_is 0
}
