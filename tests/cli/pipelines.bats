#!/usr/bin/env bats
# Every pipeline, run whole on a little real input: sentences of the default data, the
# default model, a few training steps.

setup_file() {
    export DIR=$BATS_FILE_TMPDIR
    export MODEL=$PWD/models/all-minilm-l6-v2
    BIN=$(cd "${BS_BIN:-bin}" && pwd)
    export BIN
    # The layout of aclImdb, with 30 sentences of each label.
    for label in negative positive; do
        short=${label:0:3}
        mkdir -p "$DIR/aclImdb/train/$short" "$DIR/aclImdb/train/unsup"
        awk -F '\t' -v l="$label" '$1 == l { print $2 }' data/film-reviews.tsv | head -n 30 |
            split -l 1 -a 2 -d --additional-suffix=_7.txt - "$DIR/aclImdb/train/$short/"
    done
    echo "no label here" >"$DIR/aclImdb/train/unsup/0_0.txt"
    tar -czf "$DIR/aclImdb.tar.gz" -C "$DIR" aclImdb
    awk -F '\t' 'NR == 1 { print "sentence\tlabel" } NR > 1 { print $2 "\t" ($1 == "positive") }' \
        data/film-reviews.tsv | head -n 41 >"$DIR/sst2.tsv"
    make -s -f pipelines/sst2.mk TRAIN="$DIR/sst2.tsv" VAL="$DIR/sst2.tsv" OUT="$DIR/model" \
        WORK="$DIR/sst2" TRAIN_OPTIONS="--max-steps 2 --quiet" >"$DIR/sst2.out" 2>"$DIR/sst2.err"
}

@test "sst2: GLUE's TSV to metrics" {
    grep -q "$(printf '^accuracy\t0\.')" "$DIR/sst2.out"
    grep -q "$(printf '^f1:1\t')" "$DIR/sst2.out"
    [ -s "$DIR/model/best/model.safetensors" ]
}

@test "imdb: read straight from the archive, unlabelled reviews left out" {
    run make -s -f pipelines/imdb.mk ARCHIVE="$DIR/aclImdb.tar.gz" OUT="$DIR/imdb-model" \
        WORK="$DIR/imdb" SPLIT=train=50,val=50 TRAIN_OPTIONS="--max-steps 2 --quiet"
    [ "$status" -eq 0 ]
    [[ $output == *$'accuracy\t0.'* ]]
    [[ $output == *$'f1:neg\t'* ]]
    [[ $output != *unsup* ]]
}

@test "demo: what is done is not done again" {
    demo() {
        make -s -f pipelines/demo.mk DEMO_OUT="$DIR/demo" WORK="$DIR/demo-work" DEMO_MAX_STEPS=2
    }
    run demo
    [ "$status" -eq 0 ]
    [[ $output == *"== train"* ]]
    [[ $output == *$'accuracy\t0.'* ]]
    [ -s "$DIR/demo-work/demo.bundle" ]
    [ "$(wc -l <"$DIR/demo-work/samples.tsv")" -eq 4 ]
    run demo
    [ "$status" -eq 0 ]
    [[ $output != *"== train"* ]]
    [[ $output == *$'accuracy\t0.'* ]]
}

@test "what only the user can give is asked for: exit 2" {
    run make -s -f pipelines/imdb.mk ARCHIVE="$DIR/nowhere.tar.gz" WORK="$DIR/none"
    [ "$status" -eq 2 ]
    [[ $output == *"there is no $DIR/nowhere.tar.gz: say ARCHIVE=FILE"* ]]
    run make -s -f pipelines/sst2.mk TRAIN="$DIR/sst2.tsv" VAL="$DIR/nowhere.tsv" WORK="$DIR/none"
    [ "$status" -eq 2 ]
    [[ $output == *"there is no $DIR/nowhere.tsv: say VAL=FILE"* ]]
    run pipelines/tag-log.sh "$DIR/model"
    [ "$status" -eq 2 ]
    [ "$output" = 'usage: tag-log.sh MODEL LOG TAGGED' ]
    run pipelines/label-folder.sh "$DIR/model" "$DIR"
    [ "$status" -eq 2 ]
    [ "$output" = 'usage: label-folder.sh MODEL INBOX OUTBOX' ]
}

