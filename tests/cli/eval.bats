#!/usr/bin/env bats
# bs-eval: scikit-learn's values to the last digit, requirements, and records that cannot
# be scored. More bad input is in text_input.bats, rejected.bats and the streams' files.
# shellcheck disable=SC2154 # status comes from helper.bash

load helper

setup() {
    use_scratch
    GOLDEN=$ROOT/tests/parity/golden/metrics
}

eval_() {
    tool eval "$@"
}

# Six records: one right of each label, one wrong of each, an abstained, a rejected one.
some_predictions() {
    printf '%s\t%s\t%s\n' predicted probability label pos 0.9 pos neg 0.8 pos \
        neg 0.7 neg pos 0.6 neg abstain 0.5 neg '' '' pos
}

# value METRIC: from out.
value() {
    awk -F '\t' -v name="$1" '$1 == name { print $2 }' out
}

# ---- command line -----------------------------------------------------------------

@test "--help goes to stdout, an example first" {
    help_is eval '  bs-predict *|*bs-eval *' --require --confusion
}

@test "a wrong command line is exit 2, with the reason" {
    each_is_wrong eval_ --nonsense '--require f1' '--require >=3' '--require f1>=x' \
        '--require f1>=' '--resamples -1' '--resamples many' '-t msgpack'
}

@test "options of labelling need -m, exit 2" {
    for option in '--max-length 7' '--max-length 0' '--truncation tail' \
        --literal-special-tokens '--precision bf16' '--precision fp32' '--precision auto' \
        '--batch-tokens 9' '--device cpu'; do
        # shellcheck disable=SC2086
        go eval_ $option "$GOLDEN/two.jsonl"
        status_is 2
        out_is ''
        err_is "bs-eval: ${option% *} needs -m MODEL: without it nothing is labelled, predictions are read"
        # shellcheck disable=SC2086
        go eval_ -m nowhere $option "$GOLDEN/two.jsonl"
        status_is 4
    done
    go eval_ --threads 2 "$GOLDEN/two.jsonl"
    status_is 0
}

@test "predictions are no labels, but another model's are: exit 2 without -m" {
    printf 'text\tpredicted\ngood film\tpositive\nfine\tnegative\n' >"$BATS_TEST_TMPDIR/other.tsv"
    go eval_ --label predicted "$BATS_TEST_TMPDIR/other.tsv"
    status_is 2
    err_is 'bs-eval: --label predicted: predictions are compared with the labels; name another column, or -m MODEL which makes them anew'
    go eval_ -m "$TINY" --label predicted "$BATS_TEST_TMPDIR/other.tsv"
    status_is 0
    out_has $'support\t2'
}

# ---- values -----------------------------------------------------------------------

@test "scores are scikit-learn's to the last digit" {
    for name in two ties skewed many never; do
        go eval_ --confusion "$GOLDEN/$name.jsonl"
        status_is 0
        err_is ''
        grep -vE ':(low|high)	|^abstained|^rejected' out >scores
        diff scores "$GOLDEN/$name.tsv"
    done
}

@test "the confusion matrix is left out where its pairs would fill memory" {
    labels() {
        echo $'label\tpredicted'
        seq "$1" | sed 's/.*/&\t&/'
    }
    go eval_ --quiet --resamples 0 --confusion -f tsv < <(labels 1000)
    status_is 0
    [ "$(grep -c ^confusion: out)" -eq 1000000 ]
    go eval_ --resamples 0 --confusion -f tsv < <(labels 1001)
    status_is 0
    [ "$(grep -c ^confusion: out)" -eq 0 ]
    grep -qx 'bs-eval: no confusion matrix: there are more than 1,000 labels' err
}

@test "intervals hold the value, and depend on nothing but the seed" {
    go eval_ "$GOLDEN/two.jsonl"
    status_is 0
    err_is ''
    cp out first
    awk -F '\t' '
        $1 ~ /:low$/ { if (!($2 <= value && $1 == name ":low")) bad = 1; next }
        $1 ~ /:high$/ { if (!($2 >= value && $1 == name ":high")) bad = 1; n++; next }
        { name = $1; value = $2 }
        END { exit bad || n != 20 }' out
    [ "$(value accuracy:low)" = 0.758485 ]
    [ "$(value accuracy:high)" = 0.829002 ]
    go eval_ --threads 1 "$GOLDEN/two.jsonl"
    cmp out first
    go eval_ --seed 7 "$GOLDEN/two.jsonl"
    if cmp -s out first; then false; fi
    [ "$(value accuracy:low)" = 0.758485 ]
    go eval_ --resamples 0 "$GOLDEN/two.jsonl"
    [ -n "$(value accuracy:low)" ]
    [ -z "$(value macro_f1:low)" ]
}

