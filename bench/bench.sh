#!/bin/bash
# bs and its peers on the same work, in one run on one machine. Prints a table and keeps
# it as TSV; its columns are in bench/README.md.
#
#     make bench [BENCH="tokenize label train cold memory linear lines"]
#
# DATA_DIR    the research data (../shared/data): IMDB and SST-2; see bench/README.md
# MODEL       default model; LABELLER a fine-tuned one (models/demo/best)
# BENCH_VENV  the peers' Python environment; made in build/bench if it is not there
# BENCH_TEXTS how many texts are labelled, instead of 10 s of them
# BENCH_RUNS  runs of bs whose median counts (3), after one that does not
# BENCH_LABEL what is labelled: a regular expression that its name matches
# BENCH_PRECISIONS  of labelling and training ("fp32 bf16 int8")
# THREADS     of bs and of the peers (2)
#
# bs is timed as a whole process, start and tokenizing included; peers are warm and
# without their start. Outputs are compared before times count.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

works=${*:-tokenize label train cold memory linear lines}
bin=${BIN:-bin}
data=${DATA_DIR:-../shared/data}
model=${MODEL:-models/all-minilm-l6-v2}
labeller=${LABELLER:-models/demo/best}
threads=${THREADS:-2}
scratch=build/bench
venv=${BENCH_VENV:-$scratch/venv}
python=$venv/bin/python
results=$scratch/results.tsv
runs=${BENCH_RUNS:-3}
micro=${BENCH_MICRO:-build/release/bench/micro}
mkdir -p "$scratch"
export PYTHONDONTWRITEBYTECODE=1

if [ ! -x "$python" ]; then
    echo "bench: installing the peers into $venv (about 6 GB)"
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check -r bench/requirements.txt
fi

# ---- rows ------------------------------------------------------------------------------

describe_machine() {
    local flags
    flags=$(grep -m 1 '^flags' /proc/cpuinfo | tr ' ' '\n' |
        grep -xE 'avx2|avx512f|avx512_bf16|avx512_vnni|avx_vnni|amx_bf16|amx_int8' | paste -sd ' ')
    echo "# $(grep -m 1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(nproc) processors, $flags"
}

# row WORK ENGINE PRECISION THREADS VALUE UNIT [BS_VALUE [AGREEMENT [SHARE]]]
row() {
    local ratio=
    [ -z "${7:-}" ] || ratio=$(awk -v a="$7" -v b="$5" -v unit="$6" \
        'BEGIN { printf "%.2f", unit ~ /^(ms|s|MiB)$/ ? b / a : a / b }')
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "$5" "$6" "$ratio" \
        "${8:-}" "${9:-}" | tee -a "$results"
}

# last_value WORK: of the row of that work that was printed last.
last_value() {
    awk -F '\t' -v work="$1" '$1 == work { value = $5 } END { print value }' "$results"
}

# What this machine can do, as rows; kept for share().
bench_peaks() {
    local name value unit kind engine
    "$micro/peaks" "$threads" >"$scratch/peaks.tsv"
    while IFS=$'\t' read -r name value unit; do
        kind=${name% *} engine=${name#* }
        row "peak" "$engine" "$kind" "$threads" "$value" "$unit"
    done <"$scratch/peaks.tsv"
}

# share PRECISION FLOPS: the part of the machine's peak in that precision.
share() {
    awk -F '\t' -v kind="$1" -v flops="$2" '
        index($1, kind " ") == 1 && $2 > peak { peak = $2 }
        END { if (peak) printf "%.3f", flops / 1e9 / peak }' "$scratch/peaks.tsv"
}

# flop_per_token MODEL: all matrix products of all layers, attention left out.
flop_per_token() {
    "$python" -c '
import json, sys
c = json.load(open(sys.argv[1] + "/config.json"))
h, f = c["hidden_size"], c["intermediate_size"]
print(2 * c["num_hidden_layers"] * (4 * h * h + 2 * h * f))' "$1"
}

# multiply A B...
multiply() {
    awk 'BEGIN { p = 1; for (i = 1; i < ARGC; i++) p *= ARGV[i]; printf "%.6g", p }' "$@"
}

# ---- time ------------------------------------------------------------------------------

# seconds_once COMMAND...: prints how long it took; its output is dropped.
seconds_once() {
    local began=$EPOCHREALTIME
    "$@" >/dev/null
    awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }'
}

# seconds COMMAND...: the median of $runs runs after one that does not count.
seconds() {
    local i
    "$@" >/dev/null
    for ((i = 0; i < runs; i++)); do
        seconds_once "$@"
    done | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

per_second() {
    awk -v n="$1" -v s="$2" 'BEGIN { printf "%.2f", n / s }'
}

# precisions NAME...: those that are wanted, bf16 only where the processor has it: elsewhere
# bs rounds to it but multiplies in fp32, and PyTorch takes more than four seconds a step.
precisions() {
    local precision
    for precision in "$@"; do
        [[ " ${BENCH_PRECISIONS:-$*} " = *" $precision "* ]] || continue
        [ "$precision" != bf16 ] || grep -qwE 'avx512_bf16|amx_bf16' /proc/cpuinfo || continue
        echo "$precision"
    done
}

# ----------------------------------------------------------------------------------------

# shellcheck source=bench/data.sh
source bench/data.sh
# shellcheck source=bench/tokenize.sh
source bench/tokenize.sh
# shellcheck source=bench/label.sh
source bench/label.sh
# shellcheck source=bench/train.sh
source bench/train.sh
# shellcheck source=bench/small.sh
source bench/small.sh
# shellcheck source=bench/lines.sh
source bench/lines.sh

describe_machine | tee "$results"
printf 'work\tengine\tprecision\tthreads\tvalue\tunit\tratio\tagreement\tshare\n' | tee -a "$results"
for work in peaks $works; do
    "bench_$work"
done
echo "bench: kept in $results"
