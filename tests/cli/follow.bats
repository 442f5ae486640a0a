#!/usr/bin/env bats
# bs-predict --follow: a log as it grows, through rotation, truncation and restarts.
# shellcheck disable=SC2030,SC2031,SC2154 # bats sets what the helper reads

load helper

setup() {
    use_scratch
}

teardown() {
    [ -z "${pid:-}" ] || kill -KILL "$pid" 2>/dev/null || true
}

# follow: starts it; its process is $pid.
follow() {
    "$BIN/bs-predict" -m "$TINY" --follow log --state state -o out.tsv --quiet 2>err &
    pid=$!
}

predict() {
    tool predict -m "$TINY" "$@"
}

# texts: what OUT holds of lines.
texts() {
    [ ! -e out.tsv ] || tail -n +2 out.tsv | cut -f 3
}

# reaches N: within ten seconds OUT has that many lines below its header.
reaches() {
    local i
    for ((i = 0; i < 200; i++)); do
        [ "$(texts | wc -l)" -lt "$1" ] || return 0
        sleep 0.05
    done
    echo "wanted $1 lines, there are $(texts | wc -l)"
    cat err
    return 1
}

stop() {
    local ended=0
    kill -"${1:-TERM}" "$pid"
    wait "$pid" || ended=$?
    pid=
    [ "$ended" -eq "${2:-143}" ]
}

@test "what is there is labelled, and what comes, a header in front" {
    seq 1 3 >log
    follow
    reaches 3
    echo 4 >>log
    reaches 4
    printf '5, in' >>log
    sleep 0.3
    [ "$(texts | wc -l)" = 4 ]
    echo ' two parts' >>log
    reaches 5
    stop
    cmp <(texts) <(seq 1 4; echo '5, in two parts')
    [ "$(head -n 1 out.tsv)" = $'predicted\tprobability\ttext' ]
}

@test "a restart goes on where it was, and answers come once" {
    seq 1 100 >log
    for n in 100 200 300; do
        follow
        reaches "$n"
        stop KILL 137
        seq $((n + 1)) $((n + 100)) >>log
    done
    follow
    reaches 400
    stop
    cmp <(texts) <(seq 1 400)
    [ "$(grep -c predicted out.tsv)" = 1 ]
}

@test "what was written behind the state is cut off and written again" {
    seq 1 10 >log
    follow
    reaches 10
    stop
    seq 1001 2000 | sed 's/^/positive\t0.5\tnot kept /' >>out.tsv
    seq 11 13 >>log
    follow
    for ((i = 0; i < 200; i++)); do
        [ "$(texts | sed -n 13p)" != 13 ] || break
        sleep 0.05
    done
    stop
    cmp <(texts) <(seq 1 13)
}

@test "a rotated log is finished first, then the new one" {
    seq 1 10 >log
    follow
    reaches 10
    mv log log.1
    seq 11 20 >>log.1
    seq 21 30 >log
    reaches 30
    stop
    cmp <(texts) <(seq 1 30)
}

@test "logs that were rotated while nobody looked are read in their order" {
    seq 1 10 >log
    follow
    reaches 10
    stop
    seq 11 15 >>log
    mv log log.2
    sleep 0.05
    seq 16 20 >log.1
    sleep 0.05
    seq 21 25 >log
    echo 'not a log' >log.1.gz
    echo 'nor this' >log.backup
    follow
    reaches 25
    stop
    cmp <(texts) <(seq 1 25)
}

@test "a log that is cut begins anew, which is said" {
    seq 1 10 >log
    "$BIN/bs-predict" -m "$TINY" --follow log --state state -o out.tsv 2>err &
    pid=$!
    reaches 10
    : >log
    sleep 0.3
    seq 11 12 >>log
    reaches 12
    stop
    cmp <(texts) <(seq 1 12)
    err_has 'log: was truncated and begins anew'
}

@test "a log that was cut and has outgrown what was read of it begins anew" {
    seq 1 10 >log
    "$BIN/bs-predict" -m "$TINY" --follow log --state state -o out.tsv 2>err &
    pid=$!
    reaches 10
    kill -STOP "$pid"
    seq 11 100 >log
    kill -CONT "$pid"
    reaches 100
    stop
    cmp <(texts) <(seq 1 100)
    err_has 'log: was truncated and begins anew'
}

