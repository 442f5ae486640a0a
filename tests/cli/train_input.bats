#!/usr/bin/env bats
# What bs-train makes of bad training data: a record that cannot be used is told and left
# out (exit 3), data that cannot be trained with is refused (exit 4), and either way an
# earlier run in the folder stays as it was.
# shellcheck disable=SC2154 # status comes from helper.bash

load helper

setup() {
    use_scratch
    {
        printf 'label\ttext\n'
        for words in 'good film' 'very good' 'fine' 'the fine film' 'not bad'; do
            printf 'positive\t%s\nnegative\tawful %s\n' "$words" "$words"
        done
    } >train.tsv
    head -n 3 train.tsv >eval.tsv
    KEPT=$BATS_FILE_TMPDIR/kept
    [ -d "$KEPT" ] || tool train -q -m "$TINY" -o "$KEPT" --max-steps 2 --warmup-steps 0 \
        train.tsv >"$KEPT.out"
}

# train FOLDER ARGUMENTS...: two steps without a warm-up to be warned about.
train() {
    local folder=$1
    shift
    go tool train -m "$TINY" -o "$folder" --max-steps 2 --warmup-steps 0 "$@"
}

# refuses STATUS MESSAGE ARGUMENTS...: stderr ends with the message, stdout is empty; a
# new folder is not left behind, an earlier run is not touched.
refuses() {
    local wanted=$1 message=$2
    shift 2
    for folder in new earlier; do
        rm -rf earlier
        cp -r "$KEPT" earlier
        train $folder "$@"
        status_is "$wanted"
        out_is ''
        if [ "$(tail -n 1 err)" != "bs-train: $message" ]; then
            echo "wanted: bs-train: $message"
            show
            return 1
        fi
        [ ! -e new ]
        diff -r --no-dereference "$KEPT" earlier
    done
}

# ---- nothing to train on --------------------------------------------------------------

@test "empty training data: exit 4" {
    : >empty
    head -n 1 train.tsv >head.tsv
    needed='holds no record to train on (0 rejected); labelled texts or token records are needed'
    refuses 4 "empty: $needed" empty
    [ "$(wc -l <err)" -eq 1 ]
    refuses 4 "head.tsv: $needed" head.tsv
    refuses 4 "standard input: $needed" </dev/null
    refuses 4 "standard input: $needed" - </dev/null
    refuses 4 "the training data: $needed" empty head.tsv
    tool tokenize -m "$TINY" -o empty.msgpack empty
    refuses 4 "empty.msgpack: $needed" empty.msgpack
    refuses 4 "empty: empty, not even the header of a stream: did the command that writes it fail?" \
        -f msgpack empty
}

@test "training data of which every record is rejected: exit 4" {
    printf 'label\ttext\npositive\n\tgood\n' >bad.tsv
    refuses 4 "bad.tsv: holds no record to train on (2 rejected); labelled texts or token records are needed" \
        bad.tsv
    err_has 'bs-train: bad.tsv: line 2: has 1 column, the header has 2'
    err_has 'bs-train: bad.tsv: line 3: the label is empty'
    printf 'good\nbad\n' >texts
    refuses 4 "texts: holds no record to train on (2 rejected); labelled texts or token records are needed" \
        --rejects rejects texts
    err_has 'bs-train: texts: line 1: field "label" is missing'
    [ ! -e rejects ]
}

@test "without training data the evaluation data is not read, nor counted" {
    printf 'x\n' >bad.txt
    refuses 4 "bad.txt: holds no record to train on (1 rejected); labelled texts or token records are needed" \
        --eval-data eval.tsv bad.txt
    [ "$(wc -l <err)" = 2 ]
    refuses 4 "bad.txt: holds no record to train on (1 rejected); labelled texts or token records are needed" \
        --eval-data missing.tsv bad.txt
}

