# shellcheck shell=bash disable=SC2154 # names in lower case come from bench.sh
# Labelling. Part of bench.sh.

declare -A label_peers=(
    [fp32]="openvino onnxruntime torch ctranslate2"
    [bf16]="openvino torch"
    [int8]="openvino onnxruntime ctranslate2"
)

# int8_of MODEL: where its int8 bundle is.
int8_of() {
    if [ "$1" = "$base" ]; then echo "$base.int8"; else echo "$scratch/labeller.int8"; fi
}

# make_int8 MODEL: its int8 bundle; false, and why, where bs gives none.
make_int8() {
    local path
    path=$(int8_of "$1")
    rm -rf "$path"
    "$bin/bs-export" -m "$1" -o "$path" --to int8 >"$scratch/int8.log" 2>&1 ||
        { echo "bench: bs without int8: $(head -n 1 "$scratch/int8.log")" >&2; return 1; }
}

# predict MODEL PRECISION MAX_LENGTH TEXTS
predict() {
    local how=(-m "$1" --precision "$2")
    [ "$2" != int8 ] || how=(-m "$(int8_of "$1")")
    "$bin/bs-predict" "${how[@]}" -f lines --header no --max-length "$3" --threads "$threads" "$4"
}

# texts_for TEXTS COMMAND...: how many of the texts, at most 20,000, COMMAND takes 10 s for
# when it is given a file of them.
texts_for() {
    local all=$1 few=$scratch/few.txt count=32 took
    shift
    [ -z "${BENCH_TEXTS:-}" ] || { echo "$BENCH_TEXTS"; return; }
    while :; do
        head -n "$count" "$all" >"$few"
        took=$(seconds_once "$@" "$few")
        if [ "$count" -ge 20000 ] || awk -v s="$took" 'BEGIN { exit s < 1.5 }'; then break; fi
        count=$((4 * count))
    done
    awk -v n="$count" -v s="$took" 'BEGIN { n = int(10 * n / s); print n < 20000 ? n : 20000 }'
}

# agreement LABELS LABELS TOLERANCE: the part of the texts with equal labels or, where
# TOLERANCE is given, with a probability (of two labels) that differs by no more.
agreement() {
    paste "$1" "$2" | awk -F '\t' -v tolerance="$3" '
        { d = $2 - ($1 == $3 ? $4 : 1 - $4); if (d < 0) d = -d
          same += tolerance == "" ? $1 == $3 : d <= tolerance }
        END { printf "%.4f", same / NR }'
}

# enough AGREEMENT PRECISION
enough() {
    awk -v a="$1" -v least="$([ "$2" = fp32 ] && echo 1 || echo 0.99)" 'BEGIN { exit a < least }'
}

# label_peer WORK MODEL PRECISION MAX_LENGTH TOLERANCE ENGINE: uses what label_rows left in
# $texts, $flop_per_text and $bs. A peer may agree less where it rounds: the row says how far.
label_peer() {
    local peer agreed labels=$scratch/$6.labels
    peer=$("$python" "bench/peers/label_$6.py" "$2" "$texts" "$3" "$4" "$threads" "$labels" \
        2>"$scratch/$6.log") || { tail -n 3 "$scratch/$6.log" >&2; return 1; }
    agreed=$(agreement "$scratch/bs.fp32.labels" "$labels" "$5")
    if ! enough "$agreed" "$3"; then
        echo "bench: $1, $6, $3: only $agreed agree with bs in fp32" >&2
        [ "$3" != fp32 ] || return 1
    fi
    row "$1" "$6" "$3" "$threads" "$peer" texts/s "$bs" "$agreed" \
        "$(share "$3" "$(multiply "$peer" "$flop_per_text")")"
}

# label_rows WORK MODEL TEXTS PRECISION MAX_LENGTH TOLERANCE: bs and its peers on as many
# texts as bs takes 10 s for. Everyone is compared with bs in fp32.
label_rows() {
    local work=$1 what=("$2" "$4" "$5") precision=$4 texts=$scratch/label.txt
    local count tokens flop_per_text bs='' agreed='' engine
    if [ "$precision" = int8 ] && ! make_int8 "$2"; then
        what=("$2" fp32 "$5")
    fi
    count=$(texts_for "$3" predict "${what[@]}")
    head -n "$count" "$3" >"$texts"
    count=$(wc -l <"$texts")
    tokens=$("$bin/bs-tokenize" -m "$2" -f lines -t ids --max-length "$5" "$texts" | wc -w)
    flop_per_text=$(awk -v t="$tokens" -v n="$count" -v f="$(flop_per_token "$2")" 'BEGIN { print t / n * f }')
    predict "$2" fp32 "$5" "$texts" | cut -f 1,2 >"$scratch/bs.fp32.labels"
    if [ "${what[1]}" = "$precision" ]; then
        if [ "$precision" != fp32 ]; then
            predict "${what[@]}" "$texts" | cut -f 1,2 >"$scratch/bs.labels"
            agreed=$(agreement "$scratch/bs.fp32.labels" "$scratch/bs.labels" "$6")
            enough "$agreed" "$precision" ||
                echo "bench: $work, bs, $precision: only $agreed agree with fp32" >&2
        fi
        bs=$(per_second "$count" "$(seconds predict "${what[@]}" "$texts")")
        row "$work" bs "$precision" "$threads" "$bs" texts/s '' "$agreed" \
            "$(share "$precision" "$(multiply "$bs" "$flop_per_text")")"
    fi
    for engine in ${label_peers[$precision]}; do
        [[ " ${BENCH_PEERS:-$engine} " == *" $engine "* ]] || continue
        label_peer "$work" "$2" "$precision" "$5" "$6" "$engine"
    done
}

# Labels of random weights say little: there probabilities are compared.
label_work() {
    local precision tolerance
    [[ "$1" =~ ${BENCH_LABEL:-.} ]] || return 0
    for precision in $(precisions fp32 bf16 int8); do
        tolerance=
        [ "$2" != "$base" ] || tolerance=0.02
        [ "$precision" != fp32 ] || tolerance=0.001
        label_rows "$1" "$2" "$3" "$precision" "$4" "$tolerance"
    done
}

bench_label() {
    need_labeller
    need_base
    sst2_lines
    imdb_shuffled
    label_work "label SST-2" "$labeller" "$scratch/sst2.txt" 128
    label_work "label IMDB, 128 tokens" "$labeller" "$scratch/imdb-shuffled.txt" 128
    label_work "label IMDB, 512 tokens" "$labeller" "$scratch/imdb-shuffled.txt" 512
    label_work "label SST-2, BERT-base" "$base" "$scratch/sst2.txt" 128
}
