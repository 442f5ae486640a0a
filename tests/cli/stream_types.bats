#!/usr/bin/env bats
# Streams of other values than those that belong there: each msgpack type for each other,
# claims and nesting without bounds, in bounded memory.
# shellcheck disable=SC2154 # status and others come from the helpers

load helper
load streams

setup() {
    use_scratch
    use_streams
}

# ---- types ------------------------------------------------------------------------

# A name for each msgpack type and a value of it.
types='nil:\xc0 false:\xc2 int:\x05 neg:\xff f32:\xca\x3f\x00\x00\x00 u64:\xcf\xff\xff\xff\xff\xff\xff\xff\xff
    str:\xa1x bin:\xc4\x01x array:\x90 map:\x80 ext:\xd4\x01\x00'

@test "each msgpack type where a token record's is expected: that record is rejected" {
    ids='\xa3ids\x93\x02\x05\x03' label='\xa5label\xa8positive' text='\xa4text\xa4good'
    good="\x83$ids$label$text"
    records=("$good") wanted=''
    list='a list of whole numbers below 2147483648'
    # A field, its fellows in the record, what it is to be, and the types that it may
    # have; nil is as good as nothing.
    while IFS='|' read -r field fellows is may; do
        for type in $types; do
            [[ " nil $may " != *" ${type%%:*} "* ]] || continue
            records+=("$fellows$field${type#*:}")
            name=${field#"${field:0:4}"}
            wanted+="record ${#records[@]}: field \"$name\" is not $is"$'\n'
        done
    done <<END
\xa3ids|\x83$label$text|$list|array
\xa8type_ids|\x84$ids$label$text|$list|array
\xa8n_tokens|\x84$ids$label$text|a whole number|int neg
\xa9truncated|\x84$ids$label$text|true or false|false
\xa5label|\x83$ids$text|a text or a number|false int neg f32 u64 str
\xa4text|\x83$ids$label|a text|str
\xa5text2|\x84$ids$label$text|a text|str
END
    for type in $types; do
        [ "${type%%:*}" != str ] || continue
        records+=("\x84$ids$label$text${type#*:}\x01")
        wanted+="record ${#records[@]}: the name of a field is not a string"$'\n'
    done
    records+=("$good")
    n=${#records[@]}
    echo "$n records"
    [ "$n" -eq 69 ]
    undamaged no_tokens "${records[@]}" >stream
    bound_memory 1048576
    for run in 'tokenized --overwrite' 'answered --drop text' scored; do
        rm -f rejects
        $run --rejects rejects stream
        status_is 3
        perl -ne '/"record":(\d+),"reason":"(.*?)","raw"/ && print "record $1: ", $2 =~ s/\\"/"/gr, "\n"' \
            rejects | diff - <(printf '%s' "$wanted")
        diff err <(printf '%s' "$wanted" | head -n 10 | sed "s/^/$TOOL: stream: /"
            echo "$TOOL: $((n - 2)) records were rejected")
        case $run in
        tokenized*) out_is $'2 5 3\n2 5 3' ;;
        answered*)
            [ "$(wc -l <out)" -eq $((n + 1)) ]
            [ "$(grep -n '^negative.P.positive$' out | cut -d : -f 1 | paste -sd ' ')" = "2 $((n + 1))" ]
            [ "$(grep -c $'^\t\t' out)" -eq $((n - 2)) ]
            ;;
        scored) out_is "0.000000 of $n, $((n - 2)) rejected" ;;
        esac
    done
}

