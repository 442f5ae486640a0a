#!/usr/bin/env bats
# bs-predict: what it promises, and what it makes of bad models; bad input is in
# text_input.bats, rejected.bats and the streams' files. The tiny model says (as PyTorch
# does): good film 0.7510 positive, bad film 0.5569 positive, awful 0.7393 negative, fine
# 0.8054 positive, not good 0.7455 negative, "" 0.6523 positive.
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
    err_is ''
    [ "$(sed -n 1p out)" = 'bs-predict 0.1.0' ]
    out_has 'ref'
}

@test "a wrong command line is exit 2, with the reason" {
    each_is_wrong predict --nonsense '--threshold 2' '--threshold x' '--linger -1' '-t ids' \
        '-t lines' '--precision fp8' '--batch-tokens 0' '--threads many'
    go tool predict </dev/null
    status_is 2
    out_is ''
    err_has '-m MODEL is needed'
}

@test "a device that is none is exit 2" {
    go predict --device abacus <<<good
    status_is 2
    out_is ''
    err_has abacus
}

# ---- answers ----------------------------------------------------------------------

@test "no NVIDIA driver: the library for GPUs is opened only if one is asked for" {
    [ -f "$BIN/libbs-cuda.so" ] || skip "no CUDA back end"
    ! ldconfig -p | grep -qF libcuda.so.1 || skip "there is a driver"
    echo fine >text
    go env LD_DEBUG=files "$BIN/bs-predict" -m "$TINY" text
    status_is 0
    fails grep libbs-cuda err
    go env LD_DEBUG=files "$BIN/bs-predict" -m "$TINY" --device cuda text
    status_is 6
    grep -q libbs-cuda err
}

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
    err_is ''
    [ "$(labels)" = 'negative' ]
    tail -n 1 out | cut -f 2 | awk '{ exit !($1 > 0.5960 && $1 < 0.5962) }'
}

