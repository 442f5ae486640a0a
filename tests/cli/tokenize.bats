#!/usr/bin/env bats
# bs-tokenize: what it promises. Bad input is in text_input.bats, rejected.bats and the
# streams' files.
# shellcheck disable=SC2154 # status comes from helper.bash

load helper

setup() {
    use_scratch
}

tokenize() {
    tool tokenize -m "$TINY" "$@"
}

ids() {
    tokenize -t ids "$@"
}

# ---- command line -----------------------------------------------------------------

@test "--help goes to stdout, an example first" {
    help_is tokenize '  bs-tokenize -m *' --max-length
}

@test "--version" {
    go tool tokenize --version
    status_is 0
    out_is 'bs-tokenize 0.1.0'
    err_is ''
}

@test "a wrong command line is exit 2, with the reason" {
    each_is_wrong tokenize --nonsense '--max-length x' '--max-length 1' '--truncation middle' \
        '-t tree' '-t tsv' '-f ids' '--threads 0' '--drop ids' '--part train' \
        '--split train=1' '--split a=1 --part b' '--split a=x --part a' '--labels a,,b' \
        '--labels a,a' '--seed -1' '--max-record 0' '--header maybe'
    go tool tokenize </dev/null
    status_is 2
    out_is ''
    err_has '-m MODEL is needed'
}

@test "a model that is none is exit 4" {
    go tool tokenize -m nowhere </dev/null
    status_is 4
    out_is ''
    err_has nowhere
}

# ---- ids --------------------------------------------------------------------------

@test "ids of lines, in order" {
    go ids <<<$'good film\nthe very bad film!'
    status_is 0
    err_is ''
    out_is $'2 5 7 3\n2 10 12 6 7 76 3'
}

@test "ids of the default model" {
    [ -f "$ROOT/models/all-minilm-l6-v2/vocab.txt" ] || skip "no default model"
    go tool tokenize -m "$ROOT/models/all-minilm-l6-v2" -t ids <<<'Hello, world!'
    status_is 0
    out_is '101 7592 1010 2088 999 102'
    err_is ''
}

@test "tokens of the files beside vocab.txt" {
    cp -r "$TINY" old
    echo '{"[/E]":85,"[E]":84}' >old/added_tokens.json
    echo '{"cls_token":"the","additional_special_tokens":["[E]","[/E]"]}' >old/special_tokens_map.json
    go tool tokenize -m old -t ids <<<'good [E]film[/E]'
    status_is 0
    out_is '10 5 84 7 85 3'
    err_is ''
    echo '{"[E]":90}' >old/added_tokens.json
    go tool tokenize -m old -t ids <<<good
    status_is 4
    out_is ''
    err_is 'bs-tokenize: old/added_tokens.json: the added token "[E]" has the id 90, but the next free one is 84; correct that file'
}

@test "an empty text, and one of no tokens, is [CLS] [SEP], kept" {
    go ids <<<$'good\n\n \t\nbad'
    status_is 0
    err_is ''
    out_is $'2 5 3\n2 3\n2 3\n2 6 3'
}