@test "several files count as one" {
    head -n 200 "$GOLDEN/two.jsonl" >a.jsonl
    tail -n +201 "$GOLDEN/two.jsonl" >b.jsonl
    eval_ "$GOLDEN/two.jsonl" >whole
    go eval_ a.jsonl b.jsonl
    status_is 0
    err_is ''
    cmp out whole
}

@test "abstained and rejected predictions are wrong, and counted" {
    some_predictions >p.tsv
    go eval_ --resamples 0 p.tsv
    status_is 0
    err_is ''
    [ "$(value accuracy)" = 0.333333 ]
    [ "$(value macro_recall)" = 0.333333 ]
    [ "$(value macro_precision)" = 0.500000 ]
    [ "$(value support)" = 6 ]
    [ "$(value abstained)" = 1 ]
    [ "$(value rejected)" = 1 ]
    [ -z "$(value f1:abstain)" ]
}

@test "one class only is scored" {
    printf '{"predicted":"a","label":"a","probability":0.75}\n' >p.jsonl
    go eval_ p.jsonl
    status_is 0
    err_is ''
    [ "$(value accuracy)" = 1.000000 ]
    [ "$(value log_loss)" = 0.287682 ]
    [ -z "$(value roc_auc)" ]
}

@test "without probabilities what needs them is left out, with a note" {
    cut -d , -f 1,3 "$GOLDEN/two.jsonl" | sed 's/$/}/' >p.jsonl
    go eval_ p.jsonl
    status_is 0
    err_has 'without probabilities'
    [ -n "$(value macro_f1)" ]
    [ "$(grep -cE 'log_loss|calibration|roc_auc' out)" = 0 ]
    sed 's/, "probabilities.*/}/' "$GOLDEN/many.jsonl" >p.jsonl
    go eval_ p.jsonl
    status_is 0
    err_has 'probabilities of all labels'
    [ -z "$(value log_loss)" ]
    [ -n "$(value expected_calibration_error)" ]
}

@test "odd label names are escaped" {
    printf '{"predicted":"a\\tb\\\\","label":"a\\tb\\\\"}\n' >p.jsonl
    go eval_ -q p.jsonl
    status_is 0
    err_is ''
    out_has 'f1:a\tb\\	1.000000'
}

@test "a colon in a label is escaped: no two lines have one name, and each can be required" {
    printf '{"predicted":"%s","label":"%s"}\n' a a a:low a:low a a:b b:c c >p.jsonl
    go eval_ -q --confusion --resamples 2 p.jsonl
    status_is 0
    cp out whole
    out_has 'f1:a\:low	1.000000'
    out_has 'confusion:a\:b:c	0'
    tail -n +2 whole | cut -f 1 >names
    [ "$(sort names | uniq -d)" = '' ]
    while read -r name; do
        go eval_ -q --confusion --resamples 2 --require "$name>=-9" p.jsonl
        status_is 0
        cmp out whole
    done <names
    go eval_ -q --require 'accuracy:low>=0.9' p.jsonl
    status_is 1
    err_is 'bs-eval: required accuracy:low>=0.9, but it is 0.150039'
}

# ---- requirements -----------------------------------------------------------------

@test "requirements that are met are exit 0, a miss is exit 1 with the report" {
    go eval_ --require 'macro_f1>=0.7' --require 'f1:positive>0.5' \
        --require 'log_loss<3' --require 'support<=500' "$GOLDEN/two.jsonl"
    status_is 0
    err_is ''
    cp out whole
    go eval_ --require 'macro_f1>=0.99' --require 'support>500' "$GOLDEN/two.jsonl"
    status_is 1
    cmp out whole
    err_has 'required macro_f1>=0.99, but it is 0.'
    err_has 'required support>500, but it is 500'
    go eval_ --require 'accuracy>=0.99' -o report "$GOLDEN/two.jsonl"
    status_is 1
    cmp report whole
}

@test "a count is told as in the report, and an average is not less than it is" {
    go eval_ -q --require 'support>500' "$GOLDEN/two.jsonl"
    err_is 'bs-eval: required support>500, but it is 500'
    perl -e 'for (["0", "1", 7], ["1", "1", 6], ["1", "0", 4], ["0", "0", 3]) {
        print "{\"label\":\"$_->[0]\",\"predicted\":\"$_->[1]\"}\n" x $_->[2] }' >p.jsonl
    go eval_ -q --resamples 0 --require 'macro_recall>=0.45' p.jsonl
    status_is 0
    go eval_ -q --resamples 0 --require 'macro_recall>0.45' p.jsonl
    status_is 1
    [ "$(value macro_recall)" = 0.450000 ]
}

