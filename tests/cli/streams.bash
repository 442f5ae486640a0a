# Shared by the Bats files about streams: `load streams` behind `load helper`, and
# use_streams in setup(). Leaves four streams in the working directory: tokens and
# predictions of the two records of rows.tsv, no_tokens and no_predictions of none.
# shellcheck shell=bash

use_streams() {
    printf 'label\ttext\npositive\tgood film\nnegative\tawful\n' >rows.tsv
    tool tokenize -m "$TINY" -o tokens rows.tsv
    tool predict -m "$TINY" -t msgpack -o predictions rows.tsv
    tool tokenize -m "$TINY" -o no_tokens </dev/null
    tool predict -m "$TINY" -t msgpack -o no_predictions </dev/null
}

# What bs-predict makes of rows.tsv, and of its first row alone.
# shellcheck disable=SC2034 # used by the Bats files
both=$'predicted\tprobability\tlabel\ttext\npositive\tP\tpositive\tgood film\nnegative\tP\tnegative\tawful'
# shellcheck disable=SC2034
first=${both%$'\n'*}

# A stream without its end.
begun() {
    perl -0777 -pe 's/\x93\xa3end.*//s' "$1"
}

# refuse_behind_two WHY: each tool meets two records, then the bytes in the file rest. It
# ends with 4 and this reason, and the two are kept.
refuse_behind_two() {
    cat <(begun tokens) rest >stream
    tokenized --overwrite stream
    gives 4 $'2 5 7 3\n2 9 3' "stream: $1"
    answered stream
    gives 4 "$both" "stream: $1"
    scored stream
    gives 4 '' "stream: $1"
    cat <(begun predictions) rest >stream
    rated stream
    gives 4 '' "stream: $1"
}

# refuse WHY: each tool meets the file stream, and there is nothing to keep.
refuse() {
    for run in 'tokenized --overwrite' answered scored rated; do
        $run -f msgpack stream
        gives 4 '' "stream: $1"
    done
}