@test "a log that was copied and cut is read on in its copy" {
    seq 1 10 >log
    "$BIN/bs-predict" -m "$TINY" --follow log --state state -o out.tsv 2>err &
    pid=$!
    reaches 10
    kill -STOP "$pid"
    seq 11 20 >>log
    cp log log.1
    seq 21 30 >log
    kill -CONT "$pid"
    reaches 30
    cp log log.2
    seq 31 35 >log
    reaches 35
    mv log log.3
    seq 36 40 >log
    reaches 40
    stop
    cmp <(texts) <(seq 1 40)
    fails grep lost err
}

@test "a copy that keeps the times of a log is read on in, too" {
    seq 1 10 >log
    follow
    reaches 10
    kill -STOP "$pid"
    seq 11 20 >>log
    touch -d '1 hour ago' log
    cp -p log log.1
    seq 21 30 >log
    kill -CONT "$pid"
    reaches 30
    stop
    seq 31 40 >>log
    touch -d '1 hour ago' log
    cp -p log log.2
    seq 41 50 >log
    follow
    reaches 50
    stop
    cmp <(texts) <(seq 1 50)
}

@test "a part of a line that was read before the log was copied and cut stays one" {
    { seq 1 10; printf 'one and '; } >log
    follow
    reaches 10
    sleep 0.5
    kill -STOP "$pid"
    seq 11 13 >>log
    cp log log.1
    echo last >log
    kill -CONT "$pid"
    reaches 14
    stop
    cmp <(texts) <(seq 1 10; echo 'one and 11'; seq 12 13; echo last)
}

@test "a log that was copied and cut while nobody looked is read on in its copies" {
    seq 1 10 >log
    follow
    reaches 10
    stop
    seq 11 20 >>log
    cp log log.2
    seq 21 30 >log
    sleep 0.05
    cp log log.1
    seq 31 40 >log
    "$BIN/bs-predict" -m "$TINY" --follow log --state state -o out.tsv 2>err &
    pid=$!
    reaches 40
    stop
    cmp <(texts) <(seq 1 40)
    fails grep lost err
}

@test "a log that was copied and cut, and nothing else, while nobody looked" {
    seq 1 10 >log
    follow
    reaches 10
    stop
    cp log log.1
    : >log
    follow
    seq 11 12 >>log
    reaches 12
    stop
    cmp <(texts) <(seq 1 12)
}

@test "a log of which nothing was answered before it was copied and cut" {
    : >log
    follow
    for _ in $(seq 100); do [ ! -s state ] || break; sleep 0.1; done
    stop
    seq 1 5 >log
    cp log log.1
    seq 6 8 >log
    follow
    reaches 8
    stop
    cmp <(texts) <(seq 1 8)
}

@test "a log that was cut and then rotated is read before the new one" {
    seq 1 10 >log
    follow
    reaches 10
    kill -STOP "$pid"
    seq 11 15 >log
    mv log log.1
    seq 16 20 >log
    kill -CONT "$pid"
    reaches 20
    stop
    cmp <(texts) <(seq 1 20)
}

@test "a log that was cut twice and then rotated while nobody looked is read first" {
    seq 1 10 >log
    follow
    reaches 10
    seq 11 14 >log
    reaches 14
    stop
    seq 15 17 >log
    mv log log.1
    seq 18 20 >log
    follow
    reaches 20
    stop
    cmp <(texts) <(seq 1 20)
}

@test "another file in the log's place is read from its beginning, which is said" {
    seq 1 10 >log
    follow
    reaches 10
    stop
    rm log
    seq 101 120 >log
    "$BIN/bs-predict" -m "$TINY" --follow log --state state -o out.tsv 2>err &
    pid=$!
    reaches 30
    stop
    cmp <(texts) <(seq 1 10; seq 101 120)
    grep -qE 'is gone|is not what it was' err
}

@test "when the file that was read is gone, what was rotated since is read" {
    seq 1 10 >log
    follow
    reaches 10
    stop
    sleep 0.05
    rm log
    seq 21 25 >log.1
    sleep 0.05
    seq 31 35 >log
    follow
    reaches 20
    stop
    cmp <(texts) <(seq 1 10; seq 21 25; seq 31 35)
}

