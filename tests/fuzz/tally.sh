# shellcheck shell=bash
# What has been fuzzed, and for how long, in tests/fuzz/tally.tsv. To be sourced.

tally=tests/fuzz/tally.tsv

# add_to_tally TARGET SECONDS EXECUTIONS FINDINGS
add_to_tally() {
    [ -e "$tally" ] || printf 'target\tCPU seconds\texecutions\tfindings\n' >"$tally"
    awk -F '\t' -v OFS='\t' -v target="$1" -v seconds="$2" -v executions="$3" -v findings="$4" '
        function row(s, e, f) { printf "%s\t%.0f\t%.0f\t%d\n", target, s, e, f }
        $1 == target { row($2 + seconds, $3 + executions, $4 + findings); done = 1; next }
        { print }
        END { if (!done) row(seconds, executions, findings) }' "$tally" >"$tally.new"
    mv "$tally.new" "$tally"
}
