#!/usr/bin/env bats
# Streams that are damaged, foreign, or another's: exit status, standard output and
# standard error of each tool, and what came before the fault. Every single bit is turned
# in tests/unit.
# shellcheck disable=SC2154 # status and others come from the helpers

load helper
load streams

setup() {
    use_scratch
    use_streams
}

# ---- damage -----------------------------------------------------------------------

@test "a stream without its end, or cut off anywhere: exit 4, what came before is kept" {
    header=$(($(stat -c %s no_tokens) - 11))
    one=$(($(tool tokenize -m "$TINY" <<<$'label\ttext\npositive\tgood film' -f tsv | wc -c) - 11))
    end=$(begun tokens | wc -c)
    unended='the stream has no end: it was cut off, or what wrote it failed'
    # Where it is cut, what is said of it, and how many records were whole before.
    while read -r at records why; do
        head -c "$at" tokens >short
        case $records in
        0) all_tokens='' all_rows='' ;;
        1) all_tokens='2 5 7 3' all_rows=$first ;;
        2) all_tokens=$'2 5 7 3\n2 9 3' all_rows=$both ;;
        esac
        tokenized --overwrite -f msgpack short
        gives 4 "$all_tokens" "short: $why"
        answered -f msgpack short
        gives 4 "$all_rows" "short: $why"
        scored -f msgpack short
        gives 4 '' "short: $why"
        answered -o there -f msgpack short
        gives 4 '' "short: $why"
        [ ! -e there ]
    done <<END
1 0 cut off within the header of the stream
$((header - 1)) 0 cut off within the header of the stream
$header 0 behind the header: $unended
$((header + 1)) 0 records 1-1: cut off within a record
$((one - 1)) 0 records 1-1: cut off within a record
$one 1 records 1-1: $unended
$((one + 1)) 1 records 1-2: cut off within a record
$end 2 records 1-2: $unended
$((end + 10)) 2 records 1-2: $unended
END
    begun predictions >short
    rated short
    gives 4 '' "short: records 1-2: $unended"
    rated -o there short
    gives 4 '' "short: records 1-2: $unended"
    [ ! -e there ]
}

@test "a flipped bit in a text, in a number, in the end: exit 4" {
    why='records 1-2: checksum mismatch: the stream is damaged'
    sed 's/awful/awfum/' tokens >flipped
    tokenized --overwrite flipped
    gives 4 $'2 5 7 3\n2 13 61 44 59 51 3' "flipped: $why"
    answered flipped
    gives 4 "${both/awful/awfum}" "flipped: $why"
    scored flipped
    gives 4 '' "flipped: $why"
    perl -0777 -pe 's/(n_tokens)\x03/$1\x02/' tokens >flipped
    tokenized --overwrite flipped
    gives 4 $'2 5 7 3\n2 9 3' "flipped: $why"
    answered flipped
    gives 4 "$both" "flipped: $why"
    scored flipped
    gives 4 '' "flipped: $why"
    perl -0777 -pe 's/(\x93\xa3end)\x02/$1\x03/' tokens >flipped
    answered flipped
    gives 4 "$both" 'flipped: records 1-2: records are missing from the stream'
    sed 's/awful/awfum/' predictions >flipped
    rated flipped
    gives 4 '' "flipped: $why"
}

