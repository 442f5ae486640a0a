#!/usr/bin/env python3
"""Writes lib/text/unicode_tables.c: what the reference tokenizer does with each code point.

    make parity-tokens                      # once: installs the reference in build/parity
    PYTHONPATH=build/parity/packages tests/parity/generate_unicode.py > lib/text/unicode_tables.c

The reference mixes tables of several Unicode versions, so nothing here is taken from a
Unicode library: every property is observed by running the reference (Hugging Face
tokenizers) on the code point. lib/text/unicode.h says what the tables mean.
"""
import sys
import unicodedata

from tokenizers import AddedToken, Tokenizer, __version__
from tokenizers.models import WordLevel
from tokenizers.normalizers import NFD, BertNormalizer, Lowercase
from tokenizers.pre_tokenizers import BertPreTokenizer

DROP, WHITE, CJK, PUNCTUATION, MARK, WORD, HANGUL, PLAIN = (1 << i for i in range(8))
CODES = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def bert(**on):
    stages = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return BertNormalizer(**{**stages, **on}).normalize_str


def combining_classes():
    """Canonical combining classes, from which neighbours NFD puts in order."""
    nfd = NFD().normalize_str
    swaps = lambda a, b: a != b and nfd("x" + a + b) == "x" + b + a
    low, high = chr(0x334), chr(0x345)  # classes 1 and 240: nothing lies beyond
    moves = [c for c in map(chr, CODES) if nfd(c) == c and (swaps(high, c) or swaps(c, low))]
    probes = {}  # one code point for each class, by Python's knowledge
    for c in moves:
        if unicodedata.combining(c):
            probes.setdefault(unicodedata.combining(c), c)
    order = "".join(probes[k] for k in sorted(probes))
    assert nfd("x" + order[::-1]) == "x" + order, "the probes are not in the expected order"
    classes = {}
    for c in moves:
        same = [k for k, p in probes.items() if not swaps(p, c) and not swaps(c, p)]
        assert len(same) == 1, (hex(ord(c)), same)
        classes[ord(c)] = same[0]
    return classes


def word_characters():
    """What stops an added token with single_word: the reference's regular expression \\w."""
    tokenizer = Tokenizer(WordLevel({"?": 0, "@X@": 1}, "?"))
    tokenizer.add_tokens([AddedToken("@X@", single_word=True, normalized=False)])
    texts = [chr(c) + "@X@" for c in CODES]
    found = tokenizer.encode_batch(texts)
    return {c for c, e in zip(CODES, found) if 1 not in e.ids}


def properties():
    nfd, lower = NFD().normalize_str, Lowercase().normalize_str
    clean, chinese = bert(clean_text=True), bert(handle_chinese_chars=True)
    strip, split = bert(strip_accents=True), BertPreTokenizer().pre_tokenize_str
    classes, words = combining_classes(), word_characters()
    records = []
    for code in CODES:
        c = chr(code)
        flags, decomposed, lowered = 0, nfd(c), lower(c)
        cleaned, pieces = clean(c), len(split("a" + c + "b"))
        assert cleaned in ("", " ", c)
        flags |= DROP if cleaned == "" else 0
        flags |= WHITE if pieces == 2 else PUNCTUATION if pieces == 3 else 0
        assert (cleaned == " ") == (flags & WHITE and not flags & DROP) or c == " ", hex(code)
        flags |= CJK if chinese(c) == " " + c + " " else 0
        flags |= MARK if decomposed == c and strip(c) == "" else 0
        flags |= WORD if code in words else 0
        if 0xAC00 <= code < 0xAC00 + 11172:
            t = (code - 0xAC00) % 28
            v = (code - 0xAC00) // 28 % 21
            l = (code - 0xAC00) // 588
            assert decomposed == chr(0x1100 + l) + chr(0x1161 + v) + (chr(0x11A7 + t) if t else "")
            flags |= HANGUL
            decomposed = c
        if not (flags & ~WORD or classes.get(code) or decomposed != c or lowered != c):
            flags |= PLAIN
        records.append((flags, classes.get(code, 0), decomposed if decomposed != c else "",
                        lowered if lowered != c else ""))
    return dict(zip(CODES, records))


def print_array(kind, name, values):
    print(f"\nconst {kind} {name}[{len(values)}] = {{")
    line = ""
    for value in values:
        if len(line) + len(f"{value},") > 90:
            print(line)
            line = ""
        line += f"{value},"
    print(line + "\n};")


def main():
    records = properties()
    unassigned = (DROP, 0, "", "")  # surrogates, which text cannot hold
    sequences, offsets = [0], {"": 0}

    def place(text):
        if text not in offsets:
            offsets[text] = len(sequences)
            sequences.append(len(text))
            sequences.extend(map(ord, text))
        return offsets[text]

    kinds, index = {}, []
    for code in range(0x110000):
        flags, ccc, decomposed, lowered = records.get(code, unassigned)
        kind = (flags, ccc, place(decomposed), place(lowered))
        index.append(kinds.setdefault(kind, len(kinds)))
    shift, size = 7, 128
    blocks, first = {}, []
    for start in range(0, 0x110000, size):
        block = tuple(index[start:start + size])
        first.append(blocks.setdefault(block, len(blocks)))
    assert len(kinds) < 65536 and len(sequences) < 65536 and len(blocks) < 65536
    print("/* What each code point does; see unicode.h. Generated from tokenizers "
          f"{__version__} by\n * tests/parity/generate_unicode.py: not to be edited. */")
    print('#include "text/unicode.h"\n\n/* clang-format off */')
    print_array("uint16_t", "bs_unicode_blocks", first)
    print_array("uint16_t", "bs_unicode_kinds", [k for b in blocks for k in b])
    print_array("struct bs_unicode_kind", "bs_unicode_kind_table",
                ["{%d,%d,%d,%d}" % k for k in kinds])
    print_array("uint32_t", "bs_unicode_sequences", sequences)
    print(f"kinds {len(kinds)}, blocks {len(blocks)}, sequences {len(sequences)}", file=sys.stderr)


main()
