#!/usr/bin/env bats
# How every tool ends when it is not left alone: a signal, an output that is closed, full
# or protected, nobody at the other end of a pipe. The exit status says which, stderr
# says why, and what stood under the final name before stands there after.
# shellcheck disable=SC2154,SC2086,SC2030,SC2031 # set in helper.bash; commands are words

load helper

setup() {
    use_scratch
    echo good >texts
    printf 'predicted\tlabel\na\ta\n' >answers.tsv
    printf 'label\ttext\nnegative\tbad film\npositive\tgood film\n' >pairs.tsv
    cp -r "$TINY" model
    # Every tool on a small input; bs-eval both ways.
    tokenize='tokenize -m model -t ids texts'
    predict='predict -m model texts'
    eval='eval -q answers.tsv'
    label='eval -m model pairs.tsv'
    train='train -q -m model -o run --max-steps 2 pairs.tsv'
    export='export -q -m model -t hf -o copy'
}

teardown() {
    leave_disk
    [ ! -d locked ] || chmod -R u+w locked sealed
    [ ! -d box ] || chmod 755 box
}

# ---- standard output ------------------------------------------------------------------

# went_wrong COMMAND REASON: that alone was said, with status 5.
went_wrong() {
    : >out
    status_is 5
    err_is "bs-${1%% *}: standard output: cannot write: $2"
}

@test "a full stdout: exit 5" {
    for command in "$tokenize" "$predict" "$eval" "$label" "$train" "$train --check -o other"; do
        status=0
        tool $command >/dev/full 2>err || status=$?
        went_wrong "$command" 'No space left on device'
    done
    [ ! -e other ]
}

@test "a full stdout: exit 5, though more input may come" {
    for name in predict tokenize; do
        mkfifo in
        timeout 20 "$BIN/bs-$name" -m "$TINY" --header no <in >/dev/full 2>err 7>&- &
        exec 7>in
        echo good >&7
        status=0
        wait $! || status=$?
        exec 7>&-
        rm in
        went_wrong "$name" 'No space left on device'
    done
}

@test "a closed stdout: exit 5" {
    for command in "$tokenize" "$predict" "$eval" "$label" "$train" "$train --check -o other"; do
        status=0
        tool $command >&- 2>err || status=$?
        went_wrong "$command" 'Bad file descriptor'
    done
    for name in tokenize predict eval train export; do
        for option in --help --version; do
            status=0
            tool $name $option >&- 2>err || status=$?
            went_wrong $name 'Bad file descriptor'
        done
    done
}

@test "a closed stdout costs nothing where nothing is written to it" {
    for command in "$tokenize -o ids" "$predict -o tsv" "$eval -o scores" "$export" \
        'export -q -m model --verify'; do
        status=0
        tool $command >&- 2>err || status=$?
        : >out
        status_is 0
        err_is ''
    done
    [ "$(cat ids)" = '2 5 3' ]
    has_lines tsv 2
    has_lines scores 5
    [ -s copy/model.safetensors ]
}

# ---- disks and folders ----------------------------------------------------------------

@test "a full disk: exit 5, and what was there stays" {
    small_disk small
    for name in ids tsv scores report bundle; do
        echo earlier >small/$name
    done
    tool export -q -m model -t bundle -o small/bundle.real
    mv small/bundle.real small/bundle
    cp small/bundle bundle.before
    cp -r model small/copy
    fill_disk small
    before=$(find small | sort)
    for command in "$tokenize -o small/ids" "$predict -o small/tsv" "$eval -o small/scores" \
        "$label -o small/report"; do
        go_full tool $command
        status_is 5
        out_is ''
        err_is "bs-${command%% *}: ${command##* }: cannot write: $no_space"
        [ "$(cat ${command##* })" = earlier ]
    done
    go_full tool export -q -m model -t bundle -o small/bundle
    status_is 5
    out_is ''
    err_has ": cannot write: $no_space"
    go_full tool export -q -m model -t hf -o small/copy
    status_is 5
    out_is ''
    err_has ": cannot write: $no_space"
    printf 'label\ttext\nnegative\n' >few.tsv
    go_full tool tokenize -m model -t ids --rejects small/ids -o other few.tsv
    status_is 5
    out_is ''
    err_has "bs-tokenize: small/ids: cannot write: $no_space"
    [ ! -e other ]
    [ "$(cat small/ids)" = earlier ]
    cmp small/bundle bundle.before
    diff -r small/copy model
    [ "$(find small | sort)" = "$before" ]
}

