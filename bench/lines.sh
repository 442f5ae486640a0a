# shellcheck shell=bash disable=SC2154 # names in lower case come from bench.sh
# Many lines through a pipeline: whether time is linear and memory flat. Part of bench.sh.

# some_lines N: as many lines of one to twelve words, none of them like the one before.
some_lines() {
    awk -v n="$1" 'BEGIN {
        split("good bad film fine awful the not very a plot of and", word, " ")
        srand(7)
        for (i = 1; i <= n; i++) {
            line = i
            for (k = 1 + int(12 * rand()); k; k--) line = line " " word[1 + int(12 * rand())]
            print line
        }
    }'
}

# measured NAME COMMAND...: runs it, and leaves the most memory that it had in NAME.kb.
measured() {
    local name=$1
    shift
    /usr/bin/time -f %M -o "$scratch/$name.kb" "$@"
}

mebibytes() {
    echo $(($(tail -n 1 "$scratch/$1.kb") / 1024))
}

# lines_rows N: a million lines and ten of them differ in time by ten, in memory by nothing.
lines_rows() {
    local began=$EPOCHREALTIME read
    read=$(some_lines "$1" |
        measured tokenize "$bin/bs-tokenize" -m "$tiny" -f lines --threads "$threads" |
        measured predict "$bin/bs-predict" -m "$tiny" -f msgpack -t tsv --header no --threads "$threads" |
        wc -l)
    [ "$read" = "$1" ]
    row "$1 lines" "bs, tiny model" fp32 "$threads" \
        "$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')" s
    row "memory of $1 lines" bs-tokenize fp32 "$threads" "$(mebibytes tokenize)" MiB
    row "memory of $1 lines" bs-predict fp32 "$threads" "$(mebibytes predict)" MiB
}

bench_lines() {
    local tiny=$scratch/tiny
    perl tests/cli/make-model.pl "$tiny"
    lines_rows 1000000
    lines_rows 10000000
}
