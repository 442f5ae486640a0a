#!/usr/bin/perl
# Writes an undamaged stream of records that bs itself would not write.
#
#     perl make-stream.pl EMPTY RECORD... >STREAM
#
# EMPTY is a stream without records, whose header is taken. A RECORD is its msgpack
# bytes, with \xNN for those that cannot be typed. The end has their right number and
# CRC-32, so that a reader finds fault with the records alone.
use strict;
use warnings;

sub crc32 {
    my $crc = 0xffffffff;
    for my $byte (unpack 'C*', shift) {
        $crc ^= $byte;
        $crc = $crc & 1 ? 0xedb88320 ^ ($crc >> 1) : $crc >> 1 for 1 .. 8;
    }
    return $crc ^ 0xffffffff;
}

my $path = shift;
open my $empty, '<:raw', $path or die "$path: $!\n";
my $bytes = do { local $/; <$empty> };
$bytes =~ s/\x93\xa3end.*//s or die "$path: no end\n";
s/\\x([0-9a-f]{2})/chr hex $1/ge for @ARGV;
$bytes .= join '', @ARGV;
binmode STDOUT;
print $bytes, "\x93\xa3end\xce", pack('N', scalar @ARGV), "\xce", pack('N', crc32($bytes));
