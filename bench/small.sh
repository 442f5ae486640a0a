# shellcheck shell=bash disable=SC2154 # names in lower case come from bench.sh
# Small works: the first label of a cold process; the linear baseline. Part of bench.sh.

# cold_rows ENGINE PRECISION COMMAND...: from start to the first byte of output, and memory.
cold_rows() {
    local engine=$1 precision=$2 figures
    shift 2
    figures=$("$python" bench/peers/cold.py "$scratch/line.txt" "$@")
    row "first label" "$engine" "$precision" "$threads" "${figures%	*}" ms "$bs_ms"
    row "memory of first label" "$engine" "$precision" "$threads" "${figures#*	}" MiB "$bs_mib"
}

bench_cold() {
    need_labeller
    sst2_lines
    local bs_ms='' bs_mib='' line=$scratch/line.txt graph onnx=()
    local predict=("$bin/bs-predict" -f lines --header no --max-length 128 --threads "$threads")
    head -n 1 "$scratch/sst2.txt" >"$line"
    graph=$("$python" bench/peers/graph.py "$labeller" "$scratch" 2>"$scratch/onnxruntime.log")
    onnx=("$python" bench/peers/cold_onnxruntime.py "$labeller" "$graph" 128 "$threads")

    "${predict[@]}" -m "$labeller" <"$line" | cut -f 1,2 >"$scratch/bs.labels"
    "${onnx[@]}" <"$line" >"$scratch/onnxruntime.labels"
    [ "$(agreement "$scratch/bs.labels" "$scratch/onnxruntime.labels" 0.001)" = 1.0000 ]

    if make_int8 "$labeller"; then
        cold_rows bs int8 "${predict[@]}" -m "$(int8_of "$labeller")"
    fi
    "$bin/bs-export" -m "$labeller" -o "$scratch/labeller.bundle" --to bundle --quiet
    cold_rows "bs, bundle" fp32 "${predict[@]}" -m "$scratch/labeller.bundle"
    cold_rows bs fp32 "${predict[@]}" -m "$labeller"
    bs_ms=$(last_value "first label") bs_mib=$(last_value "memory of first label")
    cold_rows onnxruntime fp32 "${onnx[@]}"
}

# The reviews of pipelines/imdb.mk: 10,000 to learn from, 2,000 others to be judged on.
bench_linear() {
    local figures split=train=40,val=8,rest=52
    keep "$scratch/linear.train.tsv" imdb_rows train "$split"
    keep "$scratch/linear.val.tsv" imdb_rows val "$split"
    figures=$("$python" bench/peers/linear.py "$scratch/linear.train.tsv" "$scratch/linear.val.tsv")
    row "linear baseline on IMDB" scikit-learn - 1 "${figures%	*}" accuracy
    row "linear baseline on IMDB" scikit-learn - 1 "${figures#*	}" s
}
