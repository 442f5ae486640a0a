#!/usr/bin/env bats
# How input ends, and odd bytes in it: exit status, standard output and standard error of
# each tool. Rows that cannot be used are in rejected.bats, streams in streams.bats.
# shellcheck disable=SC2154 # status comes from helper.bash

load helper

setup() {
    use_scratch
}

# ---- how input ends ---------------------------------------------------------------

@test "empty input: nothing to do, and nothing to score" {
    mkdir empty.d
    for name in empty.txt empty.tsv empty.csv empty.jsonl; do : >$name; done
    gzip </dev/null >empty.gz
    for name in empty.*; do
        tokenized "$name"
        gives 0 '' ''
        answered "$name"
        gives 0 '' ''
        scored "$name"
        gives 4 '' "$name: holds no record that can be scored"
        rated "$name"
        gives 4 '' "$name: holds no record that can be scored"
    done
    tokenized </dev/null
    gives 0 '' ''
    answered - </dev/null
    gives 0 '' ''
    scored </dev/null
    gives 4 '' 'standard input: holds no record that can be scored'
    rated empty.tsv empty.csv
    gives 4 '' 'the input: holds no record that can be scored'
}

@test "empty input makes a stream without records" {
    tool tokenize -m "$TINY" -o tokens.msgpack </dev/null
    tool predict -m "$TINY" -t msgpack -o predictions.msgpack tokens.msgpack
    answered tokens.msgpack
    gives 0 '' ''
    scored tokens.msgpack
    gives 4 '' 'tokens.msgpack: holds no record that can be scored'
    rated predictions.msgpack
    gives 4 '' 'predictions.msgpack: holds no record that can be scored'
}

@test "a header row alone" {
    printf 'label\ttext\n' >rows.tsv
    printf 'label,text' >rows.csv
    for name in rows.tsv rows.csv; do
        tokenized $name
        gives 0 '' ''
        answered $name
        gives 0 $'predicted\tprobability\tlabel\ttext' ''
        scored $name
        gives 4 '' "$name: holds no record that can be scored"
    done
    printf 'predicted\tlabel\n' >rows.tsv
    rated rows.tsv
    gives 4 '' 'rows.tsv: holds no record that can be scored'
}

@test "zero bytes where a stream must be: exit 4, what came before is kept" {
    printf 'label\ttext\npositive\tgood film\n' >rows.tsv
    tool predict -m "$TINY" -t msgpack -o predictions.msgpack rows.tsv
    : >none.msgpack
    why='empty, not even the header of a stream: did the command that writes it fail?'
    for run in tokenized answered scored rated; do
        $run -f msgpack </dev/null
        gives 4 '' "standard input: $why"
        $run -f msgpack -o there </dev/null
        gives 4 '' "standard input: $why"
        [ ! -e there ]
    done
    tokenized rows.tsv none.msgpack
    gives 4 '2 5 7 3' "none.msgpack: $why"
    answered rows.tsv none.msgpack
    gives 4 $'predicted\tprobability\tlabel\ttext\npositive\tP\tpositive\tgood film' \
        "none.msgpack: $why"
    scored rows.tsv none.msgpack
    gives 4 '' "none.msgpack: $why"
    rated predictions.msgpack none.msgpack
    gives 4 '' "none.msgpack: $why"
}

@test "input without a final newline" {
    printf 'label\ttext\npositive\tgood film\nnegative\tawful' >rows.tsv
    printf 'label,text\npositive,good film\nnegative,awful' >rows.csv
    printf 'label,text\n"positive","good film"\n"negative","awful"' >quoted.csv
    printf '{"label":"positive","text":"good film"}\n{"label":"negative","text":"awful"}' \
        >rows.jsonl
    for name in rows.tsv rows.csv quoted.csv rows.jsonl; do
        tokenized $name
        gives 0 $'2 5 7 3\n2 9 3' ''
        answered $name
        gives 0 $'predicted\tprobability\tlabel\ttext
positive\tP\tpositive\tgood film
negative\tP\tnegative\tawful' ''
        scored $name
        gives 0 '1.000000 of 2, 0 rejected' ''
    done
    printf 'good film\nawful' >texts
    tokenized texts
    gives 0 $'2 5 7 3\n2 9 3' ''
    answered texts
    gives 0 $'predicted\tprobability\ttext\npositive\tP\tgood film\nnegative\tP\tawful' ''
    printf 'predicted\tprobability\tlabel\na\t0.5\ta\nb\t0.5\ta' >rows.tsv
    rated rows.tsv
    gives 0 '0.500000 of 2, 0 rejected' ''
}