@test "predictions without a header row, and fields that were chosen, are called what they are" {
    printf 'positive\t0.9\tpositive\nnegative\t0.8\tpositive\n' >p.tsv
    for arguments in '' '--text 1 --label 3' '--label 3'; do
        # shellcheck disable=SC2086 # several words
        go eval_ --header no $arguments p.tsv
        status_is 4
        err_is 'bs-eval: p.tsv: has no header row, which names "predicted"'
    done
    printf '{"predicted":"a","label":"a"}\n' >p.jsonl
    go eval_ --label gold p.jsonl
    err_has 'p.jsonl: line 1: field "gold" is missing'
    printf '{"comment":5,"gold":5}\n' >t.jsonl
    go tool eval -m "$TINY" --label gold --text comment t.jsonl
    err_has 't.jsonl: line 1: field "comment" is not a text'
    go tool predict -m "$TINY" --text comments t.jsonl
    err_has 't.jsonl: line 1: field "comments" is missing (--text chooses another)'
    printf '{"text":"good","more":5}\n' >t.jsonl
    go tool predict -m "$TINY" --text2 more t.jsonl
    err_has 't.jsonl: line 1: field "more" is not a text'
}

@test "a value that misses by less than the digits of the report is told in full" {
    printf 'predicted\tlabel\na\ta\nb\tb\na\tb\n' >p.tsv
    go eval_ -q --require 'accuracy>=0.666667' p.tsv
    status_is 1
    err_is 'bs-eval: required accuracy>=0.666667, but it is 0.6666666666666666'
    go eval_ -q --require 'accuracy<0.666667' --require 'accuracy>0.666667' p.tsv
    status_is 1
    err_is 'bs-eval: required accuracy>0.666667, but it is 0.666667'
}

@test "a requirement on what no report has is exit 2, before anything is read" {
    for name in nosuch f1 macro_f2:low accurac; do
        go eval_ -q --require "$name>0.5" missing.tsv
        status_is 2
        out_is ''
        err_has "--require $name>0.5: there is no such metric; "
    done
    go eval_ -q --resamples 2 --confusion "$GOLDEN/two.jsonl"
    sed 1d out | cut -f 1 >names
    has_lines names 20
    while read -r name; do
        go eval_ -q --require "$name>0.5" missing.tsv
        status_is 4
    done <names
}

@test "an output that cannot be written is told before anything is read" {
    echo earlier >rejects
    mkfifo never
    exec 7<>never
    go timeout 10 "$BIN/bs-eval" -o nowhere/report --rejects rejects never 7>&-
    status_is 5
    err_is 'bs-eval: nowhere/report: cannot create: No such file or directory'
    [ "$(cat rejects)" = earlier ]
    exec 7>&-
}

@test "a requirement on no metric is exit 2, before anything is written" {
    go eval_ --require 'f1:maybe>0' -o report "$GOLDEN/two.jsonl"
    status_is 2
    out_is ''
    err_is 'bs-eval: --require f1:maybe>0: there is no such metric here'
    [ ! -e report ]
}

# ---- bad input --------------------------------------------------------------------

@test "records that cannot be scored are rejected, exit 3" {
    cat >p.jsonl <<'END'
{"predicted":"a","label":"a"}
{"predicted":"a"}
{"predicted":"a","label":null}
{"predicted":["a"],"label":"a"}
{"label":"a"}
{"predicted":"a","label":"a","probability":"high"}
{"predicted":"a","label":"a","probability":1.0000001}
{"predicted":"a","label":"a","probabilities":{"a":-1}}
{"predicted":"a","label":"a\u0000b"}
{"predicted":"a","label":"a","probability":0.9,"probabilities":{"a":0.1,"b":0.9}}
{"predicted":"a","label":"a","probability":0.9,"probabilities":{"a":0.9,"b":0.1,"a":0.9}}
{"predicted":"b","label":"a"}
END
    go eval_ --rejects r.jsonl p.jsonl
    status_is 3
    [ "$(value support)" = 2 ]
    [ "$(value accuracy)" = 0.500000 ]
    cat >wanted <<'END'
bs-eval: p.jsonl: line 2: field "label" is missing
bs-eval: p.jsonl: line 3: field "label" is missing
bs-eval: p.jsonl: line 4: field "predicted" is not a text or a number
bs-eval: p.jsonl: line 5: field "predicted" is missing
bs-eval: p.jsonl: line 6: field "probability" is not a number
bs-eval: p.jsonl: line 7: a probability must be from 0 to 1, not 1.0000001
bs-eval: p.jsonl: line 8: a probability must be from 0 to 1, not -1
bs-eval: p.jsonl: line 9: a label holds a zero byte
bs-eval: p.jsonl: line 10: "probability" is 0.9, but "probabilities" has 0.1 for the predicted label
bs-eval: p.jsonl: line 11: "probabilities" has label "a" twice
bs-eval: without probabilities there is no log_loss, expected_calibration_error or roc_auc
END
    diff err wanted
    [ "$(wc -l <r.jsonl)" = 10 ]
    go eval_ --strict p.jsonl
    status_is 4
    out_is ''
    err_is "$(head -n 1 wanted)"
}