@test "empty evaluation data, or none held back: exit 4" {
    : >empty
    refuses 4 'empty: holds no record to evaluate with' --eval-data empty train.tsv
    refuses 4 '--eval-fraction 1e-06 of 10 examples leaves nothing to evaluate with' \
        --eval-fraction 0.000001 train.tsv
    refuses 4 '--eval-fraction 0.999999 of 10 examples leaves nothing to train on' \
        --eval-fraction 0.999999 train.tsv
    tail -n 1 train.tsv | sed '1i label\ttext' >one.tsv
    refuses 4 '--eval-fraction 0.5 of 1 example leaves nothing to evaluate with' \
        --eval-fraction 0.5 one.tsv
}

# ---- labels ---------------------------------------------------------------------------

@test "one class only: exit 4" {
    grep -v ^negative train.tsv >one.tsv
    refuses 4 'the training data has one class only, "positive"; two are needed' one.tsv
    err_is 'bs-train: 5 examples to train on, 0 to evaluate, 1 label
bs-train: the training data has one class only, "positive"; two are needed'
    refuses 4 'the training data has one class only, "positive"; two are needed' \
        --labels negative,positive one.tsv
    refuses 4 'the training data has one class only, "positive"; two are needed' \
        --labels negative,positive --eval-data train.tsv one.tsv
    head -n 2 train.tsv >single.tsv
    refuses 4 'the training data has one class only, "positive"; two are needed' single.tsv
    err_has 'bs-train: 1 example to train on, 0 to evaluate, 1 label'
}

@test "a label that is not in --labels: rejected, exit 3" {
    { cat train.tsv && printf 'odd\tgood film\n'; } >odd.tsv
    said='line 12: label "odd" is not one of --labels or of the training data'
    train run --labels negative,positive --rejects rejects odd.tsv
    status_is 3
    cmp out "$KEPT.out"
    err_has "bs-train: odd.tsv: $said"
    err_has 'bs-train: 10 examples to train on, 0 to evaluate, 2 labels'
    [ "$(cat rejects)" = '{"file":"odd.tsv","line":12,"reason":"label \"odd\" is not one of --labels or of the training data","raw":"odd\tgood film"}' ]
    cmp run/last/model.safetensors "$KEPT/last/model.safetensors"
    refuses 4 "odd.tsv: $said" --labels negative,positive --strict odd.tsv
    # Of the evaluation data: any label that the training data does not have.
    train eval --rejects rejects --eval-data odd.tsv train.tsv
    status_is 3
    err_has "bs-train: odd.tsv: $said"
    err_has 'bs-train: 10 examples to train on, 10 to evaluate, 2 labels'
    cmp eval/last/model.safetensors "$KEPT/last/model.safetensors"
}

@test "labels in a stream's header are the labels, others are rejected" {
    tool tokenize -m "$TINY" --labels positive,odd,negative -o train.msgpack train.tsv
    train run train.msgpack
    status_is 0
    grep -q '"1": "odd"' run/last/config.json
    tool tokenize -m "$TINY" -o odd.msgpack <(sed 's/^negative/odd/' train.tsv) -f tsv
    cat train.msgpack odd.msgpack >both.msgpack
    train other --labels positive,negative both.msgpack
    status_is 3
    err_has 'bs-train: both.msgpack: record 12: label "odd" is not one of --labels or of the training data'
    err_has 'bs-train: 15 examples to train on, 0 to evaluate, 2 labels'
    # No tool writes a header with a name twice.
    sed 's/\xa8positive\xa3odd\xa8negative/\xa8positive\xa3odd\xa8positive/' train.msgpack >twice.msgpack
    refuses 4 'twice.msgpack: header: label "positive" is named twice' twice.msgpack
}

