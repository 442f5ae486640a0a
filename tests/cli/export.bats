#!/usr/bin/env bats
# bs-export: directories and bundles that do what the model does, or are not there.
# shellcheck disable=SC2154 # status comes from helper.bash

load helper

setup() {
    use_scratch
}

teardown() {
    leave_disk
}

export_model() {
    tool export -m "$TINY" "$@"
}

# nothing_left NAME: neither the output nor a part of it.
nothing_left() {
    local left
    left=$(find . -maxdepth 1 -name "$1*")
    [ -z "$left" ] && return
    echo "left: $left"
    return 1
}

# ---- command line -----------------------------------------------------------------

@test "--help goes to stdout, an example first" {
    help_is export '*bs-export -m *' --verify
}

@test "a wrong command line is exit 2 and writes nothing" {
    each_is_wrong export_model '-o x' '--to bundle' '--to bundle -o -' '--to onnx -o x' \
        '--to hf -o x --nonsense'
    nothing_left x
    go tool export --to hf -o x
    status_is 2
    err_has '-m MODEL is needed'
    each_is_wrong export_model '--verify --to bundle' '--verify -o x' '--verify --require 0.5' \
        '--verify texts'
    err_is 'bs-export: --verify writes nothing; leave --to, -o, --require and FILE out'
}

@test "a folder with other things in it is left alone" {
    mkdir x
    echo precious >x/thesis.txt
    go export_model --to hf -o x
    status_is 2
    out_is ''
    err_has 'thesis.txt'
    [ "$(cat x/thesis.txt)" = precious ]
    go export_model --to bundle -o x
    status_is 2
    err_has 'names a folder'
    go export_model --to hf -o "$TINY"
    status_is 2
    err_has 'is the model itself'
    echo text >y
    for wrong in y y/; do
        go export_model --to hf -o $wrong
        status_is 2
        err_is "bs-export: $wrong: is a file; --to hf writes a folder"
    done
    [ "$(cat y)" = text ]
}

@test "a folder in which a model's file is a folder or a link is left alone" {
    mkdir -p x/vocab.txt y
    echo precious >x/vocab.txt/thesis.txt
    ln -s "$TINY/vocab.txt" y/vocab.txt
    for wrong in x y; do
        go export_model --to hf -o $wrong
        status_is 2
        out_is ''
        err_is "bs-export: $wrong: is there and holds \"vocab.txt\", which bs-export did not write; choose another -o"
    done
    [ "$(cat x/vocab.txt/thesis.txt)" = precious ]
    [ -L y/vocab.txt ]
}

@test "a folder that comes to hold other things while an export is made is left alone" {
    begin "$TINY" hf 7
    mkdir x
    echo precious >x/thesis.txt
    exec 7>&-
    ends 2
    cp err7 err
    err_has 'x: is there and holds "thesis.txt"'
    [ "$(cat x/thesis.txt)" = precious ]
    [ -z "$(compgen -G 'x.*')" ]
}

@test "a name that a result cannot get is refused before there is one" {
    # The texts would be waited for.
    mkfifo texts
    exec 7<>texts
    wrong() {
        go timeout 60 "$BIN/bs-export" -m own -t "$1" -o "$2" texts
        status_is 2
        out_is ''
        err_is "bs-export: $3"
    }
    cp -r "$TINY" own
    for layout in hf bundle int8; do
        wrong $layout '' '-o PATH is needed, the folder or file to write'
        for name in tokenizer.json bs.json config.json vocab.txt/; do
            wrong $layout own/$name "own/$name: is what a file of a model's folder is called; choose another -o"
        done
        for name in . own/.. own/../; do
            wrong $layout $name "$name: cannot be replaced; choose another -o"
        done
    done
    go export_model -t bundle -o x
    for name in new/ x/; do
        wrong bundle $name "$name: names a folder; a bundle is a file"
    done
    exec 7>&-
    diff -r own "$TINY"
    [ ! -e new ]
}

@test "a symbolic link is not replaced" {
    go export_model --to hf -o folder
    ln -s folder link
    ln -s nowhere dangling
    for wrong in link link/ dangling; do
        go export_model --to hf -o $wrong
        status_is 2
        out_is ''
        err_is "bs-export: $wrong: is a symbolic link; name its target, or choose another -o"
    done
    go export_model --to bundle -o dangling
    status_is 2
    [ -L link ]
    [ -L dangling ]
    [ ! -e nowhere ]
}

