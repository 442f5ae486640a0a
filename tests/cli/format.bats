#!/usr/bin/env bats
# What arrives damaged or hostile, as a user meets it: exit status, both outputs, and
# memory that does not follow what the input claims.

load helper

setup() {
    use_scratch
}

# The virtual memory of what runs is limited to 2 GiB.
bounded() {
    (
        ulimit -v 2097152
        "$@"
    )
}

# The header of an empty stream, then these bytes, in place of its end.
hostile() {
    tool tokenize -m "$TINY" -f lines </dev/null >empty
    perl -0777 -pe 's/\x93\xa3end.*//s' empty
    printf '%b' "$1"
}

@test "a claim of 2^32-1 elements, bytes or pairs is cut off, not believed" {
    for claim in 'ids\xdd' 'ids\xdb' 'ids\xc6' 'ids\xdf'; do
        hostile "\x81\xa3$claim\xff\xff\xff\xff" >stream
        go bounded tool predict -m "$TINY" -f msgpack stream
        status_is 4
        err_has "stream: records 1-1: cut off within a record"
    done
}

@test "each msgpack type where another is expected: the record before is answered" {
    tool tokenize -m "$TINY" -f lines <<<good >good.msgpack
    perl -0777 -pe 's/\x93\xa3end.*//s' good.msgpack >begun
    # A name for each and its bytes; a float with a whole value counts as an integer.
    types='nil:\xc0 false:\xc2 int:\x05 neg:\xff f32:\xca\x3f\x00\x00\x00 u64:\xcf\xff\xff\xff\xff\xff\xff\xff\xff
        str:\xa1x bin:\xc4\x01x array:\x90 map:\x80 ext:\xd4\x01\x00'
    rest='\xa3ids\x93\x02\x05\x03'
    for type in $types; do
        name=${type%%:*} bytes=${type#*:}
        # In place of a record: only a map is one, and an empty one is rejected.
        { cat begun && printf '%b' "$bytes"; } >stream
        go bounded tool predict -m "$TINY" stream
        status_is 4
        [ "$(sed -n 2p out | cut -f 1,3)" = $'negative\tgood' ]
        err_has 'bs-predict: stream: record'
        # In place of a key.
        { cat begun && printf '%b' "\x81$bytes\x01"; } >stream
        go bounded tool predict -m "$TINY" stream
        status_is 4
        [ "$(sed -n 2p out | cut -f 1,3)" = $'negative\tgood' ]
        err_has 'bs-predict: stream: record'
        # In place of a field's value: that record is rejected, whatever follows.
        for field in '\xa3ids' '\xa8type_ids' '\xa8n_tokens' '\xa9truncated'; do
            case $field$name in *n_tokensint | *truncatedfalse) continue ;; esac
            # Absent and null are the same.
            [ $name != nil ] || continue
            if [ "$field" = '\xa3ids' ]; then body="\x81"; else body="\x82$rest"; fi
            { cat begun && printf '%b' "$body$field$bytes"; } >stream
            go bounded tool predict -m "$TINY" --rejects r.jsonl stream
            status_is 4 # the stream has no end
            [ "$(sed -n 2p out | cut -f 1,3)" = $'negative\tgood' ]
            echo "$field $name"
            [ "$(tail -n +3 out | cut -f 1)" = '' ]
            err_has 'bs-predict: stream: record 2: '
        done
    done
}

@test "nesting 10,000 deep: exit 4 in a stream, rejected in JSON lines" {
    hostile '\x81\xa1x' >stream
    perl -e 'print "\x91" x 10000' >>stream
    go bounded tool predict -m "$TINY" -f msgpack stream
    status_is 4
    err_has "values nest deeper than 64"
    perl -e 'print "{\"text\":\"a\",\"x\":", "[" x 10000, "]" x 10000, "}\n{\"text\":\"b\"}\n"' \
        >deep.jsonl
    go bounded tool tokenize -m "$TINY" -t jsonl deep.jsonl
    status_is 3
    [ "$(wc -l <out)" -eq 1 ]
    err_has "deep.jsonl: line 1: not valid JSON: byte 80: nested too deeply"
}

@test "compressed input that is cut off: exit 4" {
    yes "some text" | head -n 50000 | gzip >texts.gz
    head -c 1000 texts.gz >cut.gz
    go tool tokenize -m "$TINY" -t ids cut.gz
    status_is 4
    err_has "cut.gz: truncated gzip input"
}

@test "--members: only the files that match" {
    mkdir -p set/train/pos set/train/unsup
    printf 'good' >set/train/pos/1.txt
    printf 'what' >set/train/unsup/1.txt
    printf 'read me' >set/README
    tar cf set.tar set
    go tool tokenize -m "$TINY" -t jsonl --members 'set/train/[np]*/*' set.tar
    status_is 0
    [ "$(wc -l <out)" -eq 1 ]
    out_has '"label":"pos","text":"good","path":"set/train/pos/1.txt"'
    go tool tokenize -m "$TINY" -t jsonl --members 'train/unsup/*' set
    status_is 0
    out_has '"label":"unsup"'
}

@test "--rejects keeps every rejected row with its reason" {
    printf 'text\tlabel\nshort\na\t1\n\n' >rows.tsv
    go tool tokenize -m "$TINY" -t ids --rejects rejects rows.tsv
    status_is 3
    err_has "rows.tsv: line 2: has 1 column, the header has 2"
    [ "$(cat rejects)" = '{"file":"rows.tsv","line":2,"reason":"has 1 column, the header has 2","raw":"short"}
{"file":"rows.tsv","line":4,"reason":"has 1 column, the header has 2","raw":""}' ]
}

@test "a chosen column that is not there: exit 4, naming those that are" {
    printf 'stars\treview\n5\tgood\n' >rows.tsv
    go tool tokenize -m "$TINY" -t ids --text body rows.tsv
    status_is 4
    out_is ""
    err_is 'bs-tokenize: rows.tsv: no column "body"; its first row is: stars, review (choose with --text, or see --header)'
    go tool tokenize -m "$TINY" -t ids rows.tsv
    status_is 2
    err_has "say which they are with --text and --label"
}