@test "a hundred small logs are caught up with" {
    seq 1 3 >log
    follow
    reaches 3
    stop
    for ((i = 1; i <= 100; i++)); do
        mv log "log.$i"
        echo "$((i + 3))" >log
        sleep 0.006
    done
    follow
    reaches 103
    stop
    cmp <(texts) <(seq 1 103)
    echo 104 >>log
    follow
    reaches 104
    stop
    cmp <(texts) <(seq 1 104)
}

@test "a file that the state is not about is not cut" {
    seq 1 3 >log
    follow
    reaches 3
    stop
    seq 1 1000 >mine
    cp mine mine.kept
    go timeout 10 "$BIN/bs-predict" -m "$TINY" --follow log --state state -o mine
    status_is 2
    err_has 'mine: is not the file that state is about'
    cmp mine mine.kept
    rm state
    timeout -s TERM 2 "$BIN/bs-predict" -m "$TINY" --follow log --state state >piped 2>err || true
    [ "$(wc -l <piped)" = 4 ]
    go timeout 10 "$BIN/bs-predict" -m "$TINY" --follow log --state state -o mine
    status_is 2
    err_has 'mine: holds answers already'
    cmp mine mine.kept
}

# follow_slowly: the same with a model that lags behind.
follow_slowly() {
    [ -d "$BATS_FILE_TMPDIR/slow" ] || make_model "$BATS_FILE_TMPDIR/slow" layers=200
    TINY=$BATS_FILE_TMPDIR/slow follow
}

@test "killed while it lags: what was rotated since reading began is read, though the file is gone" {
    perl -e 'print "good film $_\n" for 1 .. 30000' >log
    follow_slowly
    reaches 1
    mv log log.1
    printf 'B1\nB2\n' >log
    for _ in 1 2; do
        cp state noted
        wait_until 20 fails cmp -s state noted
    done
    stop KILL 137
    rm log.1
    mv log log.1
    echo C1 >log
    follow
    wait_until 20 grep -q C1 out.tsv
    stop
    [ "$(texts | grep -v film)" = $'B1\nB2\nC1' ]
}

@test "a log that is cut: a file that was read before it began is no copy of it" {
    printf '#Fields: date time\n1\n2\n' >log
    follow
    reaches 3
    mv log log.1
    echo '#Fields: date time' >log
    reaches 4
    : >log
    sleep 0.5
    echo 3 >>log
    reaches 5
    stop
    echo '#Fields: date time' >log
    follow
    reaches 6
    stop
    cmp <(texts) <(printf '#Fields: date time\n1\n2\n#Fields: date time\n3\n#Fields: date time\n')
}

@test "a late line in a rotated log does not hide the file behind it" {
    echo a1 >log
    follow
    reaches 1
    stop
    mv log log.1
    echo b1 >log
    sleep 0.2
    echo a2 >>log.1
    mv log.1 log.2
    mv log log.1
    echo c1 >log
    follow
    reaches 4
    stop
    cmp <(texts) <(printf 'a1\na2\nb1\nc1\n')
}

@test "a log that was made anew with the same number is another file" {
    yes good | head -n 10 >log
    follow
    reaches 10
    stop
    inode=$(stat -c %i log)
    [ "$(stat -c %W log)" -gt 0 ] || skip "files do not tell when they were made"
    rm log
    for ((i = 0; i < 100; i++)); do
        : >"new.$i"
        [ "$(stat -c %i "new.$i")" != "$inode" ] || break
    done
    [ "$i" -lt 100 ] || skip "numbers are not given again"
    mv "new.$i" log
    yes good | head -n 25 >>log
    follow
    reaches 35
    stop
    [ "$(texts | wc -l)" -eq 35 ]
}

@test "JSON lines keep their fields" {
    printf '{"text": "good", "n": %d}\n' 1 2 3 >log
    : >out.jsonl
    "$BIN/bs-predict" -m "$TINY" --follow log -f jsonl -t jsonl --quiet >out.jsonl 2>err &
    pid=$!
    for ((i = 0; i < 200 && $(wc -l <out.jsonl) < 3; i++)); do sleep 0.05; done
    stop
    [ "$(grep -c '"n":3' out.jsonl)" = 1 ]
    [ "$(wc -l <out.jsonl)" = 3 ]
}

