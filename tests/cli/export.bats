#!/usr/bin/env bats
# bs-export: directories and bundles that do what the model does, or are not there.
# shellcheck disable=SC2154 # status comes from helper.bash

load helper

setup() {
    use_scratch
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
    err_has 'is a folder'
    go export_model --to hf -o "$TINY"
    status_is 2
    err_has 'is the model itself'
    echo text >y
    go export_model --to hf -o y
    status_is 2
    err_has 'is a file'
}

# ---- what is written ----------------------------------------------------------------

@test "a file that is no bundle is left alone, the model's own among them" {
    cp -r "$TINY" own
    go tool export -m own --to bundle -o own/model.safetensors
    status_is 2
    out_is ''
    err_is 'bs-export: own/model.safetensors: is there and is no bundle; choose another -o'
    cmp own/model.safetensors "$TINY/model.safetensors"
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

@test "safetensors that lie are exit 4, with the tensor's name" {
    cp -r "$TINY" lying
    # The last digit of the first offset pair: a hole, and another tensor's end.
    perl -0pi -e 's/("data_offsets":\[)0,/${1}4,/' lying/model.safetensors
    go tool predict -m lying <<<good
    status_is 4
    out_is ''
    err_has 'lying/model.safetensors: tensor "'
    cp "$TINY/model.safetensors" lying/
    perl -0pi -e 's/"F32"/"F16"/' lying/model.safetensors
    go tool predict -m lying <<<good
    status_is 4
    err_has 'not as many as its shape'
    cp "$TINY/model.safetensors" lying/
    perl -0pi -e 's/classifier\.bias/classifier.bios/' lying/model.safetensors
    go tool predict -m lying <<<good
    status_is 4
    err_has '"classifier.bias" is missing'
    head -c 5000 "$TINY/model.safetensors" >lying/model.safetensors
    go tool predict -m lying <<<good
    status_is 4
    err_has 'lying/model.safetensors: '
}

@test "safetensors whose header overflows, overlaps or nests: exit 4, bounded memory" {
    cp -r "$TINY" lying
    # lie CODE: CODE changes the header $h, or the $length that is claimed for it.
    lie() {
        perl -0777 -e 'my ($in, $out, $code) = @ARGV; open my $f, "<:raw", $in; local $_ = <$f>;
            my $n = unpack "Q<", $_; our ($h, $d) = (substr($_, 8, $n), substr($_, 8 + $n));
            our $length; eval $code; die $@ if $@; open my $o, ">:raw", $out;
            print $o pack("Q<", $length // length $h), $h, $d' \
            "$TINY/model.safetensors" lying/model.safetensors "$1"
        status=0
        (ulimit -v 4194304 && tool predict -m lying <<<good) >out 2>err || status=$?
        status_is 4
        out_is ''
        err_has "lying/model.safetensors: $2"
    }
    # shellcheck disable=SC2016
    {
        lie '$length = 0xffffffffffffffff' 'not a safetensors file (header of 18446744073709551615'
        lie '$length = 1 << 40' 'not a safetensors file'
        lie '$h =~ s/"data_offsets":\[0,/"data_offsets":[18446744073709551615,/' 'not valid JSON'
        lie '$h =~ s/"data_offsets":\[0,/"data_offsets":[99999999,/' 'tensor "bert.emb'
        lie '$h =~ s/"shape":\[84,64\]/"shape":[4294967296,4294967296]/' \
            'tensor "bert.embeddings.word_embeddings.weight": "shape" overflows'
        lie '$h =~ s/(.*"data_offsets":\[)\d+,\d+/${1}0,8/s' 'tensor "'
        lie '$h =~ s/"F32"/"XX"/' 'tensor "bert.embeddings.word_embeddings.weight": unknown dtype "XX"'
        lie '$d .= "xxxx"' '4 bytes belong to no tensor'
        lie '$h = "{\"a\":" x 10000' 'not valid JSON'
    }
}

@test "config.json whose numbers cannot be: exit 4, with the setting's name" {
    cp -r "$TINY" other
    # says SED TEXT: the changed config.json is refused with TEXT.
    says() {
        sed "$1" "$TINY/config.json" >other/config.json
        go tool predict -m other <<<good
        status_is 4
        out_is ''
        err_has "bs-predict: other$2"
    }
    says 's/"hidden_size": 64/"hidden_size": 4294967296/' '/config.json: "hidden_size" must be'
    says 's/"num_attention_heads": 2/"num_attention_heads": 3/' '/config.json: "hidden_size" (64) is no'
    says 's/"num_hidden_layers": 2/"num_hidden_layers": 3/' \
        ': tensor "encoder.layer.2.attention.self.query.weight" is missing'
    says 's/"vocab_size": 84/"vocab_size": 83/' ': tensor "bert.embeddings.word_embeddings.weight" has'
    says 's/"negative","1"/"positive","1"/' '/config.json: "id2label": two labels'
    says 's/"initializer_range"/"problem_type": "regression", &/' \
        '/config.json: "problem_type" is "regression": only single_label'
    says 's/.*//' '/config.json: not valid JSON'
}

@test "a config.json that is no BERT, and a pickle, are refused with the remedy" {
    cp -r "$TINY" other
    sed -i 's/"model_type": *"bert"/"model_type": "gpt2"/' other/config.json
    go tool predict -m other <<<good
    status_is 4
    out_is ''
    err_has '"gpt2": only "bert" can be used'
    cp -r "$TINY" pickle
    mv pickle/model.safetensors pickle/pytorch_model.bin
    go tool predict -m pickle <<<good
    status_is 4
    err_has 'has only pytorch_model.bin'
    err_has 'save_pretrained'
}

@test "a name from a file cannot steer the terminal" {
    cp -r "$TINY" other
    sed -i 's/"model_type": *"bert"/"model_type": "\\u001b[31m"/' other/config.json
    go tool predict -m other <<<good
    status_is 4
    err_is 'bs-predict: other/config.json: "model_type" is "?[31m": only "bert" can be used'
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

@test "SIGTERM while texts are read: exit 143, nothing is left" {
    mkfifo texts
    exec 7<>texts
    "$BIN/bs-export" -m "$TINY" --to bundle -o x texts >out 2>err 7>&- &
    local tool=$!
    wait_until 20 compgen -G 'x.partial-*'
    sleep 0.2
    kill -TERM "$tool"
    status=0
    wait "$tool" || status=$?
    exec 7>&-
    status_is 143
    out_is ''
    nothing_left x
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

@test "a full disk is exit 5 and leaves nothing" {
    mkdir small
    mount -t tmpfs -o size=200k tmpfs small 2>err || skip "cannot mount a tmpfs here"
    go export_model --to bundle -o small/x
    bundle=$status
    go export_model --to hf -o small/y
    hf=$status
    left=$(ls -A small)
    umount small
    [ "$bundle" -eq 5 ]
    [ "$hf" -eq 5 ]
    [ -z "$left" ]
    err_has 'No space left'
}
