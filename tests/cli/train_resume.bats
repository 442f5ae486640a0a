#!/usr/bin/env bats
# bs-train killed, stopped, crowded and cut short: what was saved holds, and the same
# command ends in the same bytes.
# shellcheck disable=SC2086,SC2016,SC2030,SC2031,SC2154 # lists of words; bats sets $stderr

load helper

setup_file() {
    export DIR=$BATS_FILE_TMPDIR
    export TINY=$ROOT/tests/parity/golden/tiny
    TRAIN=$(cd "${BS_BIN:-bin}" && pwd)/bs-train
    export TRAIN
    make_texts 0 96 >"$DIR/train.tsv"
    make_texts 500 20 >"$DIR/eval.tsv"
    export ARGS="-m $TINY --eval-data $DIR/eval.tsv --epochs 4 --warmup-steps 5 --learning-rate 1e-3
        --eval-steps 10 --save-steps 3"
    "$TRAIN" $ARGS -o "$DIR/base" "$DIR/train.tsv" >"$DIR/base.out" 2>"$DIR/base.err"
    ROW=$(head -n 1 "$DIR/base.out" | wc -c)
    export ROW
}

setup() {
    bats_require_minimum_version 1.5.0
    cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
    leave_disk
}

# same_run NAME: $DIR/NAME holds what the undisturbed run holds, byte for byte.
same_run() {
    diff -r --no-dereference "$DIR/base" "$DIR/$1"
}

# hold FOLDER N ARGUMENTS...: a run that has made its next report after N of them, and
# waits for somebody to read it: in the midst of training, for as long as a test wants.
hold() {
    local folder=$1 rows=$2
    shift 2
    gate $((ROW * (rows + 1) + 10))
    OUT=gate launch train $ARGS -o "$folder" "$@" "$DIR/train.tsv"
    wait_until 60 has_lines "$folder/log.tsv" $((rows + 2)) 2>/dev/null
}

# finishes FOLDER ARGUMENTS...: the same command again, undisturbed.
finishes() {
    local folder=$1
    shift
    go "$TRAIN" $ARGS -o "$folder" "$@" "$DIR/train.tsv"
    status_is 0
    cmp out "$DIR/base.out"
    diff -r --no-dereference "$DIR/base" "$folder"
}

@test "killed at every report: the same bytes" {
    for rows in 0 1 2 3 4; do
        hold run $rows
        kill -KILL $pid
        ends 137
        exec 7>&-
    done
    [ "$(readlink run/last)" = checkpoint-45 ]
    finishes run
    err_has 'run: goes on after step 45 of 48'
}

@test "killed in every stage of a save: the same bytes" {
    command -v strace >/dev/null || skip "strace is not installed"
    for call in renameat2 rename symlink unlinkat; do
        for n in 2 5; do
            rm -rf "$DIR/staged"
            strace -f -o /dev/null -e trace=$call -e "inject=$call:signal=KILL:when=$n" \
                "$TRAIN" $ARGS -o "$DIR/staged" "$DIR/train.tsv" >/dev/null 2>&1 || true
            run "$TRAIN" $ARGS -o "$DIR/staged" "$DIR/train.tsv"
            [ "$status" -eq 0 ]
            same_run staged
        done
    done
}

@test "SIGTERM and SIGINT: saved, 128 + N, gone on with by other threads" {
    for signal in TERM:143 INT:130; do
        # At a step that nothing else would save.
        hold run 1 --threads 1
        kill -"${signal%:*}" $pid
        open_gate
        ends "${signal#*:}"
        wait $!
        cmp through <(head -n 3 "$DIR/base.out")
        err_has 'bs-train: stopped after step 20 of 48; the same command goes on from there'
        [ "$(readlink run/last)" = checkpoint-20 ]
        finishes run --threads 2
        rm -r run
    done
}

@test "a second signal ends at once, what was saved holds" {
    hold run 0
    kill -TERM $pid
    kill -INT $pid
    ends 130
    exec 7>&-
    [ "$(readlink run/last)" = checkpoint-9 ]
    finishes run
}

