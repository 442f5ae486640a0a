#!/usr/bin/env bats
# Models that lie, as every tool meets them: exit 4, the reason with the file's name on
# stderr, nothing on stdout, and outputs of before as they were. And models that change
# while they are opened.
# shellcheck disable=SC2154,SC2016 # status comes from helper.bash; $h is Perl's

load helper

setup() {
    use_scratch
    cp -r "$TINY" lying
    echo good >texts
    printf 'label\ttext\nnegative\tbad film\npositive\tgood film\n' >pairs.tsv
    echo earlier >answers
    BEFORE=$BATS_FILE_TMPDIR/before
    if [ ! -d "$BEFORE" ]; then
        mkdir "$BEFORE"
        tool train -q -m "$TINY" -o "$BEFORE/run" --max-steps 1 pairs.tsv >log
        tool export -q -m "$TINY" -t hf -o "$BEFORE/copy"
        tool export -q -m "$TINY" -t bundle -o "$BEFORE/bundle"
    fi
    cp -r "$BEFORE"/* .
}

# What is needed of memory does not follow what a file claims. (An address sanitizer
# claims more than any limit.)
bounded() {
    local limit=4194304
    grep -q __asan_init "$BIN/bs-predict" && limit=unlimited
    (
        ulimit -v $limit
        "$@"
    )
}

USES='predict -o answers texts
predict texts
eval -o answers pairs.tsv
train -o run pairs.tsv
train --restart -o run pairs.tsv
train -o new pairs.tsv
train --check pairs.tsv
export -t hf -o copy
export -t bundle -o bundle
export -t bundle -o new
export --verify'

# refused MESSAGE [MODEL]: by every tool that looks at weights.
refused() {
    while read -r command; do
        # shellcheck disable=SC2086
        go bounded tool $command -m "${2:-lying}" </dev/null
        status_is 4
        out_is ''
        err_is "bs-${command%% *}: $1"
        [ ! -e new ]
    done <<<"$USES"
    [ "$(cat answers)" = earlier ]
    cmp bundle "$BEFORE/bundle"
    diff -r --no-dereference copy "$BEFORE/copy"
    diff -r --no-dereference run "$BEFORE/run"
    [ -z "$(find . -name '*.partial*' -o -name 'answers.*')" ]
}

# lie CODE: Perl that changes the header $h, the data $d, or the $length that is claimed
# for the header.
lie() {
    perl -0777 -e 'my ($in, $out, $code) = @ARGV; open my $f, "<:raw", $in; local $_ = <$f>;
        my $n = unpack "Q<", $_; our ($h, $d) = (substr($_, 8, $n), substr($_, 8 + $n));
        our $length; eval $code; die $@ if $@; open my $o, ">:raw", $out;
        print $o pack("Q<", $length // length $h), $h, $d' \
        "$TINY/model.safetensors" lying/model.safetensors "$1"
}

FILE=lying/model.safetensors
WORDS="$FILE: tensor \"bert.embeddings.word_embeddings.weight\""

# ---- safetensors ----------------------------------------------------------------------

@test "a header that claims to be longer than the file, or than any" {
    lie '$length = 0xffffffffffffffff'
    refused "$FILE: not a safetensors file (header of 18446744073709551615 bytes)"
    lie '$length = 1 << 40'
    refused "$FILE: not a safetensors file (header of 1099511627776 bytes)"
    lie '$length = 50000000'
    refused "$FILE: truncated inside its header"
}

@test "a file that is cut off" {
    size=$(stat -c %s "$TINY/model.safetensors")
    for bytes in 0 7; do
        head -c $bytes "$TINY/model.safetensors" >$FILE
        refused "$FILE: too short to be a safetensors file"
    done
    head -c 1000 "$TINY/model.safetensors" >$FILE
    refused "$FILE: truncated inside its header"
    head -c $((size - 1)) "$TINY/model.safetensors" >$FILE
    refused "$FILE: tensor \"classifier.bias\": its data lies beyond the end of the file (truncated?)"
}

@test "numbers that overflow" {
    lie '$h =~ s/"shape":\[84,64\]/"shape":[4294967296,4294967296]/'
    refused "$WORDS: \"shape\" overflows"
    lie '$h =~ s/"shape":\[84,64\]/"shape":[-84,-64]/'
    refused "$WORDS: \"shape\" must be a list of whole numbers from 0"
    lie '$h =~ s/"data_offsets":\[0,/"data_offsets":[99999999,/'
    refused "$WORDS: \"data_offsets\" run backwards"
    lie '$h =~ s/"data_offsets":\[0,21504\]/"data_offsets":[9223372036854754303,9223372036854775807]/'
    refused "$WORDS: its data lies beyond the end of the file (truncated?)"
    lie '$h =~ s/"data_offsets":\[0,/"data_offsets":[18446744073709551615,/'
    go tool predict -m lying texts
    status_is 4
    out_is ''
    err_has "bs-predict: $FILE: not valid JSON"
}

@test "tensors that overlap, leave a hole, or leave bytes over" {
    lie '$h =~ s/(.*"data_offsets":\[)\d+,\d+/${1}0,8/s'
    refused "$WORDS: overlaps another tensor"
    lie '$h =~ s/"shape":\[84,64\],"data_offsets":\[0,21504\]/"shape":[83,64],"data_offsets":[256,21504]/'
    refused "$WORDS: there is a hole before it"
    lie '$d .= "xxxx"'
    refused "$FILE: 4 bytes belong to no tensor"
    lie '$d .= "x"'
    refused "$FILE: 1 byte belongs to no tensor"
}

@test "a wrong dtype" {
    lie '$h =~ s/"F32"/"F16"/'
    refused "$WORDS: its bytes are not as many as its shape and dtype say"
    lie '$h =~ s/"F32"/"XX"/'
    refused "$WORDS: unknown dtype \"XX\""
    # As many bytes, but no floating-point numbers.
    lie '$h =~ s/"F32"/"I32"/'
    refused 'lying: tensor "bert.embeddings.word_embeddings.weight" has I32; convert the model to F32, F16 or BF16'
}

@test "a missing tensor, or one of another shape" {
    lie '$h =~ s/classifier\.bias/classifier.bios/'
    refused 'lying: tensor "classifier.bias" is missing'
    lie '$h =~ s/bert\.encoder\.layer\.1\.output\.dense\.bias/bert.encoder.layer.1.output.dense.bios/'
    refused 'lying: tensor "encoder.layer.1.output.dense.bias" is missing'
    lie '$h =~ s/"shape":\[84,64\]/"shape":[64,84]/'
    refused 'lying: tensor "bert.embeddings.word_embeddings.weight" has the shape [64 x 84], config.json says [84 x 64]'
}

@test "a header that is no object of tensors, or nests without end" {
    lie '$h = "[]" . substr($h, 2)'
    refused "$FILE: its header does not begin with \"{\""
    lie '$h =~ s/\{"dtype":"F32","shape":\[84,64\],"data_offsets":\[0,21504\]\}/7/'
    refused "$WORDS: not an object"
    lie '$h = "{\"a\":" x 100000'
    go bounded tool predict -m lying texts
    status_is 4
    out_is ''
    err_has "bs-predict: $FILE: not valid JSON"
}

@test "a bundle whose tensors lie" {
    sed 's/"F32"/"F16"/' "$BEFORE/bundle" >lie.bundle
    said='lie.bundle: tensor "bert.embeddings.LayerNorm.bias": its bytes are not as many as its shape and dtype say'
    refused "$said" lie.bundle
}

@test "bs-tokenize does not look at weights" {
    lie '$length = 1 << 40'
    go tool tokenize -m lying -t ids texts
    status_is 0
    out_is '2 5 3'
    err_is ''
}

# ---- config.json ----------------------------------------------------------------------

# config SED: lying/config.json is the model's, changed.
config() {
    sed "$1" "$TINY/config.json" >lying/config.json
}

CONFIG=lying/config.json

@test "a config.json that is no BERT: the remedy is said" {
    config 's/"model_type": "bert"/"model_type": "gpt2"/'
    refused "$CONFIG: \"model_type\" is \"gpt2\": only \"bert\" can be used"
    config 's/"model_type": "bert",//; s/BertFor/GPT2For/'
    refused "$CONFIG: no \"model_type\": not the configuration of a BERT model (if it is one, add \"model_type\": \"bert\")"
    config 's/"gelu"/"relu"/'
    refused "$CONFIG: \"hidden_act\" is \"relu\": only \"gelu\" can be used; choose a model with that activation"
    config 's/"initializer_range"/"is_decoder": true, &/'
    refused "$CONFIG: \"is_decoder\" is true: only encoders can be used; choose a model that was not made to generate text"
    config 's/"initializer_range"/"problem_type": "regression", &/'
    refused "$CONFIG: \"problem_type\" is \"regression\": only single_label_classification can be used; fine-tune a base model with bs-train instead"
    config 's/BertForSequenceClassification/BertForTokenClassification/'
    reason="$CONFIG: \"architectures\" has \"BertForTokenClassification\": of classifiers only BertForSequenceClassification can be used"
    refused "$reason"
    lie '$h =~ s/bert\.pooler/bert.puller/g' # such a model has no pooler
    refused "$reason"
}

@test "a config.json whose numbers cannot be, with the setting's name" {
    config 's/"hidden_size": 64/"hidden_size": 4294967296/'
    go tool predict -m lying texts
    status_is 4
    out_is ''
    err_has "bs-predict: $CONFIG: \"hidden_size\" must be"
    config 's/"num_attention_heads": 2/"num_attention_heads": 3/'
    refused "$CONFIG: \"hidden_size\" (64) is no multiple of \"num_attention_heads\" (3)"
    config 's/"num_hidden_layers": 2/"num_hidden_layers": 3/'
    refused 'lying: tensor "encoder.layer.2.attention.self.query.weight" is missing'
    config 's/"vocab_size": 84/"vocab_size": 83/'
    refused 'lying: tensor "bert.embeddings.word_embeddings.weight" has the shape [84 x 64], config.json says [83 x 64]'
    config 's/"negative","1"/"positive","1"/'
    refused "$CONFIG: \"id2label\": two labels have the same name"
}

@test "a config.json that is no JSON, empty, missing; no model at all" {
    printf '[]' >$CONFIG
    refused "$CONFIG: not a JSON object"
    : >$CONFIG
    go tool predict -m lying texts
    status_is 4
    out_is ''
    err_has "bs-predict: $CONFIG: not valid JSON"
    rm $CONFIG
    refused 'lying: config.json is missing: a model directory has config.json, model.safetensors and tokenizer.json or vocab.txt'
    refused 'nowhere: no such model: neither a folder nor a bundle' nowhere
    refused 'texts: neither a model directory nor a bundle of bs-export' texts
}

@test "a model that this user may not read: that is said" {
    chmod 000 lying bundle
    for model in lying bundle; do
        for command in 'predict texts' 'tokenize -t ids texts' 'export --verify'; do
            # shellcheck disable=SC2086
            go_as_user "$BIN"/bs-$command -m $model
            status_is 4
            out_is ''
            err_is "bs-${command%% *}: $model: cannot open: Permission denied"
        done
    done
    chmod 755 lying
}

@test "a folder that may be searched but not listed is one" {
    go tool predict -m "$TINY" texts
    cp out wanted
    chmod 111 lying
    go_as_user "$BIN/bs-predict" -m lying texts
    chmod 755 lying
    status_is 0
    cmp out wanted
}

@test "only a pickle: the remedy is said" {
    mv $FILE lying/pytorch_model.bin
    refused 'lying: has only pytorch_model.bin, which cannot be read safely; convert it once, in Python: AutoModel.from_pretrained(DIR).save_pretrained(DIR)'
}

@test "a name from a file cannot steer the terminal" {
    config 's/"model_type": "bert"/"model_type": "\\u001b[31m"/'
    refused "$CONFIG: \"model_type\" is \"?[31m\": only \"bert\" can be used"
}

# ---- replaced while it is opened --------------------------------------------------------

# stopped COMMAND...: in the background, its process in $pid, until it opens a file of the
# folder live, by its path or from the open folder; there it stops.
stopped() {
    rm -f trace
    strace -D -E ASAN_OPTIONS=detect_leaks=0 -o trace -P live/vocab.txt -P "$PWD/live" -e trace=openat \
        -e inject=openat:signal=STOP:when=1 "$@" >out 2>err 3>&- &
    pid=$!
    wait_until 30 grep -qs 'stopped by SIGSTOP' trace
}

# Of good and bad the ids are exchanged, and the labels have other names.
@test "a folder that is replaced while it is opened: all files are of one model" {
    command -v strace >/dev/null || skip "strace is not installed"
    make_model other foreign labels=A,B
    make_model live
    go tool predict -m other --threads 1 texts
    cp out wanted
    stopped "$BIN/bs-predict" -m live --threads 1 texts
    tool export -q -m other -t hf -o live
    kill -CONT "$pid"
    ends 0
    cmp out wanted
}

@test "the same of a tokenizer alone, and of a folder that is put aside" {
    command -v strace >/dev/null || skip "strace is not installed"
    make_model other foreign
    make_model live
    echo '{"do_lower_case": false}' >other/tokenizer_config.json
    echo GOOD good >texts
    go tool tokenize -m other -t ids texts
    cp out wanted
    stopped "$BIN/bs-tokenize" -m live -t ids texts
    mv live aside
    mv other live
    kill -CONT "$pid"
    ends 0
    cmp out wanted
}
