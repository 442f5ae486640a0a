#!/usr/bin/env bats
# Options that say what is read: members of a tree, columns, and where rejected rows go.
# Rows are in text_input.bats and rejected.bats, streams in streams.bats.

load helper

setup() {
    use_scratch
}

@test "--members: only the files that match" {
    mkdir -p set/train/pos set/train/unsup
    printf 'good' >set/train/pos/1.txt
    printf 'what' >set/train/unsup/1.txt
    printf 'read me' >set/README
    tar cf set.tar set
    go tool tokenize -m "$TINY" -t jsonl --members 'set/train/[np]*/*' set.tar
    status_is 0
    out_is '{"ids":[2,5,3],"n_tokens":3,"truncated":false,"label":"pos","text":"good","path":"set/train/pos/1.txt"}'
    err_is ''
    go tool tokenize -m "$TINY" -t jsonl --members 'train/unsup/*' set
    status_is 0
    [ "$(wc -l <out)" -eq 1 ]
    out_has '"label":"unsup"'
    err_is ''
}

@test "--members that match no file: a warning for each tree" {
    mkdir -p set/neg set/.git
    printf 'bad' | tee set/neg/1.txt set/.git/HEAD >/dev/null
    tar cf set.tar set
    go tool tokenize -m "$TINY" -t ids --members '*/neg/*' set set.tar
    status_is 0
    out_is '2 6 3'
    err_is 'bs-tokenize: set: no file in it matches --members "*/neg/*" (* matches no slash)'
    go tool predict -m "$TINY" --members 'set/.git/*' set.tar
    status_is 0
    out_is ''
    err_is 'bs-predict: set.tar: no file in it matches --members "set/.git/*" (* matches no slash)'
    go tool tokenize -q -m "$TINY" -t ids --members neg set.tar
    status_is 0
    err_is ''
}

@test "a tree has the same columns whatever file comes first" {
    mkdir -p set/neg
    printf 'awful' >set/neg/1.txt
    printf 'good film' >set/a.txt
    printf 'too long a text' >set/0.txt
    tar cf set.tar --sort=name -C set .
    go tool predict -m "$TINY" --max-record 9 set.tar
    status_is 3
    cut -f 1,3- out >cells
    cmp cells - <<<$'predicted\tlabel\ttext\tpath\n\t\t\t0.txt\npositive\t\tgood film\ta.txt\nnegative\tneg\tawful\tneg/1.txt'
    go tool predict -m "$TINY" --max-record 9 --members '[01]*' -t csv --drop text set
    status_is 3
    out_is $'predicted,probability,label,path\n,,,0.txt'
    go tool predict -m "$TINY" --members a.txt -t jsonl set
    status_is 0
    fails grep label out
}