@test "SIGHUP is not heard" {
    hold run 0
    kill -HUP $pid
    open_gate
    ends 0
    wait $!
    cmp through "$DIR/base.out"
    diff -r --no-dereference "$DIR/base" run
}

@test "a finished run is left alone, another is refused, --restart begins anew" {
    cp -a "$DIR/base" "$DIR/own"
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/own" "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    [ "$output" = "$(cat "$DIR/base.out")" ]
    [[ $stderr == *"this run is finished, at step 48"* ]]
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/own" --learning-rate 2e-3 "$DIR/train.tsv"
    [ "$status" -eq 2 ]
    [ -z "$output" ]
    [[ $stderr == *"own: holds a different run: --learning-rate is 0.002, was 0.001; choose"* ]]
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/own" "$DIR/eval.tsv"
    [ "$status" -eq 2 ]
    [[ $stderr == *"different run: the training data is not the same; choose"* ]]
    cp "$DIR/own/log.tsv" copy.tsv
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/own" --log copy.tsv "$DIR/eval.tsv"
    [ "$status" -eq 2 ]
    cmp copy.tsv "$DIR/own/log.tsv"
    same_run own
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/own" --restart --max-steps 2 "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    [ "$(readlink "$DIR/own/last")" = checkpoint-2 ]
    [ ! -e "$DIR/own/checkpoint-48" ]
}

@test "a finished run is not written to, and can lie where nothing can be" {
    mkdir disk
    disk=
    if mount -t tmpfs -o size=64m tmpfs disk 2>/dev/null; then
        disk=$PWD/disk
    fi
    cp -a "$DIR/base" disk/run
    state() {
        find disk/run -printf '%p %i %T@ %C@ %l\n' | LC_ALL=C sort
    }
    state >before
    finishes disk/run
    diff before <(state)
    # What is not as the run left it is put in order.
    echo 0 >>disk/run/log.tsv
    ln -sfn checkpoint-48 disk/run/best
    finishes disk/run
    [ -n "$disk" ] || skip "nothing may be mounted here"
    mount -o remount,ro "$disk"
    finishes disk/run
    err_has 'this run is finished'
}

# refused FOLDER: another run there is told that it is in use.
refused() {
    for option in --quiet --restart; do
        go timeout 60 "$TRAIN" $ARGS -o "$1" $option "$DIR/train.tsv"
        status_is 2
        out_is ''
        err_is "bs-train: $1: another run is using this folder"
    done
}

@test "two runs in one folder: the second is told so, the first ends as if alone" {
    hold run 1
    refused run
    kill -0 $pid
    open_gate
    ends 0
    wait $!
    cmp through "$DIR/base.out"
    diff -r --no-dereference "$DIR/base" run
}

@test "two runs in one folder, the first still reading" {
    mkfifo in
    exec 8<>in
    head -n 20 "$DIR/train.tsv" >&8
    OUT=first launch train $ARGS -o run -f tsv in
    wait_until 60 pipe_is_empty 8
    refused run
    kill -0 $pid
    tail -n +21 "$DIR/train.tsv" >&8
    exec 8>&-
    ends 0
    cmp first "$DIR/base.out"
    diff -r --no-dereference "$DIR/base" run
}

# goes_aside COMMAND...: takes the folder `run` away from a run in the midst of training;
# whether another one begins under that name or none, the first ends and touches nothing.
goes_aside() {
    local other
    for other in yes ''; do
        hold run 1
        "$@"
        [ -z "$other" ] || "$TRAIN" $ARGS -o run --seed 7 "$DIR/train.tsv" >/dev/null 2>&1
        [ -z "$other" ] || cp -a run kept
        open_gate
        ends 5
        wait $!
        err_has 'bs-train: run: was moved or removed while this run trained, which ends here; the same command goes on with it where it lies now'
        if [ -n "$other" ]; then
            diff -r --no-dereference kept run
            rm -r run kept
        fi
        [ ! -e run ]
        [ ! -d aside ] || finishes aside
        rm -rf aside
    done
}