@test "a protected folder: exit 5, and what was there stays" {
    mkdir locked
    echo earlier >locked/file
    cp -r model locked/copy
    cp -r model sealed
    cp -r locked before
    chmod 555 locked sealed
    for command in "$tokenize -o locked/file" "$tokenize -o locked/new" \
        "$tokenize --rejects locked/new" "$predict -o locked/file" "$eval -o locked/file" \
        "$label -o locked/new" 'export -m model -t bundle -o locked/new' \
        'export -m model -t hf -o locked/new' 'export -m model -t hf -o locked/copy'; do
        go_as_user "$BIN"/bs-$command
        status_is 5
        out_is ''
        err_is "bs-${command%% *}: ${command##* }: cannot create: Permission denied"
    done
    go_as_user "$BIN/bs-export" -m model -t hf -o sealed
    status_is 5
    out_is ''
    err_is 'bs-export: sealed: cannot be replaced: Permission denied'
    go_as_user "$BIN"/bs-$train -o locked/run
    status_is 5
    out_is ''
    err_is 'bs-train: locked/run: cannot create folder: Permission denied'
    go_as_user "$BIN"/bs-$train --log locked/log
    status_is 5
    out_is ''
    err_is 'bs-train: locked/log: cannot create: Permission denied'
    diff -r locked before
    diff -r sealed model
    [ ! -e run ]
}

@test "a folder that may be written and not read takes outputs" {
    mkdir box
    chmod 333 box
    for command in "$tokenize -o box/ids" "$tokenize -o box/ids --rejects box/none" \
        "$eval -o box/scores" 'export -q -m model -t bundle -o box/bundle' \
        'export -q -m model -t hf -o box/copy' 'export -q -m model -t hf -o box/copy'; do
        go_as_user "$BIN"/bs-$command
        status_is 0
        out_is ''
        err_is ''
    done
    chmod 755 box
    [ "$(echo box/*)" = 'box/bundle box/copy box/ids box/none box/scores' ]
}

@test "a new folder keeps the group of a folder that hands its group on" {
    mkdir shared
    chmod 2775 shared
    umask 027
    go tool export -q -m model -t hf -o shared/copy
    status_is 0
    [ "$(stat -c %a shared/copy)" = 2750 ]
    go tool export -q -m model -t bundle -o shared/bundle
    status_is 0
    [ "$(stat -c %a shared/bundle)" = 640 ]
}

# ---- signals --------------------------------------------------------------------------

# The tools reading from a pipe, behind their names; -o where one has it.
READERS='tokenize -m model -t ids
predict -m model --overwrite --linger 60
eval -q -f tsv
eval -m model -f tsv
export -m model -t bundle
export -m model -t hf
train -m model --max-steps 2 -f tsv'

# met_by SIGNAL COMMAND...: bs-COMMAND has read all that came through the pipe `in`, and
# waits for more, when the signal comes.
met_by() {
    local signal=$1
    shift
    rm -f in
    mkfifo in
    exec 7<>in
    printf 'label\tpredicted\ttext\npositive\tpositive\tgood film\n' >&7
    launch "$@" in
    wait_until 60 pipe_is_empty 7
    kill -"$signal" "$pid"
}

@test "SIGINT, SIGTERM, SIGHUP while input is read: 128 + N, nothing under the final name" {
    for signal in INT:130 TERM:143 HUP:129; do
        while read -r command; do
            case $signal$command in HUP*train*) continue ;; esac # see the next test
            met_by "${signal%:*}" $command -o new
            ends "${signal#*:}"
            exec 7>&-
            out_is ''
            err_is ''
            left=$(find . -name 'new*')
            echo "$command left: $left"
            [ -z "$left" ]
        done <<<"$READERS"
    done
}