@test "a line that is rejected is named by its place in the log, whoever reads it" {
    printf '{"text":"a"}\n\n{"text":"b"}\n' >log
    goes_on=("$BIN/bs-predict" -m "$TINY" -f jsonl --follow log --state state -o out.tsv)
    "${goes_on[@]}" 2>err &
    pid=$!
    reaches 2
    wait_until 20 grep -q '"lines": 3' state
    stop
    printf '{"text":"c"}\n{"x":1}\n' >>log
    "${goes_on[@]}" 2>err &
    pid=$!
    reaches 4
    mv log log.1
    echo '{"x":2}' >log
    reaches 5
    stop
    err_has 'bs-predict: log: line 5: field "text" is missing'
    err_has 'bs-predict: log: line 1: field "text" is missing'
}

@test "JSON lines as rows: their columns are those of the output, when it goes on, too" {
    for format in tsv csv; do
        printf '{"text":"good","host":"h1","n":"1"}\n' >log
        rm -f state out.*
        goes_on=("$BIN/bs-predict" -m "$TINY" -f jsonl -t "$format" --follow log --state state
            -o "out.$format")
        timeout -s TERM 1.5 "${goes_on[@]}" || true
        printf '{"text":"bad","n":"2","level":"warn"}\n' >>log
        timeout -s TERM 1.5 "${goes_on[@]}" 2>err || true
        err_has 'field "level" has no column and is left out'
        [ "$(tail -n 1 out.$format | tr '\t' , | cut -d , -f 3-)" = 'bad,,2' ]
        [ "$(grep -c '^predicted' out.$format)" = 1 ]
    done
    rm -f state out.tsv
    printf '{"text":"good","sentence":"s1"}\n' >log
    goes_on=("$BIN/bs-predict" -m "$TINY" -f jsonl --drop text --follow log --state state -o out.tsv)
    timeout -s TERM 1.5 "${goes_on[@]}" || true
    printf '{"text":"bad","sentence":"s2"}\n' >>log
    timeout -s TERM 1.5 "${goes_on[@]}" || true
    [ "$(cut -f 3 out.tsv)" = $'sentence\ns1\ns2' ]
    go timeout 10 "$BIN/bs-predict" -m "$TINY" -f jsonl --header no --follow log --state state -o out.tsv
    status_is 2
    err_has '--state needs the header row'
}

@test "killed before anything was answered: it begins as if for the first time" {
    : >log
    follow
    for _ in $(seq 100); do [ ! -s state ] || break; sleep 0.1; done
    kill -KILL "$pid"
    wait "$pid" || true
    seq 1 5 >log
    printf 'predicted\tproba' >out.tsv # what was not noted
    follow
    reaches 5
    stop
    cmp <(texts) <(seq 1 5)
    [ "$(head -n 1 out.tsv)" = $'predicted\tprobability\ttext' ]
}

# begun_and_killed: once the state tells of out.tsv, and with more in that than it tells.
begun_and_killed() {
    follow
    wait_until 20 test -e out.tsv
    wait_until 20 grep -q "\"output\": 0, \"output_inode\": $(stat -c %i out.tsv)," state
    stop KILL 137
    printf 'predicted\tproba' >>out.tsv
}

@test "killed before the first answers to a file, of which the state does not tell" {
    seq 1 3 >log
    "$BIN/bs-predict" -m "$TINY" --follow log --state state >piped 2>err &
    pid=$!
    wait_until 20 grep -q '"lines": 3,' state
    stop
    [ "$(wc -l <piped)" = 4 ]
    begun_and_killed # what was answered so far went elsewhere
    rm out.tsv
    : >elsewhere # so that it does not get its number again
    begun_and_killed
    seq 4 6 >>log
    follow
    reaches 3
    stop
    cmp <(texts) <(seq 4 6)
}

@test "who writes to a rotated log has a second, however long it had been idle" {
    seq 1 3 >log
    follow
    reaches 3
    sleep 1.2
    mv log log.1
    : >log
    sleep 0.4
    echo 4 >>log.1
    reaches 4
    echo 5 >>log
    reaches 5
    stop
    cmp <(texts) <(seq 1 5)
}