@test "--probabilities, as TSV and as JSON lines" {
    go predict --probabilities -t jsonl <<<'good film'
    status_is 0
    err_is ''
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

@test "fields pass through: columns of TSV in place" {
    printf 'id\tsentence\tnote\n7\tawful\ta\\tb\n8\tfine\t\n' >t.tsv
    go predict t.tsv
    status_is 0
    err_is ''
    [ "$(head -n 1 out)" = $'predicted\tprobability\tid\ttext\tnote' ]
    [ "$(cut -f 3- out | tail -n 2)" = $'7\tawful\ta\\tb\n8\tfine\t' ]
}

@test "fields pass through: JSON lines byte for byte" {
    go predict -f jsonl -t jsonl <<<'{"n":1.50,"text":"\u0061wful","deep":{"a":[1e3,"\/"]},"z":null}'
    status_is 0
    err_is ''
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
    out_is ''
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

# Windows hold 4,096 records: one is labelled while the last one is written.
@test "thousands of records: what a few at a time are answered, in order" {
    for i in $(seq 10000); do
        [ $((i % 2500)) = 7 ] && head -c 700 /dev/zero | tr '\0' '.'
        echo "film $((i * 7919 % 1000)) not bad"
    done >many
    predict --header no --threads 2 many >whole
    split -l 999 many piece.
    for piece in piece.*; do
        predict --header no "$piece"
    done >pieces
    cmp whole pieces
    cut -f 3 whole | cmp - many
}

@test "a full disk while a window is labelled: exit 5, and nothing is awaited for ever" {
    yes 'not a bad film at all' | head -n 20000 >many
    status=0
    tool predict --threads 2 -m "$TINY" many 2>err >/dev/full || status=$?
    status_is 5
    err_has 'No space left'
    status=0
    tool predict --threads 2 -m "$TINY" many 2>err | head -n 1 >out || status=$?
    has_lines out 1
}

@test "--threshold: abstain" {
    go predict --threshold 0.745 <<<$'good film\nawful\nnot good'
    status_is 0
    err_is ''
    [ "$(labels)" = 'positive abstain negative' ]
    sed -n 3p out | cut -f 2 | grep -q '^0\.739'
    make_model labels labels=abstain,b
    why='labels: has a label "abstain", which stands for no prediction; give it another name in its config.json'
    go tool predict -m labels <<<good
    status_is 4
    out_is ''
    err_is "bs-predict: $why"
    go tool eval -m labels <<<$'text\tlabel\ngood\tb'
    status_is 4
    out_is ''
    err_is "bs-eval: $why"
}

@test "columns come of the first sound record, whenever it comes" {
    printf '{"text":1,"a":5}\n{"text":"fine","b":6}\n' >rows.jsonl
    go predict rows.jsonl
    status_is 3
    mv out whole
    head -n 1 whole >columns
    cmp columns - <<<$'predicted\tprobability\ttext\tb'
    go predict -f jsonl < <(head -n 1 rows.jsonl; sleep 0.3; tail -n 1 rows.jsonl)
    status_is 3
    cmp out whole
    go predict -f jsonl < <(head -n 1 rows.jsonl)
    status_is 3
    out_is $'predicted\tprobability\ttext\ta\n\t\t1\t5'
}

@test "a long text is cut to the positions; --max-length 0 rejects it" {
    long=$(yes good | head -n 100 | tr '\n' ' ')
    go predict <<<"$long"
    status_is 0
    [ "$(labels)" = negative ]
    err_is ''
    go predict --max-length 0 <<<$'awful\n'"$long"$'\nfine'
    status_is 3
    [ "$(tail -n +2 out | cut -f 1,3)" = $'negative\tawful\n\t'"$long"$'\npositive\tfine' ]
    err_is "bs-predict: standard input: line 2: 102 ids are more than the model's 64 positions"
}

@test "--drop text, --header no, csv" {
    go predict --drop text --header no <<<'awful'
    status_is 0
    err_is ''
    has_lines out 1
    [ "$(wc -l <out)" -eq 1 ]
    [ "$(cut -f 1 out)" = negative ]
    [ "$(awk -F '\t' '{ print NF }' out)" -eq 2 ]
    go predict -t csv <<<'awful, truly'
    status_is 0
    err_is ''
    [ "$(head -n 1 out | tr -d '\r')" = 'predicted,probability,text' ]
    out_has '"awful, truly"'
}

# ---- bad models -------------------------------------------------------------------

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
    out_is ''
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

# spoil MODEL TENSOR ELEMENT BITS: one of its numbers gets these bits.
spoil() {
    perl -e '
        my ($path, $tensor, $element, $bits) = @ARGV;
        open my $file, "+<:raw", $path or die;
        read $file, my $size, 8;
        read $file, my $header, $size = unpack "Q<", $size;
        $header =~ /"\Q$tensor\E":\{[^}]*"data_offsets":\[(\d+),/ or die "no $tensor";
        seek $file, 8 + $size + $1 + 4 * $element, 0;
        print $file pack "V", hex $bits' "$1/model.safetensors" "${@:2}"
}

# In the embedding of [CLS], which is read where it lies; in a layer; where an infinite one
# gives an answer all the same; the last one of all.
@test "weights that are not finite: exit 4 in every tool, no answer" {
    local tensor element bits part command
    printf 'label\ttext\nnegative\tawful\n' >t.tsv
    while read -r tensor element bits part; do
        rm -rf burst
        cp -r "$TINY" burst
        spoil burst "$tensor" "$element" "$bits"
        for command in "predict -o answers" "eval -o answers" "export -t bundle -o answers"; do
            # shellcheck disable=SC2086
            go tool $command -m burst t.tsv
            status_is 4
            out_is ''
            err_has "bs-${command%% *}: "
            err_has "$part"
            err_has "not finite"
            [ ! -e answers ]
        done
    done <<'END'
bert.embeddings.word_embeddings.weight 130 7fc00000 damaged
bert.encoder.layer.0.output.LayerNorm.weight 63 ff800000 encoder.layer.0.output.LayerNorm.weight
bert.pooler.dense.weight 745 7f800000 pooler.dense.weight
classifier.bias 1 7fc00000 classifier.bias
END
}

@test "training from weights that are not finite: exit 4, the tensor by name" {
    cp -r "$TINY" burst
    spoil burst bert.embeddings.word_embeddings.weight 4570 7f800000
    printf 'label\ttext\nnegative\tawful\npositive\tgood\n' >t.tsv
    go tool train -m burst -o run t.tsv
    status_is 4
    err_has 'tensor embeddings.word_embeddings.weight has a value that is not finite'
    [ ! -e run/last ]
}

# ---- output -----------------------------------------------------------------------

@test "a folder that cannot be written is exit 5" {
    go predict -o nowhere/p.tsv <<<good
    status_is 5
    out_is ''
    err_is 'bs-predict: nowhere/p.tsv: cannot create: No such file or directory'
}

@test "a file system without room: exit 5, no file" {
    mkdir small
    mount -t tmpfs -o size=1m tmpfs small 2>/dev/null || skip "cannot mount a tmpfs"
    yes 'the good film is not bad' | head -n 60000 >many
    go predict -t msgpack -o small/p.msgpack many
    left=$(find small -type f | wc -l)
    umount small
    status_is 5
    out_is ''
    err_is 'bs-predict: small/p.msgpack: cannot write: No space left on device'
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

# cpu PID: hundredths of a second that it has had.
cpu() {
    awk '{ print $14 + $15 }' "/proc/$1/stat"
}

has_had() {
    [ "$(cpu "$1")" -ge "$2" ]
}

# In seconds of the processor: others that want it do no harm. The first window is over.
@test "SIGTERM in a flood: even a slow model has little left to do" {
    local line='the good film and the very bad plot of it that nobody wants to see again' pid used last
    make_model slow layers=48
    "$BIN/bs-predict" -m slow --threads 1 --header no < <(yes "$line") >out 2>err 3>&- &
    pid=$!
    wait_until 60 has_had $pid 150 || kill -KILL $pid
    used=$(cpu $pid)
    kill -TERM $pid
    while last=$(cpu $pid 2>/dev/null) && [ "$((${last:-$used} - used))" -lt 200 ]; do
        sleep 0.02
    done
    kill -KILL $pid 2>/dev/null || true
    ends 143
    err_is ''
    [ "$(cut -f 3 out | sort -u)" = "$line" ]
}

@test "SIGINT: 130" {
    start_live env --default-signal=INT,HUP "$BIN/bs-predict" -m "$TINY" --linger 60
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

# ---- rejects and progress --------------------------------------------------------------

# Whoever follows a stream ends it by a signal, or leaves.
@test "rejects are kept with what was answered, however it ends" {
    local name how
    for name in predict tokenize; do
        for how in TERM:143 INT:130; do
            rm -f rejects* in
            start_live env --default-signal=INT "$BIN/bs-$name" -m "$TINY" -f jsonl -t jsonl --rejects rejects
            printf '{"text":"good"}\n{"bad":1}\n{"text":"fine"}\n' >&7
            wait_until 20 has_lines out 2
            end_live "${how%:*}"
            status_is "${how#*:}"
            [ "$(ls rejects*)" = rejects ]
            [ "$(wc -l <rejects)" = 1 ]
            grep -qF '{"file":"standard input","line":2,"reason":"field \"text\" is missing' rejects
        done
        # Damage, after all before it was answered.
        rm rejects
        printf '{"text":"good"}\n{"bad":1}\n{"text":"fine"}\n' | gzip >rows.jsonl.gz
        head -c -8 rows.jsonl.gz >torn.jsonl.gz
        go tool $name -m "$TINY" --rejects rejects torn.jsonl.gz
        status_is 4
        [ "$(wc -l <rejects)" = 1 ]
        rm rejects
        go tool $name -m "$TINY" --rejects rejects -o named torn.jsonl.gz
        status_is 4
        [ "$(find . -name 'named*' -o -name 'rejects*')" = '' ]
    done
}

@test "rejects are kept when the reader goes away" {
    local name
    printf '{"text":"good"}\n{"text":7}\n' >rows
    yes '{"text":"good film"}' | head -n 60000 >>rows
    for name in predict tokenize; do
        rm -f rejects*
        set +e
        "$BIN/bs-$name" -m "$TINY" -f jsonl -t jsonl --rejects rejects rows 2>err | head -n 1 >out
        statuses=("${PIPESTATUS[@]}")
        set -e
        [ "${statuses[0]}" -eq 141 ]
        err_matches "^bs-$name: rows: line 2: "
        [ "$(ls rejects*)" = rejects ]
        [ "$(wc -l <rejects)" = 1 ]
        # Before the little that there is.
        rm rejects
        set +e
        { sleep 0.5 && head -n 3 rows; } |
            "$BIN/bs-$name" -m "$TINY" -f jsonl -t jsonl --rejects rejects 2>err | true
        statuses=("${PIPESTATUS[@]}")
        set -e
        [ "${statuses[1]}" -eq 141 ]
        err_matches "^bs-$name: standard input: line 2: "
        [ "$(wc -l <rejects)" = 1 ]
    done
}

# on_terminal COMMAND: what a terminal gets of it goes to out.
on_terminal() {
    timeout 60 script -qec "$1" /dev/null </dev/null >out
}

@test "a terminal: answers and messages have lines of their own" {
    command -v script >/dev/null || skip "no script"
    local clear=$'\r\033[K' name
    for name in predict tokenize; do
        on_terminal "(sleep 0.5; echo good; sleep 0.5; echo bad) | '$BIN/bs-$name' -m '$TINY' -t jsonl"
        [ -s out ]
        fails grep -qF "$clear" out
        fails grep -qF '/s' out
        on_terminal "(sleep 0.5; echo '{\"text\":\"good\"}'; sleep 0.5; echo '{}') |
            '$BIN/bs-$name' -m '$TINY' -f jsonl -o named || true"
        [ -s named ]
        grep -qF "bs-$name: 1 text, " out
        fails grep -qF '1 texts' out
        grep -qF "${clear}bs-$name: standard input: line 2: " out
    done
}
