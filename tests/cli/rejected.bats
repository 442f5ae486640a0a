#!/usr/bin/env bats
# Rows and fields that cannot be used as they are: exit status, standard output and
# standard error of each tool, and that no other record is lost. Odd bytes are in
# text_input.bats, streams in streams.bats.
# shellcheck disable=SC2154 # status comes from helper.bash

load helper

setup() {
    use_scratch
}

# ---- rows that cannot be used -----------------------------------------------------

@test "a TSV row with too few columns, or too many: the others are kept" {
    printf 'label\ttext\npositive\tgood film\nnegative\nnegative\tawful\tindeed\nnegative\tawful\n' \
        >rows.tsv
    told='rows.tsv: line 3: has 1 column, the header has 2
rows.tsv: line 4: has 3 columns, the header has 2'
    tokenized rows.tsv
    gives 3 $'2 5 7 3\n2 9 3' "$told"
    answered rows.tsv
    gives 3 $'predicted\tprobability\tlabel\ttext\npositive\tP\tpositive\tgood film
\t\t\t\n\t\t\t\nnegative\tP\tnegative\tawful' "$told"
    answered -t jsonl rows.tsv
    gives 3 '{"predicted":"positive","probability":P,"label":"positive","text":"good film"}
{"predicted":""}
{"predicted":""}
{"predicted":"negative","probability":P,"label":"negative","text":"awful"}' "$told"
    scored rows.tsv
    gives 3 '0.500000 of 4, 2 rejected' "$told"
    printf 'predicted\tprobability\tlabel\na\t0.5\ta\nb\t0.5\na\t0.5\tb\n' >rows.tsv
    rated rows.tsv
    gives 3 '0.500000 of 2, 0 rejected' 'rows.tsv: line 3: has 2 columns, the header has 3'
}

@test "a CSV with an open quote: what came before it is kept" {
    printf 'label,text\npositive,good film\nnegative,"awful\npositive,fine\n' >rows.csv
    told='rows.csv: line 3: the quote opened on line 3 is never closed'
    tokenized rows.csv
    gives 3 '2 5 7 3' "$told"
    answered rows.csv
    gives 3 $'predicted\tprobability\tlabel\ttext\npositive\tP\tpositive\tgood film\n\t\t\t' \
        "$told"
    scored rows.csv
    gives 3 '0.500000 of 2, 1 rejected' "$told"
    printf 'predicted,probability,label\na,0.5,a\nb,0.5,"b\na,0.5,b\n' >rows.csv
    rated rows.csv
    gives 3 '1.000000 of 1, 0 rejected' "$told"
    printf '"label,text\npositive,good film\n' >rows.csv
    tokenized rows.csv
    gives 3 '' 'rows.csv: line 1: the quote opened on line 1 is never closed'
}

