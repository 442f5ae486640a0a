# shellcheck shell=bash disable=SC2154 # names in lower case come from bench.sh
# Training: steps a second, and memory. Part of bench.sh.

# train MODEL PRECISION STEPS MAX_LENGTH: a whole bs-train of that many steps.
train() {
    rm -rf "$scratch/run"
    "$bin/bs-train" -m "$1" -o "$scratch/run" --max-steps "$3" --precision "$2" --max-length "$4" \
        --threads "$threads" --eval-fraction 0.01 --quiet -f tsv "$scratch/imdb.tsv"
}

# Start, evaluation and saving cancel out between a short run and a long one.
steps_per_second() {
    local short long
    short=$(seconds_once train "$1" "$2" 5 "$4")
    long=$(seconds_once train "$1" "$2" $((5 + $3)) "$4")
    awk -v a="$short" -v b="$long" -v n="$3" 'BEGIN { printf "%.3f", n / (b - a) }'
}

# train_rows WORK MODEL STEPS MAX_LENGTH [OPTION...]: options of the peer.
train_rows() {
    local work=$1 model=$2 steps=$3 length=$4 precision flop bs peer tokens
    shift 4
    tokens=$("$bin/bs-tokenize" -m "$model" -f tsv -t ids --max-length "$length" "$scratch/imdb.tsv" |
        awk '{ n += NF } END { print n / NR }')
    flop=$(multiply 3 8 "$tokens" "$(flop_per_token "$model")")
    for precision in $(precisions fp32 bf16); do
        bs=$(steps_per_second "$model" "$precision" "$steps" "$length")
        row "$work" bs "$precision" "$threads" "$bs" steps/s '' '' "$(share "$precision" "$(multiply "$bs" "$flop")")"
        peer=$("$python" bench/peers/train_torch.py "$model" "$scratch/imdb.tsv" --steps "$steps" \
            --max-length "$length" --precision "$precision" --threads "$threads" "$@" 2>"$scratch/torch.log")
        row "$work" torch "$precision" "$threads" "$peer" steps/s "$bs" '' \
            "$(share "$precision" "$(multiply "$peer" "$flop")")"
    done
}

bench_train() {
    imdb_step_rows
    need_base
    train_rows "train step 8 x 128" "$model" 60 128
    train_rows "train step 8 x 512" "$model" 50 512 --group
    train_rows "train step 8 x 128, BERT-base" "$base" 15 128
}

# memory_rows WORK MODEL: resident memory beside the sum of its parts as --check gives it.
memory_rows() {
    local precision peak
    for precision in fp32 bf16; do
        rm -rf "$scratch/run"
        peak=$(/usr/bin/time -f %M "$bin/bs-train" -m "$2" -o "$scratch/run" --max-steps 5 \
            --precision "$precision" --max-length 128 --threads "$threads" --eval-fraction 0.01 --quiet \
            -f tsv "$scratch/imdb.tsv" 2>&1 >/dev/null | tail -n 1)
        row "$1" bs "$precision" "$threads" $((peak / 1024)) MiB
        rm -rf "$scratch/run"
        "$bin/bs-train" --check -m "$2" -o "$scratch/run" --precision "$precision" --max-length 128 \
            --threads "$threads" --eval-fraction 0.01 -f tsv "$scratch/imdb.tsv" |
            grep -i -A 12 memory || true
    done
}

bench_memory() {
    imdb_step_rows
    need_base
    memory_rows "memory of training 8 x 128" "$model"
    memory_rows "memory of training 8 x 128, BERT-base" "$base"
}