@test "what stood there before a signal stands there after" {
    echo earlier >file
    cp -r model copy
    tool export -q -m model -t bundle -o bundle
    cp bundle bundle.before
    tool $train -o run
    cp -r run run.before
    while read -r command; do
        case $command in
        *bundle) output=bundle ;;
        *hf) output=copy ;;
        train*) output=run ;;
        *) output='file' ;;
        esac
        met_by TERM $command -o $output
        ends 143
        exec 7>&-
        out_is ''
        err_is ''
    done <<<"$READERS"
    [ "$(cat file)" = earlier ]
    cmp bundle bundle.before
    diff -r copy model
    diff -r --no-dereference run run.before
    [ "$(find . -maxdepth 1 -name '*.*-*' -o -maxdepth 1 -name 'file.*')" = '' ]
}

@test "what had been read is answered on stdout, without an end" {
    for signal in INT:130 TERM:143 HUP:129; do
        met_by "${signal%:*}" predict -m model --overwrite --linger 60 -f tsv -t jsonl
        ends "${signal#*:}"
        exec 7>&-
        err_is ''
        [ "$(wc -l <out)" -eq 1 ]
        out_has '"predicted":"positive"'
        met_by "${signal%:*}" tokenize -m model -f tsv
        ends "${signal#*:}"
        exec 7>&-
        err_is ''
        mv out half.msgpack
        go tool tokenize --overwrite -m model -t ids half.msgpack
        status_is 4
        out_is '2 5 7 3'
        err_has 'half.msgpack: records 1-1: '
    done
}

@test "a hang-up does not end a training run" {
    met_by HUP train -q -m model --max-steps 2 -f tsv -o new
    printf 'negative\tnegative\tbad film\n' >&7
    exec 7>&-
    ends 0
    err_is ''
    has_lines out 2
    [ -e new/last/model.safetensors ]
}

@test "nohup: a hang-up that was ignored stays ignored" {
    trap '' HUP
    RESET=INT met_by HUP predict -m model --overwrite -f tsv
    trap - HUP
    printf 'negative\tnegative\tbad film\n' >&7
    exec 7>&-
    ends 0
    err_is ''
    has_lines out 3
}

@test "a signal is heard while nobody writes to the input" {
    mkfifo nobody
    while read -r command; do
        OUT=log launch $command -o new nobody
        wait_until 60 waits "$pid"
        kill -TERM "$pid"
        cp log out
        ends 143
        out_is ''
        err_is ''
        [ -z "$(find . -name 'new*')" ]
    done <<<"$READERS"
}

# stall FILE BYTES COMMAND...: starts it on a pipe (7) that has so much of FILE, and waits
# until it waits for more.
stall() {
    rm -f in
    mkfifo in
    exec 7<>in
    head -c "$2" "$1" >&7
    launch "${@:3}" in
    wait_until 60 pipe_is_empty 7
    wait_until 60 waits "$pid"
}

@test "a signal is heard in the midst of compressed input and of an archive" {
    mkdir tree
    echo good >tree/one
    tar cf tree.tar tree
    gzip -k answers.tsv
    xz -k answers.tsv
    for command in 'tokenize -m model -t ids:answers.tsv.gz:15' \
        'tokenize -m model -t ids:answers.tsv.xz:30' 'eval -q -f tsv:answers.tsv.gz:15' \
        'tokenize -m model -t ids -f tree:tree.tar:1200'; do
        IFS=: read -r command file bytes <<<"$command"
        stall "$file" "$bytes" $command
        kill -TERM "$pid"
        ends 143
        exec 7>&-
        out_is ''
        err_is ''
    done
}

# A tar of three short texts, one block for each and one for its name.
make_tar() {
    mkdir -p tree/positive
    for i in 1 2 3; do
        echo "good film $i" >tree/positive/$i
    done
    tar --format=ustar -cf tree.tar tree/positive/[123]
}

@test "a signal is heard in the first bytes of an archive" {
    make_tar
    echo good >line
    for command in 'tokenize -m model -t ids:tree.tar:300' \
        'tokenize -m model -t ids -f tree:line:5' 'predict -m model -f tree:line:5' \
        'eval -m model -f tree:line:5' 'eval -q -f tree:line:5'; do
        IFS=: read -r command file bytes <<<"$command"
        for signal in INT:130 TERM:143; do
            stall "$file" "$bytes" $command
            kill -"${signal%:*}" "$pid"
            ends "${signal#*:}"
            exec 7>&-
            out_is ''
            err_is ''
        done
    done
}