@test "a label called abstain, which bs-eval takes for no prediction: exit 4" {
    sed 's/^negative/abstain/' train.tsv >abstain.tsv
    is='is what bs-predict says when it predicts nothing; give that label another name'
    refuses 4 "abstain.tsv: line 3: label \"abstain\" $is" abstain.tsv
    [ "$(wc -l <err)" -eq 1 ]
    tool tokenize -m "$TINY" -o abstain.msgpack abstain.tsv
    refuses 4 "abstain.msgpack: record 2: label \"abstain\" $is" abstain.msgpack
    tool tokenize -m "$TINY" --labels positive,abstai_ -o header.msgpack abstain.tsv 2>err || true
    sed -i 's/abstai_/abstain/' header.msgpack
    refuses 4 "header.msgpack: header: label \"abstain\" $is" header.msgpack
    go tool train -m "$TINY" -o new --labels abstain,positive abstain.tsv
    status_is 2
    out_is ''
    err_has "bs-train: --labels: \"abstain\" $is"
    go tool tokenize -m "$TINY" --labels positive,abstain -o new abstain.tsv
    status_is 2
    out_is ''
    err_has "bs-tokenize: --labels: \"abstain\" $is"
    [ ! -e new ]
    # Where the labels are given it is one that is not among them.
    train run --labels positive,negative train.tsv abstain.tsv
    status_is 3
    err_has 'bs-train: abstain.tsv: line 3: label "abstain" is not one of --labels'
}

# ---- records and streams --------------------------------------------------------------

@test "records with bad ids, types or lengths: rejected, exit 3" {
    # The same records as train.tsv, so that the model must be the same.
    tool tokenize -m "$TINY" -t jsonl --drop text -o good.jsonl train.tsv
    {
        head -n 4 good.jsonl
        printf '{"label":"positive",%s}\n' \
            '"ids":[2,84,3]' '"ids":[2,-1,3]' '"ids":[2,9999999999,3]' '"ids":"2 5 3"' \
            '"ids":[2,"5",3]' '"ids":[2,5.5,3]' '"ids":[]' '"ids":null' '"ids":{}' \
            "\"ids\":[$(yes 5, | head -n 64 | tr -d '\n')5]" \
            '"ids":[2,5,3],"type_ids":[0,2,0]' '"ids":[2,5,3],"type_ids":[0,0]' \
            '"ids":[2,5,3],"n_tokens":"3"' '"ids":[2,5,3],"n_tokens":-3' \
            '"ids":[2,5,3],"truncated":1'
        printf '%s\n' '{"label":["a"],"ids":[2,5,3]}' '{"label":"","ids":[2,5,3]}' \
            '{"label":"a\u0000b","ids":[2,5,3]}' '{"label":null,"ids":[2,5,3]}' \
            '{"ids":[2,5,3]}' '{"label":"positive"}' '{"label":"positive","ids":[2,5,3]'
        tail -n 6 good.jsonl
    } >mixed.jsonl
    train run --rejects rejects mixed.jsonl
    status_is 3
    cmp out "$KEPT.out"
    cmp run/last/model.safetensors "$KEPT/last/model.safetensors"
    [ "$(wc -l <rejects)" -eq 22 ]
    [ "$(grep -c '"file":"mixed.jsonl"' rejects)" -eq 22 ]
    [ "$(sed 's/.*"line":\([0-9]*\).*/\1/' rejects | sort -n | paste -sd ' ')" = "$(seq 5 26 | paste -sd ' ')" ]
    err_has 'bs-train: mixed.jsonl: line 5: id 84 is outside the vocabulary of 84 entries'
    err_has "bs-train: mixed.jsonl: line 14: 65 ids are more than the model's 64 positions"
    err_has 'bs-train: 22 records were rejected'
    err_has 'bs-train: 10 examples to train on, 0 to evaluate, 2 labels'
    [ "$(grep -c ': line ' err)" -eq 10 ]
}

@test "a stream with records longer than the positions: rejected, exit 3" {
    { cat train.tsv && printf 'positive\t%s\n' "$(yes good | head -n 63 | paste -sd ' ')"; } >long.tsv
    tool tokenize -m "$TINY" --max-length 0 -o long.msgpack long.tsv
    train run long.msgpack
    status_is 3
    cmp out "$KEPT.out"
    cmp run/last/model.safetensors "$KEPT/last/model.safetensors"
    err_has "bs-train: long.msgpack: record 11: 65 ids are more than the model's 64 positions"
}

