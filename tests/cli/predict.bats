#!/usr/bin/env bats
# bs-predict: what it promises, and what it makes of bad input. The tiny model says
# (as PyTorch does): good film 0.7510 positive, bad film 0.5569 positive, awful 0.7393
# negative, fine 0.8054 positive, not good 0.7455 negative, "" 0.6523 positive.
# shellcheck disable=SC2154,SC2030,SC2031 # status comes from helper.bash; tests are subshells

load helper

setup() {
    use_scratch
}

predict() {
    tool predict -m "$TINY" "$@"
}

# The predictions alone, without the header row.
labels() {
    tail -n +2 out | cut -f 1 | paste -sd ' '
}

# ---- command line -----------------------------------------------------------------

@test "--help goes to stdout, an example first" {
    help_is predict '  tail -F app.log | bs-predict -m *' --threshold
}

@test "--version names the back ends" {
    go tool predict --version
    status_is 0
    [ "$(sed -n 1p out)" = 'bs-predict 0.1.0' ]
    out_has 'ref'
}

@test "a wrong command line is exit 2, with the reason" {
    each_is_wrong predict --nonsense '--threshold 2' '--threshold x' '--linger -1' '-t ids' \
        '-t lines' '--precision fp8' '--batch-tokens 0' '--threads many'
    go tool predict </dev/null
    status_is 2
    err_has '-m MODEL is needed'
}

@test "a device that is none is exit 2" {
    go predict --device abacus <<<good
    status_is 2
    out_is ''
    err_has abacus
}

# ---- answers ----------------------------------------------------------------------

@test "lines: prediction, probability, text, in order" {
    go predict <<<$'good film\nawful\nfine\nnot good'
    status_is 0
    err_is ''
    [ "$(head -n 1 out)" = $'predicted\tprobability\ttext' ]
    [ "$(labels)" = 'positive negative positive negative' ]
    [ "$(tail -n +2 out | cut -f 3 | paste -sd ,)" = 'good film,awful,fine,not good' ]
    tail -n +2 out | cut -f 2 | paste -sd ' ' | awk '
        function off(x, y) { return x - y > 1e-5 || y - x > 1e-5 }
        off($1, 0.7509793) || off($2, 0.7393274) || off($3, 0.8054397) || off($4, 0.7454745) { exit 1 }'
}

@test "pairs have types of their own" {
    printf 'text\ttext2\ngood film\tbad\n' >pair.tsv
    go predict pair.tsv
    status_is 0
    [ "$(labels)" = 'negative' ]
    tail -n 1 out | cut -f 2 | awk '{ exit !($1 > 0.5960 && $1 < 0.5962) }'
}

@test "--probabilities, as TSV and as JSON lines" {
    go predict --probabilities -t jsonl <<<'good film'
    status_is 0
    perl -ne 'exit !(/^\{"predicted":"positive","probability":(0\.7509\d+),"probabilities":\{"negative":(0\.2490\d+),"positive":\1\},"text":"good film"\}$/ && abs($1 + $2 - 1) < 1e-8)' out
    go predict --probabilities <<<'good film'
    [ "$(head -n 1 out)" = $'predicted\tprobability\tprobabilities\ttext' ]
    out_has '"negative":0.2490'
}

@test "an empty text, and one of no tokens, is answered" {
    go predict <<<$'\n  '
    status_is 0
    err_is ''
    [ "$(labels)" = 'positive positive' ]
    [ "$(sed -n 2p out | cut -f 2)" = "$(sed -n 3p out | cut -f 2)" ]
}

@test "input without a final newline; empty input" {
    go predict < <(printf 'awful\nfine')
    status_is 0
    [ "$(labels)" = 'negative positive' ]
    go predict </dev/null
    status_is 0
    out_is ''
    err_is ''
    go predict -f msgpack </dev/null
    status_is 4
    out_is ''
    [ -s err ]
}

@test "fields pass through: columns of TSV in place" {
    printf 'id\tsentence\tnote\n7\tawful\ta\\tb\n8\tfine\t\n' >t.tsv
    go predict t.tsv
    status_is 0
    [ "$(head -n 1 out)" = $'predicted\tprobability\tid\ttext\tnote' ]
    [ "$(cut -f 3- out | tail -n 2)" = $'7\tawful\ta\\tb\n8\tfine\t' ]
}

