#!/usr/bin/env bats
# bs-tokenize: what it promises, and what it makes of bad input.
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
}

@test "an empty text, and one of no tokens, is [CLS] [SEP], kept" {
    go ids <<<$'good\n\n \t\nbad'
    status_is 0
    err_is ''
    out_is $'2 5 3\n2 3\n2 3\n2 6 3'
}

@test "input without a final newline" {
    go ids < <(printf 'good\nbad')
    status_is 0
    out_is $'2 5 3\n2 6 3'
}

@test "empty input: nothing to do" {
    go ids </dev/null
    status_is 0
    out_is ''
    err_is ''
}

@test "empty input where a stream must be: exit 4" {
    go tokenize -f msgpack -t ids </dev/null
    status_is 4
    out_is ''
    [ -s err ]
}

@test "--max-length and --truncation" {
    text='the good bad film fine'
    go ids --max-length 4 <<<"$text"
    out_is '2 10 5 3'
    go ids --max-length 4 --truncation tail <<<"$text"
    out_is '2 7 8 3'
    go ids --max-length 6 --truncation head-tail <<<"$text"
    out_is '2 10 6 7 8 3'
    go ids --max-length 0 < <(yes good | head -n 100 | tr '\n' ' ')
    status_is 0
    [ "$(wc -w <out)" -eq 102 ]
}

@test "default length: the smaller of 512 and the model's positions" {
    go ids < <(yes good | head -n 100 | tr '\n' ' ')
    status_is 0
    [ "$(wc -w <out)" -eq 64 ]
}

@test "--literal-special-tokens" {
    go ids <<<'good [SEP] bad'
    out_is '2 5 3 6 3'
    go ids --literal-special-tokens <<<'good [SEP] bad'
    out_is '2 5 81 31 43 54 82 6 3'
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
    out_is '2 6 3 5 7 3'
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
    out_is '{"ids":[2,5,3],"n_tokens":5,"truncated":true,"text":"good bad film"}'
}

@test "--drop text" {
    go tokenize -f jsonl -t jsonl --drop text <<<'{"text":"good","id":7}'
    status_is 0
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
    go ids a - c < <(printf 'bad')
    out_is $'2 5 3\n2 6 3\n2 8 3'
}

@test "compressed input is read as it is" {
    printf 'good\nbad\n' | gzip >a.gz
    go ids a.gz
    status_is 0
    out_is $'2 5 3\n2 6 3'
    go ids <a.gz
    out_is $'2 5 3\n2 6 3'
}

@test "a tree: folders are labels" {
    mkdir -p tree/neg tree/pos
    printf 'bad film\n' >tree/neg/1.txt
    printf 'good film' >tree/pos/1.txt
    go tokenize -t jsonl -f tree --drop text tree
    status_is 0
    [ "$(grep -c '"label":"neg"' out)" -eq 1 ]
    out_has '"ids":[2,5,7,3]'
    go ids -f tree --members '*pos/*' tree
    out_is '2 5 7 3'
    tar cf tree.tar tree
    go ids -f tree tree.tar
    status_is 0
    has_lines out 2
}

# ---- labels and splits ------------------------------------------------------------