@test "a folder that is moved while its run trains: exit 5, another run's is not touched" {
    goes_aside mv run aside
}

@test "a folder that is removed while its run trains: exit 5, another run's is not touched" {
    goes_aside rm -r run
}

@test "a run that fails before its first save leaves alone what took its folder's place" {
    mkfifo in
    exec 8<>in
    head -n 1 "$DIR/train.tsv" >&8
    launch train $ARGS -o run -f tsv in
    wait_until 60 pipe_is_empty 8
    wait_until 60 [ -e run/lock ]
    mv run aside
    mkdir run
    touch run/lock run/log.tsv
    exec 8>&-
    ends 4
    [ -e run/lock ]
    [ -e run/log.tsv ]
}

@test "a folder of other things is not written to" {
    mkdir "$DIR/foreign"
    echo mine >"$DIR/foreign/notes.txt"
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/foreign" --restart "$DIR/train.tsv"
    [ "$status" -eq 2 ]
    [[ $stderr == *'"notes.txt"'* ]]
    [ "$(ls -A "$DIR/foreign")" = notes.txt ]
}

# left_alone FOLDER WORDS ARGUMENTS...: a run there is refused with these words, and
# nothing in it is other than before.
left_alone() {
    local folder=$1 words=$2
    shift 2
    rm -rf before
    cp -a "$folder" before
    go "$TRAIN" $ARGS -o "$folder" "$@" "$DIR/train.tsv"
    status_is 2
    out_is ''
    err_has "$words"
    diff -r --no-dereference before "$folder"
}

@test "names that only look like those of a run are other things" {
    mkdir trainer trainer/checkpoint-500
    echo weights >trainer/checkpoint-500/pytorch_model.bin
    for option in --quiet --restart; do
        left_alone trainer 'trainer: holds "checkpoint-500", which is not of a run of bs-train' $option
    done
    for name in checkpoint-notes.txt checkpoint-05 checkpoint-7.partial-2024 \
        notes.partial-aB3dE6 log.tsv.old log.tsv.backup .new-log.tsv.swp .link-notes; do
        cp -a "$DIR/base" run
        echo precious >"run/$name"
        left_alone run "run: holds \"$name\", which" --restart
        rm -r run
        mkdir new
        echo precious >"new/$name"
        left_alone new "new: holds \"$name\", which"
        rm -r new
    done
    cp -a "$DIR/base" run
    cp -a run/checkpoint-48 run/checkpoint-mine
    left_alone run 'run: holds "checkpoint-mine"' --restart
}

@test "what somebody put into a checkpoint is not removed" {
    cp -a "$DIR/base" run
    for checkpoint in last best; do
        echo precious >"run/$checkpoint/predictions.tsv"
        left_alone run "run/$(readlink run/$checkpoint): holds \"predictions.tsv\", which is not of a run of bs-train; take it away, or choose another folder" --restart
        rm "run/$checkpoint/predictions.tsv"
    done
    mkdir run/best/tokenizer.json.old
    left_alone run "holds \"tokenizer.json.old\", which"
    rmdir run/best/tokenizer.json.old
    finishes run
}

@test "what somebody puts into a checkpoint while the run goes on stays when it is old" {
    hold run 1
    old=$(readlink run/last) # the next save makes another one the last
    [ "$old" != "$(readlink run/best)" ]
    echo precious >"run/$old/notes.txt"
    mkdir "run/$old/bs"
    open_gate
    ends 0
    wait $!
    cmp through "$DIR/base.out"
    [ "$(ls "run/$old")" = $'bs\nnotes.txt' ]
    [ "$(grep -c "run/$old: is removed, but for \"\(bs\|notes.txt\)\", which is not of this run; take it away before the run is started again" err)" = 1 ]
    left_alone run "run: holds \"$old\", which is not of a run of bs-train"
    rm -r "run/$old"
    finishes run
}