@test "JSON lines that cannot be used: the others are kept" {
    cat >rows.jsonl <<'END'
{"label":"a","label":"b","text":"fine"}
{"label":"negative","text":"fine","te\u0078t":"awful"}
{"label":"positive"}
{"label":"negative","text":7}
{"label":"negative","text":
[]
{"label":"positive","text":"good film"}
END
    told='rows.jsonl: line 1: field "label" stands there twice
rows.jsonl: line 2: field "text" stands there twice
rows.jsonl: line 3: field "text" is missing (--text chooses another)
rows.jsonl: line 4: field "text" is not a text
rows.jsonl: line 5: not valid JSON: byte 28: a value is wanted
rows.jsonl: line 6: not a JSON object'
    tokenized rows.jsonl
    gives 3 '2 5 7 3' "$told"
    # The columns are those of a whole record, though torn ones come first.
    answered rows.jsonl
    gives 3 $'predicted\tprobability\tlabel\ttext\n\t\ta\tfine\n\t\tnegative\tfine
\t\tpositive\t\n\t\tnegative\t7\n\t\tnegative\t\n\t\t\t\npositive\tP\tpositive\tgood film' "$told"
    scored rows.jsonl
    gives 3 '0.142857 of 7, 6 rejected' "$told"
    cat >rows.jsonl <<'END'
{"predicted":"a","probability":0.5,"label":"a"}
{"predicted":"a","predicted":"b","probability":0.5,"label":"b"}
{"predicted":"a","probability":"high","label":"a"}
{"predicted":"a","probability":0.5,"label":
{"predicted":"b","probability":0.5,"label":"a"}
END
    rated rows.jsonl
    gives 3 '0.500000 of 2, 0 rejected' \
        'rows.jsonl: line 2: field "predicted" stands there twice
rows.jsonl: line 3: field "probability" is not a number
rows.jsonl: line 4: not valid JSON: byte 44: a value is wanted'
}

@test "a label not seen in training is a class of its own, never right" {
    printf 'label\ttext\npositive\tgood film\nneutral\tfine\nneutral\tawful\nnegative\tawful\n' \
        >rows.tsv
    tokenized rows.tsv
    gives 0 $'2 5 7 3\n2 8 3\n2 9 3\n2 9 3' ''
    tokenized --labels negative,positive rows.tsv
    gives 3 $'2 5 7 3\n2 9 3' 'rows.tsv: line 3: label "neutral" is not one of the labels given
rows.tsv: line 4: label "neutral" is not one of the labels given'
    answered rows.tsv
    gives 0 $'predicted\tprobability\tlabel\ttext\npositive\tP\tpositive\tgood film
positive\tP\tneutral\tfine\nnegative\tP\tneutral\tawful\nnegative\tP\tnegative\tawful' ''
    scored rows.tsv
    gives 0 '0.500000 of 4, 0 rejected' \
        '2 records have a label that the model cannot predict ("neutral"): is -m the right model?'
    go tool eval -q -m "$TINY" rows.tsv
    status_is 0
    out_has $'f1:neutral\t0.000000'
    out_has $'support:neutral\t2'
    tool predict -m "$TINY" --probabilities rows.tsv | tool eval -f tsv -q >through
    cmp out through
}

@test "ids beyond the vocabulary, lengths beyond the positions, wrong types: rejected" {
    {
        printf '{"label":"negative","ids":[2,9,3]}\n'
        printf '{"label":"negative","ids":[2,84,3]}\n'
        printf '{"label":"negative","ids":[2,-1,3]}\n'
        printf '{"label":"negative","ids":[2,9999999999,3]}\n'
        printf '{"label":"negative","ids":"2 9 3"}\n'
        printf '{"label":"negative","ids":[]}\n'
        printf '{"label":"negative","ids":[%s2]}\n' "$(yes 2, | head -n 64 | tr -d '\n')"
        printf '{"label":"negative","ids":[2,9,3],"type_ids":[0,2,0]}\n'
        printf '{"label":"negative","ids":[2,9,3],"type_ids":[0,0]}\n'
        printf '{"label":"negative","ids":[2,9,3],"n_tokens":-1}\n'
        printf '{"label":"negative","ids":[2,9,3],"truncated":"no"}\n'
        printf '{"label":"positive","ids":[2,8,3],"type_ids":[0,0,0]}\n'
    } >rows.jsonl
    told="rows.jsonl: line 2: id 84 is outside the vocabulary of 84 entries
rows.jsonl: line 3: id -1 is outside the vocabulary of 84 entries
rows.jsonl: line 4: field \"ids\" is not a list of whole numbers below 2147483648
rows.jsonl: line 5: field \"ids\" is not a list of whole numbers below 2147483648
rows.jsonl: line 6: there are no ids
rows.jsonl: line 7: 65 ids are more than the model's 64 positions
rows.jsonl: line 8: type id 2 is not below 2
rows.jsonl: line 9: 2 type_ids for 3 ids
rows.jsonl: line 10: field \"n_tokens\" is -1, not a count
rows.jsonl: line 11: field \"truncated\" is not true or false"
    answered rows.jsonl
    gives 3 "$(printf 'predicted\tprobability\tlabel\nnegative\tP\tnegative\n'
        printf '\t\tnegative\n%.0s' 1 2 3 4 5 6 7 8 9 10
        printf 'positive\tP\tpositive')" "$told"
    scored rows.jsonl
    gives 3 '0.166667 of 12, 10 rejected' "$told"
    # The same from a text, when no length is asked for.
    { printf 'label\ttext\nnegative\tawful\nnegative\t%s\n' "$(yes good | head -n 63 | paste -sd ' ')"; } >rows.tsv
    answered --drop text --max-length 0 rows.tsv
    gives 3 $'predicted\tprobability\tlabel\nnegative\tP\tnegative\n\t\tnegative' \
        "rows.tsv: line 3: 65 ids are more than the model's 64 positions"
    scored --max-length 0 rows.tsv
    gives 3 '0.500000 of 2, 1 rejected' \
        "rows.tsv: line 3: 65 ids are more than the model's 64 positions"
}

# ---- fields -----------------------------------------------------------------------

@test "user fields named like ours: exit 4 at the first, or --overwrite" {
    printf 'label\tids\tpredicted\ttext\npositive\t7\tx\tgood film\nnegative\t8\ty\tawful\n' \
        >rows.tsv
    printf '%s\n' '{"label":"positive","text":"good film"}' \
        '{"ids":[1],"label":"negative","n_tokens":"many","text":"awful","predicted":"x"}' >rows.jsonl
    remedy='rename it, or replace it with --overwrite'
    tokenized rows.tsv
    gives 4 '' "rows.tsv: line 2: field \"ids\" is one that bs-tokenize writes; $remedy"
    tokenized rows.jsonl
    gives 4 '2 5 7 3' "rows.jsonl: line 2: field \"ids\" is one that bs-tokenize writes; $remedy"
    tokenized -o there rows.jsonl
    gives 4 '' "rows.jsonl: line 2: field \"ids\" is one that bs-tokenize writes; $remedy"
    [ ! -e there ]
    tokenized --overwrite rows.tsv
    gives 0 $'2 5 7 3\n2 9 3' ''
    tokenized --overwrite -t jsonl rows.jsonl
    gives 0 '{"ids":[2,5,7,3],"n_tokens":4,"truncated":false,"label":"positive","text":"good film"}
{"ids":[2,9,3],"n_tokens":3,"truncated":false,"label":"negative","text":"awful","predicted":"x"}' ''
    answered rows.tsv
    gives 4 $'predicted\tprobability\tlabel\tids\ttext' \
        "rows.tsv: line 2: field \"predicted\" is one that bs-predict writes; $remedy"
    answered rows.jsonl
    gives 4 $'predicted\tprobability\tlabel\ttext\npositive\tP\tpositive\tgood film' \
        "rows.jsonl: line 2: field \"predicted\" is one that bs-predict writes; $remedy"
    answered -o there rows.jsonl
    gives 4 '' "rows.jsonl: line 2: field \"predicted\" is one that bs-predict writes; $remedy"
    [ ! -e there ]
    # What bs-predict does not write is the user's.
    answered --overwrite rows.tsv
    gives 0 $'predicted\tprobability\tlabel\tids\ttext
positive\tP\tpositive\t7\tgood film\nnegative\tP\tnegative\t8\tawful' ''
    answered --overwrite -t jsonl rows.jsonl
    gives 0 '{"predicted":"positive","probability":P,"label":"positive","text":"good film"}
{"predicted":"negative","probability":P,"ids":[1],"label":"negative","n_tokens":"many","text":"awful"}' ''
    # bs-eval writes none.
    for name in rows.tsv rows.jsonl; do
        scored $name
        gives 0 '1.000000 of 2, 0 rejected' ''
    done
    # Records of bs-tokenize may carry the user's prediction, too.
    tool tokenize -m "$TINY" -o rows.msgpack <(printf '{"text":"fine"}\n{"text":"awful","predicted":"x"}\n') \
        -f jsonl
    answered rows.msgpack
    gives 4 $'predicted\tprobability\ttext\npositive\tP\tfine' \
        "rows.msgpack: record 2: field \"predicted\" is one that bs-predict writes; $remedy"
}

@test "JSON that a parser would rewrite passes byte for byte" {
    own='"n":1.50,"big":123456789012345678901234567890,"e":1E+2,"m":-0,"s":"\u00e9\/\ud800","d":1,"d":2,"k\u0065y":[ null ]'
    printf '{"label":"positive","text":"good \\u0066ilm",%s}\n' "$own" >rows.jsonl
    tokenized -t jsonl rows.jsonl
    gives 0 '{"ids":[2,5,7,3],"n_tokens":4,"truncated":false,"label":"positive","text":"good \u0066ilm",'"$own}" ''
    answered -t jsonl rows.jsonl
    gives 0 '{"predicted":"positive","probability":P,"label":"positive","text":"good \u0066ilm",'"$own}" ''
    answered rows.jsonl
    gives 0 $'predicted\tprobability\tlabel\ttext\tn\tbig\te\tm\ts\td\td\tkey
positive\tP\tpositive\tgood film\t1.50\t123456789012345678901234567890\t1E+2\t-0\té/\xef\xbf\xbd\t1\t2\t[ null ]' ''
    # Through msgpack and back values stay, digit by digit; blanks do not.
    tool tokenize -m "$TINY" -o rows.msgpack rows.jsonl
    kept="${own%,*},\"key\":[null]"
    answered -t jsonl rows.msgpack
    gives 0 '{"predicted":"positive","probability":P,"ids":[2,5,7,3],"n_tokens":4,"truncated":false,"label":"positive","text":"good film",'"$kept}" ''
    scored rows.jsonl
    gives 0 '1.000000 of 1, 0 rejected' ''
    # Labels are compared as names: 1.0 is not 1.
    cat >rows.jsonl <<'END'
{"predicted":"\u0061","label":"a","probability":5e-1,"d":1,"d":2}
{"predicted":1.0,"label":"1.0","probability":0.50}
{"predicted":1,"label":1.0,"probability":0.5}
END
    rated -q rows.jsonl
    gives 0 '0.666667 of 3, 0 rejected' ''
}

# ---- options ----------------------------------------------------------------------

@test "--max-record: what is longer is rejected in constant memory, in every format" {
    mkdir -p rows.d/negative rows.d/positive
    printf 'good film' >rows.d/positive/1
    printf 'awful' >rows.d/negative/2
    perl -e 'print "x" x 200000' >rows.d/negative/1
    long=$(cat rows.d/negative/1)
    printf 'label\ttext\npositive\tgood film\nnegative\t%s\nnegative\tawful\n' "$long" >rows.tsv
    printf 'label,text\npositive,good film\nnegative,"%s"\nnegative,awful\n' "$long" >rows.csv
    printf '{"label":"%s","text":"%s"}\n' positive 'good film' negative "$long" negative awful \
        >rows.jsonl
    tool tokenize -m "$TINY" -o rows.msgpack rows.tsv
    tar cf rows.tar -C rows.d positive negative/1 negative/2
    gzip -k rows.tsv
    for name in rows.tsv:line:3 rows.csv:line:3 rows.jsonl:line:2 rows.msgpack:record:2 \
        rows.tar:negative/1:record:1 rows.tsv.gz:line:3; do
        told="${name//:/: }: longer than 65536 bytes (--max-record)"
        told=${told/record: /record } told=${told/line: /line }
        name=${name%%:*}
        tokenized --overwrite --max-record 64K "$name"
        gives 3 $'2 5 7 3\n2 9 3' "$told"
        answered --max-record 64K --drop text -t jsonl "$name"
        status_is 3
        rejected='{"predicted":""}'
        [ "$name" != rows.tar ] || rejected='{"predicted":""' # label and path follow
        [ "$(cut -d , -f 1 out | paste -sd ' ')" = \
            "{\"predicted\":\"positive\" $rejected {\"predicted\":\"negative\"" ]
        err_is "bs-predict: $told"
        scored --max-record 64K "$name"
        gives 3 '0.666667 of 3, 1 rejected' "$told"
        scored --max-record 1M "$name"
        status_is 0
        err_is ''
    done
    printf 'good film\n%s\nawful\n' "$long" >texts
    tokenized --max-record 200000 texts
    gives 0 $'2 5 7 3\n2 1 3\n2 9 3' ''
    tokenized --max-record 199999 texts
    gives 3 $'2 5 7 3\n2 9 3' 'texts: line 2: longer than 199999 bytes (--max-record)'
    sed 's/label/predicted/; s/text/label/' rows.tsv >predictions.tsv
    rated -q --max-record 64K predictions.tsv
    gives 3 '0.000000 of 2, 0 rejected' ''
}

@test "a file of a folder that cannot be used keeps its label and path" {
    mkdir -p rows.d/positive
    echo good | gzip >rows.d/positive/1.gz
    echo 'good film' >rows.d/positive/2
    told='rows.d/positive/1.gz: record 1: packed by gzip; unpack it first'
    answered -t jsonl rows.d
    gives 3 '{"predicted":"","label":"positive","path":"positive/1.gz"}
{"predicted":"positive","probability":P,"label":"positive","text":"good film\n","path":"positive/2"}' "$told"
    answered rows.d
    gives 3 $'predicted\tprobability\tlabel\ttext\tpath
\t\tpositive\t\tpositive/1.gz
positive\tP\tpositive\tgood film\\n\tpositive/2' "$told"
}

@test "--max-record: a record stream has room for no more than 2 GiB" {
    tokenized --max-record 2147483648 - <<<good
    status_is 2
    err_has '--max-record must be a whole number from 1 to 2147483647, not "2147483648"'
    tokenized --max-record 2147483647 - <<<good
    gives 0 '2 5 3'
}

@test "--max-record: what is passed over takes no memory" {
    bound_memory 262144
    { echo good; head -c 400000000 /dev/zero; printf '\nfine\n'; } | {
        tokenized --threads 1 --max-record 64K
        gives 3 $'2 5 3\n2 8 3' 'standard input: line 2: longer than 65536 bytes (--max-record)'
    }
}

@test "--max-record: a first row too long is not passed over for the second" {
    printf 'a rather long name for this first column\ttext\nx\tgood\nlabel\ttext\n' >rows.tsv
    tr '\t' , <rows.tsv >rows.csv
    for name in rows.tsv rows.csv; do
        told="$name: the first row, which may name the columns, is longer than 20 bytes (--max-record)"
        tokenized --max-record 20 $name
        gives 4 '' "$told"
        answered --max-record 20 $name
        gives 4 '' "$told"
        scored --max-record 20 $name
        gives 4 '' "$told"
        rated --max-record 20 $name
        gives 4 '' "$told"
        tokenized --max-record 20 --header no --text 2 $name
        gives 3 $'2 5 3\n2 32 43 62 58 3' "$name: line 1: longer than 20 bytes (--max-record)"
    done
}

@test "--strict stops at the first rejected record" {
    printf 'label\ttext\npositive\tgood film\nnegative\npositive\n' >rows.tsv
    told='rows.tsv: line 3: has 1 column, the header has 2'
    tokenized --strict rows.tsv
    gives 4 '2 5 7 3' "$told"
    answered --strict rows.tsv
    gives 4 $'predicted\tprobability\tlabel\ttext\npositive\tP\tpositive\tgood film' "$told"
    scored --strict rows.tsv
    gives 4 '' "$told"
    for run in tokenized answered scored; do
        $run --strict -o there --rejects rejects rows.tsv
        gives 4 '' "$told"
        [ "$(find . -name 'there*' -o -name 'rejects*')" = '' ]
    done
    printf 'predicted\tprobability\tlabel\na\t0.5\ta\na\t0.5\n' >rows.tsv
    rated --strict rows.tsv
    gives 4 '' 'rows.tsv: line 3: has 2 columns, the header has 3'
    # One that is found later, by what the model can take.
    printf '{"ids":[2,8,3],"label":"positive"}\n{"ids":[84],"label":"positive"}\n' >rows.jsonl
    answered --strict rows.jsonl
    gives 4 $'predicted\tprobability\tlabel\npositive\tP\tpositive' \
        'rows.jsonl: line 2: id 84 is outside the vocabulary of 84 entries'
}

@test "--rejects keeps all with the reason; standard error tells ten" {
    printf 'label\ttext\npositive\tgood film\n' >rows.tsv
    yes negative | head -n 12 >>rows.tsv
    printf 'positive\tfine\n' >>rows.tsv
    told=$(seq 3 12 | sed 's/.*/rows.tsv: line &: has 1 column, the header has 2/')
    kept=$(seq 3 14 | sed 's/.*/{"file":"rows.tsv","line":&,"reason":"has 1 column, the header has 2","raw":"negative"}/')
    for run in tokenized answered scored; do
        rm -f rejects
        $run --rejects rejects rows.tsv
        case $run in
        tokenized) wanted=$'2 5 7 3\n2 8 3' ;;
        answered) wanted=$(
            printf 'predicted\tprobability\tlabel\ttext\npositive\tP\tpositive\tgood film\n'
            printf '\t\t\t\n%.0s' 1 2 3 4 5 6 7 8 9 10 11 12
            printf 'positive\tP\tpositive\tfine\n'
        ) ;;
        scored) wanted='0.142857 of 14, 12 rejected' ;;
        esac
        gives 3 "$wanted" "$told