@test "--labels rejects others" {
    printf 'label\ttext\npos\tgood\nodd\tfilm\nneg\tbad\n' >l.tsv
    go ids --labels neg,pos l.tsv
    status_is 3
    out_is $'2 5 3\n2 6 3'
    err_has 'odd'
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

# ---- bad input --------------------------------------------------------------------

@test "lines: NUL, CR and invalid UTF-8 do not end a text" {
    printf 'go\0od\nbad\r\nfi\xffne film\n' >odd
    go ids odd
    status_is 0
    out_is $'2 5 3\n2 6 3\n2 8 7 3'
    err_has 'UTF-8'
    go ids --invalid-utf8 reject odd
    status_is 3
    out_is $'2 5 3\n2 6 3'
    err_has 'UTF-8'
}

@test "TSV with CRLF" {
    printf 'label\ttext\r\npos\tgood\r\nneg\tbad\r\n' >crlf.tsv
    go tokenize -t jsonl --drop text crlf.tsv
    status_is 0
    [ "$(grep -c '"label":"pos"' out)" -eq 1 ]
    fails grep -q '\\r' out
}

@test "a TSV row with too few columns is rejected, the work goes on" {
    printf 'label\ttext\npos\tgood\nneg\npos\tfine\n' >few.tsv
    go ids --rejects bad.jsonl few.tsv
    status_is 3
    out_is $'2 5 3\n2 8 3'
    err_has 'few.tsv'
    has_lines bad.jsonl 1
    grep -q few.tsv bad.jsonl
    go ids --strict few.tsv
    status_is 4
    out_is '2 5 3'
    err_has 'few.tsv'
}

@test "--strict with -o leaves no file" {
    printf 'label\ttext\npos\tgood\nneg\n' >few.tsv
    go ids --strict -o ids.txt few.tsv
    status_is 4
    [ ! -e ids.txt ]
    [ "$(find . -name 'ids.txt*' | wc -l)" -eq 0 ]
    go ids -o ids.txt few.tsv
    status_is 3
    [ "$(cat ids.txt)" = '2 5 3' ]
}

@test "a CSV with an open quote: what came before is not lost" {
    printf 'label,text\npos,good\nneg,"bad\npos,film\n' >open.csv
    go ids open.csv
    [ "$status" -eq 3 ] || [ "$status" -eq 4 ]
    [ "$(head -n 1 out)" = '2 5 3' ]
    err_has 'open.csv'
}

@test "a record longer than --max-record is rejected" {
    { echo good; yes film | head -c 100000 | tr '\n' ' '; echo; echo bad; } >long
    go ids --max-record 64K long
    status_is 3
    out_is $'2 5 3\n2 6 3'
    err_has 'max-record'
}

@test "a line of 100 MB" {
    { echo good; head -c 100000000 /dev/zero | tr '\0' 'a'; echo; echo bad; } >long
    go ids long
    status_is 0
    out_is $'2 5 3\n2 1 3\n2 6 3'
    rm long
}

@test "a stream cut short, or with a flipped bit: exit 4, all before the damage is written" {
    for i in $(seq 2000); do echo "good film $i"; done >many
    tokenize -o whole.msgpack many
    size=$(stat -c %s whole.msgpack)
    head -c $((size - 40)) whole.msgpack >cut.msgpack
    go tokenize --overwrite -t ids cut.msgpack
    status_is 4
    err_has 'cut.msgpack'
    has_lines out 1024
    cp whole.msgpack flipped.msgpack
    printf '\xff' | dd of=flipped.msgpack bs=1 seek=$((size - 5000)) conv=notrunc status=none
    go tokenize --overwrite -t ids flipped.msgpack
    status_is 4
    err_has 'flipped.msgpack'
    has_lines out 1024
    go tokenize --overwrite -t msgpack flipped.msgpack
    status_is 4
    mv out damaged.msgpack
    go tokenize --overwrite -t ids damaged.msgpack
    status_is 4
}

@test "user fields named like ours: exit 4 at the first, or --overwrite" {
    printf '{"text":"fine"}\n{"text":"good","ids":[1,2]}\n' >own.jsonl
    go tokenize -t jsonl own.jsonl
    status_is 4
    out_is '{"ids":[2,8,3],"n_tokens":3,"truncated":false,"text":"fine"}'
    err_has '"ids"'
    err_has '--overwrite'
    go tokenize -t jsonl --overwrite own.jsonl
    status_is 0
    out_has '{"ids":[2,5,3],"n_tokens":3,"truncated":false,"text":"good"}'
}

@test "JSON lines: no text, a text that is none, no JSON: rejected" {
    printf '%s\n' '{"text":"good"}' '{"label":"x"}' '{"text":7}' '{"text":' '{"text":"bad"}' >j.jsonl
    go ids j.jsonl
    status_is 3
    out_is $'2 5 3\n2 6 3'
    [ "$(grep -c 'j.jsonl' err)" -ge 3 ]
}

@test "input that cannot be opened: exit 4, what came before is written" {
    echo good >a
    go ids a nowhere
    status_is 4
    err_has nowhere
}

# ---- output -----------------------------------------------------------------------

@test "a full disk is exit 5" {
    status=0
    ids <<<good >/dev/full 2>err || status=$?
    : >out
    status_is 5
    err_has 'standard output'
}

@test "a closed stdout is exit 5" {
    status=0
    ids <<<good >&- 2>err || status=$?
    : >out
    status_is 5
    err_has 'standard output'
}

@test "a folder that cannot be written is exit 5" {
    go ids -o nowhere/ids.txt <<<good
    status_is 5
    out_is ''
    err_has 'nowhere/ids.txt'
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

@test "no msgpack to a terminal" {
    command -v script >/dev/null || skip "no script(1)"
    echo good >a
    go script -qec "$BIN/bs-tokenize -m $TINY a" /dev/null
    status_is 2
    out_has terminal
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
