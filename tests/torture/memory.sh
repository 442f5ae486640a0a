# shellcheck shell=bash disable=SC2154,SC2317 # names in lower case come from torture.sh
# Memory runs out: at any allocation, and at any limit. Part of torture.sh.
#
# An undisturbed run of each case below tells its allocations; each of them that is chosen
# then fails in a run of its own (fail_allocation.c).

preload=${BS_FAIL_ALLOCATION:-$root/build/release/tests/torture/fail_allocation.so}
sanitized=${BS_SANITIZED_BIN:-$root/build/standin/bin}

# ---- the cases -------------------------------------------------------------------------
# Run in a folder whose `out` takes what they write, under the command "${under[@]}".

tool() {
    local name=$1
    shift
    "${under[@]}" "$tools/bs-$name" "$@"
}

case_tokenize() { tool tokenize -m "$tiny" --threads 2 -o out/tokens -f tsv rows.tsv; }

case_tokenize_part() {
    tool tokenize -m "$tiny" --labels negative,positive --split a=1,b=1 --part a \
        --rejects out/rejects --to jsonl -o out/tokens -f jsonl rows.jsonl.gz
}

case_tokenize_tree() { tool tokenize -m "$tiny" -o out/tokens -f tree texts.tar.gz; }

case_predict() { tool predict -m "$tiny" --device "$device" --threads 2 -o out/answers rows.tsv; }

case_predict_records() {
    tool predict -m tiny.int8 --device "$device" --probabilities -t jsonl -f msgpack -o out/answers tokens
}

case_predict_run() { tool predict -m wanted-train/run --device "$device" -t csv -o out/answers <rows.csv; }

answered() {
    [ -e out/answers ] && [ "$(wc -l <out/answers)" -ge 12 ]
}

# Until the last line has been answered. Without the `timeout` of "${under[@]}": one that is
# told to end while it begins leaves the tool behind.
case_follow() {
    local pid i status=0
    "${under[@]:2}" "$tools/bs-predict" -m "$tiny" --device "$device" --header no --follow log \
        --state out/state -o out/answers &
    pid=$!
    for ((i = 0; i < 3000; i++)); do
        if answered || ! kill -0 $pid 2>/dev/null; then break; fi
        sleep 0.02
    done
    kill -TERM $pid 2>/dev/null || true
    for ((i = 0; i < 1000; i++)); do
        kill -0 $pid 2>/dev/null || break
        sleep 0.02
    done
    kill -KILL $pid 2>/dev/null || true
    wait $pid || status=$?
    [ $status = 143 ] || return $status
}

case_eval() { tool eval --confusion --require 'accuracy>=0' -o out/metrics answers.tsv; }

case_eval_model() { tool eval -m "$tiny" --device ref -o out/metrics rows.tsv; }

case_export_bundle() { tool export -m "$tiny" --device "$device" --to bundle -o out/bundle; }

case_export_folder() { tool export -m tiny.int8 --device "$device" --to hf -o out/model; }

case_export_int8() { tool export -m "$tiny" --device "$device" --require 0 --to int8 -o out/bundle; }

case_train() {
    tool train -m "$tiny" --device "$device" --threads 2 --epochs 2 --batch-size 4 --warmup-steps 1 \
        --eval-steps 3 --eval-data rows.csv --class-weights balanced --log train.log -o out/run rows.tsv
}

case_train_gpu() {
    local device=cuda
    case_train
}

# From where another one got.
case_train_on() { case_train; }

memory_cases="tokenize tokenize_part tokenize_tree predict predict_records predict_run follow
    eval eval_model export_bundle export_folder export_int8 train train_on"

# What is left when these fail is for the same command to go on with.
goes_on() {
    [[ "$1" = train* || "$1" = follow ]]
}

# ---- runs ------------------------------------------------------------------------------

# attempt CASE PREFIX...: the status of a run under PREFIX, from the beginning.
attempt() {
    rm -rf out
    mkdir out
    [ ! -e "begun-$1" ] || cp -a "begun-$1/." out
    attempt_again "$@"
}

attempt_again() {
    local case=$1 status=0
    shift
    under=(timeout 120 "$@")
    "case_$case" >stdout 2>err || status=$?
    echo "$status"
}

