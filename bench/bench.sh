#!/bin/bash
# bs and its peers on the same work, in one run on one machine. Prints a table and keeps
# it as TSV: work, engine, precision, threads, value, unit, ratio (bs over the peer).
#
#     make bench [BENCH="tokenize label train memory"]
#
# DATA_DIR   the research data (../shared/data): IMDB and SST-2; see bench/README.md
# MODEL      default model; LABELLER a fine-tuned one (models/demo/best)
# BENCH_VENV the peers' Python environment; made in build/bench if it is not there
#
# bs is timed as a whole process, start and tokenizing included; peers are warm and
# without their start. Outputs are compared before times count.
set -euo pipefail
cd "$(dirname "$0")/.."

works=${*:-tokenize label train memory}
bin=${BIN:-bin}
data=${DATA_DIR:-../shared/data}
model=${MODEL:-models/all-minilm-l6-v2}
labeller=${LABELLER:-models/demo/best}
scratch=build/bench
venv=${BENCH_VENV:-$scratch/venv}
results=$scratch/results.tsv
runs=${BENCH_RUNS:-3}
mkdir -p "$scratch"

if [ ! -x "$venv/bin/python" ]; then
    echo "bench: installing the peers into $venv (about 3 GB)"
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check -r bench/requirements.txt
fi
python=$venv/bin/python
export PYTHONDONTWRITEBYTECODE=1

describe_machine() {
    local flags
    flags=$(grep -m 1 '^flags' /proc/cpuinfo | tr ' ' '\n' |
        grep -xE 'avx2|avx512f|avx512_bf16|avx512_vnni|amx_bf16|amx_int8' | paste -sd ' ')
    echo "# $(grep -m 1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(nproc) processors, $flags"
}

# row WORK ENGINE PRECISION THREADS VALUE UNIT [BS_VALUE]
row() {
    local ratio=
    [ -z "${7:-}" ] || ratio=$(awk -v a="$7" -v b="$5" 'BEGIN { printf "%.2f", a / b }')
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "$5" "$6" "$ratio" | tee -a "$results"
}

# seconds COMMAND...: the median of $runs runs after one that does not count.
seconds() {
    local i began
    for ((i = 0; i <= runs; i++)); do
        began=$EPOCHREALTIME
        "$@" >/dev/null
        [ "$i" -eq 0 ] || awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }'
    done | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

per_second() {
    awk -v n="$1" -v s="$2" 'BEGIN { printf "%.2f", n / s }'
}

# One review a line, HTML breaks and all.
imdb_lines() {
    [ -s "$scratch/imdb.txt" ] || "$python" -c '
import sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    for member in archive:
        if member.isfile() and member.name.split("/")[-2] in ("pos", "neg"):
            text = archive.extractfile(member).read()
            sys.stdout.buffer.write(b" ".join(text.split(b"\n")).replace(b"\r", b"") + b"\n")
' "$data/imdb/aclImdb-train.tar.gz" >"$scratch/imdb.txt"
}

# Sentences of eight words and more, without repeats.
sst2_lines() {
    [ -s "$scratch/sst2.txt" ] ||
        tail -qn +2 "$data/sst2/val.tsv" "$data/sst2/train.tsv" |
        awk -F '\t' -v most="${BENCH_TEXTS:-6000}" \
            'split($1, words, " ") >= 8 && !seen[$1]++ && ++n <= most { print $1 }' >"$scratch/sst2.txt"
}

# A thousand labelled reviews for the training step.
imdb_rows() {
    [ -s "$scratch/imdb.tsv" ] || "$bin/bs-tokenize" -m "$model" -f tree --members '*/train/[np]*/*.txt' \
        --split train=4,rest=96 --part train --max-length 8 -t jsonl "$data/imdb/aclImdb-train.tar.gz" |
        "$python" bench/peers/rows.py >"$scratch/imdb.tsv"
}

bench_tokenize() {
    imdb_lines
    local size bs peer
    size=$(stat -c %s "$scratch/imdb.txt")
    "$bin/bs-tokenize" -m "$model" --max-length 0 -f lines -t ids "$scratch/imdb.txt" | sha256sum >"$scratch/bs.ids"
    "$python" -c '
import sys
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
tokenizer.no_padding(); tokenizer.no_truncation()
lines = open(sys.argv[2], encoding="utf-8", errors="replace", newline="\n").read().split("\n")[:-1]
for e in tokenizer.encode_batch_fast(lines): print(*e.ids)' "$model" "$scratch/imdb.txt" | sha256sum >"$scratch/peer.ids"
    cmp "$scratch/bs.ids" "$scratch/peer.ids"
    bs=$(per_second "$size" "$(seconds "$bin/bs-tokenize" -m "$model" --threads 1 --max-length 0 \
        -f lines -t msgpack --drop text "$scratch/imdb.txt")")
    bs=$(awk -v v="$bs" 'BEGIN { printf "%.1f", v / 1e6 }')
    row "tokenize IMDB" bs - 1 "$bs" MB/s
    peer=$("$python" bench/peers/tokenize_tokenizers.py "$model" "$scratch/imdb.txt" 1)
    row "tokenize IMDB" tokenizers - 1 "$peer" MB/s "$bs"
}