@test "fields pass through: JSON lines byte for byte" {
    go predict -f jsonl -t jsonl <<<'{"n":1.50,"text":"\u0061wful","deep":{"a":[1e3,"\/"]},"z":null}'
    status_is 0
    [[ $(cat out) == '{"predicted":"negative","probability":0.7393'*',"n":1.50,"text":"\u0061wful","deep":{"a":[1e3,"\/"]},"z":null}' ]]
}

@test "token records give the same answers as their texts" {
    printf 'good film\nawful\nnot good\n' >texts
    predict texts >direct
    tool tokenize -m "$TINY" texts | predict -f msgpack >through
    has_lines direct 4
    cmp direct through
    tool tokenize -m "$TINY" -t jsonl --drop text texts | predict -f jsonl | cut -f 1,2 >ids
    cut -f 1,2 direct | cmp - ids
}

@test "msgpack out can be read by bs-predict's readers, and says its kind" {
    predict -t msgpack -o p.msgpack <<<'awful'
    go predict p.msgpack
    status_is 4
    err_has 'predictions'
}

@test "the same bytes for 1 and 2 threads, run after run, whatever the neighbours" {
    for i in $(seq 1500); do
        echo "the good film $((i * 7919 % 1000)) $(head -c $((i % 90)) /dev/zero | tr '\0' 'x') not bad"
    done >many
    predict --threads 1 many >one
    predict --threads 2 many >two
    predict --threads 2 --batch-tokens 2048 many >wide
    tac many | predict --threads 2 | tail -n +2 | tac >turned
    cmp one two
    cmp one wide
    tail -n +2 one | cmp - turned
    has_lines one 1501
}

@test "--threshold: abstain" {
    go predict --threshold 0.745 <<<$'good film\nawful\nnot good'
    status_is 0
    [ "$(labels)" = 'positive abstain negative' ]
    sed -n 3p out | cut -f 2 | grep -q '^0\.739'
    make_model labels labels=abstain,b
    go tool predict -m labels --threshold 0.5 <<<good
    status_is 2
    err_has abstain
}

@test "a long text is cut to the positions; --max-length 0 rejects it" {
    long=$(yes good | head -n 100 | tr '\n' ' ')
    go predict <<<"$long"
    status_is 0
    go predict --max-length 0 <<<$'awful\n'"$long"$'\nfine'
    status_is 3
    [ "$(tail -n +2 out | cut -f 1 | paste -sd ,)" = 'negative,,positive' ]
    err_has 'position'
}

@test "--drop text, --header no, csv" {
    go predict --drop text --header no <<<'awful'
    status_is 0
    has_lines out 1
    [ "$(wc -l <out)" -eq 1 ]
    [ "$(cut -f 1 out)" = negative ]
    [ "$(awk -F '\t' '{ print NF }' out)" -eq 2 ]
    go predict -t csv <<<'awful, truly'
    status_is 0
    [ "$(head -n 1 out | tr -d '\r')" = 'predicted,probability,text' ]
    out_has '"awful, truly"'
}

# ---- bad input --------------------------------------------------------------------

@test "a model without a classifier: exit 4, bs-train is the remedy" {
    make_model headless no-classifier
    go tool predict -m headless <<<good
    status_is 4
    out_is ''
    err_has bs-train
}

@test "a model that is none, or damaged: exit 4" {
    go tool predict -m nowhere <<<good
    status_is 4
    err_has nowhere
    make_model broken
    head -c 100000 "$TINY/model.safetensors" >broken/model.safetensors
    go tool predict -m broken <<<good
    status_is 4
    out_is ''
    err_has 'model.safetensors'
    make_model other
    sed -i 's/"bert"/"gpt2"/; s/BertFor/GPT2For/' other/config.json
    go tool predict -m other <<<good
    status_is 4
    out_is ''
    err_has gpt2
}

@test "weights that are not numbers: exit 4 in every tool, no answer" {
    cp -r "$TINY" burst
    size=$(stat -c %s burst/model.safetensors)
    # The last value of the classifier's bias becomes a NaN.
    printf '\0\0\300\177' |
        dd of=burst/model.safetensors bs=1 seek=$((size - 4)) conv=notrunc status=none
    printf 'label\ttext\nnegative\tawful\n' >t.tsv
    for command in "predict -o answers" "eval -o answers" "export -t bundle -o answers"; do
        # shellcheck disable=SC2086
        go tool $command -m burst t.tsv
        status_is 4
        out_is ''
        err_has "bs-${command%% *}: the model's logits are not finite: its weights are damaged"
        [ ! -e answers ]
    done
}