@test "a file that got the number of one that was read is another file" {
    seq 1 3 >log
    follow
    reaches 3
    mv log log.1
    seq 4 6 >log
    reaches 6
    stop
    rm log.1
    mv log log.2
    seq 7 9 >log.1 # file systems like to give the number of log.1 again
    sleep 0.05
    seq 10 12 >log
    follow
    reaches 12
    stop
    cmp <(texts) <(seq 1 12)
}

@test "a late line in a log that was rotated long ago: no line comes twice" {
    seq 1 3 >log
    follow
    reaches 3
    mv log log.1
    seq 4 6 >log
    reaches 6
    mv log.1 log.2
    mv log log.1
    seq 7 9 >log
    reaches 9
    stop
    follow
    sleep 0.5
    echo late >>log.2
    mv log.2 log.3
    mv log.1 log.2
    mv log log.1
    seq 10 12 >log
    reaches 12
    stop
    cmp <(texts) <(seq 1 12)
}

@test "a log that is cut and removed is waited for, and a signal is heard" {
    seq 1 3 >log
    follow
    reaches 3
    kill -STOP "$pid"
    : >log
    rm log
    kill -CONT "$pid"
    sleep 0.5
    began=$SECONDS
    stop
    [ $((SECONDS - began)) -le 2 ]
    seq 4 6 >log
    follow
    reaches 6
    kill -STOP "$pid"
    : >log
    rm log
    kill -CONT "$pid"
    sleep 0.5
    seq 7 9 >log
    reaches 9
    stop
    cmp <(texts) <(seq 1 9)
}

@test "a link to a log: it is rotated where it lies" {
    mkdir data
    seq 1 3 >data/log
    ln -s data/log log
    follow
    reaches 3
    stop
    seq 4 6 >>data/log
    mv data/log data/log.1
    seq 7 9 >data/log
    follow
    reaches 9
    stop
    cmp <(texts) <(seq 1 9)
}

@test "a link that was moved to the next file while nobody looked" {
    seq 1 3 >app-1.log
    ln -s app-1.log log
    follow
    reaches 3
    stop
    seq 4 6 >>app-1.log
    seq 7 9 >app-2.log
    ln -sfn app-2.log log
    follow
    reaches 9
    stop
    cmp <(texts) <(seq 1 9)
}

@test "who writes behind a link that was moved has a second, however long it had been idle" {
    echo 1 >app-1.log
    ln -s app-1.log log
    follow
    reaches 1
    sleep 1.2
    : >app-2.log
    ln -sfn app-2.log log
    sleep 0.4
    echo 2 >>app-1.log
    reaches 2
    echo 3 >>app-2.log
    reaches 3
    stop
    cmp <(texts) <(seq 1 3)
}

@test "a log that is written anew with lines of the same end is seen to have changed" {
    line="nightly backup of /srv/data finished without errors and all of its files, exit status 0"
    : >log
    follow
    for day in 1 2 3; do
        echo "2026-11-0$day $line" >log
        reaches $day
    done
    stop
    cmp <(texts | cut -c 1-10) <(printf '2026-11-0%d\n' 1 2 3)
}

@test "a backup that is made while a log is empty is no copy of it" {
    seq 1 5 >log
    follow
    reaches 5
    mv log log.1
    : >log
    sleep 2
    cp log.1 log-20261129
    sleep 1.5
    echo 6 >>log
    reaches 6
    sleep 0.5
    stop
    cmp <(texts) <(seq 1 6)
}

@test "a log that was rotated, and none came yet, while nobody looked" {
    seq 1 3 >log
    follow
    reaches 3
    stop
    echo 4 >>log
    mv log log.1
    follow
    reaches 4
    seq 5 6 >log
    reaches 6
    stop
    cmp <(texts) <(seq 1 6)
}

@test "to standard output: the state is there before the first line" {
    : >log
    "$BIN/bs-predict" -m "$TINY" --follow log --state state --quiet >out 2>err &
    pid=$!
    for ((i = 0; i < 200; i++)); do
        [ ! -e state ] || break
        sleep 0.05
    done
    stop
    seq 1 2 >log
    mv log log.1
    echo 3 >log
    "$BIN/bs-predict" -m "$TINY" --follow log --state state --header no --quiet >out 2>err &
    pid=$!
    for ((i = 0; i < 200; i++)); do
        [ "$(wc -l <out)" -lt 3 ] || break
        sleep 0.05
    done
    stop
    cmp <(cut -f 3 out) <(seq 1 3)
}