@test "demo: a shortened run is kept apart from the whole one" {
    run make -n -B -f pipelines/demo.mk
    [[ $output == *' -o models/demo '* ]]
    run make -n -B -f pipelines/demo.mk DEMO_MAX_STEPS=7
    [[ $output == *' -o models/demo-7 '*' --max-steps 7 '* ]]
}

# use_tiny: a tiny model, and a training folder for this test alone
use_tiny() {
    MODEL=$BATS_TEST_TMPDIR/tiny
    out=$BATS_TEST_TMPDIR/model
    perl tests/cli/make-model.pl "$MODEL"
}

# little PIPELINE ARGS...: make on it, bounded
little() {
    timeout --foreground 60 make -s -f "pipelines/$1.mk" OUT="$out" DEMO_OUT="$out" \
        WORK="$out.work" DEMO_PRECISION=fp32 ARCHIVE="$DIR/aclImdb.tar.gz" MAX_LENGTH=64 \
        TRAIN="$DIR/sst2.tsv" VAL="$DIR/sst2.tsv" \
        TRAIN_OPTIONS='--max-steps 300 --eval-steps 20 --batch-size 2' "${@:2}"
}

# stops SIGNAL: meets make and all that it runs, once there is a first checkpoint; the next
# make goes on
stops() {
    export -f little
    export out
    perl -e 'setpgrp; $SIG{INT} = "DEFAULT"; exec @ARGV' \
        bash -c 'little sst2' >"$out.stopped" 2>&1 3>&- &
    for _ in $(seq 500); do
        [ ! -s "$out/best/bs.json" ] || break
        sleep 0.02
    done
    kill -s "$1" -- "-$!"
    wait "$!" || true
    [ -s "$out/best/bs.json" ]
    [[ $(<"$out.stopped") != *"== train: "* ]]
    little sst2 >"$out.said" 2>&1
    grep -q 'goes on after step' "$out.said"
    grep -q "$(printf '^accuracy\t0\.')" "$out.said"
}

@test "a training that is interrupted goes on with the next make" {
    use_tiny
    stops INT
}

@test "a training that is killed goes on with the next make" {
    use_tiny
    stops KILL
}

@test "a training that rejected records is said, and kept" {
    use_tiny
    { head -n 100 data/film-reviews.tsv && printf 'odd\tfour\n'; } >"$out.tsv"
    for _ in first second; do
        run little demo DATA="$out.tsv"
        [ "$status" -eq 2 ]
        [[ $output == *'label "odd"'*"Error 3" ]]
        [ -s "$out/best/bs.json" ]
    done
    [[ $output == *"this run is finished"* ]]
}

# told_apart PIPELINE OTHER...: a finished run, then each OTHER, which bs-train refuses
told_apart() {
    rm -rf "$out"
    little "$1" TRAIN_OPTIONS='--max-steps 2'
    for other in "${@:2}"; do
        ended=0
        little "$1" TRAIN_OPTIONS='--max-steps 2' "$other" >"$out.said" 2>&1 || ended=$?
        [ "$ended" -eq 2 ]
        grep -q 'holds a different run' "$out.said"
        [[ $(<"$out.said") != *accuracy* ]]
    done
    little "$1" TRAIN_OPTIONS='--max-steps 2' >"$out.said" 2>&1
    grep -q 'this run is finished' "$out.said"
    grep -q "$(printf '^accuracy\t0\.')" "$out.said"
}

@test "other settings or files are another run, and told from the one that is there" {
    use_tiny
    head -n 20 "$DIR/sst2.tsv" >"$out.tsv"
    touch -d yesterday "$out.tsv"
    told_apart sst2 TRAIN_OPTIONS='--max-steps 3' TRAIN="$out.tsv" VAL="$out.tsv"
    told_apart imdb SPLIT=train=60,val=40 MAX_LENGTH=8
}

