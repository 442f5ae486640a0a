#!/usr/bin/env bats
# What all tools promise alike: --help, --version, a man page, exit statuses.
# shellcheck disable=SC2154 # status comes from helper.bash

load helper

TOOLS="tokenize train eval predict export"

setup() {
    use_scratch
}

@test "--help: standard output, exit 0, an example first, every line within a terminal" {
    for name in $TOOLS; do
        go tool "$name" --help
        status_is 0
        err_is ''
        [[ $(sed -n 1p out) == "Usage: bs-$name "* ]]
        [[ $(sed -n '2,3p' out) == "  "*"bs-$name "* ]]
        out_has 'Exit status: 0'
        [ "$(awk 'length > 80' out)" = '' ]
    done
}

# A line that was wrapped begins at the margin, and what is behind it is another command.
@test "--help: the example stands as it was written, a command for a shell" {
    for name in $TOOLS; do
        tool "$name" --help | sed '1d; /^$/,$d' >example
        has_lines example 1
        if grep -v '^  ' example; then
            echo "bs-$name: wrapped"
            return 1
        fi
        bash -n example
    done
}

@test "--version: the tool's name and version" {
    for name in $TOOLS; do
        go tool "$name" --version
        status_is 0
        err_is ''
        [[ $(sed -n 1p out) =~ ^bs-$name\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
    done
}

@test "--help and --version on a full disk: exit 5" {
    for name in $TOOLS; do
        for option in --help --version; do
            status=0
            tool "$name" $option >/dev/full 2>err || status=$?
            : >out
            status_is 5
            err_has "bs-$name: standard output"
        done
    done
}

@test "an option that there is not: exit 2, nothing on standard output" {
    for name in $TOOLS; do
        go tool "$name" --no-such-option
        status_is 2
        out_is ''
        err_has "bs-$name"
    done
}

# The options in --help, one a line, letters too: `--from`, `-f`.
options_of_help() {
    tool "$1" --help | grep -oE '^ +(-[a-zA-Z?], +)?--[a-z][a-z0-9-]+' |
        grep -oE -- '-[a-zA-Z?]\b|-[?]|--[a-z][a-z0-9-]+' | sort -u
}

# Those that the man page lists: the items of its section OPTIONS.
options_of_man() {
    sed -n '/^\.Sh OPTIONS/,/^\.Sh EXIT/p' "$ROOT/man/bs-$1.1" | grep '^\.It ' |
        grep -oE 'Fl [^ ]+' | sed 's/^Fl /-/; s/\\&//' | sort -u
}

# The rows of a source file's table of options.
options_of_table() {
    sed -nE 's/^ *\{(BS_OPT_[A-Z0-9_]+, [^,]+, |ALWAYS, [^,]+, )?"([a-z][a-z0-9-]+)", .*/--\2/p' \
        "$@" | sort -u
}

@test "--help and the man page name the same options" {
    for name in $TOOLS; do
        options_of_help "$name" >help
        options_of_man "$name" >page
        for option in --model -m --quiet -q --help '-?' --version -V --usage; do
            grep -qxF -e "$option" help
        done
        diff help page
    done
}

@test "--help names every row of the tables of options, and nothing else" {
    options_of_table "$ROOT/lib/front/options.c" >shared
    grep -qx -e --from shared
    printf '%s\n' --help --usage --version >argp
    for name in $TOOLS; do
        options_of_help "$name" | grep -x -e '--.*' >help
        cat help >>helps
        options_of_table "$ROOT/tools/$name"/*.c >own
        fails grep . <(comm -23 own help)
        sort -u own shared argp >known
        fails grep . <(comm -23 help known)
    done
    fails grep . <(comm -23 shared <(sort -u helps))
}

@test "man pages are written without fault" {
    command -v groff >/dev/null || skip "no groff"
    for name in $TOOLS; do
        go groff -mdoc -Tutf8 -ww "$ROOT/man/bs-$name.1"
        status_is 0
        err_is ''
    done
}

# ---- outputs ------------------------------------------------------------------------

# A node of our own: a tool that would replace it must not harm the machine's.
make_node() {
    mknod -m 666 "$1" c 1 "$2" 2>/dev/null || skip "cannot make a device"
}

@test "standard output that is closed or full: exit 5, with the reason" {
    echo good >texts
    printf 'label\ttext\npositive\tgood\n' >rows.tsv
    printf 'predicted\tprobability\tlabel\na\t0.5\ta\n' >p.tsv
    for command in "tokenize -m $TINY texts" "tokenize -m $TINY -t ids texts" \
        "predict -m $TINY texts" "predict -m $TINY -t msgpack texts" \
        "eval p.tsv" "eval -m $TINY rows.tsv"; do
        : >out
        status=0
        # shellcheck disable=SC2086
        tool $command >&- 2>err || status=$?
        status_is 5
        err_is "bs-${command%% *}: standard output: cannot write: Bad file descriptor"
        status=0
        # shellcheck disable=SC2086
        tool $command >/dev/full 2>err || status=$?
        status_is 5
        err_is "bs-${command%% *}: standard output: cannot write: No space left on device"
    done
}

@test "a standard stream that is closed fails by its path, too" {
    echo good >texts
    printf 'label\ttext\npos\tgood\nneg\n' >few.tsv
    printf 'predicted\tprobability\tlabel\na\t0.5\ta\n' >p.tsv
    for path in /dev/stdout /dev/fd/1 /proc/self/fd/1; do
        for command in "tokenize -m $TINY texts" "predict -m $TINY texts" "eval -q p.tsv"; do
            : >out
            status=0
            # shellcheck disable=SC2086
            tool $command -o $path >&- 2>err || status=$?
            status_is 5
            err_is "bs-${command%% *}: $path: cannot write: Bad file descriptor"
        done
    done
    status=0
    tool tokenize -m "$TINY" --rejects /dev/stderr few.tsv >out 2>&- || status=$?
    status_is 5
    status=0
    tool tokenize -m "$TINY" -o /dev/stdout --rejects /dev/stderr few.tsv >&- 2>&- || status=$?
    status_is 5
    go tool tokenize -m "$TINY" /dev/stdin <&-
    status_is 4
    out_is ''
}

@test "-o names a device: it is written to, not replaced; a full one is exit 5" {
    make_node full 7
    make_node null 3
    echo good >texts
    printf 'predicted\tprobability\tlabel\na\t0.5\ta\n' >p.tsv
    for command in "tokenize -m $TINY texts" "predict -m $TINY texts" "eval -q p.tsv"; do
        # shellcheck disable=SC2086
        go tool $command -o full
        status_is 5
        out_is ''
        err_is "bs-${command%% *}: full: cannot write: No space left on device"
        # shellcheck disable=SC2086
        go tool $command -o null
        status_is 0
        err_is ''
    done
    go tool export -m "$TINY" -t bundle -o null
    status_is 2
    out_is ''
    err_is 'bs-export: null: is there and is no bundle; choose another -o'
    [ -c full ]
    [ -c null ]
}

@test "-o names a pipe, a link, a folder" {
    mkfifo pipe
    timeout 20 cat pipe >through 3>&- &
    go tool tokenize -m "$TINY" -t ids -o pipe <<<good
    wait $!
    status_is 0
    out_is ''
    err_is ''
    [ "$(cat through)" = '2 5 3' ]
    [ -p pipe ]
    echo old >file
    ln -s file link
    go tool tokenize -m "$TINY" -t ids -o link <<<good
    status_is 0
    out_is ''
    err_is ''
    [ -L link ]
    [ "$(cat file)" = '2 5 3' ]
    mkdir folder
    go tool tokenize -m "$TINY" -t ids -o folder <<<good
    status_is 5
    out_is ''
    err_is 'bs-tokenize: folder: is a folder, not a file'
}

# refused COMMAND ARGUMENTS...: exit 2, the reason is like the last argument, and nothing
# but it was written.
refused() {
    local reason=${*: -1}
    go tool "${@:1:$#-1}"
    status_is 2
    out_is ''
    err_has "$reason"
    [ ! -e zz ]
    [ ! -e run ]
}

some_files() {
    printf 'label\ttext\npositive\tgood film\nnegative\nnegative\tbad film\n' >rows.tsv
    printf 'predicted\tlabel\na\ta\nb\n' >p.tsv
    head -n 2 rows.tsv >one.tsv
    # Each has one record that is rejected.
    tokenize="tokenize -q -m $TINY -t ids rows.tsv"
    predict="predict -q -m $TINY rows.tsv"
    eval='eval -q p.tsv'
    label="eval -q -m $TINY rows.tsv"
    train="train -q -m $TINY -o run --max-steps 1 rows.tsv"
}

@test "two outputs are not one file, by whatever names: exit 2" {
    some_files
    ln -s . here
    for command in "$tokenize" "$predict" "$eval" "$label"; do
        for other in zz ./zz "$PWD/zz" here/zz; do
            # shellcheck disable=SC2086
            refused $command -o zz --rejects "$other" '--rejects and the output are both zz'
        done
    done
    for other in zz ./zz "$PWD/zz" here/zz; do
        # shellcheck disable=SC2086
        refused $train --log zz --rejects "$other" '--log and --rejects are both zz'
    done
}

@test "two links to one file that is not there yet: exit 2" {
    ln -s rows one
    ln -s ./rows two
    echo text >in
    go tool tokenize -m "$TINY" -o one --rejects two in
    status_is 2
    [ ! -e rows ]
    err_has 'bs-tokenize: --rejects and the output are both one'
}

@test "a path as long as may be does not crowd out what is the matter" {
    long=$(printf "%0200d/%.0s" {1..18})
    mkdir -p "$long"
    go tool tokenize -m "$TINY" "$long/none"
    status_is 4
    err_is "bs-tokenize: $long/none: cannot open: No such file or directory"
    go tool tokenize -m "$long/none"
    status_is 4
    err_is "bs-tokenize: $long/none: no such model: neither a folder nor a bundle"
    go tool eval -o "$long" /dev/null
    [ "$status" -ne 0 ]
    err_matches "bs-eval: ${long::100}.*: .*"
}

@test "an empty path, such as of a variable that is not set: exit 2" {
    some_files
    for command in "$tokenize" "$predict" "$eval" "$label"; do
        for option in -o --rejects; do
            # shellcheck disable=SC2086
            refused $command $option '' "$option is given an empty path"
        done
    done
    : >log
    refused predict -m "$TINY" --follow log --state '' '--state is given an empty path'
    # shellcheck disable=SC2086
    refused $train --log '' '--log is given an empty path'
    # shellcheck disable=SC2086
    refused $train -o '' '-o FOLDER is needed'
    refused export -m "$TINY" -t hf -o '' '-o PATH is needed'
}

@test "rejects do not replace what is read from standard input: exit 2" {
    some_files
    cp rows.tsv kept
    for command in "$tokenize" "$predict" "$label" "$train"; do
        # shellcheck disable=SC2086
        for input in '' - /dev/stdin; do
            refused ${command%rows.tsv} $input --rejects ./rows.tsv \
                '--rejects would replace the input' <rows.tsv
            cmp rows.tsv kept
        done
    done
    refused eval -q --rejects ./p.tsv '--rejects would replace the input ./p.tsv' <p.tsv
}

@test "what goes to standard output is not mixed: exit 2; beside it there is room" {
    some_files
    for command in "$tokenize" "$predict" "$eval" "$label" "$train"; do
        for other in - /dev/stdout out "$PWD/out"; do
            # shellcheck disable=SC2086
            refused $command --rejects "$other" \
                '--rejects and the output are both standard output'
        done
        # shellcheck disable=SC2086
        tool $command --rejects /dev/stdout 2>err | cat >out
        [ "${PIPESTATUS[0]}" -eq 2 ]
        out_is ''
    done
    for other in - /dev/stdout out "$PWD/out"; do
        # shellcheck disable=SC2086
        refused $train --log "$other" 'the report goes to standard output anyway'
    done
    # shellcheck disable=SC2086
    refused $train --log err 'messages go there'
    for command in "$tokenize" "$predict" "$eval" "$label"; do
        # shellcheck disable=SC2086
        go tool $command -o file --rejects /dev/stdout
        status_is 3
        err_is ''
        [ "$(wc -l <out)" -eq 1 ]
        [ -s file ]
        # A device may be both.
        status=0
        # shellcheck disable=SC2086
        tool $command --rejects /dev/null >/dev/null 2>err || status=$?
        : >out
        status_is 3
        err_is ''
    done
}

@test "the log of the library that multiplies is not among the records" {
    echo 'good film' >texts
    go env BS_CPU=plain "$BIN/bs-predict" -m "$TINY" --device cpu texts
    cp out wanted
    for name in ONEDNN_VERBOSE DNNL_VERBOSE; do
        go env $name=2 BS_CPU=plain "$BIN/bs-predict" -m "$TINY" --device cpu texts
        status_is 0
        cmp out wanted
        err_is ''
    done
}

@test "an output to what standard error is goes between the messages" {
    some_files
    for command in "$tokenize" "$predict" "$eval" "$label"; do
        for other in /dev/stderr err ./err; do
            # shellcheck disable=SC2086
            go tool ${command/ -q / } --rejects "$other"
            status_is 3
            err_has 'line 3: has 1 column, the header has 2'
            err_has '"reason":"has 1 column, the header has 2"'
        done
    done
    go tool eval p.tsv -o /dev/stderr
    status_is 3
    out_is ''
    err_has 'p.tsv: line 3: has 1 column, the header has 2'
    err_has 'accuracy	1.000000'
}

@test "nothing that is read of the model is written to: exit 2" {
    some_files
    cp -r "$TINY" model
    cp -r "$TINY" before
    mkdir training
    cp -r "$TINY" training/checkpoint-1
    ln -s checkpoint-1 training/last
    tool export -q -m model -t bundle -o bundle
    cp bundle bundle.before
    ln -s bundle alias
    for command in 'tokenize -o' 'tokenize --rejects' 'predict -o' 'predict --rejects' \
        'eval -o' 'eval --rejects' 'train -o run --log' 'train -o run --rejects'; do
        for pair in bundle:bundle bundle:./bundle bundle:alias alias:bundle \
            model:model/config.json model:model/model.safetensors \
            model:./model/tokenizer.json model:model/bs.json \
            training:training/last/vocab.txt training:training/checkpoint-1/vocab.txt; do
            output=${pair#*:}
            # shellcheck disable=SC2086
            refused $command "$output" -m "${pair%:*}" rows.tsv \
                "${command##* } $output is a file of the model ${pair%:*}"
        done
    done
    refused predict -m model --follow rows.tsv --state model/config.json \
        '--state model/config.json is a file of the model model'
    cmp bundle bundle.before
    diff -r model before
    diff -r training/last before
    # What is not the model's may lie beside it, and be written again.
    for _ in 1 2; do
        go tool predict -q -m model -o model/predictions.tsv one.tsv
        status_is 0
    done
}

# replaced_by UID GROUP: it writes what 3001 and the group 2002 have; `now` is the access.
replaced_by() {
    echo earlier >"$theirs/file"
    chown 3001:2002 "$theirs/file"
    chmod 640 "$theirs/file"
    go setpriv --reuid "$1" --regid 100 --groups "$2" "$theirs/bs-eval" -f tsv \
        -o "$theirs/file" <p.tsv
    status_is 0
    now=$(stat -c '%a %u %g' "$theirs/file")
}

@test "a file of another user that is replaced is no more open than it was" {
    [ "$(id -u)" = 0 ] || skip "only root writes as others do"
    printf 'label\tpredicted\na\ta\n' >p.tsv
    theirs=$(mktemp -d /tmp/theirs.XXXXXX) # everybody may get there
    chmod 777 "$theirs"
    cp "$BIN/bs-eval" "$theirs"
    replaced_by 0 0
    [ "$now" = '640 3001 2002' ]
    fails grep -q another err
    replaced_by 3002 2002
    [ "$now" = '640 3002 2002' ]
    err_has "bs-eval: $theirs/file: belongs to another user than before"
    replaced_by 3002 100
    [ "$now" = '600 3002 100' ]
    rm -r "$theirs"
    "$BIN/bs-export" -q -m "$TINY" -t bundle -o bundle
    chown 3001:2002 bundle
    chmod 600 bundle
    "$BIN/bs-export" -q -m "$TINY" -t bundle -o bundle
    [ "$(stat -c '%a %u %g' bundle)" = '600 3001 2002' ]
}

@test "a file that is replaced keeps its permissions" {
    some_files
    for command in "$tokenize" "$predict" "$eval" "$label"; do
        echo earlier >file
        echo earlier >rejected
        chmod 600 file
        chmod 640 rejected
        # shellcheck disable=SC2086
        go tool $command -o file --rejects rejected
        status_is 3
        [ "$(stat -c %a file rejected | paste -sd ' ')" = '600 640' ]
        fails grep -q earlier file
    done
}

@test "--rejects that cannot be written: exit 5, and no -o file" {
    make_node full 7
    printf 'label\ttext\npos\tgood\nneg\n' >few.tsv
    for name in tokenize predict; do
        go tool "$name" -m "$TINY" --rejects full -o answers few.tsv
        status_is 5
        out_is ''
        err_is "bs-$name: few.tsv: line 3: has 1 column, the header has 2
bs-$name: full: cannot write: No space left on device"
        [ ! -e answers ]
    done
    [ -c full ]
}
