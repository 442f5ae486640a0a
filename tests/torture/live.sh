# shellcheck shell=bash disable=SC2154 # names in lower case come from torture.sh
# Live streams: answered at once, and for as long as it takes. Times, so that they are part
# of the full torture.sh alone.

# answer_times N MODEL TEXT: microseconds from writing a line to an idle bs-predict to
# reading its answer, N times, after waits of up to 20 ms.
answer_times() {
    perl -e '
        use IPC::Open2; use Time::HiRes qw(time sleep);
        my ($n, $bin, $model, $text) = @ARGV;
        my $pid = open2(my $out, my $in, "$bin/bs-predict", "-m", $model, "--header", "no",
            "--threads", 1);
        srand 5;
        for my $i (0 .. $n) {
            sleep rand 0.02 if $i;
            my $began = time;
            syswrite $in, "$text\n" or die;
            sysread $out, my $answer, 65536 or die;
            printf "%d\n", 1e6 * (time() - $began) if $i;
        }
        close $in; waitpid $pid, 0; exit $? >> 8' "$1" "$bin" "$2" "$3"
}

# pass_time MODEL TEXT: microseconds that bs-predict takes for one such text after the
# other, none with company.
pass_time() {
    local n=400 one many
    one=$(seconds_of 1 "$@")
    many=$(seconds_of $((n + 1)) "$@")
    awk -v a="$one" -v b="$many" -v n=$n 'BEGIN { print int(1e6 * (b - a) / n) }'
}

# seconds_of N MODEL TEXT
seconds_of() {
    local began=$EPOCHREALTIME
    "$bin/bs-predict" -m "$2" --threads 1 --batch-tokens 1 < <(yes "$3" | head -n "$1") >/dev/null
    awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }'
}

# late NAME MODEL TEXT: the 99th percentile of an answer, past one forward pass.
late() {
    local n=2000 pass percentile
    pass=$(pass_time "$2" "$3")
    percentile=$(answer_times $n "$2" "$3" | sort -n | sed -n "$((n * 99 / 100))p")
    promise "live: $1" "$((percentile - pass))" "<=10000" "us past a pass of $pass, 99th percentile"
}

# watched SECONDS SAMPLES COMMAND...: resident KiB and open files of a process, TAB between
# them, sampled over so many seconds after the first tenth; then it is stopped.
watched() {
    perl -e '
        use Time::HiRes "sleep";
        my ($seconds, $samples, @command) = @ARGV;
        my $pid = fork // die;
        if (!$pid) { open STDOUT, ">", "/dev/null"; exec @command or die }
        sleep $seconds / 10;
        for (1 .. $samples) {
            sleep 0.9 * $seconds / $samples;
            open my $status, "<", "/proc/$pid/status" or die "it ended: $!";
            my ($kib) = join("", <$status>) =~ /VmRSS:\s+(\d+)/ or die "it ended";
            printf "%d\t%d\n", $kib, scalar(() = glob "/proc/$pid/fd/*");
        }
        kill "TERM", $pid; waitpid $pid, 0' "$@"
}

# kib_an_hour SECONDS: the slope of column 1 of samples over so many seconds, by least
# squares, 0 where it falls.
kib_an_hour() {
    awk -v seconds="$1" '
        { n++; x += NR; y += $1; xx += NR * NR; xy += NR * $1 }
        END { slope = (n * xy - x * y) / (n * xx - x * x) * n / (0.9 * seconds) * 3600
              printf "%d\n", slope < 0 ? 0 : slope }'
}

# steady LINES_A_SECOND [LOG]: numbered lines, for ever, after 100,000 at once, which fill
# what is ever to be filled; to a log that is rotated by renaming every 2,500 of them, of
# which two old ones are kept. To be run in the background: it takes the shell's place.
steady() {
    exec perl -e '
        use Time::HiRes "sleep";
        my ($speed, $log) = @ARGV;
        my $out = *STDOUT;
        my $burst = 100_000;
        for (my $n = 0;; $n++) {
            if ($log && ($n == 0 || $n > $burst && $n % 2500 == 0)) {
                rename "$log.1", "$log.2";
                rename $log, "$log.1" if $n;
                open $out, ">>", $log or die;
            }
            syswrite $out, "line $n of the log\n" or exit;
            sleep 1 / $speed if $n > $burst;
        }' "$@"
}

# spread COLUMN: from the least to the most.
spread() {
    cut -f "$1" | sort -n | sed -n '1p; $p' | paste -s -d ' ' | awk '{ print $NF - $1 }'
}

# does_not_grow NAME SECONDS SAMPLES: a row of what `watched` left in the file NAME.
does_not_grow() {
    promise "$1: memory" "$(kib_an_hour "$2" <"$1")" "<=1024" "KiB an hour, in $2 s"
    # Around a rotation two logs are open.
    promise "$1: files" "$(spread 2 <"$1")" "<=1" "open files, between the fewest and the most"
}

torture_live() {
    [ "$budget" = full ] || return 0
    need_tiny
    workplace live
    late "tiny model" "$tiny" 'the good film and the very bad plot of it'
    if [ -e "$root/models/demo/best" ]; then
        late "MiniLM" "$root/models/demo/best" 'the good film and the very bad plot of it'
    fi
    # A reader that takes a tenth of what is written.
    mkfifo flood
    yes 'the good film and the very bad plot of it' | head -c 4000000000 >flood &
    watched 60 100 "$bin/bs-predict" -m "$tiny" --header no flood >samples
    promise "flood: memory" "$(spread 1 <samples)" "<=2048" "KiB between the least and the most, in 60 s"
}

# GROWS_SECONDS: an hour.
torture_grows() {
    [ "$budget" = full ] || return 0
    need_tiny
    workplace grows
    local seconds=${GROWS_SECONDS:-3600} writer
    mkfifo lines
    steady 500 >lines &
    watched "$seconds" 200 "$bin/bs-predict" -m "$tiny" --header no --threads 1 lines >prediction &
    : >log
    steady 500 log &
    writer=$!
    watched "$seconds" 200 "$bin/bs-predict" -m "$tiny" --header no --threads 1 --quiet \
        --follow log --state state -o out.tsv >follow
    kill $writer
    wait || true
    does_not_grow prediction "$seconds"
    does_not_grow follow "$seconds"
    rm -f out.tsv log*
}