@test "what is called as in a run and is something else is other things" {
    for option in --quiet --restart; do
        mkdir -p new/log.tsv/sub
        echo precious >new/log.tsv/sub/mine
        left_alone new 'new: holds "log.tsv", which is not of a run of bs-train' $option
        rm -r new
        mkdir new
        printf 'step\tvalue\n1\t2\n' >new/log.tsv # in a run it is put in order, see above
        left_alone new 'new: holds "log.tsv", which is not of a run of bs-train' $option
        rm -r new
        for name in lock .new-log.tsv .link-last; do
            mkdir -p "new/$name"
            echo precious >"new/$name/mine"
            left_alone new "new: holds \"$name\", which" $option
            rm -r new
        done
        mkdir new
        echo precious >new/checkpoint-9.partial-aB3dE6
        left_alone new 'new: holds "checkpoint-9.partial-aB3dE6", which' $option
        rm -r new
    done
}

@test "what a killed run leaves under names of its own goes away" {
    mkdir run
    touch run/lock run/log.tsv run/.new-log.tsv run/.new-log.tsv.aB3dE6
    ln -s checkpoint-9 run/.link-last
    mkdir run/checkpoint-9.partial-aB3dE6 run/checkpoint-9.partial-aB3dE6-old
    finishes run
}

@test "without last, too, only --restart removes checkpoints" {
    cp -a "$DIR/base" run
    rm run/last
    left_alone run 'run: holds a different run: --seed is 7, was 42; choose another folder, or --restart to begin anew' --seed 7
    finishes run
    err_has 'this run is finished'
    best=$(readlink run/best)
    rm -r "run/$(readlink run/last)"
    cp -a run lost
    go "$TRAIN" $ARGS -o run "$DIR/train.tsv"
    status_is 4
    err_has 'bs-train: run: the last checkpoint or its optimizer.bin is gone; put it back, or --restart begins the run anew'
    rm run/last lost/last
    go "$TRAIN" $ARGS -o run --seed 7 "$DIR/train.tsv"
    status_is 4
    diff -r --no-dereference lost run
    [ -s "run/$best/model.safetensors" ]
    finishes run --restart
}

@test "a checkpoint that was renamed or moved is not taken for an old one" {
    for at in checkpoint-99 ../aside; do
        cp -a "$DIR/base" run
        mv run/checkpoint-48 "run/$at"
        ln -sfn "$at" run/last
        rm -rf before
        cp -a run before
        go "$TRAIN" $ARGS -o run "$DIR/train.tsv"
        status_is 4
        err_has 'run/last: was saved as run/checkpoint-48, and is not there; put it back, or --restart begins the run anew'
        diff -r --no-dereference before run
        mv "run/$at" run/checkpoint-48
        ln -sfn checkpoint-48 run/last
        finishes run
        rm -r run
    done
}

@test "a best checkpoint that is a link to another run's keeps its state" {
    hold run 1
    kill -KILL $pid
    ends 137
    cp -a run other
    best=$(readlink run/best)
    echo state >"other/$best/optimizer.bin"
    rm -r "run/$best"
    ln -s "../other/$best" "run/$best"
    go "$TRAIN" $ARGS -o run "$DIR/train.tsv"
    status_is 0
    [ "$(<"other/$best/optimizer.bin")" = state ]
}

@test "a run that lost a checkpoint is told so" {
    cp -a "$DIR/base" run
    best=$(readlink run/best)
    [ "$best" != checkpoint-48 ]
    mv "run/$best" kept
    go "$TRAIN" $ARGS -o run "$DIR/train.tsv"
    status_is 4
    out_is ''
    err_has "bs-train: run/$best: no such model: neither a folder nor a bundle; put it back, or --restart begins the run anew"
    go tool predict -m run <<<word1
    status_is 4
    out_is ''
    err_is "bs-predict: run/$best: is gone, to which run/best points; put it back, or name another checkpoint with -m"
    mv kept "run/$best"
    finishes run
    mv run/last/model.safetensors kept
    go "$TRAIN" $ARGS -o run "$DIR/train.tsv"
    status_is 4
    err_has 'run/last: model.safetensors is missing; put it back, or --restart'
    mv kept run/last/model.safetensors
    finishes run
}

