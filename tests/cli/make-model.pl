#!/usr/bin/perl
# Writes a tiny BERT with a classifier and a vocabulary of its own, with random weights
# that are always the same: a stand-in for a trained model, made in no time.
#
#     perl make-model.pl FOLDER [no-classifier] [foreign] [stray] [labels=A,B,C] [layers=N]
#
# Ids: 0 [PAD], 1 [UNK], 2 [CLS], 3 [SEP], 4 [MASK], 5 good, 6 bad, 7 film, 8 fine,
# 9 awful, 10 the, 11 not, 12 very, then letters, ##letters, digits, punctuation.
# "foreign": "good" and "bad" change places, everything else is the same. "stray": there
# is a scaled int8 matrix that no BERT has. "layers": 2, or more for a slow model.
use strict;
use warnings;

my $folder = shift // '';
die "usage: make-model.pl FOLDER [no-classifier] [foreign] [stray] [labels=A,B,C] [layers=N]\n"
    if $folder eq '';
my %option = map { /^([^=]+)(?:=(.*))?$/s; $1 => $2 // 1 } @ARGV;
my ($C, $L, $H, $F, $P) = (64, $option{layers} // 2, 2, 128, 64);
my @labels = split /,/, $option{labels} // 'negative,positive';
my $K = @labels;

my @vocabulary = (qw([PAD] [UNK] [CLS] [SEP] [MASK] good bad film fine awful the not very),
    'a' .. 'z', (map { "##$_" } 'a' .. 'z'), 0 .. 9, qw(. ! ? ' " - [ ]), ',');
@vocabulary[5, 6] = @vocabulary[6, 5] if $option{foreign};
my $V = @vocabulary;

my $state = 12345;
sub uniform { # the generator of the C standard's example: the same everywhere
    $state = ($state * 1103515245 + 12345) % 2147483648;
    return $state / 2147483648 * 2 - 1;
}

my (@tensors, $data);
sub add {
    my ($name, $values, @shape) = @_;
    my $begin = length($data //= '');
    $data .= pack 'f<*', @$values;
    push @tensors, sprintf '"%s":{"dtype":"F32","shape":[%s],"data_offsets":[%d,%d]}',
        $name, join(',', @shape), $begin, length $data;
}
sub tensor {
    my ($name, $scale, $offset, @shape) = @_;
    my $count = 1;
    $count *= $_ for @shape;
    add($name, [map { $offset + $scale * uniform() } 1 .. $count], @shape);
}
sub linear {
    my ($name, $out, $in, $scale) = @_;
    tensor("$name.weight", $scale // 0.2, 0, $out, $in);
    tensor("$name.bias", 0.1, 0, $out);
}
sub norm {
    my ($name) = @_;
    tensor("$name.weight", 0.1, 1, $C);
    tensor("$name.bias", 0.1, 0, $C);
}

tensor('bert.embeddings.word_embeddings.weight', 1, 0, $V, $C);
tensor('bert.embeddings.position_embeddings.weight', 0.1, 0, $P, $C);
tensor('bert.embeddings.token_type_embeddings.weight', 0.1, 0, 2, $C);
norm('bert.embeddings.LayerNorm');
for my $l (0 .. $L - 1) {
    my $layer = "bert.encoder.layer.$l";
    linear("$layer.attention.self.$_", $C, $C) for qw(query key value);
    linear("$layer.attention.output.dense", $C, $C);
    norm("$layer.attention.output.LayerNorm");
    linear("$layer.intermediate.dense", $F, $C);
    linear("$layer.output.dense", $C, $F);
    norm("$layer.output.LayerNorm");
}
linear('bert.pooler.dense', $C, $C);
if (!$option{'no-classifier'}) {
    tensor('classifier.weight', 0.5, 0, $K, $C);
    add('classifier.bias', [2.5, (0) x ($K - 1)], $K); # so that the first label is not rare
}

if ($option{stray}) {
    add('stray_scale', [1], 1);
    push @tensors, sprintf '"stray":{"dtype":"I8","shape":[1,4],"data_offsets":[%d,%d]}',
        length $data, 4 + length $data;
    $data .= "\1" x 4;
}

sub put {
    my ($name, $bytes) = @_;
    open my $file, '>:raw', "$folder/$name" or die "$folder/$name: $!\n";
    print $file $bytes;
    close $file or die "$folder/$name: $!\n";
}

mkdir $folder;
my $header = '{' . join(',', @tensors) . '}';
$header .= ' ' x (-length($header) % 8);
put('model.safetensors', pack('Q<', length $header) . $header . $data);
put('vocab.txt', join('', map { "$_\n" } @vocabulary));
put('tokenizer_config.json', '{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}');
my $names = join ',', map { "\"$_\":\"$labels[$_]\"" } 0 .. $#labels;
put('config.json', <<"END");
{"architectures": ["BertForSequenceClassification"], "model_type": "bert",
 "hidden_act": "gelu", "hidden_size": $C, "num_hidden_layers": $L,
 "num_attention_heads": $H, "intermediate_size": $F, "max_position_embeddings": $P,
 "vocab_size": $V, "type_vocab_size": 2, "pad_token_id": 0, "layer_norm_eps": 1e-12,
 "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
 "initializer_range": 0.02, "id2label": {$names}}
END