@test "a stream made with another vocabulary: exit 4" {
    make_model foreign foreign
    tool tokenize -m foreign -o foreign.msgpack train.tsv
    digest() { head -c 200 "$1" | grep -oaE '[0-9a-f]{64}' | head -c 12; }
    tool tokenize -m "$TINY" -o own.msgpack train.tsv
    said="foreign.msgpack: made with another vocabulary ($(digest foreign.msgpack), the model has $(digest own.msgpack)); tokenize the texts again with bs-tokenize -m of this model"
    refuses 4 "$said" foreign.msgpack
    [ "$(wc -l <err)" -eq 1 ]
    refuses 4 "foreign.msgpack: the header of the stream differs from the first one's (own.msgpack) in tokenizer; make both again with the same -m" \
        own.msgpack foreign.msgpack
    refuses 4 "$said" train.tsv foreign.msgpack
    refuses 4 "$said" --eval-data foreign.msgpack train.tsv
}

@test "a stream that is cut, flipped, of another kind or without an end: exit 4" {
    tool tokenize -m "$TINY" -o whole.msgpack train.tsv
    size=$(stat -c %s whole.msgpack)
    head -c $((size - 3)) whole.msgpack >cut.msgpack
    refuses 4 'cut.msgpack: records 1-10: the stream has no end: it was cut off, or what wrote it failed' \
        cut.msgpack
    perl -0777 -pe 's/\x93\xa3end.*//s' whole.msgpack >endless.msgpack
    refuses 4 'endless.msgpack: records 1-10: the stream has no end: it was cut off, or what wrote it failed' \
        endless.msgpack
    sed 's/very good/fery good/' whole.msgpack >flipped.msgpack
    refuses 4 'flipped.msgpack: records 1-10: checksum mismatch: the stream is damaged' \
        flipped.msgpack
    tool predict -m "$TINY" -t msgpack -o predictions.msgpack train.tsv
    refuses 4 'predictions.msgpack: a stream of predictions where text or tokens are expected; bs-eval without --model reads those' \
        predictions.msgpack
    refuses 4 'train.tsv: not a stream of records (msgpack with a header)' -f msgpack train.tsv
}

# shellcheck disable=SC2094 # that is what is tried
@test "files that are written are none of those that are read: exit 2, all are kept" {
    cp train.tsv train.kept
    cp eval.tsv eval.kept
    refuses 2 '--log would be written into the input train.tsv' --log train.tsv train.tsv
    refuses 2 '--log would be written into the input eval.tsv' --log ./eval.tsv \
        --eval-data eval.tsv train.tsv
    refuses 2 '--log and --rejects are both both' --log both --rejects both train.tsv
    refuses 2 '--rejects would replace the input eval.tsv' --rejects eval.tsv \
        --eval-data eval.tsv train.tsv
    train new --rejects train.tsv train.tsv
    status_is 2
    err_has 'bs-train: --rejects would replace the input train.tsv'
    refuses 2 '--log would be written into the input train.tsv' --log train.tsv <train.tsv
    refuses 2 '--log would be written into the input train.tsv' --log train.tsv - <train.tsv
    refuses 2 '--log would be written into the input /dev/stdin' --log eval.tsv \
        --eval-data - train.tsv <eval.tsv
    refuses 2 '--rejects would replace the input /dev/stdin' --rejects eval.tsv \
        --eval-data - train.tsv <eval.tsv
    cmp train.tsv train.kept
    cmp eval.tsv eval.kept
    [ ! -e both ]
}

@test "a folder that is trained on is read without what an earlier call wrote there" {
    mkdir -p data/good data/bad
    for i in 1 2 3; do
        echo "fine film $i" >data/good/$i.txt
        echo "awful film $i" >data/bad/$i.txt
    done
    train data/run -f tree --log data/good/log.txt data
    status_is 0
    err_has '6 examples to train on'
    for option in -q --check; do
        train data/run -f tree $option --log data/good/log.txt data
        status_is 0
    done
    cmp data/run/log.tsv data/good/log.txt
    grep -qx "$(printf 'training_examples\t6')" out
    rm -r data/run
    train other -f tree --log data/good data
    status_is 5
    err_has '7 examples to train on'
    err_has 'bs-train: data/good: cannot create: Is a directory'
    train data/new -f tree --log data/good/log.txt data
    status_is 0
    err_has '6 examples to train on'
}
