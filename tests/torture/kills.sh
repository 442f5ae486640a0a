# shellcheck shell=bash disable=SC2154 # names in lower case come from torture.sh
# Killed and stopped: what is left is whole. Part of torture.sh.

# Every checkpoint under a final name labels a text.
checkpoints_load() {
    local folder
    for folder in run/checkpoint-* run/last run/best; do
        [[ "$folder" = *.partial-* || ! -e "$folder" ]] || "$bin/bs-predict" -m "$folder" <<<'good film' >/dev/null 2>>err || return 1
    done
}

# random_seconds MICROSECONDS: up to that, as seconds.
random_seconds() {
    awk -v n=$((RANDOM * 32768 + RANDOM)) -v most="$1" 'BEGIN { printf "%.6f", (n % most + 1) / 1e6 }'
}

# killed_after SECONDS COMMAND...: its status: 137 unless it had ended by then. It is gone
# when this returns.
killed_after() {
    local seconds=$1 pid status=0
    shift
    "$@" &
    pid=$!
    sleep "$seconds"
    kill -KILL $pid 2>/dev/null || true
    wait $pid 2>/dev/null || status=$?
    return $status
}

# A small training, run again and again, killed at random moments, until it has been killed
# so often and come to its end.
torture_kills() {
    need_tiny
    workplace kills
    local kills=0 ends=0 same=0 unloadable=0 wanted began length status
    local training=("$bin/bs-train" -m "$tiny" --epochs 2 --warmup-steps 5 --learning-rate 1e-3
        --eval-data eval.tsv --eval-steps 20 --save-steps 7 --threads 1 --quiet train.tsv)
    wanted=$(budget 25 1000)
    labelled_rows 600 >train.tsv
    labelled_rows 60 >eval.tsv
    began=$EPOCHREALTIME
    "${training[@]}" -o base >base.out
    length=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print int(1e6 * (b - a)) }')
    while [ "$kills" -lt "$wanted" ] || [ -e run ]; do
        status=0
        killed_after "$(random_seconds "$length")" "${training[@]}" -o run >run.out 2>>err || status=$?
        if [ "$status" = 137 ]; then
            kills=$((kills + 1))
            checkpoints_load || unloadable=$((unloadable + 1))
            continue
        fi
        ends=$((ends + 1))
        if [ "$status" = 0 ] && diff -r --no-dereference base run >/dev/null; then
            same=$((same + 1))
            rm -rf run
        else
            mv run "failed-$ends"
        fi
    done
    promise "killed training: ends" "$same" "=$ends" "runs in the same bytes, of $kills kills"
    promise "killed training: loads" "$unloadable" "=0" "kills that left what does not load"
}

# ---- signals -------------------------------------------------------------------------

# What stands before the flood must not mislead about how much of it may be read ahead.
flood() {
    perl -e 'print "good " x 1e6, "\n"'
    yes 'the good film and the very bad plot of it'
}

# stopped MODEL SIGNAL STATUS: a flood through bs-predict, stopped once it has answered
# something, answers what it has read, in whole lines, and ends with that status. Leaves in
# $took the milliseconds.
stopped() {
    local pid began status=0
    : >out
    timeout 60 "$bin/bs-predict" -m "$1" --header no >out 2>err < <(flood) &
    pid=$!
    while [ ! -s out ] && kill -0 $pid; do sleep 0.1; done
    sleep 0.3
    began=$EPOCHREALTIME
    kill -"$2" $pid
    wait $pid || status=$?
    took=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%d", 1000 * (b - a) }')
    [ "$status" = "$3" ] && [ "$(tail -c 1 out | wc -l)" = 1 ] &&
        [ "$(head -n 1 out | cut -f 3 | wc -c)" = 5000001 ] &&
        [ "$(tail -n +2 out | cut -f 3 | sort -u)" = 'the good film and the very bad plot of it' ]
}

torture_stops() {
    need_tiny
    need_slow
    workplace stops
    local tries good=0 slowest=0 took how model
    tries=$(budget 4 100)
    for ((i = 0; i < tries; i++)); do
        if [ $((i % 2)) = 0 ]; then how="TERM 143"; else how="INT 130"; fi
        if [ $((i / 2 % 2)) = 0 ]; then model=$tiny; else model=$slow; fi
        # shellcheck disable=SC2086 # two words
        ! stopped "$model" $how || good=$((good + 1))
        [ "$took" -le "$slowest" ] || slowest=$took
    done
    promise "stops when told" "$good" "=$tries" "whole lines, status 128 + N"
    [ "$budget" = short ] || promise "stops in time" "$slowest" "<=2000" "ms, the slowest"
    stops_at_once
    stops_training
}

# A tool whose answers nobody takes cannot end by itself; a second signal ends it.
stops_at_once() {
    local tries good=0 pid status
    tries=$(budget 2 50)
    mkfifo stuck
    exec 9<>stuck
    for ((i = 0; i < tries; i++)); do
        "$bin/bs-predict" -m "$tiny" --header no < <(yes 'the good film') >stuck 2>err &
        pid=$!
        sleep 0.7
        kill -TERM $pid
        sleep 0.3
        status=0
        if kill -TERM $pid 2>/dev/null; then
            timeout 2 tail --pid=$pid -f /dev/null || kill -KILL $pid
        fi
        wait $pid || status=$?
        [ "$status" != 143 ] || good=$((good + 1))
    done
    exec 9<&-
    promise "second signal" "$good" "=$tries" "ended by it, within 2 s"
}

# left_by STATUS: what a stopped training left: last/, if it had begun.
left_by() {
    [ "$1" = 0 ] || { [ "$1" = 143 ] && { [ ! -e run/log.tsv ] ||
        "$bin/bs-predict" -m run/last <<<'good' >/dev/null 2>>err; }; }
}

# Training leaves last/, says 128 + N, and goes on from there to the same bytes.
stops_training() {
    local tries good=0 status pid
    local training=("$bin/bs-train" -m "$tiny" --epochs 30 --warmup-steps 5 --threads 1 --quiet rows.tsv)
    tries=$(budget 2 50)
    labelled_rows 600 >rows.tsv
    "${training[@]}" -o base >/dev/null
    for ((i = 0; i < tries; i++)); do
        rm -rf run
        "${training[@]}" -o run >/dev/null 2>err &
        pid=$!
        sleep "$(random_seconds 700000)"
        status=0
        kill -TERM $pid 2>/dev/null || true
        wait $pid || status=$?
        if left_by "$status" && "${training[@]}" -o run >/dev/null 2>>err &&
            diff -r --no-dereference base run >/dev/null; then
            good=$((good + 1))
        fi
    done
    promise "stopped training" "$good" "=$tries" "last/ left, same bytes in the end"
}