@test "each msgpack type where a prediction record's is expected: that record is rejected" {
    predicted='\xa9predicted\xa1a' label='\xa5label\xa1a'
    probability='\xabprobability\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00'
    good="\x83$predicted$probability$label"
    records=("$good") wanted=''
    while IFS='|' read -r field fellows is may; do
        for type in $types; do
            [[ " nil $may " != *" ${type%%:*} "* ]] || continue
            records+=("$fellows$field${type#*:}")
            name=${field#"${field:0:4}"}
            wanted+="record ${#records[@]}: field \"$name\" is not $is"$'\n'
        done
    done <<END
\xa9predicted|\x83$probability$label|a text or a number|false int neg f32 u64 str
\xabprobability|\x83$predicted$label|a number|int neg f32 u64
\xadprobabilities|\x84$predicted$probability$label|a map of numbers by label|map
\xa5label|\x83$predicted$probability|a text or a number|false int neg f32 u64 str
END
    records+=("\x84$predicted$probability$label\xadprobabilities\x81\xa1a\xa1x")
    wanted+="record ${#records[@]}: field \"probabilities\" is not a map of numbers by label"$'\n'
    records+=("\x83$predicted\xabprobability\x05$label" "$good")
    wanted+="record $((${#records[@]} - 1)): a probability must be from 0 to 1, not 5"$'\n'
    undamaged no_predictions "${records[@]}" >stream
    bound_memory 1048576
    rated --rejects rejects stream
    status_is 3
    out_is '1.000000 of 2, 0 rejected'
    perl -ne '/"record":(\d+),"reason":"(.*?)","raw"/ && print "record $1: ", $2 =~ s/\\"/"/gr, "\n"' \
        rejects | diff - <(printf '%s' "$wanted")
    [ "$(wc -l <rejects)" -eq $((${#records[@]} - 2)) ]
    [ "$(tail -n 1 err)" = "bs-eval: $((${#records[@]} - 2)) records were rejected" ]
}

@test "a record that is rejected keeps the fields behind the one that cannot be used" {
    text='\xa4text\xa4good' label='\xa5label\xa8positive'
    undamaged no_tokens "\x85\xa3ids\x93\x02\x05\x03\xa8n_tokens\xa1x$label\xa1z\x07$text" \
        "\x84\xa3ids\x93\x02\x05\x03$label$label$text" \
        "\x84\xa3ids\x93\x02\x05\x03$label\xa1z\x09$text" >stream
    answered stream
    gives 3 $'predicted\tprobability\tlabel\tz\ttext
\t\tpositive\t7\tgood\n\t\tpositive\t\tgood\nnegative\tP\tpositive\t9\tgood' \
        $'stream: record 1: field "n_tokens" is not a whole number
stream: record 2: field "label" stands there twice'
    printf '{"text":"good","text":"x","id":7}\n{"text":"good","text":"x",id:7}\n' >rows.jsonl
    answered rows.jsonl
    gives 3 $'predicted\tprobability\ttext\tid\n\t\tgood\t7\n\t\tgood\t' \
        $'rows.jsonl: line 1: field "text" stands there twice
rows.jsonl: line 2: not valid JSON: byte 27: a string is wanted'
}

@test "fields that are called like those of tokens, and come without any, have columns" {
    printf '{"text":"good","n_tokens":7,"z":1}\n{"text":"bad","truncated":true}\n' >rows.jsonl
    answered rows.jsonl
    gives 0 $'predicted\tprobability\ttext\tn_tokens\tz
negative\tP\tgood\t7\t1\npositive\tP\tbad\t\t' \
        'rows.jsonl: line 2: field "truncated" has no column and is left out'
    tool tokenize -m "$TINY" -t jsonl --overwrite rows.jsonl >tokens.jsonl
    answered tokens.jsonl
    gives 0 $'predicted\tprobability\ttext\tz\nnegative\tP\tgood\t1\npositive\tP\tbad\t' ''
}

@test "each msgpack type in place of a record: exit 4, the record before is kept" {
    bound_memory 1048576
    for type in $types; do
        case $type in map:*) continue ;; esac # that is a record, without fields
        printf '%b' "${type#*:}" >rest
        case $type in
        array:*) refuse_behind_two 'records 1-2: neither a record nor a check' ;;
        *) refuse_behind_two 'records 1-3: neither a record nor a check: the stream is damaged' ;;
        esac
    done
    undamaged no_tokens '\x80' >stream
    answered stream
    gives 3 $'predicted\tprobability\ttext\n\t\t' 'stream: record 1: field "ids" is missing'
}

@test "each msgpack type where a header's is expected: exit 4" {
    bound_memory 1048576
    digest='\xd9\x40'$(printf 'f%.0s' {1..64})
    while IFS='|' read -r before after may; do
        for type in $types; do
            [[ " $may " != *" ${type%%:*} "* ]] || continue
            printf '%b' "$before${type#*:}$after" >stream
            rated -f msgpack stream
            status_is 4
            out_is ''
            [[ $(cat err) == "bs-eval: stream: "* ]]
            [ "$(wc -l <err)" -eq 1 ]
            fails grep -F 'has no end' err # it was the header
        done
    done <<END
||
\x92|\x80|
\x92\xa2bs||
\x92\xa2bs\x84\xa7version|\xa4kind\xa6tokens\xa9tokenizer$digest\xaamax_length\x40|
\x92\xa2bs\x84\xa7version\x01\xa4kind|\xa9tokenizer$digest\xaamax_length\x40|
\x92\xa2bs\x84\xa7version\x01\xa4kind\xa6tokens\xa9tokenizer|\xaamax_length\x40|str
\x92\xa2bs\x84\xa7version\x01\xa4kind\xa6tokens\xa9tokenizer$digest\xaamax_length||int u64
\x92\xa2bs\x85\xa7version\x01\xa4kind\xa6tokens\xa9tokenizer$digest\xaamax_length\x40\xa6labels||array
\x92\xa2bs\x85\xa7version\x01\xa4kind\xa6tokens\xa9tokenizer$digest\xaamax_length\x40\xa4tool||str
END
}

# ---- hostile ----------------------------------------------------------------------

@test "a claim of 2^32-1 elements, bytes or pairs is cut off, not believed" {
    bound_memory 1048576
    many='\xff\xff\xff\xff'
    for claim in '\x81\xa3ids\xdd' '\x81\xa3ids\xdb' '\x81\xa3ids\xc6' '\x81\xa3ids\xdf' \
        '\x81\xa3ids\xc9' '\x81\xdb' '\xdf'; do
        printf '%b' "$claim$many\x01\x01\x01" >rest
        refuse_behind_two 'records 1-3: cut off within a record'
    done
    for claim in '\xdd' '\x92\xdb' '\x92\xa2bs\xdf'; do
        printf '%b' "$claim$many\x01" >stream
        refuse 'cut off within the header of the stream'
    done
    # The claim of a record that its own bytes do not hold.
    undamaged no_tokens '\x82\xa3ids\x93\x02\x09\x03\xa5label\xa8negative' \
        '\x82\xa3ids\xdd\x00\x00\x00\x01\x09\xa5label\xa8negative' >stream
    answered stream
    gives 0 $'predicted\tprobability\tlabel\nnegative\tP\tnegative\nnegative\tP\tnegative' ''
}

@test "nesting 10,000 deep: exit 4 in a stream, rejected in JSON lines" {
    bound_memory 1048576
    for opening in 91 81a178; do # an array, a map
        perl -e 'print "\x81\xa1x", pack("H*", shift) x 10000' $opening >rest
        refuse_behind_two 'records 1-3: values nest deeper than 64'
    done
    perl -e 'print "\x92\xa2bs", "\x91" x 10000' >stream
    refuse 'values nest deeper than 64'
    perl -e 'print "{\"text\":\"a\",\"label\":\"b\",\"x\":", "[" x 10000, "]" x 10000, "}\n",
        "{\"text\":\"awful\",\"label\":\"negative\"}\n"' >rows.jsonl
    why='rows.jsonl: line 1: not valid JSON: byte 92: nested too deeply'
    tokenized rows.jsonl
    gives 3 '2 9 3' "$why"
    answered rows.jsonl
    gives 3 $'predicted\tprobability\ttext\tlabel\n\t\ta\tb\nnegative\tP\tawful\tnegative' "$why"
    scored rows.jsonl
    gives 3 '0.500000 of 2, 1 rejected' "$why"
}