@test "an output that is replaced while it is written: exit 5, and the next one goes on" {
    seq 1 3 >log
    timeout 20 "$BIN/bs-predict" -m "$TINY" --follow log --state state -o out.tsv 2>err &
    pid=$!
    reaches 3
    mv out.tsv moved
    echo 4 >>log
    status=0
    wait "$pid" || status=$?
    status_is 5
    err_has 'bs-predict: out.tsv: was removed, replaced or written to by another'
    mv moved out.tsv
    follow
    echo 5 >>log # the answer to 4 may stand there already, behind what the state tells
    reaches 5
    stop
    cmp <(texts) <(seq 1 5)
}

@test "an output that is cut or written to by another: exit 5" {
    for meddle in ': >out.tsv' 'echo foreign >>out.tsv'; do
        rm -f state out.tsv
        seq 1 3 >log
        timeout 20 "$BIN/bs-predict" -m "$TINY" --follow log --state state -o out.tsv 2>err &
        pid=$!
        reaches 3
        wait_until 20 grep -q '"output": [1-9]' state
        eval "$meddle"
        echo 4 >>log
        status=0
        wait "$pid" || status=$?
        pid=
        status_is 5
        err_is 'bs-predict: out.tsv: was removed, replaced or written to by another'
        fails grep -q -P '\0' out.tsv
    done
    grep -q '^foreign$' out.tsv
}

@test "two processes cannot share an output" {
    : >log
    : >other
    follow
    wait_until 20 test -s state
    go timeout 10 "$BIN/bs-predict" -m "$TINY" --follow other --state other.state -o out.tsv
    status_is 2
    err_is 'bs-predict: out.tsv: in use by another process'
    seq 1 3 >>log
    reaches 3
    stop
    cmp <(texts) <(seq 1 3)
}

@test "a state behind links: they stay, and it is locked where it lies" {
    mkdir kept
    ln -s real kept/state
    ln -s kept/state link
    ln -s link state
    seq 1 3 >log
    follow
    reaches 3
    stop
    [ -L state ]
    [ -L link ]
    [ -L kept/state ]
    [ -s kept/real ]
    follow
    echo 4 >>log
    reaches 4
    go timeout 10 "$BIN/bs-predict" -m "$TINY" --follow log --state kept/state -o other.tsv
    status_is 2
    err_has 'in use by another process'
    stop
    cmp <(texts) <(seq 1 4)
}

# shellcheck disable=SC2094 # that is what is tried
@test "a FIFO is no log, and LOG, state and output are three files" {
    mkfifo fifo
    go timeout 5 "$BIN/bs-predict" -m "$TINY" --follow fifo
    status_is 4
    err_has 'bs-predict: fifo: not a regular file'
    echo line >log
    go timeout 10 "$BIN/bs-predict" -m "$TINY" --follow log -o log
    status_is 2
    err_has 'bs-predict: --follow and -o are one file, log'
    go timeout 10 "$BIN/bs-predict" -m "$TINY" --follow log --state s -o s
    status_is 2
    err_has 'bs-predict: --state and -o are one file, s'
    go timeout 10 "$BIN/bs-predict" -m "$TINY" --follow log --state s -o s.lock
    status_is 2
    err_has 'bs-predict: --state and -o are one file, s.lock'
    status=0
    timeout 10 "$BIN/bs-predict" -m "$TINY" --follow log 2>err >>log || status=$?
    status_is 2
    err_has 'bs-predict: log is input and output'
    [ "$(cat log)" = line ]
}

@test "two processes cannot share a state" {
    seq 1 3 >log
    follow
    reaches 3
    go timeout 10 "$BIN/bs-predict" -m "$TINY" --follow log --state state -o other.tsv
    status_is 2
    err_has 'state.lock: in use by another process'
    stop
}