@test "a checkpoint that lost what tells a run is still the run's" {
    for link in best last; do
        cp -a "$DIR/base" run
        at=$(readlink run/$link)
        rm "run/$at/bs.json"
        rm -rf before
        cp -a run before
        go "$TRAIN" $ARGS -o run "$DIR/train.tsv"
        status_is 4
        grep -Eqx "bs-train: run/($at|last): bs.json is missing; put it back, or --restart begins the run anew" err
        diff -r --no-dereference before run
        rm -f "run/$at/optimizer.bin"
        echo precious >"run/$at/mine"
        left_alone run "run/$at: holds \"mine\", which" --restart
        rm "run/$at/mine"
        finishes run --restart
        rm -r run
    done
}

@test "a checkpoint that may not be read is told so" {
    cp -a "$DIR/base" run
    best=$(readlink run/best)
    chmod 000 "run/$best"
    for option in --quiet --restart; do
        go_as_user "$TRAIN" $ARGS -o run $option "$DIR/train.tsv"
        status_is 5
        err_is "bs-train: run/$best: cannot read: Permission denied"
    done
    chmod 755 "run/$best"
    finishes run
}

@test "a copy with folders for links is refused, and can be mended" {
    cp -rL "$DIR/base" run
    for option in --quiet --restart; do
        go "$TRAIN" $ARGS -o run $option "$DIR/train.tsv"
        status_is 2
        out_is ''
        err_matches '^bs-train: run/(best|last): is no link to a checkpoint, which a run has here; take it away \(to copy a run: cp -a\), or choose another folder$'
    done
    rm -r run/best run/last
    finishes run
}

@test "the base model does not lie in the folder of the run" {
    cp -a "$DIR/base" run
    ln -s run/best aside
    for base in run run/best run/last/ run/../run/checkpoint-48 aside; do
        left_alone run 'the base model lies in run, which is for the run alone; choose another -o, or copy the model first' \
            -m $base --restart
    done
    mkdir new
    touch new/lock
    cp -r "$DIR/base/last/" new/checkpoint-5
    left_alone new 'new/checkpoint-5: the base model lies in new, which' -m new/checkpoint-5
}

@test "reports and rejects are not written into the folder of the run" {
    cp -a "$DIR/base" old
    for folder in new old; do
        for place in report.tsv log.tsv ../$folder/report.tsv; do
            go "$TRAIN" $ARGS -o $folder --log $folder/$place "$DIR/train.tsv"
            status_is 2
            out_is ''
            err_is "bs-train: --log $folder/$place: lies in $folder, which is for the run alone; write it elsewhere"
        done
        go "$TRAIN" $ARGS -o $folder --rejects $folder/r.jsonl "$DIR/train.tsv"
        status_is 2
        err_has "bs-train: --rejects $folder/r.jsonl: lies in $folder, which"
        go "$TRAIN" $ARGS --check -o old --rejects old/r.jsonl "$DIR/train.tsv"
        status_is 2
        [ ! -e new ]
        diff -r --no-dereference "$DIR/base" old
    done
}

@test "nor by way of links that lead nowhere yet" {
    for place in mine.tsv checkpoint-48; do
        ln -sf "new/$place" link
        for option in --log --rejects; do
            go "$TRAIN" $ARGS -o new $option link "$DIR/train.tsv"
            status_is 2
            err_is "bs-train: $option link: lies in new, which is for the run alone; write it elsewhere"
            [ ! -e new ]
        done
    done
}

@test "a run that is refused leaves no log" {
    left_alone "$DIR/base" 'holds a different run' --seed 7 --log new.tsv
    [ ! -e new.tsv ]
    mkdir logs
    ln -s logs/new.tsv link.tsv
    left_alone "$DIR/base" 'holds a different run' --seed 7 --log link.tsv
    [ -L link.tsv ]
    [ ! -e link.tsv ]
    echo old >logs/new.tsv
    left_alone "$DIR/base" 'holds a different run' --seed 7 --log link.tsv
    [ "$(<link.tsv)" = old ]
}

