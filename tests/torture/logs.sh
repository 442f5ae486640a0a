# shellcheck shell=bash disable=SC2154 # names in lower case come from torture.sh
# A log that is tagged exactly once. Part of torture.sh.

# write_log LINES SEED: numbered lines into `log`, in bursts, rotated at random: by renaming,
# by a copy and truncation or, once `state` says that all of it was answered, by truncation.
# Who follows has a moment to see a truncation before the next; it knows the first file.
write_log() {
    perl -e '
        use Time::HiRes "sleep";
        use File::Copy "copy";
        my ($lines, $seed) = @ARGV;
        srand $seed;
        my $turn = 0;
        sub answered { # what is in the log
            my ($inode, $size) = (stat "log")[1, 7];
            open my $state, "<", "state" or return 0;
            local $/;
            my $text = <$state>;
            return $text =~ /"inode": $inode,/ && $text =~ /"offset": $size,/;
        }
        open my $log, ">>", "log" or die;
        for (my $i = 0; $i < 3000 && !-e "state"; $i++) { sleep 0.01 }
        for (my $n = 1; $n <= $lines;) {
            my $text = "";
            for (my $k = 1 + int rand 40; $k && $n <= $lines; $k--) { $text .= "line " . $n++ . " of the log\n" }
            syswrite $log, $text or die;
            if (rand() > 0.06) {
                sleep rand 0.02;
                next;
            }
            my $how = rand;
            if ($how < 0.3) {
                for (my $i = 0; $i < 3000 && !answered(); $i++) { sleep 0.01 }
                next if !answered();
                truncate "log", 0;
                sleep 0.3;
                next;
            }
            $turn++;
            if ($how < 0.6) {
                copy "log", "log.$turn" or die;
                truncate "log", 0;
                sleep 0.3;
                next;
            }
            rename "log", "log.$turn" or die;
            open $log, ">>", "log" or die;
        }' "$1" "$2"
}

torture_logs() {
    need_tiny
    workplace logs
    local wanted kills=0 status lines writer last i
    local follow=("$bin/bs-predict" -m "$tiny" --follow log --state state -o out.tsv --header no
        --quiet --threads 1)
    wanted=$(budget 25 1000)
    lines=$((wanted * 400))
    : >log
    write_log "$lines" $RANDOM &
    writer=$!
    while [ "$kills" -lt "$wanted" ] || kill -0 $writer 2>/dev/null; do
        status=0
        killed_after "$(random_seconds 600000)" "${follow[@]}" 2>>err || status=$?
        if [ "$status" != 137 ]; then
            echo "status $status" >>failed.txt
            break
        fi
        kills=$((kills + 1))
        sleep "$(random_seconds 100000)"
    done
    wait $writer
    # Then in peace: a second for each rotated file that is left.
    "${follow[@]}" 2>>err &
    last=$!
    for ((i = 0; i < 600 && $(wc -l <out.tsv) < lines; i++)); do sleep 0.1; done
    sleep 1
    kill -TERM $last
    wait $last || true
    if ! cmp -s <(cut -f 3 out.tsv) <(seq 1 "$lines" | sed 's/.*/line & of the log/'); then
        lines=0
    fi
    promise "log tagged once" "$lines" "=$((wanted * 400))" "lines, in order, after $kills kills"
}
