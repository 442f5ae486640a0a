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

# Options that tools share may be explained by the page of bs-tokenize or bs-predict.
@test "man pages tell of every option that --help lists" {
    for name in $TOOLS; do
        pages=("$ROOT/man/bs-$name.1" "$ROOT"/man/bs-{tokenize,predict}.1)
        tool "$name" --help | grep -q -- '--quiet'
        tool "$name" --help | grep -oE -- '--[a-z][a-z0-9-]+' | sort -u |
            grep -vxE -- '--(help|usage|version)' |
            while read -r option; do
                grep -qE -- "(Fl -|--)${option#--}([^a-z0-9-]|\$)" "${pages[@]}" ||
                    { echo "man/bs-$name.1 lacks $option"; exit 1; }
            done
    done
}

@test "man pages are written without fault" {
    command -v groff >/dev/null || skip "no groff"
    for name in $TOOLS; do
        go groff -mdoc -Tutf8 -ww "$ROOT/man/bs-$name.1"
        status_is 0
        err_is ''
    done
}
