# shellcheck shell=bash disable=SC2154 # names in lower case come from torture.sh
# Models and archives from elsewhere. Part of torture.sh.

# Edits of a good model, each of which makes it lie: file, and what perl does to its text.
lies() {
    cat <<'END'
config.json s/"vocab_size": *\d+/"vocab_size":7/
config.json s/"vocab_size": *\d+/"vocab_size":4294967295/
config.json s/"vocab_size": *\d+/"vocab_size":-1/
config.json s/"hidden_size": *\d+/"hidden_size":0/
config.json s/"hidden_size": *\d+/"hidden_size":9223372036854775807/
config.json s/"num_attention_heads": *\d+/"num_attention_heads":0/
config.json s/"num_attention_heads": *\d+/"num_attention_heads":-2/
config.json s/"num_attention_heads": *\d+/"num_attention_heads":7/
config.json s/"num_hidden_layers": *\d+/"num_hidden_layers":1000000000/
config.json s/"num_hidden_layers": *\d+/"num_hidden_layers":3/
config.json s/"intermediate_size": *\d+/"intermediate_size":127/
config.json s/"max_position_embeddings": *\d+/"max_position_embeddings":65/
config.json s/"max_position_embeddings": *\d+/"max_position_embeddings":0/
config.json s/"type_vocab_size": *\d+/"type_vocab_size":0/
config.json s/"1": *"positive"/"1":"positive","2":"neither"/
config.json s/"1": *"positive"/"7":"positive"/
config.json s/"1": *"positive"/"-1":"positive"/
config.json s/"bert"/"gpt2"/
config.json s/\{/[/
model.safetensors substr($_, 0, 8) = pack "Q<", 2 ** 40
model.safetensors substr($_, 0, 8) = "\xff" x 8
model.safetensors substr($_, 0, 8) = pack "Q<", 0
model.safetensors s/"data_offsets":\[0,/"data_offsets":[4,/
model.safetensors s/"data_offsets":\[(\d+),(\d+)\]/"data_offsets":[$2,$1]/
model.safetensors s/"data_offsets":\[(\d+),(\d+)\]/"data_offsets":[$1,9$2]/
model.safetensors s/"dtype":"F32"/"dtype":"F64"/
model.safetensors s/"shape":\[(\d+),/"shape":[4294967296,/
model.safetensors s/"shape":\[(\d+),/"shape":[-$1,/
model.safetensors substr($_, -1000) = ""
model.safetensors $_ = ""
END
}

# is_harmless MODEL: refused with exit 4 by a message that names a file of the model.
is_refused_model() {
    local tool status
    for tool in "predict" "tokenize" "train --epochs 1 --quiet -o run"; do
        status=0
        # shellcheck disable=SC2086
        timeout 30 "$bin/bs-${tool%% *}" -m "$1" ${tool#"${tool%% *}"} rows.tsv >out 2>err || status=$?
        # Who only tokenizes need not look at weights.
        [ "$status" != 0 ] || [ "${tool%% *}" = tokenize ] || return 1
        [ "$status" = 0 ] || { [ "$status" = 4 ] && grep -q "$1" err; } || return 1
    done
}

# Ids beyond the vocabulary, below it and of other types, and more of them than positions,
# in token records.
foreign_records() {
    local id records=() many='\xa3ids\xdc\x00\x66\x02'
    for id in '\xcd\xff\xff' '\xff' '\xcf\x00\x00\x00\x01\x00\x00\x00\x00' '\xa1x' \
        '\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00'; do
        records+=('\x82\xa3ids\x93\x02'"$id"'\x03\xa4text\xa1a')
    done
    many+=$(printf '\\x05%.0s' $(seq 100))
    "$bin/bs-tokenize" -m "$tiny" -f lines </dev/null >empty.msgpack
    perl "$root/tests/cli/make-stream.pl" empty.msgpack "${records[@]}" '\x82'"$many"'\x03\xa4text\xa1b'
}

torture_foreign() {
    need_tiny
    workplace foreign
    local good=0 n=0 file edit status=0
    labelled_rows 20 >rows.tsv
    "$bin/bs-tokenize" -m "$tiny" rows.tsv >/dev/null
    while read -r file edit; do
        rm -rf model run
        cp -r "$tiny" model
        perl -0777 -pi -e 'BEGIN { binmode STDIN } '"$edit" "model/$file"
        ! cmp -s "model/$file" "$tiny/$file" || { echo "no edit: $edit" >>failed.txt; continue; }
        n=$((n + 1))
        if is_refused_model model; then good=$((good + 1)); else echo "$file $edit" >>failed.txt; fi
    done < <(lies)
    promise "models that lie" "$good" "=$(lies | wc -l)" "refused, exit 4, by name"
    foreign_records >records.msgpack
    "$bin/bs-predict" -m "$tiny" -f msgpack --rejects rejects records.msgpack >out.tsv 2>err || status=$?
    promise "records that lie" "$(wc -l <rejects)" "=6" "rejected"
    promise "records that lie: status" "$status" "=3" "exit status"
    archive_stays_inside
}

# What members that name places outside hold is read as texts; nothing is written anywhere,
# and no link followed.
archive_stays_inside() {
    local before
    mkdir -p inside/in
    echo 'good film' >inside/in/text.txt
    ln -s /etc/passwd inside/link
    tar cPf inside/evil.tar -C inside --transform 's,^in/,../../../outside/,' in/text.txt
    tar rPf inside/evil.tar -C inside --transform 's,^in/,/outside-root/,' in/text.txt
    tar rf inside/evil.tar -C inside link
    before=$(find "$scratch" / -maxdepth 1 | sort)
    "$bin/bs-tokenize" -m "$tiny" -f tree -t jsonl inside/evil.tar >out.jsonl 2>err
    promise "archives that lie" "$(grep -c 'good film' out.jsonl)" "=1" "texts, of one that is not hidden"
    promise "archives that lie: paths" "$(diff <(find "$scratch" / -maxdepth 1 | sort) - <<<"$before" | wc -l)" \
        "=0" "files written"
    promise "archives that lie: links" "$(grep -c root: out.jsonl || true)" "=0" "lines of a file outside"
}
