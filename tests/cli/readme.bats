#!/usr/bin/env bats
# README's first pipeline, run as it stands on the default model and data (the training
# cut to a few steps), and the names that README uses: tools, options, files, targets.
# shellcheck disable=SC2154 # status comes from helper.bash

load helper

README=$ROOT/README.md

# The first indented block with `$ ` in it, its commands as numbered files: N.command and
# what README shows below it, N.shown. A command goes on where a line ends in \ or |.
take_pipeline() { # FOLDER
    awk -v folder="$1" '
        /^    / { line = substr($0, 5) }
        !/^    / { if (n) exit; next }
        line ~ /^\$ / { close(file); n++; sub(/^\$ /, "", line); more = 1 }
        n { file = folder "/" n (more ? ".command" : ".shown"); print line >file }
        more { more = line ~ /[\\|]$/ }' "$README"
}

# Runs them in order, once, and keeps what they print: N.out, N.err, N.status.
run_pipeline() {
    [ ! -e block ] || return 0
    mkdir -p block run/models
    take_pipeline block
    ln -s "$ROOT/models/all-minilm-l6-v2" run/models
    ln -s "$ROOT/data" run/data
    sed -i 's/^bs-train /&--max-steps 5 /' block/*.command
    for command in "$PWD"/block/*.command; do
        name=${command%.command}
        status=0
        (cd run && PATH=$BIN:$PATH bash -euo pipefail "$command") >"$name.out" 2>"$name.err" \
            3>&- || status=$?
        echo "$status" >"$name.status"
    done
}

setup() {
    cd "$BATS_FILE_TMPDIR" || return 1
}

@test "the first pipeline: each tool of a training is in it, and every command ends in 0" {
    run_pipeline
    for name in tokenize train predict eval; do
        grep -qE "(^|\| )bs-$name " block/*.command
    done
    [ "$(grep -c -- '--max-steps 5 ' block/*.command | grep -c ':1$')" -eq 1 ]
    for name in block/*.status; do
        status=$(cat "$name")
        [ "$status" -eq 0 ] || cat "${name%.status}".{command,err}
        [ "$status" -eq 0 ]
    done
}

# Labels and numbers may differ, and a table may have more rows of them.
outline() {
    sed -E 's/^(positive|negative)\t/LABEL\t/; s/(^|[[:space:]])[0-9]+(\.[0-9]+)?\b/\1N/g;
        s/ +/ /g' "$1" | uniq
}

@test "the first pipeline: columns, rows and metrics are those that README shows" {
    run_pipeline
    for shown in block/*.shown; do
        diff <(outline "$shown") <(outline "${shown%.shown}.out")
    done
    grep -qE "^macro_f1:low\b" block/*.shown
    grep -qE '^predicted\b' block/*.shown
}

# ---- names --------------------------------------------------------------------------

# Code: spans in backquotes and indented lines.
code() {
    # shellcheck disable=SC2016
    grep -oE '`[^`]+`' "$README" | tr -d '`'
    sed -n 's/^    //p' "$README"
}

@test "README's tools are there, and all of them are in README" {
    grep -oE '\bbs-[a-z]+\b' "$README" | sort -u >named
    (cd "$ROOT/tools" && printf 'bs-%s\n' *) >there
    diff named there
    while read -r tool; do
        [ -x "$BIN/$tool" ]
        [ -s "$ROOT/man/$tool.1" ]
    done <named
}

@test "README's options are options of a tool" {
    for tool in "$BIN"/bs-*; do
        "$tool" --help
    done | grep -oE '^ +(-[a-zA-Z?], +)?--[a-z][a-z0-9-]+' | grep -oE -- '-[a-zA-Z]\b|--[a-z0-9-]+' |
        sort -u >options
    code | grep -vE '^(\$ )?(make|man|sudo|setup/|printf|cat|grep|  *grep)' |
        grep -oE -- '(^| )(-[a-z]|--[a-z][a-z0-9-]*)\b' | tr -d ' ' | sort -u >named
    [ "$(wc -l <named)" -ge 10 ]
    fails grep . <(comm -23 <(grep -vx -e -E named) options)
}

@test "README's files are there" {
    # Files of pipelines/ and of the compute room stand without their folder; made by
    # make, or of the reader's own, are these:
    made='(models|data|build|bin)(/.*)?|~/.*|aclImdb_v1\.tar\.gz|comments\.csv'
    code | grep -oE '[~A-Za-z0-9_./-]+' | grep -E '/.|/$|\.(c|h|md|mk|sh|txt|tar\.gz|csv)$' |
        sed 's,/$,,' | sort -u | grep -vxE "$made" >named
    [ "$(wc -l <named)" -ge 25 ]
    while read -r name; do
        [ -e "$ROOT/$name" ] || [ -e "$ROOT/pipelines/$name" ] ||
            [ -e "$ROOT/lib/compute/$name" ] || echo "$name"
    done <named >missing
    fails grep . missing
}

@test "the map of the house has every room, the pipelines every pipeline" {
    (cd "$ROOT" && printf '%s\n' lib/*/) | grep . >rooms
    while read -r room; do
        grep -qF "\`$room\`" "$README" || echo "$room"
    done <rooms >missing
    (cd "$ROOT/pipelines" && printf '%s\n' [!c]*) >pipelines
    while read -r pipeline; do
        grep -qF "| \`$pipeline\` |" "$README" || echo "$pipeline"
    done <pipelines >>missing
    fails grep . missing
}

@test "README's targets and variables are the Makefile's" {
    make -s -C "$ROOT" help | sed 's/ .*//' >targets
    code | sed 's/#.*//' | grep -oE '\bmake( [A-Z_]+=[^ ]+)*( [a-z-]+)+' | grep -oE ' [a-z-]+' |
        tr -d ' ' | sort -u >named
    [ "$(wc -l <named)" -ge 8 ]
    fails grep . <(comm -23 named <(sort targets))
    for variable in $(code | grep -oE '\b[A-Z_]+=|^(PREFIX|DESTDIR)$' | tr -d = | sort -u); do
        grep -qE "^$variable +\?=|[(,]${variable}[),]|ifdef $variable" "$ROOT"/Makefile \
            "$ROOT"/pipelines/*.mk || echo "$variable"
    done >missing
    fails grep . missing
}