@test "a training folder that is gone is made anew" {
    use_tiny
    little sst2 TRAIN_OPTIONS='--max-steps 2 --quiet'
    run little sst2 TRAIN_OPTIONS='--max-steps 2 --quiet'
    [[ $output != *"== "* ]]
    rm -r "$out"
    run little sst2 TRAIN_OPTIONS='--max-steps 2 --quiet'
    [ "$status" -eq 0 ]
    [[ $output == *"== train"* ]]
    [ -s "$out/best/model.safetensors" ]
}

@test "tag-log: a line is tagged as soon as it is written, once, through rotation and a new start" {
    log=$DIR/app.log
    tag() {
        pipelines/tag-log.sh "$DIR/model" "$log" "$DIR/tagged" 2>"$DIR/tag.err" 3>&- &
        tagger=$!
    }
    wait_for() { # LINES
        for _ in $(seq 100); do
            [ ! -e "$DIR/tagged" ] || [ "$(wc -l <"$DIR/tagged")" -lt "$1" ] || return 0
            sleep 0.1
        done
        cat "$DIR/tag.err"
        return 1
    }
    echo "a good start" >"$log"
    tag
    wait_for 1
    echo "a wonderful release" >>"$log"
    wait_for 2
    mv "$log" "$log.1"
    echo "an awful crash" >"$log"
    wait_for 3
    kill "$tagger"
    wait "$tagger" || true
    echo "all is well" >>"$log"
    tag
    wait_for 4
    kill "$tagger"
    wait "$tagger" || true
    cut -f 3 "$DIR/tagged" >"$DIR/tagged.text"
    [ "$(cat "$DIR/tagged.text")" = $'a good start\na wonderful release\nan awful crash\nall is well' ]
}