# undisturbed CASE: what it comes to, in wanted-CASE and wanted.CASE.
undisturbed() {
    attempt "$1" >"wanted.$1"
    cp -a out "wanted-$1"
    if [[ "$(cat "wanted.$1")" != [03] ]]; then
        echo "$1: undisturbed, status $(cat "wanted.$1")" >>failed.txt
        cat err
        return 1
    fi
}

# allocations CASE WHOSE: their list, in list.CASE.WHOSE.
allocations() {
    rm -f "list.$1.$2"
    attempt "$1" env LD_PRELOAD="$preload" FAIL_WHOSE="$2" FAIL_LIST="list.$1.$2" >/dev/null
}

# Some way into a training: what it leaves when its memory runs out there.
begin_training() {
    local tenths count
    allocations train ours
    count=$(wc -l <list.train.ours)
    for tenths in 9 8 7 6 5; do
        attempt train env LD_PRELOAD="$preload" FAIL_WHOSE=ours FAIL_AT=$((count * tenths / 10)) >/dev/null
        if [ -e out/run/last ] && [ "$(readlink out/run/last)" != "$(readlink wanted-train/run/last)" ]; then
            cp -a out begun-train_on
            return
        fi
    done
    echo "train: no way to stop it half-way" >>failed.txt
    return 1
}

prepare_memory() {
    local case
    need_tiny
    workplace memory
    tools=$bin
    "$bin/bs-predict" --version | grep -q ' cpu' || device=ref
    labelled_rows 20 >rows.tsv
    tr '\t' ',' <rows.tsv >rows.csv
    seq 1 12 | sed 's/.*/line & of a good log/' >log
    awk -F '\t' 'NR > 1 { printf "{\"label\": \"%s\", \"text\": \"%s\"}\n", $1, $2 }
        END { print "{\"label\": \"other\", \"text\": \"bad\"}" }' rows.tsv | gzip >rows.jsonl.gz
    mkdir -p texts/good texts/bad
    for case in 1 2 3; do
        echo "a good film, $case" >texts/good/$case.txt
        echo "an awful film, $case" >texts/bad/$case.txt
    done
    tar czf texts.tar.gz texts
    "$bin/bs-tokenize" -m "$tiny" rows.tsv >tokens
    "$bin/bs-predict" -m "$tiny" --probabilities rows.tsv >answers.tsv
    "$bin/bs-export" -q -m "$tiny" --require 0 --to int8 -o tiny.int8
    undisturbed train
    begin_training
    for case in $memory_cases; do
        [ "$case" = train ] || undisturbed "$case"
    done
}

# ---- verdicts --------------------------------------------------------------------------

same_files() {
    diff -r --no-dereference -x 'state*' "wanted-$1" out >/dev/null
}