@test "a report that cannot be written is exit 5" {
    go eval_ -o missing/report "$GOLDEN/two.jsonl"
    status_is 5
    out_is ''
    err_is 'bs-eval: missing/report: cannot create: No such file or directory'
}

# ---- with a model -----------------------------------------------------------------

@test "-m labels texts and tokens as bs-predict does" {
    printf '%s\n' 'label	text' 'positive	good film' 'negative	bad film' 'negative	awful' \
        'positive	fine' 'negative	' >t.tsv
    tool predict -m "$TINY" --probabilities -t msgpack t.tsv | eval_ -f msgpack >wanted
    [ -s wanted ]
    go eval_ -m "$TINY" t.tsv
    status_is 0
    err_is ''
    cmp out wanted
    [ "$(value accuracy)" = 0.600000 ]
    tool tokenize -m "$TINY" t.tsv >t.msgpack
    go eval_ -m "$TINY" --threads 2 t.msgpack
    status_is 0
    err_is ''
    cmp out wanted
}

@test "-m: what the model cannot be given is wrong; without a label it is rejected" {
    printf '%s\n' '{"label":"positive","text":"good film"}' '{"label":"positive"}' \
        '{"text":"fine"}' '{"label":"positive","text":5}' >t.jsonl
    go eval_ -m "$TINY" t.jsonl
    status_is 3
    [ "$(value support)" = 3 ]
    [ "$(value rejected)" = 2 ]
    [ "$(value accuracy)" = 0.333333 ]
    err_is 'bs-eval: t.jsonl: line 2: field "text" is missing (--text chooses another)
bs-eval: t.jsonl: line 4: field "text" is not a text
bs-eval: t.jsonl: line 3: field "label" is missing'
}

# Records come in the order of input also where windows of two sizes end between rejected
# ones: the bootstrap draws by it.
@test "-m: rejected records change nothing for other threads and windows" {
    make_texts 1 400 | awk 'NR > 1 && NR % 7 == 0 { print "short"; next } 1' >t.tsv
    make_texts 401 8000 | tail -n +2 >>t.tsv
    tool predict -q -m "$TINY" --device cpu --probabilities -t msgpack t.tsv >p || [ $? -eq 3 ]
    eval_ -q -f msgpack --resamples 20 p >wanted
    for options in '--threads 1' '--threads 2' '--threads 1 --batch-tokens 64'; do
        # shellcheck disable=SC2086
        go eval_ -q -m "$TINY" --device cpu --resamples 20 $options t.tsv
        status_is 3
        diff out wanted
    done
}

@test "a rejected record whose label cannot be used either counts, with and without -m" {
    printf '%s\n' '{"label":"positive","text":"good film"}' '{"label":"a\u0000b"}' \
        '{"label":["a"],"text":5}' '{"text":5}' >t.jsonl
    go eval_ -m "$TINY" --resamples 20 t.jsonl
    status_is 3
    [ "$(value support)" = 4 ]
    [ "$(value rejected)" = 3 ]
    err_is 'bs-eval: t.jsonl: line 2: field "text" is missing (--text chooses another)
bs-eval: t.jsonl: line 3: field "text" is not a text
bs-eval: t.jsonl: line 4: field "text" is not a text'
    cp out wanted
    tool predict -q -m "$TINY" --probabilities -t jsonl t.jsonl >p.jsonl || [ $? -eq 3 ]
    go eval_ --resamples 20 p.jsonl
    status_is 0
    err_is ''
    diff out wanted
}

@test "--text2 of predictions, whose texts nobody reads, is no fault" {
    printf '{"predicted":"a","label":"a"}\n' >p.jsonl
    go eval_ --text2 b p.jsonl
    status_is 0
    [ "$(value rejected)" = 0 ]
}

@test "-m: a model that is none is exit 4" {
    go eval_ -m nowhere </dev/null
    status_is 4
    out_is ''
    err_has nowhere
}
