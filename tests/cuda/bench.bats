#!/usr/bin/env bats
# The GPU benchmark in small, on the stand-in: its table has the rows and columns that it
# should, with figures that can be, and the ratio to a peer.
# shellcheck disable=SC2016 # awk's own variables

PROGRAM=build/standin/bench/gpu/gpu

# The table of a run without a peer, and of one beside a peer that tells half of bs's
# rates in the first.
setup_file() {
    export DIR=$BATS_FILE_TMPDIR
    export TABLE=$DIR/alone/gpu-Stand-in-sm-90.tsv BESIDE=$DIR/beside/gpu-Stand-in-sm-90.tsv
    PYTHON=false RESULTS=$DIR/alone bench/gpu.sh "$PROGRAM" --small >"$DIR/out" 2>"$DIR/err"
    tail -n +2 "$TABLE" | awk -F '\t' -v OFS='\t' '
        { $4 = "torch 0"; $11 = $12 == "ms" ? 2 * $11 : $11 / 2; NF = 16; print }' >"$DIR/rows"
    printf '#!/bin/sh\n[ "$1" = -c ] || cat %s\n' "$DIR/rows" >"$DIR/python"
    chmod +x "$DIR/python"
    PYTHON=$DIR/python RESULTS=$DIR/beside bench/gpu.sh "$PROGRAM" --small
}

# every TABLE CONDITION: an awk condition holds for every row; $at["NAME"] is a column.
every() {
    awk -F '\t' '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        { label = $at["work"] == "label"; bs = $at["engine"] == "bs" }
        !('"$2"') { print; bad = 1 }
        END { exit bad || NR < 2 }' "$1"
}

# values TABLE COLUMN: what is there, each once.
values() {
    tail -n +2 "$1" | cut -f "$2" | sort -u | paste -sd ' '
}

@test "without torch one line says so, and where the table is" {
    grep -q 'no torch and transformers' "$DIR/out"
    [ "$(tail -n 1 "$DIR/out")" = "bench: $TABLE" ]
}

@test "columns and rows" {
    run head -n 1 "$TABLE"
    [ "$output" = "$(printf '%s\t' device work shape engine precision batch length steps run \
        seconds rate unit tflops of_peak of_library memory_mb)ratio" ]
    every "$TABLE" 'NF == 17'
    [ "$(wc -l <"$TABLE")" -eq 22 ]
    [ "$(values "$TABLE" 2)" = "label report train" ]
    [ "$(values "$TABLE" 5)" = "bf16 fp16 fp32 tf32" ]
}

@test "what was whole, extrapolated and measured" {
    every "$TABLE" '$at["run"] == (label ? "measured" : $at["work"] == "report" ? "whole" : "extrapolated")'
    every "$TABLE" 'label || ($at["seconds"] * $at["rate"] > 2.9 && $at["seconds"] * $at["rate"] < 3.1)'
}

@test "figures that can be" {
    every "$TABLE" '$at["seconds"] > 0 && $at["rate"] > 0 && $at["tflops"] ~ /^[0-9.]+$/'
    every "$TABLE" '$at["of_peak"] == "-"'
    every "$TABLE" '$at["batch"] == "-" ? $at["of_library"] == "-" : $at["of_library"] > 0'
    every "$TABLE" '$at["memory_mb"] > 0.5 && $at["memory_mb"] < 1000'
    every "$TABLE" '$at["ratio"] == "-"'
}

@test "beside a peer: its rows first, and how many times faster bs is" {
    [ "$(values "$BESIDE" 4)" = "bs torch 0" ]
    [ "$(wc -l <"$BESIDE")" -eq 43 ]
    every "$BESIDE" 'NF == 17 && (bs == (NR > 22))'
    every "$BESIDE" 'bs ? $at["ratio"] ~ /^[0-9.]+$/ : $at["ratio"] == "-"'
    # Rates, and times the other way round.
    paste <(tail -n 21 "$BESIDE" | cut -f 11,12,17) <(cut -f 11 "$DIR/rows") | awk '
        { ratio = $2 == "ms" ? $4 / $1 : $1 / $4 }
        (ratio - $3) ^ 2 > (0.006 + 0.01 * ratio) ^ 2 { print; bad = 1 }
        END { exit bad }'
}

@test "without the device: exit 6 and no table" {
    PYTHON=false RESULTS=$DIR/none run bench/gpu.sh "$PROGRAM" --small --device cuda:7
    [ "$status" -eq 6 ]
    [ -z "$(ls -A "$DIR/none")" ]
}
