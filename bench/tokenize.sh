# shellcheck shell=bash disable=SC2154 # names in lower case come from bench.sh
# Tokenizing. Part of bench.sh.

# tokenize_whole TEXTS THREADS: MB/s of a whole process.
tokenize_whole() {
    local took
    took=$(seconds "$bin/bs-tokenize" -m "$model" --threads "$2" --max-length 0 -f lines -t msgpack \
        --drop text "$1")
    awk -v n="$(stat -c %s "$1")" -v s="$took" 'BEGIN { printf "%.1f", n / s / 1e6 }'
}

# tokenize_rows WORK TEXTS THREADS: bs beside nanotoken, from file to ids in memory; then
# bs as a whole process.
tokenize_rows() {
    local first warm rates
    "$micro/tokenize" "$model" "$2" "$3" >"$scratch/tokenize.tsv"
    first=$(awk '$1 == "first" { print $2 }' "$scratch/tokenize.tsv")
    warm=$(awk '$1 == "warm" { print $2 }' "$scratch/tokenize.tsv")
    rates=$("$python" bench/peers/tokenize_nanotoken.py "$model" "$2" "$3")
    row "$1, first pass" bs - "$3" "$first" MB/s
    row "$1, first pass" nanotoken - "$3" "${rates%	*}" MB/s "$first"
    row "$1, warm" bs - "$3" "$warm" MB/s
    row "$1, warm" nanotoken - "$3" "${rates#*	}" MB/s "$warm"
    row "$1, whole process" bs - "$3" "$(tokenize_whole "$2" "$3")" MB/s
}

# compare_ids ENGINE: what it left in $scratch/ENGINE.ids against bs's.
compare_ids() {
    cmp "$scratch/bs.ids" "$scratch/$1.ids"
    rm "$scratch/$1.ids"
}

bench_tokenize() {
    imdb_tenfold
    local peer
    "$bin/bs-tokenize" -m "$model" --max-length 0 -f lines -t ids "$scratch/imdb.txt" >"$scratch/bs.ids"
    "$python" bench/peers/tokenize_nanotoken.py "$model" "$scratch/imdb.txt" 1 \
        "$scratch/nanotoken.ids" >/dev/null
    compare_ids nanotoken
    peer=$("$python" bench/peers/tokenize_tokenizers.py "$model" "$scratch/imdb.txt" 1 \
        "$scratch/tokenizers.ids")
    compare_ids tokenizers
    tokenize_rows "tokenize IMDB" "$scratch/imdb.txt" 1
    row "tokenize IMDB, warm" tokenizers - 1 "$peer" MB/s "$(last_value "tokenize IMDB, whole process")"
    tokenize_rows "tokenize IMDB" "$scratch/imdb.txt" 2
    tokenize_rows "tokenize 10 x IMDB" "$scratch/imdb-10.txt" 1
    tokenize_rows "tokenize 10 x IMDB" "$scratch/imdb-10.txt" 2
}