# left_well CASE: what a run that failed has left is whole, or nothing, or can be gone on
# with. Where memory is gone for good (`once` is empty), or a library ended the process,
# something under a temporary name may be left.
left_well() {
    [ "$whose$once" = oursyes ] || rm -rf out/*.partial-* out/*.??????
    if goes_on "$1"; then
        [ "$(attempt_again "$1")" = 0 ] && same_files "$1"
    else
        [ -z "$(ls out)" ] || same_files "$1"
    fi
}

# says_so STATUS: the failure of an allocation of ours is told as such, that of a device
# with status 6; that of another's, or of the loader (127), is told. oneDNN and libarchive
# may die of their own: they do; what stands in for a GPU dies without stacks.
says_so() {
    if grep -q '^stand-in: stacks' err; then
        died=$((died + 1))
    elif [ "$1" = 6 ]; then
        grep -qE '^bs-[a-z]*: .*GPU.* memory' err
    elif [ "$whose" = ours ]; then
        [ "$1" = 5 ] && grep -qE '^bs-[a-z]*: .*(memory|threads)' err
    elif [[ "$1" = 134 || "$1" = 139 ]] && grep -qE 'libdnnl|libarchive|bad_alloc' failed err; then
        died=$((died + 1))
    else
        [ -s err ] && { [ "$1" -lt 124 ] || [ "$1" = 127 ]; }
    fi
}

# holds CASE STATUS
holds() {
    awk '!/^stand-in: stacks/ && /Sanitizer|^stand-in: / { exit 1 }' err || return 1
    if [ "$2" = "$(cat "wanted.$1")" ]; then
        same_files "$1"
    else
        says_so "$2" && left_well "$1"
    fi
}

# try CASE WHAT PREFIX...: counts a run under PREFIX, which may tell in `failed` what fails.
try() {
    local case=$1 what=$2 status said
    shift 2
    : >failed
    status=$(attempt "$case" "$@")
    said=$(grep -m 1 Sanitizer err || tail -n 1 err)
    tries=$((tries + 1))
    [ "$status" = "$(cat "wanted.$case")" ] || failures=$((failures + 1))
    if holds "$case" "$status"; then
        good=$((good + 1))
    else
        echo "$case: $what: $(cat failed): status $status: $said" >>failed.txt
    fi
}

# ---- the promises ----------------------------------------------------------------------

# chosen LIST MOST: numbers of allocations; of those that the same callers ask for, one. All
# of them if MOST is 0.
chosen() {
    if [ "$2" = 0 ]; then
        cut -d ' ' -f 1 "$1"
    else
        shuf --random-source=<(yes "$RANDOM") "$1" |
            awk -v most="$2" '{ n = $1; $1 = $3 = "" } !seen[$0]++ && most-- > 0 { print n }'
    fi
}

# failing_row NAME MOST: in each case, each chosen allocation of `whose` fails, once or
# from then on.
failing_row() {
    local name=$1 case n all=0 tries=0 good=0 failures=0 died=0 how=()
    [ -n "$once" ] || how=(FAIL_ONWARDS=1)
    for case in $memory_cases; do
        allocations "$case" "$whose"
        all=$((all + $(wc -l <"list.$case.$whose")))
        for n in $(chosen "list.$case.$whose" "$2"); do
            try "$case" "$name" env LD_PRELOAD="$preload" FAIL_WHOSE="$whose" \
                FAIL_AT="$n" FAIL_LIST=failed "${how[@]}"
        done
    done
    promise "memory: $name" "$good" "=$tries" "of $all allocations; $failures ended runs"
    [ "$died" = 0 ] || echo "#   a library died of $died of them"
}

# limits_row: each case under limits of its address space, from too little to start up to
# enough.
limits_row() {
    local case limit step tries=0 good=0 failures=0 died=0 before
    step=$(budget 20 2)
    for case in $memory_cases; do
        before=-1
        for ((limit = 24000 + RANDOM % 4000; before < failures; limit += limit * step / 100)); do
            before=$failures
            # shellcheck disable=SC2016 # for the inner shell
            try "$case" "limit $limit" bash -c 'ulimit -v "$0" && exec "$@"' "$limit"
        done
    done
    promise "memory: limits" "$good" "=$tries" "limits; $failures ended runs"
}

# Leaks and wrong accesses are looked for where the tools are sanitized; and there is a
# stand-in for a GPU, whose memory comes to an end as well.
sanitized_row() {
    local memory_cases="$memory_cases train_gpu"
    if [ ! -x "$sanitized/bs-train" ]; then
        skip "memory: sanitized" "allocations that fail" "no sanitized tools in ${sanitized#"$root"/}"
        return
    fi
    tools=$sanitized
    export ASAN_OPTIONS=verify_asan_link_order=0:allocator_may_return_null=1:exitcode=99
    undisturbed train_gpu
    failing_row sanitized "$(budget 5 1000)"
    unset ASAN_OPTIONS
    tools=$bin
}

torture_memory() {
    local whose=ours once=yes under=() tools device=cpu
    if [ ! -e "$preload" ]; then
        skip "memory" "allocations that fail" "${preload#"$root"/} is not built"
        return
    fi
    prepare_memory
    failing_row ours "$(budget 16 0)"
    sanitized_row
    once=""
    failing_row "ours, from then on" "$(budget 8 1000)"
    once=yes whose=all
    failing_row libraries "$(budget 14 1000)"
    once=""
    failing_row "libraries, from then on" "$(budget 7 1000)"
    limits_row
}