# begins OPTION...: a few lines are answered, then a signal comes.
begins() {
    rm -f state* out.tsv
    seq 1 3 | sed 's/.*/{"text":"&","id":7}/' >log
    "$BIN/bs-predict" -m "$TINY" --follow log --state state -o out.tsv "$@" 2>err &
    pid=$!
    wait_until 20 has_lines out.tsv 3
    wait_until 20 grep -q '"output": [1-9]' state
    stop
}

# goes_on OPTION...: it does, until a signal comes.
goes_on() {
    local lines
    lines=$(wc -l <out.tsv)
    echo '{"text":"more"}' >>log
    "$BIN/bs-predict" -m "$TINY" --follow log --state state -o out.tsv "$@" 2>err &
    pid=$!
    wait_until 20 has_lines out.tsv $((lines + 1))
    stop
    pid=
}

# does_not OPTION...: they are other ones than before.
does_not() {
    cp out.tsv before
    go timeout 10 "$BIN/bs-predict" -m "$TINY" --follow log --state state -o out.tsv "$@"
    status_is 2
    err_is "bs-predict: out.tsv: was begun with $was, and would go on with $*; give the same options as before, or another -o and --state"
    cmp before out.tsv
}

@test "one output has rows of one kind" {
    begins
    was='-f lines -t tsv'
    does_not -f lines -t csv
    does_not -f lines -t jsonl
    does_not -f lines -t tsv --probabilities
    does_not -f lines -t tsv --drop text
    does_not -f jsonl -t tsv
    goes_on -f lines --threshold 0.6 --header no
    begins -f jsonl -t jsonl --probabilities --drop text
    was='-f jsonl -t jsonl --probabilities --drop text'
    does_not -f jsonl -t jsonl
    goes_on -f jsonl -t jsonl --probabilities --drop text
    # One of an earlier version does not say.
    sed -i 's/,$/&/; s/"output_inode": \([0-9]*\),/"output_inode": \1}/; /"rows"/d' state
    goes_on -f jsonl -t jsonl --probabilities
    was='-f jsonl -t jsonl --probabilities'
    does_not -f jsonl -t jsonl
}

@test "wrong command lines and files are refused" {
    seq 1 3 >log
    each_is_wrong predict '--state state log' '--follow log log' \
        '--follow log -f tsv' '--follow log -t msgpack' '--follow log --rejects r.jsonl'
    echo 'what somebody else wrote' >out.tsv
    go timeout 10 "$BIN/bs-predict" -m "$TINY" --follow log --state state -o out.tsv
    status_is 2
    err_has 'out.tsv: holds answers already'
    echo '{"offset": 3}' >state
    go timeout 10 "$BIN/bs-predict" -m "$TINY" --follow log --state state -o out.tsv
    status_is 4
    err_has 'state: is no state of bs-predict --follow'
    more_lines='{"inode": 7, "inode_before": 0, "offset": 3, "lines": 4, "time_ns": 0,
        "line_bytes": 2, "line_sha256": "'$(printf %064d 0)'", "output": 0, "output_inode": 7}'
    for cut in '' '{"inode": 7, "inode' "$more_lines"; do
        printf %s "$cut" >state
        go timeout 10 "$BIN/bs-predict" -m "$TINY" --follow log --state state -o new.tsv
        status_is 4
        err_is 'bs-predict: state: is no state of bs-predict --follow; without it the log is labelled from its beginning'
    done
    rm state
    mkfifo fifo
    for output in fifo /dev/null; do
        go timeout 10 "$BIN/bs-predict" -m "$TINY" --follow log -o "$output"
        status_is 2
        err_is "bs-predict: $output: is no regular file, and --follow goes on in no other; leave out -o to write to standard output, or name a file"
    done
    go timeout 10 "$BIN/bs-predict" -m "$TINY" --follow none --state state -o new.tsv
    status_is 4
    err_has 'none: cannot open'
    [ ! -e new.tsv ]
    go timeout 10 "$BIN/bs-predict" -m "$TINY" --follow . --state state -o new.tsv
    status_is 4
    err_has 'not a regular file'
    rm out.tsv
    follow
    reaches 3
    mv log log.1
    mkdir log
    status=0
    wait "$pid" || status=$?
    pid=
    status_is 4
    err_is 'bs-predict: log: not a regular file'
}