@test "a training run is left alone, all of it" {
    printf 'text\tlabel\ngood\tpositive\nbad\tnegative\n' >rows.tsv
    tool train -q -m "$TINY" -o run --max-steps 2 --eval-steps 1 --eval-data rows.tsv \
        --learning-rate 0 rows.tsv >log
    [ "$(readlink run/best)" = checkpoint-1 ]
    cp -a run before
    for wrong in run/best run/checkpoint-1 run/best/. run/new run/last/new; do
        for layout in hf bundle; do
            go export_model --to $layout -o $wrong
            status_is 2
            out_is ''
            err_matches "^bs-export: $wrong: (is a symbolic link|lies in the training run $PWD/run);"
        done
    done
    diff -r --no-dereference before run
}

# ---- what is written ----------------------------------------------------------------

@test "a file that is no bundle is left alone, the model's own among them" {
    cp -r "$TINY" own
    go tool export -m own --to bundle -o own/model.safetensors
    status_is 2
    out_is ''
    err_has 'own/model.safetensors: is what a file of a model'
    cmp own/model.safetensors "$TINY/model.safetensors"
    echo text >y
    go tool export -m own --to bundle -o y
    status_is 2
    out_is ''
    err_is 'bs-export: y: is there and is no bundle; choose another -o'
    [ "$(cat y)" = text ]
}

@test "a bundle is one file that predicts the same bytes" {
    go export_model --to bundle -o x.bundle
    status_is 0
    out_is ''
    err_has 'logits of 12 texts'
    [ "$(head -c 8 x.bundle)" = bsbundle ]
    printf 'good film\nnot good\n\nawful\n' >texts
    tool predict -m "$TINY" --probabilities -t jsonl texts >from-directory
    tool predict -m x.bundle --probabilities -t jsonl texts >from-bundle
    [ -s from-directory ]
    cmp from-directory from-bundle
    tool tokenize -m x.bundle -t ids texts >ids-bundle
    tool tokenize -m "$TINY" -t ids texts >ids-directory
    cmp ids-directory ids-bundle
}

