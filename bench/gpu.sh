#!/bin/bash
# The benchmark of a GPU: bs and, where python3 has torch and transformers, PyTorch on the
# same work in the same run. Rows go to bench/results/gpu-DEVICE-NAME.tsv as they come,
# the peer's first; in bs's rows `ratio` is its rate over the peer's (above 1: bs is
# faster), "-" where the peer has no such row.
#
#     bench/gpu.sh PROGRAM [OPTION...]      PROGRAM: build/.../bench/gpu/gpu
#
# PYTHON   interpreter of the peer (python3)
# RESULTS  where the table goes (bench/results)
# PEER     the peer's program; PEER_OPTIONS for it
set -euo pipefail
cd "$(dirname "$0")/.."

program=$1
shift
python=${PYTHON:-python3}
results=${RESULTS:-bench/results}
peer=${PEER:-bench/peers/gpu_torch.py}
read -ra peer_options <<<"${PEER_OPTIONS:-}"
mkdir -p "$results"
rows=$(mktemp "$results/.gpu-XXXXXX")
trap 'rm -f "$rows"' EXIT

# Columns as bs writes them, and the ratio behind. A single text's figure is a time, so
# there the ratio is turned round. The reference report's run is compared whatever
# precision each took.
# shellcheck disable=SC2016 # awk's own variables
join='
    function key() { return $2 FS $3 FS ($2 == "report" ? "" : $5) FS $6 FS $7 FS $12 }
    BEGIN { while ((getline <peers) > 0) peer[key()] = $11 }
    $4 == "engine" { print $0, "ratio"; fflush(); next }
    {
        ratio = "-"
        if ((k = key()) in peer && $11 > 0 && peer[k] > 0)
            ratio = sprintf("%.2f", $12 == "ms" ? peer[k] / $11 : $11 / peer[k])
        print $0, ratio
        fflush()
    }'

if "$python" -c 'import torch, transformers' 2>/dev/null; then
    "$python" "$peer" "${peer_options[@]}" | tee "$rows" >&2 ||
        echo "bench: PyTorch failed; its remaining rows are left out"
else
    echo "bench: no torch and transformers for $python: only bs is timed"
fi

# Reads the finished rows; the first one names the device, and with it the file.
store() {
    local header row device table
    IFS= read -r header && IFS= read -r row || return 6
    device=${row%%$'\t'*}
    table=$results/gpu-$(tr -cs 'A-Za-z0-9\n' - <<<"${device%%,*}").tsv
    { echo "$header" && sed "s/\$/\t-/" "$rows" && echo "$row" && cat; } | tee "$table"
    echo "bench: $table"
}
"$program" "$@" | awk -F '\t' -v OFS='\t' -v peers="$rows" "$join" | store
