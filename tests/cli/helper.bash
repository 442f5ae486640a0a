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

# make_model FOLDER [no-classifier] [foreign] [labels=A,B] [layers=N]
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

# err_matches PATTERN: all of it, an extended regular expression a line.
err_matches() {
    local others
    others=$(grep -cvE -e "$1" err) || true
    [ -s err ] && [ "$others" -eq 0 ] && return
    echo "wanted err like: $1"
    show
    return 1
}

# bound_memory KIB: of virtual memory, for all that runs from here on in this test. Tools
# under a sanitizer need more than any bound, and get none.
bound_memory() {
    if (ulimit -v "$1" && "$BIN/bs-predict" --version) >/dev/null 2>&1; then
        ulimit -v "$1"
    fi
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

# ---- one input, three tools ---------------------------------------------------------
#
#   tokenized ARGS...    through bs-tokenize: a line of ids for each record
#   answered ARGS...     through bs-predict, each probability shown as P
#   scored ARGS...       through bs-eval -m, its report as "ACCURACY of N, M rejected"
#   rated ARGS...        predictions through bs-eval, likewise
#   gives STATUS OUT ERR asserts all that came of it; in ERR every line is without the
#                        tool's name, which stands before it

tokenized() {
    TOOL=bs-tokenize
    go tool tokenize -m "$TINY" -t ids "$@"
}

answered() {
    TOOL=bs-predict
    go tool predict -m "$TINY" "$@"
    perl -pi -e 's/^([a-z]+[\t,]|.*"probability":)0\.\d{4,9}(?=[\t,\n])/$1P/' out
}

scored() {
    TOOL=bs-eval
    go tool eval -m "$TINY" --resamples 0 "$@"
    summarize_report
}

rated() {
    TOOL=bs-eval
    go tool eval --resamples 0 "$@"
    summarize_report
}

summarize_report() {
    # shellcheck disable=SC2016 # Perl's variables
    perl -0777 -ni -e 'my %v = /^(\w+)\t(\S+)$/mg; next unless length;
        print "$v{accuracy} of $v{support}, $v{rejected} rejected\n" if /^metric\tvalue\n/' out
}

gives() {
    local err=${3:+$TOOL: ${3//$'\n'/$'\n'$TOOL: }}
    status_is "$1" && out_is "$2" && err_is "$err"
}

# undamaged STREAM RECORD...: a stream of these records (make-stream.pl) with the header
# of STREAM.
undamaged() {
    perl "$ROOT/tests/cli/make-stream.pl" "$@"
}

# ---- processes that are met by a signal -----------------------------------------------
# No test sleeps and hopes: each waits for what can be seen from outside.
#
#   launch NAME ARGS...  bs-NAME in the background, its process in $pid; to out and err,
#                        or to $OUT and $ERR. SIGINT and SIGHUP ($RESET, if set) reach
#                        it as if it were in front
#   waits PID            a thread that hears SIGTERM sleeps, no signal on its way to it:
#                        it waits for somebody
#   ends N               waits for $pid; its exit status must be N
#   gate ROOM            a pipe that takes ROOM bytes and then keeps its writer waiting
#   open_gate            lets all of it through, into the file through

launch() {
    local name=$1
    shift
    env --default-signal="${RESET:-INT,HUP}" "$BIN/bs-$name" "$@" >"${OUT:-out}" 2>"${ERR:-err}" 3>&- 7>&- 8>&- &
    pid=$!
}

waits() {
    perl -e 'for my $path (glob "/proc/$ARGV[0]/task/*/status") {
        open my $file, "<", $path or next;
        local $/;
        my $text = <$file>;
        my %mask = $text =~ /^(Sig(?:Blk|Cgt)):\s*([0-9a-f]+)/mg;
        my ($blocked, $caught) = map { hex($mask{$_}) >> 14 & 1 } qw(SigBlk SigCgt);
        my $pending = $text =~ /^(?:Sig|Shd)Pnd:\s*0*[1-9a-f]/m;
        exit 0 if $text =~ /^State:\s*S/m && $caught && !$blocked && !$pending;
    }
    exit 1' "$1"
}

is_gone() {
    fails grep -q '^State:[[:space:]]*[^ZX]' "/proc/$1/status" >/dev/null 2>&1
}

ends() {
    status=0
    if ! wait_until 60 is_gone "$pid"; then
        echo "does not end"
        kill -KILL "$pid"
    fi
    wait "$pid" || status=$?
    status_is "$1"
}

gate() {
    rm -f gate
    mkfifo gate
    exec 7<>gate
    # F_SETPIPE_SZ: one page, which is filled but for ROOM bytes.
    perl -e 'fcntl(STDOUT, 1031, 0 + $ARGV[1]) or die "gate: $!\n"; $| = 1;
        print "-" x ($ARGV[1] - $ARGV[0] - 1), "\n"' "$1" "$(getconf PAGESIZE)" >&7
}

open_gate() {
    exec 9<gate # now, so that there is a reader all the time
    tail -n +2 <&9 >through 3>&- 7>&- &
    exec 7>&- 9<&-
}

# ---- places where nothing can be written ------------------------------------------------
#
#   go_as_user COMMAND   go, bound by the modes of files even when run by root
#   small_disk FOLDER    a folder on a file system of 1 MB of its own
#   fill_disk FOLDER K   fills it up, but for K KiB if said
#   go_full COMMAND      go, with what is written there failing; $no_space says how
#   free_disk FOLDER     room again
#   leave_disk           in teardown
#
# Where nothing can be mounted, a limit on the size of a file stands in for the disk:
# another errno, in the same places.

go_as_user() {
    local drop=-dac_override,-dac_read_search
    if [ "$EUID" -eq 0 ]; then
        go setpriv --bounding-set=$drop --inh-caps=$drop "$@"
    else
        go "$@"
    fi
}

# shellcheck disable=SC2034 # no_space is for the tests
small_disk() {
    mkdir "$1"
    no_space='No space left on device'
    if mount -t tmpfs -o size=1m tmpfs "$1" 2>/dev/null; then
        disk=$PWD/$1
        return
    fi
    disk=
    blocks=256
    no_space='File too large'
}

fill_disk() {
    blocks=${2:-0}
    [ -n "$disk" ] || return 0
    fails dd if=/dev/zero of="$1/filler" bs=4096 status=none 2>/dev/null
    truncate -s "-${2:-0}K" "$1/filler"
}

free_disk() {
    blocks=unlimited
    [ -n "$disk" ] || return 0
    rm -f "$1/filler"
    mount -o remount,size=64m "$disk"
}

# Output goes through pipes, which the limit does not touch.
go_full() {
    if [ -n "$disk" ]; then
        go "$@"
        return
    fi
    status=0
    (
        set -o pipefail
        {
            (ulimit -f "$blocks" && "$@") 2>&1 >&4 4>&- | cat >err
        } 4>&1 | cat >out
    ) || status=$?
}

leave_disk() {
    [ -z "${disk:-}" ] || umount "$disk"
}