@test "differences are told in the words of the command line" {
    left_alone "$DIR/base" 'run: --freeze is 1, was not given; choose' --freeze 1
    left_alone "$DIR/base" 'run: --freeze is embeddings, was not given; choose' --freeze embeddings
    left_alone "$DIR/base" 'run: --max-steps is 9, was not given; choose' --max-steps 9
    left_alone "$DIR/base" 'run: --class-weights is balanced, was not given;' --class-weights balanced
    left_alone "$DIR/base" 'run: the evaluation data (--eval-data) is not the same;' --eval-data "$DIR/train.tsv"
    cp -a "$DIR/base" other
    left_alone "$DIR/base" "run: the base model (-m) is not the same;" -m other/last
    go "$TRAIN" ${ARGS/--eval-data*eval.tsv/} -o "$DIR/base" "$DIR/train.tsv"
    status_is 2
    err_has 'run: the evaluation data (--eval-data) is not the same; choose'
}

@test "a folder that cannot be made: exit 5" {
    run --separate-stderr "$TRAIN" $ARGS -o /proc/none "$DIR/train.tsv"
    [ "$status" -eq 5 ]
    [ -z "$output" ]
    [[ $stderr == *"/proc/none: cannot create folder"* ]]
    echo >"$DIR/file"
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/file" "$DIR/train.tsv"
    [ "$status" -eq 5 ]
}

@test "no space for a checkpoint: exit 5, nothing is left; with room the same bytes" {
    small_disk small
    go_full "$TRAIN" $ARGS -o small/run "$DIR/train.tsv"
    status_is 5
    cmp out <(head -n 1 "$DIR/base.out")
    err_has "small/run/checkpoint-3.partial-"
    err_has ": cannot write: $no_space"
    [ -z "$(ls -A small)" ]
    free_disk small
    finishes small/run
}

@test "no space later on: exit 5, what was saved before holds" {
    small_disk small
    free_disk small
    hold small/run 0
    kill -TERM $pid
    open_gate
    ends 143
    wait $!
    cp -r small/run kept
    rm small/run/log.tsv
    fill_disk small
    go_full "$TRAIN" $ARGS -o small/run "$DIR/train.tsv"
    status_is 5
    out_is ''
    err_has "log.tsv: cannot write: $no_space"
    diff -r --no-dereference -x log.tsv kept small/run
    # Room for the log, none for a checkpoint.
    free_disk small
    fill_disk small 64
    go_full "$TRAIN" $ARGS -o small/run "$DIR/train.tsv"
    status_is 5
    cmp out <(head -n 2 "$DIR/base.out")
    err_has "small/run/checkpoint-12.partial-"
    err_has ": cannot write: $no_space"
    diff -r --no-dereference kept small/run
    free_disk small
    finishes small/run
}

@test "a file at its limit: exit 5, not the end of the process" {
    go bash -c 'ulimit -f 600; "$0" $ARGS -o run "$DIR/train.tsv"' "$TRAIN"
    status_is 5
    err_has 'cannot write: File too large'
    [ ! -e run ]
    finishes run
}

@test "stdout full or closed: the work is done, then exit 5" {
    run --separate-stderr bash -c '"$0" $ARGS -o "$1" "$2" >/dev/full' \
        "$TRAIN" "$DIR/devfull" "$DIR/train.tsv"
    [ "$status" -eq 5 ]
    [[ $stderr == *"standard output: cannot write: No space left on device"* ]]
    same_run devfull
    run --separate-stderr bash -c '"$0" $ARGS -o "$1" "$2" >&-' \
        "$TRAIN" "$DIR/closed" "$DIR/train.tsv"
    [ "$status" -eq 5 ]
    same_run closed
    run bash -c 'set -o pipefail; "$0" $ARGS -o "$1" "$2" 2>"$3" | true' \
        "$TRAIN" "$DIR/piped" "$DIR/train.tsv" "$DIR/piped.err"
    [ "$status" -eq 5 ]
    grep -q 'Broken pipe' "$DIR/piped.err"
    same_run piped
}