@test "a directory holds the same bytes again, also by way of a bundle" {
    go export_model --to hf -o hf
    status_is 0
    err_has 'written and read back'
    go tool export -m hf --to bundle -o x.bundle
    status_is 0
    go tool export -m x.bundle --to hf -o again
    status_is 0
    for file in hf/*; do
        cmp "$file" "again/${file#hf/}"
    done
    [ -s hf/config.json ]
    [ -s hf/model.safetensors ]
    cmp "$TINY/vocab.txt" hf/vocab.txt
    printf 'good film\nawful\n' | tool predict -m "$TINY" >one
    printf 'good film\nawful\n' | tool predict -m hf >two
    cmp one two
}

@test "the files beside vocab.txt are carried along" {
    cp -r "$TINY" old
    echo '{"good film":84}' >old/added_tokens.json
    echo '{"sep_token":"the"}' >old/special_tokens_map.json
    tool export -q -m old --to bundle -o x.bundle
    tool export -q -m x.bundle --to hf -o hf
    cmp old/added_tokens.json hf/added_tokens.json
    cmp old/special_tokens_map.json hf/special_tokens_map.json
    go tool tokenize -m x.bundle -t ids <<<'good film'
    status_is 0
    out_is '2 84 10'
}

# ---- int8 ---------------------------------------------------------------------------

# words N: as many texts of one to twenty words of the vocabulary.
words() {
    awk -v n="$1" '!/^\[/ && !/^##/ { word[++k] = $0 }
        END {
            srand(5)
            while (n--) {
                text = ""
                for (i = 1 + int(20 * rand()); i; i--) text = text " " word[1 + int(k * rand())]
                print text
            }
        }' "$TINY/vocab.txt"
}

@test "int8 is smaller, says how many labels are the same, and is used without more ado" {
    words 500 >texts
    go export_model --to int8 -o x --require 0.9 texts
    status_is 0
    out_is ''
    err_matches '^bs-export: x: 4[5-9][0-9] of 500 labels are those of .* in fp32, a share of 0\.9[0-9]*; probabilities differ by 0\.0[0-9]* in the mean$'
    tool predict -m x texts >int8
    tool predict -m "$TINY" --precision int8 texts >asked
    tool predict -m x --precision fp32 texts >wide
    tool predict -m "$TINY" texts >plain
    [ "$(paste int8 asked | awk -F '\t' '$1 == $4' | wc -l)" -ge 450 ]
    [ "$(paste int8 plain | awk -F '\t' '$1 == $4' | wc -l)" -ge 450 ]
    [ "$(paste wide plain | awk -F '\t' '$1 == $4' | wc -l)" -ge 450 ]
    fails cmp -s <(cut -f 2 int8) <(cut -f 2 wide)
    go tool export -m x --verify
    status_is 0
    go tool export -m x --to hf -o hf
    status_is 0
    cmp <(tool predict -m hf texts) wide
    go tool export -m x --to int8 -o again --require 0.9 texts
    status_is 0
    cmp <(tool predict -m again texts) int8
    go tool export -m x --to bundle -o large
    status_is 0
    cmp <(tool predict -m large texts) wide
}

@test "int8 is compared on a processor, with plain C if so asked" {
    go export_model --to int8 -o x --require 0 --device ref
    status_is 0
    each_is_wrong export_model '--to int8 -o y --device none' '--to int8 -o y --device cuda:1'
    err_has 'leave --device cuda:1 out'
    nothing_left y
}

@test "an int8 matrix that the model does not use does not make it an int8 model" {
    make_model other stray
    cmp <(tool predict -m other <<<'good film') <(tool predict -m "$TINY" <<<'good film')
    printf 'text\tlabel\ngood\tpositive\nbad\tnegative\n' >rows.tsv
    go tool train -m other -o run --max-steps 1 rows.tsv
    status_is 0
}

@test "int8 that agrees less than --require says is not written, exit 1" {
    words 3000 >texts
    go export_model --to int8 -o x --require 1 texts
    status_is 1
    out_is ''
    err_matches '^bs-export: x: not written: [0-9]+ of 3000 labels are those of the model in fp32, a share of 0\.[0-9]+, but 1 is required$'
    nothing_left x
    # Two of three, as near to what is required as can be.
    tool export -q -m "$TINY" --to int8 -o int8 --require 0
    paste <(tool predict -m "$TINY" texts) <(tool predict -m int8 texts) >both
    awk -F '\t' '$1 == $4 && n++ < 2 || $1 != $4 && m++ < 1 { print $3 }' both >three
    [ "$(wc -l <three)" -eq 3 ]
    for share in 0.666667 0.9999999; do
        go export_model --to int8 -o x --require $share three
        status_is 1
        err_is "bs-export: x: not written: 2 of 3 labels are those of the model in fp32, a share of 0.666666, but $share is required"
    done
    nothing_left x
    each_is_wrong export_model '--to bundle -o x --require 0.5' '--to int8 -o x --require 2' \
        '--to int8 -o x --require most'
    nothing_left x
}

@test "int8 is for labelling: no classifier, no training" {
    make_model base no-classifier
    go tool export -m base --to int8 -o x
    status_is 4
    err_has 'has no classifier'
    nothing_left x
    go export_model --to int8 -o x --require 0
    printf 'text\tlabel\ngood\tpositive\nbad\tnegative\n' >rows.tsv
    go tool train -m x -o run rows.tsv
    status_is 4
    err_has 'x: holds int8 weights, which are for labelling'
    go tool train -m "$TINY" --precision int8 -o run rows.tsv
    status_is 2
    err_has 'int8 is for labelling'
    [ ! -e run ]
}

@test "an earlier export is replaced" {
    make_model other labels=one,two,three
    go export_model --to hf -o x
    status_is 0
    go tool export -m other --to hf -o x
    status_is 0
    grep -q three x/config.json
    go export_model --to bundle -o y
    go tool export -m other --to bundle -o y
    status_is 0
    cmp <(tool predict -m y <<<good) <(tool predict -m other <<<good)
}

@test "what replaces an export has its permissions" {
    umask 022
    go export_model --to hf -o x
    go export_model --to bundle -o y
    [ "$(stat -c %a x y | xargs)" = '755 644' ]
    chmod 700 x
    chmod 600 y
    go export_model --to hf -o x
    status_is 0
    go export_model --to bundle -o y
    status_is 0
    [ "$(stat -c %a x y | xargs)" = '700 600' ]
    umask 077
    chmod 755 x
    chmod 644 y
    go export_model --to hf -o x
    go export_model --to int8 -o y
    [ "$(stat -c %a x y | xargs)" = '755 644' ]
}

@test "a tokenizer with more ids than the model has is said once, with the model's name" {
    cp -r "$TINY" many
    echo more >>many/vocab.txt
    go tool export -m many --to bundle -o x
    status_is 0
    err_is 'bs-export: many: the tokenizer has ids up to 84, the model knows 84; texts with such ids will be rejected
bs-export: x: written and read back; logits of 12 texts are those of many'
}

@test "texts of FILE are compared instead of the built-in ones" {
    printf 'text\nfine film\nbad film\nthe awful film\n' >texts.tsv
    go export_model --to bundle -o x --max-length 4 texts.tsv
    status_is 0
    err_has 'logits of 3 texts'
    go export_model --to bundle -o y missing.tsv
    status_is 4
    out_is ''
    err_has 'missing.tsv'
    nothing_left y
    : >empty.txt
    go export_model --to bundle -o y empty.txt
    status_is 4
    err_has 'no text'
    nothing_left y
}

@test "a model without a classifier is exported, its weights compared" {
    make_model base no-classifier
    go tool export -m base --to bundle -o base.bundle
    status_is 0
    out_is ''
    err_has 'no classifier, all weights'
    go tool predict -m base.bundle <<<good
    status_is 4
    err_has 'bs-train'
}

@test "config.json names the kind of model that was written" {
    make_model base no-classifier
    sed -i 's/BertForSequenceClassification/BertForMaskedLM/' base/config.json
    go tool export -m base --to hf -o x
    status_is 0
    [ "$(grep -A 2 architectures x/config.json | tr -d ' \n')" = '"architectures":["BertModel"],' ]
    cp -r "$TINY" other
    sed -i 's/BertForSequenceClassification/BertForMaskedLM/' other/config.json
    go tool export -m other --to hf -o x
    status_is 0
    [ "$(grep -A 2 architectures x/config.json | tr -d ' \n')" = '"architectures":["BertForSequenceClassification"],' ]
}

@test "a training folder means its best" {
    mkdir run
    cp -r "$TINY" run/checkpoint-7
    ln -s checkpoint-7 run/best
    go tool export -m run --to bundle -o x
    status_is 0
    cmp <(tool predict -m x <<<good) <(tool predict -m "$TINY" <<<good)
}

@test "--quiet says nothing" {
    go export_model --quiet --to bundle -o x
    status_is 0
    out_is ''
    err_is ''
}

# header: how many bytes of model.safetensors are before the weights.
header() {
    perl -e 'read STDIN, $_, 8; print 8 + unpack "Q<"' <"$TINY/model.safetensors"
}

# ---- bad models and full disks ------------------------------------------------------

@test "--verify finds a changed weight that opening a bundle does not" {
    go export_model --to bundle -o x
    go tool export -m x --verify
    status_is 0
    out_is ''
    err_has 'nothing is damaged'
    printf '\001' | dd of=x bs=1 seek=$(($(wc -c <x) - 100)) conv=notrunc status=none
    go tool export -m x --verify
    status_is 4
    out_is ''
    err_has 'section model.safetensors is damaged'
    go tool export -m x --to hf -o y
    status_is 4
    nothing_left y
}

@test "--verify of a directory reads all that a tool would" {
    go export_model --verify
    status_is 0
    out_is ''
    err_is "bs-export: $TINY: can be read, all of it; a directory has no checksums to compare"
    # damaged FILE MESSAGE: x/FILE is; nothing is exported that holds it.
    damaged() {
        go tool export -m x --verify
        status_is 4
        out_is ''
        err_has "bs-export: x$1: $2"
        go tool export -m x --to hf -o y
        status_is 4
        err_has "bs-export: x$1: $2"
        nothing_left y
        rm -rf x
        cp -r "$TINY" x
    }
    cp -r "$TINY" x
    for at in 8 100000 300000; do # of the weights; the first are embeddings
        perl -e 'print "\xff" x 400' |
            dd of=x/model.safetensors bs=1 seek=$(($(header) + at)) conv=notrunc status=none
        damaged /model.safetensors 'tensor "bert.'
    done
    rm x/vocab.txt
    damaged '' 'neither tokenizer.json nor vocab.txt is there'
    : >x/vocab.txt
    damaged /vocab.txt 'the token [UNK] is missing'
    echo '{garbage' >x/tokenizer.json
    damaged /tokenizer.json 'not valid JSON'
    echo '{garbage' >x/tokenizer_config.json
    damaged /tokenizer_config.json 'not valid JSON'
    for json in '{' '' '[]'; do
        printf %s "$json" >x/bs.json
        damaged /bs.json 'not '
    done
    echo '{"seed": 18446744073709551615}' >x/bs.json
    go tool export -m x --verify
    status_is 0
}

@test "a pipe is no model" {
    mkfifo x
    go timeout 60 "$BIN/bs-export" -m x --verify
    status_is 4
    err_is 'bs-export: x: neither a model directory nor a bundle of bs-export'
}

@test "logits that are not finite: which model's is said" {
    cp -r "$TINY" large
    # Finite: the sums are not.
    perl -e 'print pack("f<", 3e38) x 100' |
        dd of=large/model.safetensors bs=1 seek=$(($(wc -c <"$TINY/model.safetensors") - 520)) conv=notrunc status=none
    go tool export -m large --to bundle -o x
    status_is 4
    err_has "bs-export: large: the model's logits are not finite"
    nothing_left x
}

@test "cut and foreign files are no models" {
    go export_model --to bundle -o x
    for size in 7 31 100 1000 30000; do
        head -c "$size" x >short
        go tool predict -m short <<<good
        status_is 4
        out_is ''
        err_has short
    done
    go tool export -m texts --to hf -o y
    status_is 4
    err_has 'no such model'
    nothing_left y
}

@test "tensors that are not needed are named in one line" {
    cp -r "$TINY" spare
    perl -e 'local $/; $_ = <STDIN>; my $n = unpack "Q<", $_;
        my ($header, $data) = (substr($_, 8, $n), substr($_, 8 + $n));
        my $add = join "", map { qq("$_":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},) }
            "cls.predictions.bias", "bert.embeddings.position_ids", "cls.seq_relationship.bias";
        $header =~ s/^\{/{$add/;
        print pack("Q<", length $header), $header, $data' \
        <"$TINY/model.safetensors" >spare/model.safetensors
    go tool predict -m spare <<<good
    status_is 0
    err_is 'bs-predict: spare: ignored tensors: cls.predictions.bias, cls.seq_relationship.bias'
    go tool export -m spare --verify -v
    status_is 0
    err_has '"bert.embeddings.position_ids" is not needed'
    go tool export -m spare --to hf -o x
    status_is 0
    [ "$(grep -c cls.predictions x/model.safetensors)" -eq 0 ]
}

# ---- ends ---------------------------------------------------------------------------

# begin MODEL LAYOUT N: an export to x that has been written, and waits for texts to
# compare with; descriptor N keeps them open.
begin() {
    rm -f "texts$3"
    mkfifo "texts$3"
    eval "exec $3<>texts$3"
    echo good >&"$3"
    OUT=out$3 ERR=err$3 launch export -m "$1" -t "$2" -o x "texts$3"
    wait_until 60 pipe_is_empty "$3"
}

# finish N PID: its texts end.
finish() {
    eval "exec $1>&-"
    pid=$2
    cp "out$1" out
    cp "err$1" err
    ends 0
    out_is ''
    [ "$(cat "err$1")" = "bs-export: x: written and read back; logits of 1 text are those of $3" ]
}

@test "two exports to one name at once: each is whole, the later one stays" {
    make_model other labels=one,two,three
    for layout in hf bundle; do
        rm -rf x
        begin "$TINY" $layout 7
        first=$pid
        begin other $layout 8
        second=$pid
        [ ! -e x ]
        [ "$(compgen -G 'x.partial-*' | wc -l)" -eq 2 ]
        finish 7 "$first" "$TINY"
        cmp <(tool predict -m x <<<good) <(tool predict -m "$TINY" <<<good)
        finish 8 "$second" other
        cmp <(tool predict -m x <<<good) <(tool predict -m other <<<good)
        [ -z "$(compgen -G 'x.*')" ]
    done
}

@test "one of two exports to one name is stopped: the other's stays" {
    make_model other labels=one,two,three
    for layout in hf bundle; do
        rm -rf x
        begin "$TINY" $layout 7
        first=$pid
        begin other $layout 8
        finish 8 "$pid" other
        kill -TERM "$first"
        pid=$first
        : >out
        : >err
        ends 143
        exec 7>&-
        [ ! -s out7 ]
        [ ! -s err7 ]
        cmp <(tool predict -m x <<<good) <(tool predict -m other <<<good)
        [ -z "$(compgen -G 'x.*')" ]
    done
}

@test "a folder that cannot be written is exit 5" {
    go export_model --to bundle -o nowhere/x
    status_is 5
    out_is ''
    err_has 'nowhere/x'
    go export_model --to hf -o nowhere/x
    status_is 5
    err_has 'nowhere/x'
    [ ! -e nowhere ]
}

@test "a disk that fills up while an export is written: exit 5, nothing is left" {
    small_disk small
    [ -z "$disk" ] || head -c 800000 /dev/zero >small/filler
    for layout in bundle hf; do
        go_full tool export -m "$TINY" -t $layout -o small/x
        status_is 5
        out_is ''
        err_has "cannot write: $no_space"
        [ -z "$(find small -name 'x*')" ]
    done
}
