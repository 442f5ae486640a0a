# Shared by the Bats files: `load helper` at the top.
#
#   use_scratch          in setup(): BIN, DIR (a fresh folder, the working directory) and
#                        TINY (a tiny model with labels negative and positive)
#   go COMMAND...        runs it; stdout to the file out, stderr to err, status to $status
#   status_is N          and the like assert, and show what there was when they fail
#   tool NAME ARGS...    runs bs-NAME
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

# The address sanitizer lays its shadow over all of the address space: there, a limit of
# memory (-v, KiB) holds for each allocation.
ulimit() {
    if [ "$1" = -v ] && grep -q __asan_init "$BIN/bs-eval"; then
        export ASAN_OPTIONS=max_allocation_size_mb=$(($2 / 1024)):allocator_may_return_null=1
    else
        builtin ulimit "$@"
    fi
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

# has_lines FILE N
has_lines() {
    [ "$(wc -l <"$1")" -ge "$2" ]
}