12 records were rejected"
        diff rejects - <<<"$kept"
    done
    printf 'predicted\tprobability\tlabel\na\t0.5\ta\nb\n\xff\t1\n' >rows.tsv
    rated --rejects rejects rows.tsv
    gives 3 '1.000000 of 1, 0 rejected' 'rows.tsv: line 3: has 1 column, the header has 3
rows.tsv: line 4: has 2 columns, the header has 3'
    diff rejects - <<<$'{"file":"rows.tsv","line":3,"reason":"has 1 column, the header has 3","raw":"b"}
{"file":"rows.tsv","line":4,"reason":"has 2 columns, the header has 3","raw":"\xef\xbf\xbd\\t1"}'
}

@test "input that cannot be read: exit 4, with the reason" {
    printf 'good\n' >texts
    for run in tokenized answered scored rated; do
        $run texts nowhere
        gives 4 '' 'nowhere: cannot open: No such file or directory'
        $run - <&-
        gives 4 '' 'standard input: cannot read: Bad file descriptor'
        $run -f lines .
        gives 4 '' '.: is a folder; read it with --from tree'
    done
}

@test "no msgpack to a terminal" {
    command -v script >/dev/null || skip "no script(1)"
    echo good >texts
    for command in "tokenize" "predict -t msgpack"; do
        go script -qec "$BIN/bs-$command -m $TINY texts" /dev/null
        status_is 2
        err_is ''
        out_is "bs-${command%% *}: records in msgpack are not for a terminal: send them to a file or a pipe, or choose another format with --to"$'\r'
    done
}