@test "another vocabulary: exit 4" {
    make_model foreign foreign
    tool tokenize -m foreign -o f.msgpack <<<good
    go predict f.msgpack
    status_is 4
    out_is ''
    err_has 'another vocabulary'
}

@test "ids beyond the vocabulary, lengths beyond the positions, wrong types: rejected, answered empty" {
    {
        printf '{"ids":[2,9,3],"n":1}\n'
        printf '{"ids":[2,84,3],"n":2}\n'
        printf '{"ids":[2,-1,3],"n":3}\n'
        printf '{"ids":[2,9999999999,3],"n":4}\n'
        printf '{"ids":"2 9 3","n":5}\n'
        printf '{"ids":[],"n":6}\n'
        printf '{"ids":[%s2],"n":7}\n' "$(yes 2, | head -n 64 | tr -d '\n')"
        printf '{"ids":[2,9,3],"type_ids":[0,2,0],"n":8}\n'
        printf '{"ids":[2,9,3],"type_ids":[0,0],"n":9}\n'
        printf '{"ids":[2,9,3],"truncated":"no","n":10}\n'
        printf '{"n":11}\n'
        printf '{"ids":[2,8,3],"type_ids":[0,0,0],"n":12}\n'
    } >bad.jsonl
    go predict --rejects r.jsonl bad.jsonl
    status_is 3
    [ "$(tail -n +2 out | cut -f 1 | paste -sd ,)" = 'negative,,,,,,,,,,,positive' ]
    [ "$(tail -n +2 out | cut -f 3 | paste -sd ,)" = '1,2,3,4,5,6,7,8,9,10,11,12' ]
    [ "$(grep -c . r.jsonl)" -eq 10 ]
    [ "$(grep -c 'bad.jsonl: line' err)" -eq 10 ]
    err_has 'line 2: id 84 is outside the vocabulary'
    go predict --strict bad.jsonl
    status_is 4
    [ "$(tail -n +2 out | cut -f 1 | paste -sd ,)" = 'negative' ]
}

@test "a row of too few columns is answered empty, in its place" {
    printf 'id\ttext\n1\tawful\n2\n3\tfine\n' >few.tsv
    go predict few.tsv
    status_is 3
    [ "$(tail -n +2 out | cut -f 1 | paste -sd ,)" = 'negative,,positive' ]
    err_has few.tsv
    go predict -t jsonl few.tsv
    status_is 3
    [[ $(sed -n 2p out) == '{"predicted":""'* ]]
}

@test "NUL, CR and invalid UTF-8 in lines" {
    printf 'aw\0ful\nfine\r\nfi\xffne\n' >odd
    go predict -t jsonl odd
    status_is 0
    [ "$(grep -c '"predicted":"negative"' out)" -eq 1 ]
    has_lines out 3
    out_has '\u0000'
}

@test "a line of 100 MB" {
    { echo awful; head -c 100000000 /dev/zero | tr '\0' ' '; echo fine; echo awful; } >long
    go predict --drop text long
    status_is 0
    err_is ''
    [ "$(labels)" = 'negative positive negative' ]
    rm long
}

@test "user fields named like ours: exit 4, or --overwrite" {
    printf '%s\n' '{"text":"fine"}' '{"text":"awful","probability":2,"predicted":"x","k":1}' >own.jsonl
    go predict -t jsonl own.jsonl
    status_is 4
    has_lines out 1
    err_has '"predicted"'
    err_has '--overwrite'
    go predict -t jsonl --overwrite own.jsonl
    status_is 0
    [[ $(sed -n 2p out) == '{"predicted":"negative","probability":0.73'*',"text":"awful","k":1}' ]]
}

@test "a stream without its end, cut, or flipped: exit 4, the records before are answered" {
    for i in $(seq 2000); do echo "awful film $i"; done >many
    tool tokenize -m "$TINY" -o whole.msgpack many
    size=$(stat -c %s whole.msgpack)
    head -c $((size - 60)) whole.msgpack >cut.msgpack
    go predict cut.msgpack
    status_is 4
    err_has cut.msgpack
    has_lines out 1025
    cp whole.msgpack flipped.msgpack
    printf '\xc1' | dd of=flipped.msgpack bs=1 seek=$((size - 3000)) conv=notrunc status=none
    go predict -t msgpack flipped.msgpack
    status_is 4
    err_has flipped.msgpack
    cp out damaged.msgpack
    go predict -o answers.tsv flipped.msgpack
    status_is 4
    [ ! -e answers.tsv ]
    fails grep -qa '.end' <(tail -c 100 damaged.msgpack)
    head -c 5 whole.msgpack >five.msgpack
    go predict five.msgpack
    status_is 4
    out_is ''
}