@test "CRLF: of the row in TSV, CSV and JSON lines, of the text in lines" {
    printf 'label\ttext\r\npositive\tgood film\r\nnegative\tawful\r\n' >rows.tsv
    printf 'label,text\r\npositive,good film\r\nnegative,awful\r\n' >rows.csv
    printf '"label","text"\r\n"positive","good film"\r\n"negative","awful"\r\n' >quoted.csv
    printf '%s\r\n' '{"label":"positive","text":"good film"}' '' \
        '{"label":"negative","text":"awful"}' >rows.jsonl
    for name in rows.tsv rows.csv quoted.csv rows.jsonl; do
        tokenized -t jsonl $name
        gives 0 '{"ids":[2,5,7,3],"n_tokens":4,"truncated":false,"label":"positive","text":"good film"}
{"ids":[2,9,3],"n_tokens":3,"truncated":false,"label":"negative","text":"awful"}' ''
        answered $name
        gives 0 $'predicted\tprobability\tlabel\ttext
positive\tP\tpositive\tgood film
negative\tP\tnegative\tawful' ''
        scored $name
        gives 0 '1.000000 of 2, 0 rejected' ''
    done
    # Within quotes it belongs to the cell, and stands there again in CSV.
    printf 'label,text\r\nnegative,"bad\r\nfilm"\r\n' >rows.csv
    answered -t csv rows.csv
    gives 0 $'predicted,probability,label,text\npositive,P,negative,"bad\r\nfilm"' ''
    printf 'good film\r\n\r\nawful\r\n' >texts
    tokenized texts
    gives 0 $'2 5 7 3\n2 3\n2 9 3' ''
    answered texts
    gives 0 $'predicted\tprobability\ttext\npositive\tP\tgood film\\r
positive\tP\t\\r\nnegative\tP\tawful\\r' ''
    printf 'predicted\tprobability\tlabel\r\na\t0.5\ta\r\nb\t0.5\ta\r\n' >rows.tsv
    tr '\t' , <rows.tsv >rows.csv
    for name in rows.tsv rows.csv; do
        rated $name
        gives 0 '0.500000 of 2, 0 rejected' ''
    done
}

# ---- odd bytes --------------------------------------------------------------------

@test "a text of no tokens is [CLS] [SEP], kept" {
    printf 'label\ttext\npositive\t\npositive\t \nnegative\tawful\n' >rows.tsv
    tokenized rows.tsv
    gives 0 $'2 3\n2 3\n2 9 3' ''
    answered rows.tsv
    gives 0 $'predicted\tprobability\tlabel\ttext
positive\tP\tpositive\t
positive\tP\tpositive\t \nnegative\tP\tnegative\tawful' ''
    scored rows.tsv
    gives 0 '1.000000 of 3, 0 rejected' ''
    printf '\n\x01\n' >texts # a control character is no token
    tokenized texts
    gives 0 $'2 3\n2 3' ''
    answered texts
    gives 0 $'predicted\tprobability\ttext\npositive\tP\t\npositive\tP\t\x01' ''
}