@test "a signal in the midst of an archive that ends there" {
    command -v strace >/dev/null || skip 'needs strace'
    make_tar
    head -c 1100 tree.tar >short.tar
    go timeout -s KILL 20 strace -f -o /dev/null -P "$PWD/short.tar" -e trace=read \
        -e inject=read:error=EINTR:signal=TERM:when=2 \
        "$BIN/bs-tokenize" -m model -t ids "$PWD/short.tar"
    status_is 143
    err_is ''
}

# signal_waiting PID: SIGTERM for a thread that hears it and waits for another one (tgkill,
# futex), so that no call is interrupted.
signal_waiting() {
    perl -e 'for my $task (glob "/proc/$ARGV[0]/task/*") {
        my ($call, $status) = map { open my $file, "<", "$task/$_" or next; local $/; <$file> }
            qw(syscall status);
        my ($blocked) = $status =~ /^SigBlk:\s*([0-9a-f]+)/m;
        next if $call !~ /^202 / || hex($blocked) >> 14 & 1;
        exit !!syscall 234, 0 + $ARGV[0], 0 + $1, 15 if $task =~ /(\d+)$/;
    }
    exit 1' "$1"
}

# no_thread_runs PID
no_thread_runs() {
    fails grep -q '^State:[[:space:]]*R' /proc/"$1"/task/*/status >/dev/null
}

@test "a signal is heard while an archive is held up by the output, and then by its writer" {
    [ "$(uname -m)" = x86_64 ] || skip 'knows no other numbers of calls'
    # More texts than the four blocks that are read ahead, by less than a pipe holds.
    mkdir many
    yes "$(printf 'a %.0s' {1..250})" | head -n 1100 | split -l 1 -a 3 - many/
    tar --format=ustar -cf many.tar many/*
    gate 0
    rm -f in
    mkfifo in
    exec 8<>in
    OUT=gate launch tokenize -m model -t ids --threads 1 in
    head -c $((1074 * 1024)) many.tar >&8
    wait_until 60 waits "$pid"
    wait_until 60 no_thread_runs "$pid"
    wait_until 10 signal_waiting "$pid"
    open_gate
    ends 143
    exec 8>&-
    err_is ''
}

@test "a signal is heard while bs-eval resamples" {
    { echo 'predicted	label'; yes 'a	a' | head -n 20000; } >rows.tsv
    for signal in INT:130 TERM:143 HUP:129; do
        launch eval -q --resamples 100000 --rejects began -o new rows.tsv
        wait_until 60 [ -e began ]
        kill -"${signal%:*}" "$pid"
        ends "${signal#*:}"
        out_is ''
        err_is ''
        [ ! -e new ]
        rm began
    done
}

@test "a signal is heard while nobody reads the output" {
    mkfifo nobody
    # One thread: on more the main one would sleep while the model is made ready.
    for command in "$tokenize -o nobody" "$predict --threads 1 -o nobody" "$eval -o nobody" \
        "$tokenize --rejects nobody" "$train --log nobody" "$train --rejects nobody"; do
        launch $command
        wait_until 60 waits "$pid"
        kill -INT "$pid"
        ends 130
        out_is ''
        err_is ''
        [ -p nobody ]
        [ ! -e run ]
    done
}

@test "a second signal ends a tool whose output is not read" {
    # More than a buffer of output, and all of it read before the first is written.
    yes 'a b c d e f g h i j k l m n o p q r s t u v w x y z not very good' | head -n 1000 >long
    for command in "$tokenize" 'tokenize -m model -t ids --threads 2 long' "$predict" "$eval" \
        "$train"; do
        gate 0
        OUT=gate launch $command
        wait_until 60 waits "$pid"
        kill -TERM "$pid"
        wait_until 60 waits "$pid"
        kill -INT "$pid"
        : >out
        ends 130
        err_is ''
        exec 7>&-
    done
}