@test "label-folder: labels what is new, once" {
    mkdir -p "$DIR/inbox"
    printf 'good\nbad\n' >"$DIR/inbox/monday.txt"
    printf 'text\tid\nfine film\t7\n' >"$DIR/inbox/tuesday.tsv"
    run pipelines/label-folder.sh "$DIR/model" "$DIR/inbox" "$DIR/outbox"
    [ "$status" -eq 0 ]
    [ "$(wc -l <"$DIR/outbox/monday.txt.labels.tsv")" -eq 3 ]
    [ "$(cut -f 3- "$DIR/outbox/tuesday.tsv.labels.tsv" | tail -n 1)" = $'fine film\t7' ]
    before=$(stat -c %Y.%i "$DIR"/outbox/*.tsv)
    printf 'new\n' >"$DIR/inbox/wednesday.txt"
    run pipelines/label-folder.sh "$DIR/model" "$DIR/inbox" "$DIR/outbox"
    [ "$status" -eq 0 ]
    [ -s "$DIR/outbox/wednesday.txt.labels.tsv" ]
    rm "$DIR/outbox/wednesday.txt.labels.tsv"
    [ "$(stat -c %Y.%i "$DIR"/outbox/*.tsv)" = "$before" ]
}

@test "label-folder: odd names, and what a killed run left" {
    mkdir -p "$DIR/odd" "$DIR/labelled"
    long=$(printf 'n%.0s' {1..250})
    for name in a "$long" x $'x\n' z; do
        echo good >"$DIR/odd/$name"
    done
    mkdir "$DIR/labelled/.work"
    touch "$DIR/labelled/.work/a.labels.tsv.Ab1Cd2" "$DIR/labelled/a.labels.tsv.edited"
    run pipelines/label-folder.sh "$DIR/model" "$DIR/odd" "$DIR/labelled"
    [ "$status" -eq 5 ]
    [[ "$output" == *"$long.labels.tsv"*'File name too long'* ]]
    [ ! -e "$DIR/labelled/.work" ]
    [ "$(LC_ALL=C ls -b "$DIR/labelled")" = 'a.labels.tsv
a.labels.tsv.edited
x\n.labels.tsv
x.labels.tsv
z.labels.tsv' ]
}

@test "label-folder: the highest status of all, and an INBOX that is not there" {
    bin=$BATS_TEST_TMPDIR/bin
    mkdir -p "$bin" "$DIR/bad"
    # shellcheck disable=SC2016 # a script of its own
    printf '#!/bin/sh\nfor file; do :; done\nexit "$(cat "$file")"\n' >"$bin/bs-predict"
    chmod +x "$bin/bs-predict"
    echo 6 >"$DIR/bad/first"
    echo 4 >"$DIR/bad/second"
    BIN=$bin run pipelines/label-folder.sh "$DIR/model" "$DIR/bad" "$DIR/bad-labels"
    [ "$status" -eq 6 ]
    run pipelines/label-folder.sh "$DIR/model" "$DIR/nowhere" "$DIR/nowhere-labels"
    [ "$status" -eq 4 ]
    [ "$output" = "label-folder.sh: $DIR/nowhere: no such folder" ]
    [ ! -e "$DIR/nowhere-labels" ]
}

@test "label-folder: folders that are one, with odd names, or in the way of a result" {
    script=$PWD/pipelines/label-folder.sh
    cd "$BATS_TEST_TMPDIR"
    mkdir -- -in -out
    echo good >-in/-q
    echo good >-in/r
    mkdir -p -- -out/-q.labels.tsv/mine -out/r.rejects.jsonl/mine
    ln -s -- -in link
    run "$script" "$DIR/model" link -in
    [ "$status" -eq 2 ]
    [ "$output" = 'label-folder.sh: -in: is INBOX, too; results need a folder of their own' ]
    [ "$(LC_ALL=C ls -A -- -in)" = $'-q\nr' ]
    run "$script" "$DIR/model" -in -out
    [ "$status" -eq 5 ]
    [ "$(LC_ALL=C ls -A -- -out)" = $'-q.labels.tsv\n.lock\nr.labels.tsv\nr.rejects.jsonl' ]
    [ -d -out/-q.labels.tsv/mine ]
    rm -r -- -out/-q.labels.tsv -out/r.rejects.jsonl
    run "$script" "$DIR/model" -in -out
    [ "$status" -eq 0 ]
    [ -s -out/-q.labels.tsv ]
}

@test "label-folder: where nothing can be locked nothing is done; where another is at work, neither" {
    echo good | install -D /dev/stdin "$DIR/one/file"
    mkdir "$BATS_TEST_TMPDIR/bin"
    printf '#!/bin/sh\nexit 66\n' >"$BATS_TEST_TMPDIR/bin/flock"
    chmod +x "$BATS_TEST_TMPDIR/bin/flock"
    PATH=$BATS_TEST_TMPDIR/bin:$PATH run pipelines/label-folder.sh "$DIR/model" "$DIR/one" "$DIR/locked"
    [ "$status" -eq 5 ]
    [ "$output" = "label-folder.sh: $DIR/locked/.lock: cannot be locked" ]
    run flock "$DIR/locked/.lock" pipelines/label-folder.sh "$DIR/model" "$DIR/one" "$DIR/locked"
    [ "$status" -eq 0 ]
    [ "$(ls -A "$DIR/locked")" = .lock ]
}

@test "a makefile works in a folder of the training folder's own" {
    for out in models/sst2 a/sst2 a/sst2/; do
        run make -n -B -f pipelines/sst2.mk TRAIN="$DIR/sst2.tsv" VAL="$DIR/sst2.tsv" OUT=$out
        at=${out%/}
        [[ $output == *" -o build/${at//\//_}/train.msgpack "* ]]
    done
}

@test "the scripts find the tools, whatever CDPATH says" {
    mkdir -p "$DIR/copy" "$DIR/news"
    echo good >"$DIR/news/today.txt"
    cp -r pipelines "$DIR/copy"
    ln -s "$BIN" "$DIR/copy/bin"
    cd "$DIR/copy"
    CDPATH=.:/ BIN='' run pipelines/label-folder.sh "$DIR/model" "$DIR/news" "$DIR/found"
    [ "$status" -eq 0 ]
    CDPATH=.:/ BIN='' run pipelines/tag-log.sh "$DIR/none" log tags
    [ "$status" -eq 4 ]
}
