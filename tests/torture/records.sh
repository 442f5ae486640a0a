# shellcheck shell=bash disable=SC2154 # names in lower case come from torture.sh
# No record is lost or invented, a cut stream is never taken for whole. Part of torture.sh.

# slow N: standard input to standard output through pipes of 4 KiB, in pieces of random
# size, with N waits of a millisecond on the way.
slow() {
    perl -e '
        my ($waits) = @ARGV;
        fcntl(STDIN, 1031, 4096); fcntl(STDOUT, 1031, 4096); # F_SETPIPE_SZ
        srand 3;
        while (my $n = sysread STDIN, my $bytes, 1 + int rand 9000) {
            for (my $at = 0; $at < $n;) {
                my $put = syswrite STDOUT, $bytes, 1 + int rand 5000, $at;
                defined $put or exit 1;
                $at += $put;
            }
            select undef, undef, undef, 0.001 if $waits-- > 0;
        }' "$1"
}

# digest: of label and text, the last two columns, without the header row.
digest() {
    awk -F '\t' 'FNR > 1 { print $(NF - 1) "\t" $NF }' | sha256sum
}

scored() {
    "$bin/bs-eval" -f "$1" --resamples 0 | awk '$1 == "support" { print $2 }'
}

# records_through NAME N FILTER...: N rows through tokenize and predict, as text and as
# records, and what eval counts of them, with FILTER between each two.
records_through() {
    local name=$1 n=$2 wanted found
    shift 2
    wanted=$(labelled_rows "$n" | digest)
    found=$(labelled_rows "$n" | "$@" | "$bin/bs-tokenize" -m "$tiny" -f tsv | "$@" |
        "$bin/bs-predict" -m "$tiny" -f msgpack -t tsv | "$@" | tee text | digest)
    if [ "$found" = "$wanted" ]; then found=$n; else found=0; fi
    promise "$name: same records" "$found" "=$n" "records, in order, by digest"
    promise "$name: text, scored" "$("$@" <text | scored tsv)" "=$n" records
    found=$(labelled_rows "$n" | "$@" | "$bin/bs-tokenize" -m "$tiny" -f tsv | "$@" |
        "$bin/bs-predict" -m "$tiny" -f msgpack -t msgpack | "$@" | scored msgpack)
    promise "$name: records, scored" "$found" "=$n" records
}

torture_records() {
    need_tiny
    workplace records
    records_through "records" "$(budget 200000 10000000)" cat
    records_through "records, slow pipes" "$(budget 20000 1000000)" slow "$(budget 300 30000)"
    rm -f text
}

# A reader that takes N lines and dies: these are right, and everyone before it ends.
torture_dying() {
    need_tiny
    workplace dying
    local n whole=0 tries
    tries=$(budget 5 200)
    labelled_rows 100000 >rows.tsv
    "$bin/bs-tokenize" -m "$tiny" -f tsv rows.tsv | "$bin/bs-predict" -m "$tiny" -f msgpack >all.tsv
    for ((i = 0; i < tries; i++)); do
        n=$((RANDOM % 20000 + 1))
        { timeout 60 "$bin/bs-tokenize" -m "$tiny" -f tsv rows.tsv || echo $? >first.status; } |
            { timeout 60 "$bin/bs-predict" -m "$tiny" -f msgpack || echo $? >second.status; } |
            head -n "$n" >some.tsv
        if cmp -s some.tsv <(head -n "$n" all.tsv) && [ "$(cat first.status)" = 141 ] &&
            [ "$(cat second.status)" = 141 ]; then
            whole=$((whole + 1))
        fi
    done
    promise "reader that dies" "$whole" "=$tries" "right beginnings, both tools end"
    rm -f ./*.tsv
}

small_stream() {
    labelled_rows "$1" | "$bin/bs-tokenize" -m "$tiny" -f tsv --drop text
}

# read_stream FILE: the status of bs-predict, whose output is left in read.msgpack.
read_stream() {
    local status=0
    "$bin/bs-predict" -m "$tiny" -f msgpack -t msgpack "$1" >read.msgpack 2>err || status=$?
    echo "$status"
}

# read_whole: whole.msgpack is good, and what is made of it ends.
read_whole() {
    if [ "$(read_stream whole.msgpack)" != 0 ] || ! has_end read.msgpack; then
        cat err
        return 1
    fi
}

# is_refused FILE: exit 4, a message, and no end downstream.
is_refused() {
    [ "$(read_stream "$1")" = 4 ] && [ -s err ] && ! has_end read.msgpack
}

# Where the last bytes are an end's, they may yet be part of a record.
has_end() {
    LC_ALL=C tail -c 15 "$1" | LC_ALL=C grep -aq $'\x93\xa3end' &&
        "$bin/bs-eval" -f msgpack --resamples 0 "$1" >/dev/null 2>>err
}

torture_cuts() {
    need_tiny
    workplace cuts
    small_stream "$(budget 3 40)" >whole.msgpack
    local size refused=0
    size=$(wc -c <whole.msgpack)
    read_whole
    for ((n = 0; n < size; n++)); do
        head -c "$n" whole.msgpack >cut.msgpack
        if is_refused cut.msgpack; then refused=$((refused + 1)); else cp cut.msgpack "failed-$n.msgpack"; fi
    done
    promise "cut streams" "$refused" "=$size" "prefixes refused, of all there are"
}

# A bit that is flipped is found; or, in bytes that say nothing, the records are the same.
torture_flips() {
    need_tiny
    workplace flips
    small_stream 40 >whole.msgpack
    local tries good=0 size at
    tries=$(budget 300 100000)
    size=$(wc -c <whole.msgpack)
    read_whole
    mv read.msgpack wanted.msgpack
    for ((i = 0; i < tries; i++)); do
        at=$((RANDOM * 32768 + RANDOM))
        perl -e 'my ($at, $bit) = @ARGV; local $/; $_ = <STDIN>;
            substr($_, $at, 1) = chr(ord(substr $_, $at, 1) ^ 1 << $bit); print' \
            $((at % size)) $((at / size % 8)) <whole.msgpack >flipped.msgpack
        if is_refused flipped.msgpack || cmp -s read.msgpack wanted.msgpack; then
            good=$((good + 1))
        else
            cp flipped.msgpack "failed-$i.msgpack"
        fi
    done
    promise "flipped bits" "$good" "=$tries" "refused, or without effect"
}
