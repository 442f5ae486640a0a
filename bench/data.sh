# shellcheck shell=bash disable=SC2154 # names in lower case come from bench.sh
# Texts and models that works share. Part of bench.sh; made once, kept in build/bench.

# keep PATH COMMAND...: its output, unless PATH is there already.
keep() {
    local path=$1
    shift
    [ -s "$path" ] || { "$@" >"$path.part" && mv "$path.part" "$path"; }
}

# One review a line, HTML breaks and all.
imdb_lines() {
    keep "$scratch/imdb.txt" "$python" -c '
import sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    for member in archive:
        if member.isfile() and member.name.split("/")[-2] in ("pos", "neg"):
            text = archive.extractfile(member).read()
            sys.stdout.buffer.write(b" ".join(text.split(b"\n")).replace(b"\r", b"") + b"\n")
' "$data/imdb/aclImdb-train.tar.gz"
}

# The same in an order of no meaning, so that the first of them are of all kinds.
imdb_shuffled() {
    imdb_lines
    keep "$scratch/imdb-shuffled.txt" shuf --random-source="$scratch/imdb.txt" "$scratch/imdb.txt"
}

# Ten times as long.
imdb_tenfold() {
    imdb_lines
    local file=$scratch/imdb.txt
    keep "$scratch/imdb-10.txt" cat "$file" "$file" "$file" "$file" "$file" "$file" "$file" "$file" \
        "$file" "$file"
}

# Sentences of eight words and more, without repeats.
sst2_lines() {
    # shellcheck disable=SC2016 # the program is awk's
    keep "$scratch/sst2.txt" awk -F '\t' \
        'FNR > 1 && split($1, words, " ") >= 8 && !seen[$1]++ { print $1 }' \
        "$data/sst2/val.tsv" "$data/sst2/train.tsv"
}

# imdb_rows PART WEIGHT,...: labelled reviews as TSV, a part of a split by hash.
imdb_rows() {
    "$bin/bs-tokenize" -m "$model" -f tree --members '*/train/[np]*/*.txt' --split "$2" --part "$1" \
        --max-length 8 -t jsonl "$data/imdb/aclImdb-train.tar.gz" | "$python" bench/peers/rows.py
}

# A thousand of them for the training step.
imdb_step_rows() {
    keep "$scratch/imdb.tsv" imdb_rows train train=4,rest=96
}

# A classifier of MODEL's shape; a few hundred steps where the demo has not been run.
need_labeller() {
    [ ! -e "$labeller/config.json" ] || return 0
    labeller=$scratch/labeller/best
    [ ! -e "$labeller/config.json" ] || return 0
    echo "bench: no LABELLER (make demo): training one" >&2
    "$bin/bs-train" -m "$model" -o "$scratch/labeller" --learning-rate 5e-5 --batch-size 16 \
        --max-steps 600 --warmup-steps 60 --max-length 64 --threads "$threads" --eval-fraction 0.02 \
        --text sentence --label label --quiet -f tsv "$data/sst2/train.tsv" >"$scratch/labeller.log"
}

# BERT-base's shape with random weights.
base=$scratch/bert-base
need_base() {
    [ -s "$base/vocab.txt" ] ||
        "$python" bench/peers/make_base.py "$model" "$base" >"$scratch/base.log" 2>&1
}
