# shellcheck shell=bash disable=SC2154 # names in lower case come from torture.sh
# What claims or unpacks to more than there is memory for. Part of torture.sh.

# bounded NAME STATUS MB COMMAND...: COMMAND, with our standard input, ends with STATUS and
# has held no more than MB.
bounded() {
    local name=$1 wanted=$2 most=$3 status=0
    shift 3
    /usr/bin/time -q -f %M -o kb "$@" >out 2>err || status=$?
    promise "$name" "$status" "=$wanted" "exit status"
    promise "$name, held" $(($(cat kb) / 1000)) "<=$most" MB
}

# claim BYTES: a stream whose one record says that it holds 2^32-1 bytes and has BYTES.
claim() {
    perl "$root/tests/cli/make-stream.pl" none.msgpack '\x81\xa4text\xdb\xff\xff\xff\xff'
    head -c "$1" /dev/zero
}

# letters N: a line without its end.
letters() {
    head -c "$1" /dev/zero | tr '\0' x
}

# columns N: TSV whose second row has more than N columns.
columns() {
    printf 'text\n'
    head -c "$1" /dev/zero | tr '\0' '\t'
    printf '\nx\n'
}

# values N: a stream whose header is to hold N values.
values() {
    printf '\x92\xa2bs\xdd'
    perl -e 'print pack("N", $ARGV[0]), "\xc0" x $ARGV[0]' "$1"
}

# nested N: JSON with a field that would be carried along.
nested() {
    perl -e 'print "{\"text\":\"a\",\"more\":", "[" x $ARGV[0], "]" x $ARGV[0], "}\n"' "$1"
}

# reordered N: JSON of two records, whose N fields stand in two orders.
reordered() {
    perl -e 'for my $sign (1, -1) {
        print "{", (map "\"$_\":0,", sort { $sign * ($a <=> $b) } 1 .. $ARGV[0]), "\"text\":\"\"}\n" }' "$1"
}

# packed BYTES: so many of equal lines, compressed a thousandfold.
packed() {
    local part=$((16 << 20))
    perl -e '$_ = "the film was not bad at all, said one who had seen it twice\n";
        print substr($_ x (1 + $ARGV[0] / length), 0, $ARGV[0])' "$part" | gzip >part.gz
    for ((i = 0; i < $1 / part; i++)); do cat part.gz; done
}

# wide PROGRAM...: lines packed by it, which fill a window of 128 MiB.
wide() {
    yes 'the film was not bad at all' | head -c 160000000 | "$@"
}

# A tokenizer with an id as large as can be, and one with N added tokens.
make_tokenizers() {
    mkdir far added
    cp "$tiny"/{vocab.txt,tokenizer_config.json} far
    cp "$tiny"/vocab.txt added
    perl -e '
        my $token = 0;
        my $tokens = join ",", map { chomp; "\"$_\":" . $token++ } <STDIN>;
        $tokens =~ s/"""/"\\""/;
        print "{\"model\":{\"type\":\"WordPiece\",\"continuing_subword_prefix\":\"##\",
            \"vocab\":{$tokens,\"far\":4194303}},\"normalizer\":{\"type\":\"BertNormalizer\"},
            \"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"post_processor\":
            {\"type\":\"BertProcessing\",\"cls\":[\"[CLS]\",2],\"sep\":[\"[SEP]\",3]}}"' \
        <"$tiny/vocab.txt" >far/tokenizer.json
    perl -e 'print "{\"added_tokens_decoder\":{", join(",",
        map { "\"$_\":{\"content\":\"<$_>\"}" } 84 .. 84 + $ARGV[0]), "}}"' \
        "$1" >added/tokenizer_config.json
}

# N added tokens that are the same one once normalized.
make_equal_tokens() {
    mkdir equal
    cp "$tiny"/vocab.txt equal
    perl -e 'print "{\"added_tokens_decoder\":{", join(",", map {
        (my $content = sprintf "%017b", $_) =~ tr/01/aA/;
        "\"$_\":{\"normalized\":true,\"content\":\"$content\"}" } 84 .. 84 + $ARGV[0]), "}}"' \
        "$1" >equal/tokenizer_config.json
}

torture_hostile() {
    need_tiny
    workplace hostile
    # shellcheck disable=SC2016 # for the inner shell
    local brief=(bash -c 'ulimit -t 5; exec "$@"' -)
    local size
    "$bin/bs-tokenize" -m "$tiny" -f lines </dev/null >none.msgpack
    bounded "4 GiB, claimed" 4 200 "$bin/bs-predict" -m "$tiny" -f msgpack < <(claim 0)
    size=$(budget 1000000000 4000000000)
    bounded "4 GiB, begun" 4 200 "$bin/bs-predict" -m "$tiny" -f msgpack < <(claim "$size")
    bounded "header of values" 4 200 "$bin/bs-predict" -m "$tiny" -f msgpack < <(values 15000000)
    size=$(budget 1000000000 10000000000)
    bounded "endless line" 3 200 "$bin/bs-tokenize" -m "$tiny" -f lines < <(letters "$size")
    mkdir -p endless/large
    truncate -s 1G endless/large/file
    bounded "endless line, file" 3 200 "$bin/bs-tokenize" -m "$tiny" -f lines endless/large/file
    bounded "endless member" 3 200 "$bin/bs-tokenize" -m "$tiny" endless
    bounded "endless member, packed" 3 200 "$bin/bs-tokenize" -m "$tiny" \
        < <(tar c -C endless large | zstd -q)
    bounded "endless columns" 3 200 "$bin/bs-tokenize" -m "$tiny" -f tsv --max-record 16M \
        < <(columns 16000000)
    bounded "JSON, a million deep" 3 200 "$bin/bs-tokenize" -m "$tiny" -f jsonl < <(nested 1000000)
    size=$(budget $((256 << 20)) $((20 << 30)))
    bounded "log, packed well" 0 100 "$bin/bs-tokenize" -m "$tiny" -f lines -t ids < <(packed "$size")
    rm -f part.gz
    bounded "window, filled" 0 200 "$bin/bs-tokenize" -m "$tiny" -f lines -t ids \
        < <(wide zstd -q --fast --long=27)
    bounded "window of 256 MiB" 4 20 "$bin/bs-tokenize" -m "$tiny" -f lines -t ids \
        < <(wide xz -T 1 --lzma2=preset=0,mf=hc3,dict=256MiB)
    make_tokenizers 100000
    make_equal_tokens 100000
    bounded "largest id" 0 100 "$bin/bs-tokenize" -m far -f lines -t ids <<<film
    bounded "added tokens, in 5 s" 0 200 "${brief[@]}" "$bin/bs-tokenize" -m added -f lines \
        < <(head -c 1000000 /dev/zero | tr '\0' '<')
    bounded "equal tokens, in 5 s" 0 200 "${brief[@]}" "$bin/bs-tokenize" -m equal -f lines \
        < <(yes aaaaaaaaaaaaaaab | tr -d '\n' | head -c 100000)
    bounded "other order, in 5 s" 0 200 "${brief[@]}" "$bin/bs-predict" -m "$tiny" -f jsonl -t tsv \
        < <(reordered 65000)
    rm -rf out far added equal endless
}