# compare_labels OURS PEER: equal labels, and probabilities within 0.001.
compare_labels() {
    paste "$1" "$2" | awk -F '\t' '
        { d = $2 - $4; if (d < 0) d = -d; if (d > worst) worst = d; if ($1 != $3 && d > 0.001) wrong++ }
        END { if (wrong || worst > 0.001) { print "bench: outputs differ: " wrong + 0 " labels, worst " worst; exit 1 } }' >&2
}

bench_label() {
    sst2_lines
    local count bs peer engine
    count=$(wc -l <"$scratch/sst2.txt")
    "$bin/bs-predict" -m "$labeller" -f lines --header no --max-length 128 --threads 2 "$scratch/sst2.txt" |
        cut -f 1,2 >"$scratch/bs.labels"
    bs=$(per_second "$count" "$(seconds "$bin/bs-predict" -m "$labeller" -f lines --max-length 128 \
        --threads 2 "$scratch/sst2.txt")")
    row "label SST-2" bs fp32 2 "$bs" texts/s
    for engine in onnxruntime torch; do
        peer=$("$python" "bench/peers/label_$engine.py" "$labeller" "$scratch/sst2.txt" fp32 128 2 \
            "$scratch/$engine.labels" 2>"$scratch/$engine.log")
        compare_labels "$scratch/bs.labels" "$scratch/$engine.labels"
        row "label SST-2" "$engine" fp32 2 "$peer" texts/s "$bs"
    done
}

# train_seconds STEPS PRECISION: a whole bs-train of that many steps.
train_seconds() {
    rm -rf "$scratch/run"
    seconds_once "$bin/bs-train" -m "$model" -o "$scratch/run" --max-steps "$1" --precision "$2" \
        --max-length 128 --threads 2 --eval-fraction 0.01 --quiet -f tsv "$scratch/imdb.tsv"
}

seconds_once() {
    local began=$EPOCHREALTIME
    "$@" >"$scratch/train.log"
    awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }'
}

# PyTorch takes more than four seconds for a step in bf16 where the processor has no
# instructions for it: no comparison.
native_precisions() {
    if grep -qwE 'avx512_bf16|amx_bf16' /proc/cpuinfo; then echo fp32 bf16; else echo fp32; fi
}

# Start, evaluation and saving cancel out between a short run and a long one.
bench_train() {
    imdb_rows
    local precision short long bs peer
    for precision in $(native_precisions); do
        short=$(train_seconds 5 "$precision")
        long=$(train_seconds 65 "$precision")
        bs=$(awk -v a="$short" -v b="$long" 'BEGIN { printf "%.3f", 60 / (b - a) }')
        row "train step 8 x 128" bs "$precision" 2 "$bs" steps/s
        peer=$("$python" bench/peers/train_torch.py "$model" "$scratch/imdb.tsv" --steps 60 \
            --precision "$precision" 2>"$scratch/torch.log")
        row "train step 8 x 128" torch "$precision" 2 "$peer" steps/s "$bs"
    done
}

# Resident memory of a training run beside the sum of its parts as --check gives it.
bench_memory() {
    imdb_rows
    local precision peak
    for precision in fp32 bf16; do
        rm -rf "$scratch/run"
        peak=$(/usr/bin/time -f %M "$bin/bs-train" -m "$model" -o "$scratch/run" --max-steps 5 \
            --precision "$precision" --max-length 128 --threads 2 --eval-fraction 0.01 --quiet -f tsv \
            "$scratch/imdb.tsv" 2>&1 >"$scratch/train.log" | tail -n 1)
        row "memory of training 8 x 128" bs "$precision" 2 $((peak / 1024)) MiB
        rm -rf "$scratch/run"
        "$bin/bs-train" --check -m "$model" -o "$scratch/run" --precision "$precision" --max-length 128 \
            --threads 2 --eval-fraction 0.01 -f tsv "$scratch/imdb.tsv" | grep -i -A 12 memory || true
    done
}

describe_machine | tee "$results"
printf 'work\tengine\tprecision\tthreads\tvalue\tunit\tratio\n' | tee -a "$results"
for work in $works; do
    "bench_$work"
done
echo "bench: kept in $results"
