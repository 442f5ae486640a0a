# shellcheck shell=bash disable=SC2154 # names in lower case come from torture.sh
# System calls that fail, each once. Part of torture.sh.

# faulty CALL ERROR N COMMAND...: the Nth such call fails. The files that it is about are
# the tool's: what the loader and libraries open comes before main.
faulty() {
    local call=$1 error=$2 n=$3
    shift 3
    timeout 60 strace -f -qq -o /dev/null -e trace="$call" -e inject="$call:error=$error:when=$n" "$@"
}

# calls CALL COMMAND...: how many there are.
calls() {
    local call=$1
    shift
    strace -f -qq -o trace -e trace="$call" "$@" >/dev/null 2>&1
    grep -c "$call(" trace || true
}

# whole_or_nothing STATUS OUTPUT WANTED: after a run that may have failed. 127: the loader
# found no libraries.
whole_or_nothing() {
    if [ "$1" = 0 ] || [ -e "$2" ]; then
        diff -r "$2" "$3" >/dev/null || return 1
    fi
    [ "$1" = 0 ] || { [ -s err ] && { [ "$1" -lt 124 ] || [ "$1" = 127 ]; }; }
}

# make_wanted OUTPUT COMMAND...: what it makes is left as `wanted`.
make_wanted() {
    local output=$1
    shift
    rm -rf "$output" wanted
    "$@" >/dev/null 2>&1
    mv "$output" wanted
}

# fault_rows NAME OUTPUT COMMAND...: each call of each kind fails once.
fault_rows() {
    local name=$1 output=$2 call error first n count step status tries=0 good=0
    shift 2
    make_wanted "$output" "$@"
    for call in write openat fsync rename renameat2 mmap read; do
        rm -rf "$output"
        count=$(calls "$call" "$@")
        step=$(budget $((count / 12 + 1)) 1)
        for error in $(errors_of "$call"); do
            first=1
            [ "$call" != mmap ] || first=2 # of the very first one the loader itself dies
            for ((n = first + RANDOM % step; n <= count; n += step)); do
                rm -rf "$output" "$output".*
                status=0
                faulty "$call" "$error" "$n" "$@" >/dev/null 2>err || status=$?
                tries=$((tries + 1))
                if whole_or_nothing "$status" "$output" wanted; then
                    good=$((good + 1))
                else
                    echo "$call $error $n: status $status: $(head -n 1 err)" >>failed.txt
                fi
            done
        done
    done
    promise "faults: $name" "$good" "=$tries" "whole or nothing, and a message"
}

errors_of() {
    case $1 in
        write) echo ENOSPC EIO EINTR ;;
        openat) echo EMFILE EACCES ;;
        mmap) echo ENOMEM ;;
        read) echo EIO EINTR ;;
        *) echo EIO ;;
    esac
}

# short_rows NAME OUTPUT COMMAND...: files may become so long and no longer, of every
# length up to what is needed: a write is short, the next fails.
short_rows() {
    local name=$1 output=$2 most status tries=0 good=0 n
    shift 2
    make_wanted "$output" "$@"
    most=$(find wanted -type f -size +0 -printf '%s\n' | sort -n | tail -n 1)
    for ((n = 1; n <= most / 1024; n += $(budget "$((most / 1024 / 10 + 1))" 1))); do
        rm -rf "$output" "$output".*
        status=0
        (trap '' XFSZ; ulimit -f "$n"; exec timeout 60 "$@") >/dev/null 2>err || status=$?
        tries=$((tries + 1))
        if whole_or_nothing "$status" "$output" wanted; then
            good=$((good + 1))
        else
            echo "file of $n KiB: status $status: $(head -n 1 err)" >>failed.txt
        fi
    done
    promise "short writes: $name" "$good" "=$tries" "whole or nothing, and a message"
}

# Training that a call failed has said so and left checkpoints that load; the same command
# then ends as if nothing had been.
training_faults() {
    local call error n count step status tries=0 good=0
    local training=("$bin/bs-train" -m "$tiny" --epochs 1 --warmup-steps 2 --save-steps 7
        --threads 1 --quiet few.tsv)
    labelled_rows 80 >few.tsv
    "${training[@]}" -o base >/dev/null
    for call in write openat fsync rename renameat2 mmap read unlink; do
        rm -rf run
        count=$(calls "$call" "${training[@]}" -o run)
        step=$(budget $((count / 3 + 1)) 1)
        for error in $(errors_of "$call"); do
            for ((n = 2 + RANDOM % step; n <= count; n += step)); do
                rm -rf run
                status=0
                faulty "$call" "$error" "$n" "${training[@]}" -o run >/dev/null 2>err || status=$?
                tries=$((tries + 1))
                if { [ "$status" = 0 ] || [ -s err ]; } && { [ "$status" -lt 124 ] || [ "$status" = 127 ]; } &&
                    checkpoints_load && "${training[@]}" -o run >/dev/null 2>>err &&
                    diff -r --no-dereference base run >/dev/null; then
                    good=$((good + 1))
                else
                    echo "train: $call $error $n: status $status: $(head -n 1 err)" >>failed.txt
                fi
            done
        done
    done
    promise "faults: training" "$good" "=$tries" "message, whole checkpoints, same end"
}

torture_writes() {
    if ! command -v strace >/dev/null; then
        skip writes "calls that fail" "strace is not installed"
        return
    fi
    need_tiny
    workplace writes
    labelled_rows 300 >rows.tsv
    faults_of_tools fault_rows
    faults_of_tools short_rows
    training_faults
}

faults_of_tools() {
    "$1" tokenize out.msgpack "$bin/bs-tokenize" -m "$tiny" -o out.msgpack -f tsv rows.tsv
    "$1" predict out.tsv "$bin/bs-predict" -m "$tiny" -o out.tsv -f tsv rows.tsv
    "$1" export out.bundle "$bin/bs-export" -m "$tiny" -o out.bundle --to bundle
}
