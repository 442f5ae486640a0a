# shellcheck shell=bash disable=SC2154 # names in lower case come from bench.sh
# Tokenizing. Part of bench.sh.

# Megabytes a second of a whole process, bs-tokenize THREADS TEXTS.
tokenize_bs() {
    local took
    took=$(seconds "$bin/bs-tokenize" -m "$model" --threads "$1" --max-length 0 -f lines -t msgpack \
        --drop text "$2")
    awk -v n="$(stat -c %s "$2")" -v s="$took" 'BEGIN { printf "%.1f", n / s / 1e6 }'
}

# tokenize_rows WORK TEXTS THREADS: bs beside nanotoken; leaves bs's value in $bs.
tokenize_rows() {
    local rates
    bs=$(tokenize_bs "$3" "$2")
    row "$1" bs - "$3" "$bs" MB/s
    rates=$("$python" bench/peers/tokenize_nanotoken.py "$model" "$2" "$3" | tail -n 1)
    row "$1, first pass" nanotoken - "$3" "${rates%	*}" MB/s "$bs"
    row "$1, warm" nanotoken - "$3" "${rates#*	}" MB/s "$bs"
}

# compare_ids ENGINE: against bs's, in $scratch/bs.ids.
compare_ids() {
    cmp "$scratch/bs.ids" "$scratch/$1.ids"
    rm "$scratch/$1.ids"
}

bench_tokenize() {
    imdb_tenfold
    local bs peer
    "$bin/bs-tokenize" -m "$model" --max-length 0 -f lines -t ids "$scratch/imdb.txt" >"$scratch/bs.ids"
    "$python" bench/peers/tokenize_nanotoken.py "$model" "$scratch/imdb.txt" 1 \
        "$scratch/nanotoken.ids" >/dev/null
    compare_ids nanotoken
    peer=$("$python" bench/peers/tokenize_tokenizers.py "$model" "$scratch/imdb.txt" 1 \
        "$scratch/tokenizers.ids")
    compare_ids tokenizers
    tokenize_rows "tokenize IMDB" "$scratch/imdb.txt" 1
    row "tokenize IMDB" tokenizers - 1 "$peer" MB/s "$bs"
    tokenize_rows "tokenize IMDB" "$scratch/imdb.txt" 2
    tokenize_rows "tokenize 10 x IMDB" "$scratch/imdb-10.txt" 1
    tokenize_rows "tokenize 10 x IMDB" "$scratch/imdb-10.txt" 2
}