@test "damage in a long stream: what the checks before it vouch for is kept, and no end" {
    seq 2000 | sed 's/^/positive\tgood film /' >texts
    tokens_of_texts() { tool tokenize -m "$TINY" -f tsv --label 1 --text 2 "$@" texts; }
    tokens_of_texts | perl -0777 -pe 's/film 1500/film 1501/' >flipped
    why='records 1025-2000: checksum mismatch: the stream is damaged'
    tokenized --overwrite flipped
    status_is 4
    err_is "bs-tokenize: flipped: $why"
    tokens_of_texts -t ids | head -n 1024 >wanted
    head -n 1024 out | cmp - wanted
    answered flipped
    status_is 4
    err_is "bs-predict: flipped: $why"
    tail -n +2 out | head -n 1024 | cut -f 3- | cmp - <(head -n 1024 texts)
    # Damage travels downstream as damage.
    go tool tokenize -m "$TINY" --overwrite flipped
    status_is 4
    err_is "bs-tokenize: flipped: $why"
    mv out tokens
    answered tokens
    status_is 4
    err_is 'bs-predict: tokens: records 1025-2000: the stream has no end: it was cut off, or what wrote it failed'
    go tool predict -m "$TINY" -t msgpack flipped
    status_is 4
    mv out predictions
    rated predictions
    gives 4 '' 'predictions: records 1025-2000: the stream has no end: it was cut off, or what wrote it failed'
}

# ---- foreign ----------------------------------------------------------------------

@test "what is no stream of ours: exit 4" {
    bound_memory 1048576
    while IFS='|' read -r bytes why; do
        printf '%b' "$bytes" >stream
        refuse "$why"
    done <<'END'
good film\n|not a stream of records (msgpack with a header)
{"text":"good"}\n|not a stream of records (msgpack with a header)
\x81\xa4text\xa4good|not a stream of records (msgpack with a header)
\xc1\xc1\xc1|not a stream of records (msgpack with a header)
\x93\x01\x02\x03|neither a record nor a check
\x93\xa3end\x00\x00|a check without a header
\x92\xa2bs\x80|the header of the stream is incomplete
\x92\xa2bs\x81\xa7version\xcd\x03\xe7|a stream of version 999; this program reads version 1
END
}

@test "a stream made with another vocabulary: exit 4, with the remedy" {
    make_model foreign foreign
    tool tokenize -m foreign -o theirs rows.tsv
    tool tokenize -m foreign -o no_records </dev/null
    digest_of() { perl -0777 -ne 'print $1 if /\xd9\x40([0-9a-f]{12})/' "$1"; }
    why="made with another vocabulary ($(digest_of theirs), the model has $(digest_of tokens)); tokenize the texts again with bs-tokenize -m of this model"
    for stream in theirs no_records; do
        answered $stream
        gives 4 '' "$stream: $why"
        scored $stream
        gives 4 '' "$stream: $why"
    done
    answered rows.tsv theirs
    gives 4 "$both" "theirs: $why"
    # The remedy.
    tool tokenize -m "$TINY" --overwrite -o ours theirs
    answered ours
    gives 0 "$both" ''
    # Two streams as one: what the first one holds is kept.
    cat tokens theirs >both_kinds
    for files in 'tokens theirs' both_kinds; do
        why="${files#* }: the header of the stream differs from the first one's (${files% *}) in tokenizer; make both again with the same -m"
        # shellcheck disable=SC2086
        answered -f msgpack $files
        gives 4 "$both" "$why"
        # shellcheck disable=SC2086
        scored -f msgpack $files
        gives 4 '' "$why"
        # shellcheck disable=SC2086
        tokenized --overwrite -f msgpack $files
        gives 4 $'2 5 7 3\n2 9 3' "$why"
    done
    tool predict -m foreign -t msgpack -o theirs rows.tsv
    rated predictions theirs
    gives 4 '' "theirs: the header of the stream differs from the first one's (predictions) in tokenizer; make both again with the same -m"
    tool tokenize -m "$TINY" --max-length 9 -o shorter rows.tsv
    answered tokens shorter
    gives 4 "$both" "shorter: the header of the stream differs from the first one's (tokens) in max_length; make both again with the same --max-length"
    tool tokenize -m "$TINY" --labels positive,negative -o labelled rows.tsv
    answered tokens labelled
    gives 4 "$both" "labelled: the header of the stream differs from the first one's (tokens) in labels; make both again with the same --labels"
    tool tokenize -m "$TINY" --labels negative,positive -o turned rows.tsv
    answered labelled turned
    gives 4 "$both" "turned: the header of the stream differs from the first one's (labelled) in labels; make both again with the same --labels"
}