@test "NUL bytes belong to the text; a label with one cannot be scored" {
    printf 'label\ttext\npositive\tgo\0od film\nneg\0ative\tfine\nnegative\tawful\n' >rows.tsv
    tr '\t' , <rows.tsv >rows.csv
    for name in rows.tsv rows.csv; do
        tokenized $name
        gives 0 $'2 5 7 3\n2 8 3\n2 9 3' ''
        answered -t jsonl $name
        gives 0 '{"predicted":"positive","probability":P,"label":"positive","text":"go\u0000od film"}
{"predicted":"positive","probability":P,"label":"neg\u0000ative","text":"fine"}
{"predicted":"negative","probability":P,"label":"negative","text":"awful"}' ''
        scored $name
        gives 3 '1.000000 of 2, 0 rejected' "$name: line 3: the label holds a zero byte"
        tool predict -m "$TINY" -t msgpack -o predictions.msgpack $name
        rated predictions.msgpack
        gives 3 '1.000000 of 2, 0 rejected' \
            'predictions.msgpack: record 2: a label holds a zero byte'
    done
    # They pass through TSV as they are.
    tool predict -m "$TINY" rows.tsv | cut -f 3- | cmp - rows.tsv
    # JSON has an escape for them, and allows nothing else.
    printf '{"text":"go\\u0000od"}\n{"text":"a\0b"}\n{"text":"fine"}\n' >rows.jsonl
    tokenized rows.jsonl
    gives 3 $'2 5 3\n2 8 3' \
        'rows.jsonl: line 2: not valid JSON: byte 11: a control character in a string'
    printf 'go\0od\nfine\n' >texts
    tokenized texts
    gives 0 $'2 5 3\n2 8 3' ''
}

@test "invalid UTF-8 is kept, told, exit 0; rejected on request" {
    printf 'label\ttext\npositive\tgood film\nnegative\taw\xffful\npositive\tfine\n' >rows.tsv
    tr '\t' , <rows.tsv >rows.csv
    perl -ne 'print "{\"label\":\"$1\",\"text\":\"$2\"}\n" if /^(\w+e)\t(.*)/' \
        rows.tsv >rows.jsonl
    tool tokenize -m "$TINY" -q -o rows.msgpack rows.tsv
    for name in rows.tsv:line:3 rows.csv:line:3 rows.jsonl:line:2 rows.msgpack:record:2; do
        IFS=: read -r file unit number <<<"$name"
        some=--overwrite
        tokenized $some "$file"
        gives 0 $'2 5 7 3\n2 9 3\n2 8 3' "$file: 1 record held invalid UTF-8"
        tokenized $some --invalid-utf8 reject "$file"
        gives 3 $'2 5 7 3\n2 8 3' "$file: $unit $number: invalid UTF-8"
        answered -t csv "$file"
        gives 0 $'predicted,probability,label,text\npositive,P,positive,good film
negative,P,negative,aw\xffful\npositive,P,positive,fine' \
            "$file: 1 record held invalid UTF-8"
        scored "$file"
        gives 0 '1.000000 of 3, 0 rejected' "$file: 1 record held invalid UTF-8"
        scored --invalid-utf8 reject "$file"
        gives 3 '0.666667 of 3, 1 rejected' "$file: $unit $number: invalid UTF-8"
    done
    answered --invalid-utf8 reject rows.tsv
    gives 3 $'predicted\tprobability\tlabel\ttext\npositive\tP\tpositive\tgood film
\t\tnegative\taw\xffful\npositive\tP\tpositive\tfine' 'rows.tsv: line 3: invalid UTF-8'
    # In JSON lines it becomes U+FFFD; in msgpack it stays.
    tool predict -m "$TINY" -q -t msgpack rows.tsv | grep -qaF $'aw\xffful'
    answered -t jsonl -q rows.tsv
    status_is 0
    out_has $'"text":"aw\xef\xbf\xbdful"'
    printf 'good\nfi\xffne\n' >texts
    tokenized texts
    gives 0 $'2 5 3\n2 8 3' 'texts: 1 record held invalid UTF-8'
    tokenized --invalid-utf8 reject texts
    gives 3 '2 5 3' 'texts: line 2: invalid UTF-8'
    printf 'predicted\tprobability\tlabel\na\t0.5\ta\n\xff\t0.5\t\xff\n' >rows.tsv
    rated rows.tsv
    gives 0 '1.000000 of 2, 0 rejected' 'rows.tsv: 1 record held invalid UTF-8'
    rated --invalid-utf8 reject rows.tsv
    gives 3 '1.000000 of 1, 0 rejected' 'rows.tsv: line 3: invalid UTF-8'
}

