# Shared by the Bats files: `load helper` at the top.
#
#   use_scratch          in setup(): BIN, DIR (a fresh folder, the working directory) and
#                        TINY (a tiny model with labels negative and positive)
#   go COMMAND...        runs it; stdout to the file out, stderr to err, status to $status
#   status_is N          and the like assert, and show what there was when they fail
#   tool NAME ARGS...    runs bs-NAME
#   start_live COMMAND   runs it on a pipe that stays open, for tests of live streams
#
# Files, not variables, hold output: it may have NUL bytes and no final newline.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BIN=$(cd "${BS_BIN:-$ROOT/bin}" && pwd)
export ROOT BIN

use_scratch() {
    DIR=$BATS_TEST_TMPDIR
    cd "$DIR" || return 1
    TINY=$BATS_FILE_TMPDIR/tiny
    [ -d "$TINY" ] || make_model "$TINY"
}

# make_model FOLDER [no-classifier] [foreign] [labels=A,B]
make_model() {
    perl "$ROOT/tests/cli/make-model.pl" "$@"
}

tool() {
    local name=$1
    shift
    "$BIN/bs-$name" "$@"
}

go() {
    status=0
    "$@" >out 2>err || status=$?
}

show() {
    echo "status: $status"
    echo "--- out"
    head -c 2000 out | cat -A
    echo "--- err"
    head -c 2000 err
}

status_is() {
    [ "$status" -eq "$1" ] && return
    echo "wanted status $1"
    show
    return 1
}

# out_is TEXT: standard output, exactly; a final newline is added to TEXT unless it is
# empty. err_is likewise.
out_is() {
    if [ -n "$1" ]; then
        printf '%s\n' "$1" | cmp -s - out && return
    else
        [ ! -s out ] && return
    fi
    printf 'wanted out: %q\n' "$1"
    show
    return 1
}

err_is() {
    if [ -n "$1" ]; then
        printf '%s\n' "$1" | cmp -s - err && return
    else
        [ ! -s err ] && return
    fi
    printf 'wanted err: %q\n' "$1"
    show
    return 1
}

# out_has TEXT, err_has TEXT: somewhere in it, literally.
out_has() {
    grep -qF -e "$1" out && return
    echo "wanted in out: $1"
    show
    return 1
}

err_has() {
    grep -qF -e "$1" err && return
    echo "wanted in err: $1"
    show
    return 1
}

# help_is TOOL EXAMPLE OPTION...: --help is the usage, then an example like the pattern,
# and has each option.
help_is() {
    local name=$1 example=$2 option
    shift 2
    go tool "$name" --help
    status_is 0
    err_is ''
    [[ $(sed -n 1p out) == "Usage: bs-$name [OPTION...] [FILE...]" ]]
    # shellcheck disable=SC2053 # a pattern
    [[ $(sed -n '2,3p' out) == $example ]]
    for option in "$@"; do
        out_has "$option"
    done
}

# each_is_wrong COMMAND ARGUMENTS...: each of ARGUMENTS, a list of words, makes a wrong
# command line: exit 2, with the reason.
each_is_wrong() {
    local command=$1 wrong
    shift
    for wrong in "$@"; do
        echo "$command $wrong"
        # shellcheck disable=SC2086
        go "$command" $wrong </dev/null
        status_is 2
        out_is ''
        [ -s err ]
    done
}

# fails COMMAND...: succeeds if the command does not.
fails() {
    if "$@"; then
        echo "did not fail: $*"
        return 1
    fi
}

# wait_until SECONDS COMMAND...: polls until the command succeeds.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.02
    done
}

# pipe_is_empty FD: whether all that was written to a pipe has been read (FIONREAD).
pipe_is_empty() {
    perl -e 'my $n = pack "i", 0; ioctl(STDOUT, 0x541B, $n) or exit 2; exit(unpack("i", $n) != 0)' >&"$1"
}

# start_live COMMAND...: a program on the FIFO `in`, which descriptor 7 keeps open; sets
# pid. end_live closes it, or with a signal's name sends that first; status to $status.
start_live() {
    [ -p in ] || mkfifo in
    "$@" <in >out 2>err 3>&- 7>&- &
    pid=$!
    exec 7>in
}

end_live() {
    status=0
    if [ -n "${1-}" ]; then
        kill -"$1" "$pid"
        wait "$pid" || status=$?
        exec 7>&-
    else
        exec 7>&-
        wait "$pid" || status=$?
    fi
}

# make_texts FIRST COUNT: a TSV with a header; the words tell its two labels apart.
make_texts() {
    awk -v first="$1" -v count="$2" 'BEGIN {
        print "text\tlabel"
        for (i = first; i < first + count; i++) {
            line = ""
            for (j = 0; j < 3 + i % 9; j++)
                line = line (j ? " " : "") "word" (i * 17 + j * 5) % 200 + 200 * (i % 2)
            print line "\t" (i % 2 ? "good" : "bad")
        }
    }'
}

# has_lines FILE N
has_lines() {
    [ "$(wc -l <"$1")" -ge "$2" ]
}