@test "--rejects keeps every rejected row with its reason" {
    printf 'text\tlabel\nshort\na\t1\n\n' >rows.tsv
    go tool tokenize -m "$TINY" -t ids --rejects rejects rows.tsv
    status_is 3
    out_is '2 13 3'
    err_is 'bs-tokenize: rows.tsv: line 2: has 1 column, the header has 2
bs-tokenize: rows.tsv: line 4: has 1 column, the header has 2'
    [ "$(cat rejects)" = '{"file":"rows.tsv","line":2,"reason":"has 1 column, the header has 2","raw":"short"}
{"file":"rows.tsv","line":4,"reason":"has 1 column, the header has 2","raw":""}' ]
}

@test "a chosen column that is not there: exit 4, naming those that are" {
    printf 'stars\treview\n5\tgood\n' >rows.tsv
    go tool tokenize -m "$TINY" -t ids --text body rows.tsv
    status_is 4
    out_is ""
    err_is 'bs-tokenize: rows.tsv: no column "body"; its first row is: stars, review (choose with --text, or see --header)'
    go tool tokenize -m "$TINY" -t ids rows.tsv
    status_is 2
    out_is ''
    err_is 'bs-tokenize: rows.tsv: has 2 columns and no header row that names a text; say which they are with --text and --label (by number, from 1)'
}

@test "a column chosen by its number: a cell that is that number makes no header" {
    printf 'good film\t2\nbad film\t1\n' >stars.tsv
    go tool tokenize -m "$TINY" -t jsonl --text 1 --label 2 stars.tsv
    status_is 0
    out_is '{"ids":[2,5,7,3],"n_tokens":4,"truncated":false,"text":"good film","label":"2"}
{"ids":[2,6,7,3],"n_tokens":4,"truncated":false,"text":"bad film","label":"1"}'
    err_is ''
    printf 'text\tlabel\ngood film\t2\n' >named.tsv
    go tool tokenize -m "$TINY" -t jsonl --text 1 --label 2 named.tsv
    status_is 0
    out_is '{"ids":[2,5,7,3],"n_tokens":4,"truncated":false,"text":"good film","label":"2"}'
    go tool tokenize -m "$TINY" --text 1 --label 1 stars.tsv
    status_is 2
    err_is 'bs-tokenize: --text and --label choose the same column'
}

@test "columns of one name keep their own values, whatever is left out" {
    printf 'text,a,a,,\ngood film,1,2,3,4\nbad \xff film,5,6,7,8\n' >rows.csv
    go tool predict -m "$TINY" --drop text --invalid-utf8 reject -t csv rows.csv
    status_is 3
    cut -d , -f 1,3- out >cells
    cmp cells - <<<'predicted,a,a,,
positive,1,2,3,4
,5,6,7,8'
}

@test "a column that a stream cannot hold under its name is left out of it, with a warning" {
    printf 'text,ids,label\ngood film,7,a\nbad,8,b\n' >rows.csv
    go tool predict -m "$TINY" -t msgpack rows.csv
    status_is 0
    err_is 'bs-predict: field "ids" is left out of msgpack, where it is a list of whole numbers below 2147483648 (line 2)'
    out_has 'good film'
    fails grep -q ids out
}

@test "a header row without rows: its columns, as with rows" {
    printf 'comment,text\n' >rows.csv
    go tool predict -m "$TINY" --text comment rows.csv
    status_is 0
    out_is 'predicted	probability	text'
}

@test "--rejects names no other file" {
    printf 'text\tlabel\ngood film\tpositive\n' >rows.tsv
    cp rows.tsv kept.tsv
    go tool predict -m "$TINY" --rejects - rows.tsv
    status_is 2
    err_has 'bs-predict: --rejects and the output are both standard output'
    go tool tokenize -m "$TINY" -o both --rejects both rows.tsv
    status_is 2
    err_has 'bs-tokenize: --rejects and the output are both both'
    [ ! -e both ]
    ln rows.tsv link.tsv
    go tool eval -m "$TINY" --rejects link.tsv rows.tsv
    status_is 2
    err_has 'bs-eval: --rejects would replace the input rows.tsv'
    cmp rows.tsv kept.tsv
    go tool predict -m "$TINY" -o /dev/null --rejects /dev/null rows.tsv
    status_is 0
    go tool predict -m "$TINY" -o out.tsv --rejects - - <rows.tsv
    status_is 0
}

# shellcheck disable=SC2094 # that is what is tried
@test "input and output are two files" {
    printf 'text\tlabel\ngood film\tpositive\n' >rows.tsv
    status=0
    timeout 20 "$BIN/bs-predict" -m "$TINY" rows.tsv >>rows.tsv 2>err || status=$?
    status_is 2
    err_has 'bs-predict: rows.tsv is input and output'
    status=0
    timeout 20 "$BIN/bs-tokenize" -m "$TINY" -t jsonl <rows.tsv >>rows.tsv 2>err || status=$?
    status_is 2
    err_has 'bs-tokenize: standard input is input and output'
    cp rows.tsv kept.tsv
    for tool in tokenize predict eval; do
        go tool $tool -m "$TINY" -o rows.tsv rows.tsv
        status_is 2
        err_has "bs-$tool: -o would replace the input rows.tsv"
    done
    go tool predict -m "$TINY" -o ./rows.tsv <rows.tsv
    status_is 2
    err_has 'bs-predict: -o would replace the input ./rows.tsv'
    cmp rows.tsv kept.tsv
}

@test "-o /dev/stdout is standard output, whatever that is" {
    { echo head; tool predict -m "$TINY" --header no -o /dev/stdout <<<"good film"; echo tail; } >all
    [ "$(cut -f 1 all)" = $'head\npositive\ntail' ]
}

@test "descriptors that do not block are waited for" {
    mkdir -p set/positive
    for i in $(seq 400); do echo "good film, $i" >"set/positive/$i"; done
    tar cf set.tar set
    cat >unblocked.pl <<'END'
use Fcntl;
my ($which, @command) = @ARGV;
pipe(my $from, my $to) or die;
my $mine = $which eq "in" ? $from : $to;
fcntl($mine, F_SETFL, fcntl($mine, F_GETFL, 0) | O_NONBLOCK) or die;
if (!fork) {
    if ($which eq "in") { open STDIN, "<&", $from or die; close $to }
    else { open STDOUT, ">&", $to or die; close $from }
    exec @command;
}
if ($which eq "in") {
    close $from;
    while (read STDIN, my $bytes, 60000) { select undef, undef, undef, 0.05; syswrite $to, $bytes or die }
    close $to;
} else {
    close $to;
    select undef, undef, undef, 0.5;
    while (sysread $from, my $bytes, 60000) { print $bytes }
}
wait;
exit $? >> 8;
END
    go perl unblocked.pl in "$BIN/bs-tokenize" -m "$TINY" -f tree -t ids - <set.tar
    status_is 0
    has_lines out 400
    for i in $(seq 5000); do echo "good film number $i"; done >texts
    go perl unblocked.pl out "$BIN/bs-predict" -m "$TINY" --header no texts
    status_is 0
    has_lines out 5000
}

@test "a FIFO in a model is not waited for" {
    make_model fifo
    rm fifo/config.json
    mkfifo fifo/config.json
    go timeout 10 "$BIN/bs-tokenize" -m fifo <<<good
    status_is 4
    err_has 'fifo/config.json: not a regular file'
}