@test "a stream of the wrong kind: exit 4, with the remedy" {
    why='predictions: a stream of predictions where text or tokens are expected; bs-eval without --model reads those'
    tokenized --overwrite predictions
    gives 4 '' "$why"
    answered predictions
    gives 4 '' "$why"
    scored predictions
    gives 4 '' "$why"
    answered tokens predictions
    gives 4 "$both" "predictions: the header of the stream differs from the first one's (tokens) in kind; read tokens and predictions in separate runs"
    rated tokens
    gives 4 '' 'tokens: token records, not predictions; label them with bs-predict, or here with -m MODEL'
    rated <<<'good film'
    gives 4 '' 'standard input: lines hold no predictions; choose another format with -f, or label texts with -m MODEL'
    mkdir -p tree/positive
    echo good >tree/positive/1
    rated tree
    gives 4 '' 'tree/positive/1: folders of texts hold no predictions; choose another format with -f, or label texts with -m MODEL'
}

@test "ids beyond the vocabulary, lengths beyond the positions in an undamaged stream: exit 3" {
    long="\xdc\x00\x41$(printf '\\x02%.0s' {1..65})"
    label='\xa5label\xa8negative'
    undamaged no_tokens "\x82\xa3ids\x93\x02\x09\x03$label" "\x82\xa3ids\x93\x02\x54\x03$label" \
        "\x82\xa3ids$long$label" "\x83\xa3ids\x93\x02\x09\x03\xa8type_ids\x93\x00\x02\x00$label" \
        "\x82\xa3ids\x93\x02\x09\x03$label" >stream
    told="stream: record 2: id 84 is outside the vocabulary of 84 entries
stream: record 3: 65 ids are more than the model's 64 positions
stream: record 4: type id 2 is not below 2"
    answered stream
    gives 3 $'predicted\tprobability\tlabel\nnegative\tP\tnegative\n\t\tnegative\n\t\tnegative
\t\tnegative\nnegative\tP\tnegative' "$told"
    scored stream
    gives 3 '0.400000 of 5, 3 rejected' "$told"
    answered --strict stream
    gives 4 $'predicted\tprobability\tlabel\nnegative\tP\tnegative' \
        'stream: record 2: id 84 is outside the vocabulary of 84 entries'
}

# ---- compressed -------------------------------------------------------------------

@test "compressed input, cut off or with a flipped bit: exit 4, what came before is kept" {
    gzip <tokens >whole.gz
    head -c -1 whole.gz >short
    tokenized --overwrite short
    gives 4 $'2 5 7 3\n2 9 3' 'short: truncated gzip input'
    answered short
    gives 4 "$both" 'short: truncated gzip input'
    scored short
    gives 4 '' 'short: truncated gzip input'
    gzip <predictions | head -c -1 >short
    rated short
    gives 4 '' 'short: truncated gzip input'
    # Rows have no checks of their own: gzip's must be looked at.
    gzip <rows.tsv | perl -0777 -pe 'substr($_, -8, 1) ^= "\x01"' >flipped.tsv.gz
    why='flipped.tsv.gz: damaged gzip input: incorrect data check'
    tokenized flipped.tsv.gz
    gives 4 $'2 5 7 3\n2 9 3' "$why"
    answered flipped.tsv.gz
    gives 4 "$both" "$why"
    scored flipped.tsv.gz
    gives 4 '' "$why"
    answered -o there flipped.tsv.gz
    gives 4 '' "$why"
    [ ! -e there ]
    for program in xz zstd; do
        command -v $program >/dev/null || continue
        yes 'good film' | head -n 100000 | $program | head -c -9 >short
        tokenized short
        status_is 4
        grep -qE '^bs-tokenize: short: ' err
        has_lines out 50000
    done
}