# ---- of several tools --------------------------------------------------------------

@test "a record that bs-predict rejects is counted by bs-eval in every format" {
    printf '{"text":"good film","label":"positive"}\n{"text":1,"label":"positive"}\n{"ids":"2 5 3","text":"fine","label":"positive"}\n' >rows.jsonl
    for format in jsonl csv tsv msgpack; do
        tool predict -q -m "$TINY" -f jsonl -t $format rows.jsonl >answers || [ $? = 3 ]
        go tool eval --resamples 0 -f $format answers
        status_is 0
        err_is ''
        grep -E '^(accuracy|support|rejected)	' out >scores
        cmp scores - <<<'accuracy	0.666667
support	3
rejected	1'
    done
}

@test "a line that breaks off within a value has not got that value" {
    printf '{"text":"good film","label":"a"}\n{"text":"fine","label":01}\n{"text":"fine","label":"b' >rows.jsonl
    go tool predict -m "$TINY" -t jsonl rows.jsonl
    status_is 3
    sed 's/"probability":[0-9.]*/"probability":P/' out >answers
    cmp answers - <<<'{"predicted":"positive","probability":P,"text":"good film","label":"a"}
{"predicted":"","text":"fine"}
{"predicted":"","text":"fine"}'
}

@test "a key that is half a surrogate passes through msgpack" {
    printf '{"text":"fine","m":{"\\ud800":1,"b":"\\ud801"}}\n' >rows.jsonl
    tool tokenize -m "$TINY" -o tokens rows.jsonl
    go tool predict -m "$TINY" -t jsonl tokens
    status_is 0
    out_has '"m":{"\ud800":1,"b":"\ud801"}'
}