@test "foreign streams: exit 4" {
    printf '\x92\xa2bs\x80' >a.msgpack
    printf '\x92\xa2bs\x81\xa7version\xcd\x03\xe7' >b.msgpack
    printf '\xdd\xff\xff\xff\xff' >c.msgpack
    head -c 10000 /dev/zero | tr '\0' '\221' >d.msgpack
    printf '\xc1\xc1\xc1' >e.msgpack
    for file in a b c d e; do
        go predict -f msgpack $file.msgpack
        status_is 4
        out_is ''
        err_has $file.msgpack
    done
}

# ---- output -----------------------------------------------------------------------

@test "a full disk, a closed stdout, a folder that is not there: exit 5" {
    status=0
    predict <<<good >/dev/full 2>err || status=$?
    : >out
    status_is 5
    err_has 'standard output'
    status=0
    predict <<<good >&- 2>err || status=$?
    status_is 5
    go predict -o nowhere/p.tsv <<<good
    status_is 5
    err_has 'nowhere/p.tsv'
}

@test "a file system without room: exit 5, no file" {
    mkdir small
    mount -t tmpfs -o size=1m tmpfs small 2>/dev/null || skip "cannot mount a tmpfs"
    yes 'the good film is not bad' | head -n 60000 >many
    go predict -t msgpack -o small/p.msgpack many
    left=$(find small -type f | wc -l)
    umount small
    status_is 5
    err_has 'small/p.msgpack'
    [ "$left" -eq 0 ]
}

# ---- live -------------------------------------------------------------------------

predict_live() {
    start_live "$BIN/bs-predict" -m "$TINY" "$@"
}

@test "live: a line is answered while the input stays open" {
    predict_live
    echo awful >&7
    wait_until 20 has_lines out 2
    [ "$(labels)" = negative ]
    printf 'fine\nhalf a' >&7
    wait_until 20 has_lines out 3
    [ "$(labels)" = 'negative positive' ]
    sleep 0.2
    [ "$(wc -l <out)" -eq 3 ]
    echo ' line' >&7
    wait_until 20 has_lines out 4
    end_live
    status_is 0
    err_is ''
}

@test "live: through bs-tokenize too" {
    mkfifo in
    tool tokenize -m "$TINY" <in 2>err.tokenize 3>&- | predict -f msgpack >out 2>err 3>&- &
    pid=$!
    exec 7>in
    echo awful >&7
    wait_until 20 has_lines out 2
    [ "$(labels)" = negative ]
    exec 7>&-
    wait $pid
}

@test "live: --linger lets a line wait for company" {
    predict_live --linger 1
    echo awful >&7
    sleep 0.4
    [ ! -s out ]
    echo fine >&7
    wait_until 20 has_lines out 3
    [ "$(labels)" = 'negative positive' ]
    end_live
    status_is 0
}

@test "SIGTERM and SIGHUP: what was read is answered, 128 + N, no end of stream" {
    for signal in TERM:143 HUP:129; do
        predict_live -t msgpack --linger 60
        echo awful >&7
        wait_until 20 pipe_is_empty 7
        [ ! -s out ]
        end_live "${signal%:*}"
        status_is "${signal#*:}"
        grep -q negative out
        fails grep -qa '.end' <(tail -c 40 out)
    done
}

@test "SIGINT: 130" {
    start_live env --default-signal=INT "$BIN/bs-predict" -m "$TINY" --linger 60
    echo awful >&7
    wait_until 20 pipe_is_empty 7
    end_live INT
    status_is 130
    [ "$(labels)" = negative ]
}

@test "a signal leaves no named file" {
    predict_live -o answers.tsv
    echo awful >&7
    wait_until 20 pipe_is_empty 7
    end_live TERM
    status_is 143
    [ "$(find . -name 'answers*' | wc -l)" -eq 0 ]
}

@test "a reader that goes away ends it by SIGPIPE, silently" {
    yes 'good film' | head -n 200000 >many
    set +e
    predict many 2>err | head -n 2 >out
    statuses=("${PIPESTATUS[@]}")
    set -e
    [ "${statuses[0]}" -eq 141 ]
    [ ! -s err ]
    has_lines out 2
}
