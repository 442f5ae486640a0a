#!/bin/bash
# What bs and the reference (PyTorch, transformers) learn from the same rows, seed by
# seed. A run costs minutes to hours, so each one is kept as a row of
# bench/results/learn.tsv and not done again; the table of means is printed at the end.
#
#     make bench-learn [LEARN="demo reviews"] [SEEDS="1 2 3 4 5"] [ENGINES="bs torch"]
#                      [PRECISIONS="fp32 bf16"] [THREADS=2]
#
# demo     the film-review sentences, 80/20; 300 warm-up steps
# reviews  10,000 IMDB reviews and 2,000 others (DATA_DIR), 128 tokens; 500 warm-up steps
#
# Learning rate 5e-5, batch 8, 3 epochs, linear decay; judged after the last step.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

bin=${BIN:-bin}
data=${DATA_DIR:-../shared/data}
model=${MODEL:-models/all-minilm-l6-v2}
threads=${THREADS:-2}
scratch=build/bench
python=${BENCH_VENV:-$scratch/venv}/bin/python
results=bench/results/learn.tsv
mkdir -p "$scratch" bench/results
[ -s "$results" ] || printf 'work\tengine\tprecision\tseed\taccuracy\tmacro_f1\tprocessor\n' >"$results"
processor=$(grep -m 1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs)

# rows WORK PART: the texts of a part, as TSV for all engines.
rows() {
    local tokenize=("$bin/bs-tokenize" -m "$model" -t jsonl --max-length 8 --part "$2")
    local tsv=$scratch/$1.$2.tsv
    [ ! -s "$tsv" ] || return 0
    case $1 in
        demo) "${tokenize[@]}" --split train=80,val=20 data/film-reviews.tsv ;;
        reviews) "${tokenize[@]}" -f tree --members '*/train/[np]*/*.txt' \
            --split train=40,val=8,rest=52 "$data/imdb/aclImdb-train.tar.gz" ;;
    esac | python3 bench/peers/rows.py >"$tsv.part"
    mv "$tsv.part" "$tsv"
}

# learn_ENGINE WORK PRECISION SEED WARMUP_STEPS: prints accuracy TAB macro F1.
learn_bs() {
    local run=$scratch/learn-$1-$2-$3
    "$bin/bs-train" -m "$model" -o "$run" --precision "$2" --seed "$3" --warmup-steps "$4" \
        --learning-rate 5e-5 --max-length 128 --threads "$threads" --eval-steps 1000000 --quiet \
        --eval-data "$scratch/$1.val.tsv" "$scratch/$1.train.tsv" >"$run.log"
    tail -n 1 "$run/log.tsv" | cut -f 4,5
    rm -r "$run"
}

learn_torch() {
    "$python" bench/peers/train_torch.py "$model" "$scratch/$1.train.tsv" \
        --eval "$scratch/$1.val.tsv" --precision "$2" --seed "$3" --warmup-steps "$4" \
        --learning-rate 5e-5 --threads "$threads" 2>"$scratch/learn-$1-$2-$3-torch.log"
}

for work in ${LEARN:-demo reviews}; do
    rows "$work" train
    rows "$work" val
    warmup_steps=500
    [ "$work" = reviews ] || warmup_steps=300
    for seed in ${SEEDS:-1 2 3 4 5}; do
        for precision in ${PRECISIONS:-fp32 bf16}; do
            for engine in ${ENGINES:-bs torch}; do
                key="$work	$engine	$precision	$seed"
                grep -q "^$key	" "$results" && continue
                figures=$("learn_$engine" "$work" "$precision" "$seed" "$warmup_steps")
                printf '%s\t%s\t%s\n' "$key" "$figures" "$processor" | tee -a "$results"
            done
        done
    done
done

echo "work	engine	precision	seeds	accuracy	macro_f1	(means)"
tail -n +2 "$results" | sort | awk -F '\t' -v OFS='\t' '
    { key = $1 OFS $2 OFS $3; if (!(key in n)) order[++keys] = key; n[key]++; a[key] += $5; f[key] += $6 }
    END { for (i = 1; i <= keys; i++) { k = order[i]; printf "%s\t%d\t%.4f\t%.4f\n", k, n[k], a[k] / n[k], f[k] / n[k] } }'