@test "--log to a full device: the work is done, then exit 5" {
    run --separate-stderr "$TRAIN" $ARGS -o "$DIR/logfull" --log /dev/full "$DIR/train.tsv"
    [ "$status" -eq 5 ]
    [[ $stderr == *"/dev/full: cannot write"* ]]
    [ "$output" = "$(cat "$DIR/base.out")" ]
    same_run logfull
}

@test "a damaged state is told, --restart helps" {
    hold run 0
    kill -TERM $pid
    open_gate
    ends 143
    wait $!
    printf X | dd of=run/last/optimizer.bin bs=1 seek=2000 conv=notrunc 2>/dev/null
    cp -r run kept
    go "$TRAIN" $ARGS -o run "$DIR/train.tsv"
    status_is 4
    out_is ''
    err_has 'optimizer.bin: damaged; --restart begins the run anew'
    diff -r --no-dereference kept run
    finishes run --restart
}

# flip FILE: one bit of a number, which stays finite; again, and it is as it was.
flip() {
    perl -e 'open my $f, "+<:raw", $ARGV[0] or die; seek $f, -1000, 2; read $f, my $byte, 1;
        seek $f, -1000, 2; print $f chr(1 ^ ord $byte)' "$1"
}

@test "damaged weights are told, of a run under way and of a finished one; --restart helps" {
    # checkpoint-10 is the best one, checkpoint-18 the last.
    hold run 1
    kill -KILL $pid
    ends 137
    exec 7>&-
    [ "$(readlink run/best)" != "$(readlink run/last)" ]
    cp -a "$DIR/base" finished
    for folder in run finished; do
        for damaged in last "$(readlink $folder/best)"; do
            flip $folder/$damaged/model.safetensors
            cp -a $folder kept
            go "$TRAIN" $ARGS -o $folder "$DIR/train.tsv"
            status_is 4
            out_is ''
            err_has "bs-train: $folder/$damaged/model.safetensors: damaged; put it back, or --restart begins the run anew"
            diff -r --no-dereference kept $folder
            rm -r kept
            cp -a $folder again
            finishes again --restart
            rm -r again
            flip $folder/$damaged/model.safetensors
        done
        finishes $folder
    done
}

@test "a run whose state does not know the weights' checksums, as of before, goes on" {
    hold run 1
    kill -KILL $pid
    ends 137
    exec 7>&-
    perl -MCompress::Zlib -0777 -pi -e 's/^(?:weights|best)_crc\t.*\n//mg or die; substr $_, -4, 4, "";
        $_ .= pack "V", crc32($_)' run/last/optimizer.bin
    finishes run
}

@test "class weights that differ in a control character make different runs" {
    printf '{"text":"word%s","label":"%s"}\n' 1 'a\tb' 2 'a\nb' 3 'a\tb' >odd.jsonl
    go "$TRAIN" -m "$TINY" --max-steps 1 --warmup-steps 0 --class-weights $'a\tb=2' -o run odd.jsonl
    status_is 0
    go "$TRAIN" -m "$TINY" --max-steps 1 --warmup-steps 0 --class-weights $'a\nb=2' -o run odd.jsonl
    status_is 2
    err_has 'run: holds a different run: --class-weights is a\x0ab=2, was a\x09b=2; choose'
}

@test "in bf16 too: stopped and gone on with, the same bytes" {
    "$TRAIN" $ARGS --precision bf16 -o "$DIR/whole16" "$DIR/train.tsv" >/dev/null 2>&1
    hold "$DIR/parts16" 0 --precision bf16
    kill -TERM $pid
    open_gate
    ends 143
    wait $!
    run --separate-stderr "$TRAIN" $ARGS --precision bf16 -o "$DIR/parts16" "$DIR/train.tsv"
    [ "$status" -eq 0 ]
    diff -r --no-dereference "$DIR/whole16" "$DIR/parts16"
}