# ---- archives -----------------------------------------------------------------------

# files: the path of each record of out, and its label.
files() {
    perl -ne 'print /"path":"(.*?)"/, /"label":"(.*?)"/ ? " $1" : "", "\n"' out
}

@test "members: . and doubled slashes in their paths are nothing" {
    mkdir -p pos neg/.git
    echo good >pos/a
    echo awful >neg/b
    echo awful >neg/...
    echo awful >neg/.git/c
    tar cf dots.tar pos/. ./neg/./
    tar rPf dots.tar --transform 's,pos/,top//pos//,' pos/a
    tar rPf dots.tar --transform 's,pos/,//pos/./,' pos/a
    go tool tokenize -m "$TINY" -t jsonl dots.tar
    status_is 0
    err_is ''
    [ "$(files)" = 'pos/a pos
neg/b neg
top/pos/a pos
/pos/a pos' ]
    go tool tokenize -m "$TINY" -t jsonl --members 'pos/*' dots.tar
    status_is 0
    [ "$(files)" = 'pos/a pos' ]
}

@test "members that lead upwards, and links to others, are left out with a warning" {
    mkdir pos neg
    echo good >pos/a
    echo awful >neg/b
    ln neg/b neg/c
    ln neg/b neg/d
    tar cf odd.tar neg
    tar rPf odd.tar --transform 's,pos,../pos,' pos/a
    tar rPf odd.tar --transform 's,pos,up/..,' pos/a
    tar rf odd.tar pos/a
    go tool tokenize -m "$TINY" -t jsonl odd.tar
    status_is 0
    [ "$(files)" = "$(tar tf odd.tar | grep '^neg/[a-z]' | head -n 1) neg
pos/a pos" ]
    err_is "bs-tokenize: odd.tar: $(tar tf odd.tar | grep '^neg/[a-z]' | sed -n 2p): a link to another member, has no content of its own; such members are left out
bs-tokenize: odd.tar: ../pos/a: leads upwards; such members are left out"
    go tool tokenize -m "$TINY" -t jsonl --members 'pos/*' odd.tar
    status_is 0
    err_is ''
}

@test "a folder is read without what is written into it" {
    mkdir -p texts/positive texts/negative
    echo good >texts/positive/a
    echo awful >texts/negative/b
    cd texts
    both=$'negative/b negative\npositive/a positive'
    for _ in before again; do
        go tool tokenize -m "$TINY" -t jsonl --rejects rejects .
        status_is 0
        err_is ''
        [ "$(files)" = "$both" ]
        [ ! -s rejects ]
    done
    rm rejects
    for _ in before again; do
        go tool tokenize -m "$TINY" -t jsonl -o answers .
        status_is 0
        out_is ''
        err_is ''
        cp answers out
        [ "$(files)" = "$both" ]
    done
    rm answers
    for _ in before again; do
        go tool export -m "$TINY" -t bundle -o model.bs .
        status_is 0
        err_has 'logits of 2 texts'
    done
    rm model.bs
    for _ in before again; do
        go tool train -m "$TINY" -o run --max-steps 1 .
        status_is 0
        err_has '2 examples to train on, 0 to evaluate, 2 labels'
    done
}

# Three seconds a run; memory is bounded to a few times the line.
@test "a line of 100 MB" {
    perl -e 'print "awful\n", "a" x 1e8, "\nfine\n"' >texts
    perl -e 'print "label,text\nnegative,awful\nnegative,\"", " " x 1e8, "\"\npositive,fine\n"' \
        >rows.csv
    bound_memory 2097152
    tokenized --threads 2 texts
    gives 0 $'2 9 3\n2 1 3\n2 8 3' ''
    answered --threads 2 texts
    status_is 0
    err_is ''
    [ "$(cut -f 1,2 out | paste -sd ' ')" = $'predicted\tprobability negative\tP positive\tP positive\tP' ]
    tail -n +2 out | cut -f 3- | cmp - texts
    scored --threads 2 rows.csv
    gives 0 '0.666667 of 3, 0 rejected' ''
    rm out texts rows.csv
}