@test "--max-length and --truncation" {
    text='the good bad film fine'
    while read -r options wanted; do
        # shellcheck disable=SC2086
        go ids ${options//,/ } <<<"$text"
        status_is 0
        out_is "$wanted"
        err_is ''
    done <<'END'
--max-length,4 2 10 5 3
--max-length,4,--truncation,tail 2 7 8 3
--max-length,6,--truncation,head-tail 2 10 6 7 8 3
END
    go ids --max-length 0 < <(yes good | head -n 100 | tr '\n' ' ')
    status_is 0
    err_is ''
    [ "$(wc -w <out)" -eq 102 ]
}

@test "default length: the smaller of 512 and the model's positions" {
    go ids < <(yes good | head -n 100 | tr '\n' ' ')
    status_is 0
    err_is ''
    [ "$(wc -w <out)" -eq 64 ]
}

@test "--literal-special-tokens" {
    go ids <<<'good [SEP] bad'
    status_is 0
    out_is '2 5 3 6 3'
    err_is ''
    go ids --literal-special-tokens <<<'good [SEP] bad'
    status_is 0
    out_is '2 5 81 31 43 54 82 6 3'
    err_is ''
}

@test "pairs: longest first, type_ids in the record" {
    printf 'text\ttext2\ngood film\tbad\n' >pairs.tsv
    go tokenize -t jsonl pairs.tsv
    status_is 0
    err_is ''
    out_is '{"ids":[2,5,7,3,6,3],"type_ids":[0,0,0,0,1,1],"n_tokens":6,"truncated":false,"text":"good film","text2":"bad"}'
    go ids --max-length 5 pairs.tsv
    out_is '2 5 3 6 3'
    go ids --text text2 --text2 text pairs.tsv
    status_is 0
    err_is ''
    out_is '2 6 3 5 7 3'
}

@test "JSON lines without the second text that was chosen are rejected" {
    printf '%s\n' '{"text":"good film","b":"bad"}' '{"text":"good film"}' \
        '{"text":"good","b":null}' '{"text":"good","b":""}' >pairs.jsonl
    go ids --text2 b pairs.jsonl
    status_is 3
    out_is $'2 5 7 3 6 3\n2 5 3 3'
    err_is 'bs-tokenize: pairs.jsonl: line 2: field "b" is missing (--text2)
bs-tokenize: pairs.jsonl: line 3: field "b" is missing (--text2)'
    go ids pairs.jsonl
    status_is 0
    head -n 1 pairs.jsonl | tool tokenize -m "$TINY" -f jsonl --text2 b >tokens.msgpack
    go tool predict -m "$TINY" -t jsonl --text2 text2 tokens.msgpack
    status_is 0
    go tool predict -m "$TINY" -t jsonl --text2 b tokens.msgpack
    status_is 0
}

@test "a field whose name goes to a chosen one is left out, with a warning" {
    printf 'text\ttext2\tb\tc\ngood\tfilm\tbad\tp\n' >named.tsv
    tr '\t' ',' <named.tsv >named.csv
    echo '{"text":"good","text2":"film","b":"bad","c":"p"}' >named.jsonl
    for extension in tsv csv jsonl; do
        go tokenize -t jsonl --text2 b --label c named.$extension
        status_is 0
        out_is '{"ids":[2,5,3,6,3],"type_ids":[0,0,0,1,1],"n_tokens":5,"truncated":false,"text":"good","text2":"bad","label":"p"}'
        err_is "bs-tokenize: named.$extension: field \"text2\" is left out, for \"b\" takes its name"
    done
    go tokenize -t jsonl --text 1 --text2 text2 named.tsv
    status_is 0
    err_is ''
    go tokenize -t jsonl --text 3 named.tsv
    status_is 0
    out_is '{"ids":[2,6,3,7,3],"type_ids":[0,0,0,1,1],"n_tokens":5,"truncated":false,"text2":"film","text":"bad","c":"p"}'
    err_is 'bs-tokenize: named.tsv: field "text" is left out, for "3" takes its name'
}

# ---- records ----------------------------------------------------------------------

@test "records: our fields first, the user's unchanged and in place" {
    go tokenize -f jsonl -t jsonl <<<'{"n":1.50,"text":"good \u0066ilm","deep":{"a":[1e3,"\/"]},"z":null}'
    status_is 0
    err_is ''
    out_is '{"ids":[2,5,7,3],"n_tokens":4,"truncated":false,"n":1.50,"text":"good \u0066ilm","deep":{"a":[1e3,"\/"]},"z":null}'
}

@test "n_tokens counts what was cut" {
    go tokenize -t jsonl --max-length 3 <<<'good bad film'
    status_is 0
    out_is '{"ids":[2,5,3],"n_tokens":5,"truncated":true,"text":"good bad film"}'
    err_is ''
}

@test "--drop text" {
    go tokenize -f jsonl -t jsonl --drop text <<<'{"text":"good","id":7}'
    status_is 0
    err_is ''
    out_is '{"ids":[2,5,3],"n_tokens":3,"truncated":false,"id":7}'
}

@test "a stream can be read back, and tokenized again with --overwrite" {
    tokenize -o a.msgpack <<<$'good film\nbad'
    go tokenize --overwrite -t ids a.msgpack
    status_is 0
    err_is ''
    out_is $'2 5 7 3\n2 6 3'
}

@test "the same bytes for any number of threads" {
    for i in $(seq 3000); do echo "the good film $i not bad $((i * 7919 % 1000))"; done >many
    for threads in 1 2 5; do
        tokenize --threads $threads -o "$threads.msgpack" many
        ids --threads $threads many >"$threads.ids"
    done
    cmp 1.msgpack 2.msgpack
    cmp 1.msgpack 5.msgpack
    cmp 1.ids 2.ids
    cmp 1.ids 5.ids
    has_lines 1.ids 3000
}

@test "several files are one stream" {
    printf 'good\n' >a
    printf 'bad' >b
    printf 'fine\n' >c
    go ids a b c
    status_is 0
    out_is $'2 5 3\n2 6 3\n2 8 3'
    err_is ''
    go ids a - c < <(printf 'bad')
    status_is 0
    out_is $'2 5 3\n2 6 3\n2 8 3'
    err_is ''
}

@test "compressed input is read as it is" {
    printf 'good\nbad\n' | gzip >a.gz
    go ids a.gz
    status_is 0
    out_is $'2 5 3\n2 6 3'
    err_is ''
    go ids <a.gz
    status_is 0
    out_is $'2 5 3\n2 6 3'
    err_is ''
}

@test "the extension of a file tells its format in upper and lower case" {
    printf 'id,text\n1,good film\n' >DATA.CSV
    gzip <DATA.CSV >DATA.Csv.GZ
    printf 'id\ttext\n1\tgood film\n' >data.TSV
    printf '{"id":1,"text":"good film"}\n' | tee data.ndjson >DATA.JsonL
    go ids DATA.CSV DATA.Csv.GZ data.TSV data.ndjson DATA.JsonL
    status_is 0
    err_is ''
    out_is $'2 5 7 3\n2 5 7 3\n2 5 7 3\n2 5 7 3\n2 5 7 3'
}

@test "a tree: folders are labels" {
    mkdir -p tree/neg tree/pos
    printf 'bad film\n' >tree/neg/1.txt
    printf 'good film' >tree/pos/1.txt
    go tokenize -t jsonl -f tree --drop text tree
    status_is 0
    err_is ''
    [ "$(grep -c '"label":"neg"' out)" -eq 1 ]
    out_has '"ids":[2,5,7,3]'
    go ids -f tree --members '*pos/*' tree
    out_is '2 5 7 3'
    tar cf tree.tar tree
    go ids -f tree tree.tar
    status_is 0
    err_is ''
    has_lines out 2
}

# ---- labels and splits ------------------------------------------------------------

@test "--labels rejects others" {
    printf 'label\ttext\npos\tgood\nodd\tfilm\nneg\tbad\n' >l.tsv
    go ids --labels neg,pos l.tsv
    status_is 3
    out_is $'2 5 3\n2 6 3'
    err_is 'bs-tokenize: l.tsv: line 3: label "odd" is not one of the labels given'
}

@test "--split: parts are disjoint and whole, whatever the order" {
    seq 500 | sed 's/^/text /' >all
    for part in train val; do
        ids --split train=80,val=20 --part $part all | sort >$part.ids
        shuf --random-source=all all | ids --split train=80,val=20 --part $part | sort >$part.again
        cmp $part.ids $part.again
    done
    ids all | sort >all.ids
    sort train.ids val.ids | cmp - all.ids
    [ "$(wc -l <val.ids)" -gt 60 ]
    [ "$(wc -l <val.ids)" -lt 140 ]
    ids --seed 7 --split train=80,val=20 --part val all | sort >other.ids
    fails cmp -s other.ids val.ids
}

@test "--split keeps duplicates together" {
    printf 'Good  film\n%.0s' 1 2 3 >same
    printf ' good FILM \n%.0s' 1 2 3 >>same
    a=$(ids --split a=1,b=1 --part a same | wc -l)
    b=$(ids --split a=1,b=1 --part b same | wc -l)
    [ "$a $b" = '0 6' ] || [ "$a $b" = '6 0' ]
}

# ---- output -----------------------------------------------------------------------

@test "--strict with -o leaves no file" {
    printf 'label\ttext\npos\tgood\nneg\n' >few.tsv
    told='bs-tokenize: few.tsv: line 3: has 1 column, the header has 2'
    go ids --strict -o ids.txt few.tsv
    status_is 4
    out_is ''
    err_is "$told"
    [ ! -e ids.txt ]
    [ "$(find . -name 'ids.txt*' | wc -l)" -eq 0 ]
    go ids -o ids.txt few.tsv
    status_is 3
    out_is ''
    err_is "$told"
    [ "$(cat ids.txt)" = '2 5 3' ]
}

@test "a folder that cannot be written is exit 5" {
    go ids -o nowhere/ids.txt <<<good
    status_is 5
    out_is ''
    err_is 'bs-tokenize: nowhere/ids.txt: cannot create: No such file or directory'
}

@test "a reader that goes away ends it by SIGPIPE, silently" {
    yes 'good film' >forever &
    yes=$!
    sleep 0.1
    kill $yes
    set +e
    # shellcheck disable=SC2002
    ids forever 2>err | head -n 1 >out
    statuses=("${PIPESTATUS[@]}")
    set -e
    rm forever
    [ "${statuses[0]}" -eq 141 ]
    [ ! -s err ]
    [ "$(cat out)" = '2 5 7 3' ]
}

# ---- live -------------------------------------------------------------------------

tokenize_live() {
    start_live "$BIN/bs-tokenize" -m "$TINY" "$@"
}

@test "live: a line passes through while the input stays open" {
    tokenize_live -t ids
    echo 'good film' >&7
    wait_until 20 has_lines out 1
    [ "$(cat out)" = '2 5 7 3' ]
    echo 'bad' >&7
    wait_until 20 has_lines out 2
    kill -0 "$pid"
    end_live
    status_is 0
    err_is ''
}

@test "the end of an archive is answered though its pipe stays open" {
    mkdir tree
    for i in 1 2 3; do
        echo "good film $i" >tree/$i
    done
    tar -cf tree.tar tree
    start_live "$BIN/bs-tokenize" -m "$TINY" -t ids
    cat tree.tar >&7
    wait_until 10 has_lines out 3
    end_live TERM
    status_is 143
    err_is ''
}

@test "SIGTERM ends a live stream with 143, without an end; a named file not at all" {
    tokenize_live
    echo 'good film' >&7
    wait_until 20 test -s out
    end_live TERM
    status_is 143
    cp out half.msgpack
    go tokenize --overwrite -t ids half.msgpack
    status_is 4
    tokenize_live -o named.msgpack
    echo 'good film' >&7
    wait_until 20 pipe_is_empty 7
    end_live TERM
    status_is 143
    [ "$(find . -name 'named*' | wc -l)" -eq 0 ]
}
