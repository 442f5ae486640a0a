#!/usr/bin/env python3
"""Compares bs's token ids with the reference tokenizer's; run by `make parity-tokens`.

    compare_tokens.py DRIVER MODEL DATA_DIR SCRATCH

DRIVER is tests/parity/tokens_dump, MODEL a directory with an uncased BERT's tokenizer.json
and vocab.txt, DATA_DIR the real data (sst2/*.tsv, imdb/*.tar.gz; skipped where absent).
One line a check, the first differences of each that fails, and `N passed, N failed`.
"""
import array
import json
import os
import random
import struct
import subprocess
import sys
import tarfile
import time

from tokenizers import Tokenizer, __version__
from tokenizers.normalizers import BertNormalizer

DRIVER, MODEL, DATA, SCRATCH = sys.argv[1:5]
BATCH = 50000
MODEL_JSON = json.load(open(MODEL + "/tokenizer.json", encoding="utf-8"))
NORMALIZER = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
passed = failed = 0


class Pair:
    """The reference and bs with the same settings."""

    def __init__(self, name, added=(), literal=False, max_word=100, max_length=None, pairs=False,
                 **normalizer):
        self.name, self.pairs, self.framed = name, pairs, max_length is not None
        settings = {**NORMALIZER, **normalizer}
        model = json.loads(json.dumps(MODEL_JSON))
        model["truncation"] = model["padding"] = None
        model["normalizer"].update(settings)
        model["model"]["max_input_chars_per_word"] = max_word
        tokens = model["added_tokens"] = model["added_tokens"] + [
            {"id": 100000 + i, "content": content, "special": "s" in flags, "lstrip": "l" in flags,
             "rstrip": "r" in flags, "single_word": "w" in flags, "normalized": "n" in flags}
            for i, (flags, content) in enumerate(added)]
        self.reference = Tokenizer.from_str(json.dumps(model))
        self.reference.encode_special_tokens = literal
        if max_length:
            self.reference.enable_truncation(max_length)
        if settings["strip_accents"] is None:
            settings["strip_accents"] = settings["lowercase"]
        lines = [f"vocabulary {MODEL}/vocab.txt"]
        lines += [f"{k} {int(v)}" for k, v in settings.items()]
        lines += [f"literal {int(literal)}", f"max_word {max_word}", f"pairs {int(pairs)}"]
        lines += [f"max_length {max_length}"] if self.framed else []
        for t in tokens:
            flags = "".join(f for f, n in zip("slrwn", ("special", "lstrip", "rstrip", "single_word",
                                                        "normalized")) if t[n])
            number = self.reference.token_to_id(t["content"])  # its own choice
            lines.append(f"added {number} {flags or '-'} {t['content'].encode().hex()}")
        self.settings = os.path.join(SCRATCH, "settings-" + name.replace(" ", "-"))
        with open(self.settings, "w") as file:
            file.write("\n".join(lines) + "\n")

    def ours(self, texts):
        flat = [part for text in texts for part in text] if self.pairs else texts
        data = b"".join(struct.pack("=I", len(t)) + t for t in flat)
        return subprocess.run([DRIVER, self.settings], input=data, stdout=subprocess.PIPE, check=True).stdout

    def theirs(self, texts):
        decode = lambda t: t.decode("utf-8", "replace")
        texts = [tuple(map(decode, t)) for t in texts] if self.pairs else list(map(decode, texts))
        for e in self.reference.encode_batch_fast(texts, add_special_tokens=self.framed):
            yield array.array("i", e.ids).tobytes()
            if self.pairs:
                yield array.array("i", e.type_ids).tobytes()


def difference(pair, texts):
    """How many answers differ, and a description of the first few."""
    answer, place, wrong, shown = pair.ours(texts), 0, 0, []
    for i, want in enumerate(pair.theirs(texts)):
        size = 4 * struct.unpack_from("=I", answer, place)[0]
        got = answer[place + 4:place + 4 + size]
        place += 4 + size
        if got != want:
            wrong += 1
            text = texts[i // 2 if pair.pairs else i]
            shown.append(f"#   {text!r:.300}\n#     want {list(array.array('i', want))[:40]}"
                         f"\n#     got  {list(array.array('i', got))[:40]}")
    return wrong + (place != len(answer)), shown[:3]


def compare(pair, what, texts):
    global passed, failed
    began, total, wrong, shown, batch = time.time(), 0, 0, [], []

    def finish():
        nonlocal total, wrong
        total += len(batch)
        more, lines = difference(pair, batch)
        wrong += more
        shown.extend(lines)
        batch.clear()

    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if len(batch) >= BATCH or size > 4e6:
            finish()
            size = 0
    if batch:
        finish()
    passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"{'not ok' if wrong else 'ok'} - {pair.name}: {what}: {total:,} texts, {wrong:,} differ "
          f"({time.time() - began:.1f} s)", flush=True)
    if wrong:
        print("\n".join(shown[:5]), flush=True)


def code_points(step=1):
    return (chr(c) for c in range(0, 0x110000, step) if not 0xD800 <= c <= 0xDFFF)


def positions(step=1):
    for c in code_points(step):
        yield c.encode()
        yield ("a" + c + "b").encode()
        yield (c + c).encode()


SCRIPTS = [(0x20, 0x7F), (0x61, 0x7B), (0x41, 0x5B), (0, 0x20), (0x7F, 0xC0), (0xC0, 0x250), (0x250, 0x300),
           (0x300, 0x370), (0x370, 0x400), (0x400, 0x530), (0x590, 0x600), (0x600, 0x700), (0x900, 0xE00),
           (0xE00, 0x1100), (0x1100, 0x1200), (0x1AB0, 0x1B00), (0x1C80, 0x1CC0), (0x1D00, 0x2000),
           (0x2000, 0x2070), (0x20D0, 0x2190), (0x2E80, 0x3100), (0x3000, 0x3040), (0x4E00, 0x4F00),
           (0xA640, 0xA8FF), (0xAC00, 0xD7A4), (0xF900, 0xFB50), (0xFB50, 0x10000), (0x10000, 0x10500),
           (0x11000, 0x11300), (0x1D150, 0x1D250), (0x1E000, 0x1E980), (0x1F300, 0x1F700), (0x20000, 0x20100),
           (0x2F800, 0x2FA20), (0xE0000, 0xE0200), (0x10FF00, 0x110000), (0, 0x110000)]
MARKS = "".join(map(chr, [*range(0x300, 0x370), 0x302E, 0x302F, 0x1D165, 0x1D16D, 0x34F, 0xFB1E, 0x5B0, 0x5C1,
                          0x64B, 0x651, 0x670, 0x93C, 0x94D, 0xE38, 0xF71, 0xF74, 0x3099, 0x16FF0, 0x1DFA]))
SNIPPETS = ["[SEP]", "[CLS]", "[MASK]", "[sep]", "[UNK]", "[", "[[SEP]", "[SEP", "##ing", "don't", "it's", "...",
            "<br /><br />", "http://", "unaffable", "the", "U.S.A.", "3.14", "a" * 16, "word" * 5, "x" * 100,
            "y" * 101, "\u00e9" * 100, "\u0130", "\u03a3", "\u1e9e", "\ufb01", "\u212b", "\uac01", "\u2014",
            "\u4e2d\u6587", "\r\n", "\x00", "\ufffd", "\x85", "\x0b", "\u2028", "\u3000", "\u200b", "\ufeff"]


def random_text(rng):
    parts = []
    for _ in range(rng.randint(1, 12)):
        kind = rng.random()
        if kind < 0.15:
            parts.append(rng.choice(SNIPPETS))
        elif kind < 0.3:
            parts.append("".join(rng.choice(MARKS) for _ in range(rng.randint(1, 4))))
        elif kind < 0.45:
            parts.append(rng.choice([" ", "  ", ", ", "-", "\n", ". "]))
        else:
            low, high = rng.choice(SCRIPTS)
            codes = (rng.randrange(low, high) for _ in range(rng.randint(1, 5)))
            parts.append("".join(chr(c) for c in codes if not 0xD800 <= c <= 0xDFFF))
    return "".join(parts)


def random_texts(count, seed):
    rng = random.Random(seed)
    return (random_text(rng).encode() for _ in range(count))


def broken_texts(count, seed):
    """Bytes that are often not UTF-8."""
    rng = random.Random(seed)
    for _ in range(count):
        text = bytearray(random_text(rng).encode() + bytes(rng.choice(b"a \xc3\xe2\xf0\xff\x80") for _ in range(3)))
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(text))
            if rng.random() < 0.5:
                text[place] = rng.randrange(256)
            else:
                del text[place:place + 1]
        yield bytes(text)


def long_texts(seed):
    """Borders of blocks and tables: long words, long texts without a space, rows of marks."""
    rng = random.Random(seed)
    for size in range(1, 140):
        yield b"w" * size
        yield b" " * size + b"Word" + b"!" * size
        yield ("\u00fc" * size).encode()
        yield bytes(rng.choice(b"abcdefgh ") for _ in range(size))
    for size in (1000, 16384, 16400, 40000, 100000):
        yield bytes(rng.choice(b"etaoinshrdlu     ,.") for _ in range(size))
        yield bytes(rng.choice(b"etaoinshrdlu,.'-/") for _ in range(size))
        yield ("a" + "".join(rng.choice(MARKS) for _ in range(size))).encode()
        yield "".join(chr(rng.randrange(0x4E00, 0x9FFF)) for _ in range(size)).encode()
        yield "".join(chr(rng.randrange(0x400, 0x460)) + rng.choice(["", " "]) for _ in range(size)).encode()


def sst2():
    for name in ("train.tsv", "val.tsv"):
        with open(f"{DATA}/sst2/{name}", "rb") as file:
            next(file)
            for line in file:
                yield line.rstrip(b"\r\n").rsplit(b"\t", 1)[0]


def imdb():
    with tarfile.open(f"{DATA}/imdb/aclImdb-train.tar.gz") as archive:
        for member in archive:
            if member.isfile():
                yield archive.extractfile(member).read()


def compare_file(pair, path, what, texts):
    if os.path.exists(f"{DATA}/{path}"):
        compare(pair, what, texts)
    else:
        print(f"ok - {pair.name}: {what} # SKIP skipped: no {DATA}/{path}")


def two_by_two(texts):
    texts = list(texts)
    return zip(texts[::2], texts[1::2])


ODD_TOKENS = [("l", "@left@"), ("r", "@right@"), ("w", "@word@"), ("lrw", "@all@"), ("s", "[SEP]x"), ("-", "@"),
              ("-", "\u00e9t\u00e9"), ("lr", "\u3000x")]
NORMALIZED_TOKENS = [("n", "Caf\u00e9"), ("nw", "THE"), ("nlr", "b"), ("-", "@"), ("n", "\u4e2d")]


def added_texts(count, seed):
    rng = random.Random(seed)
    pieces = ["@left@", "@right@", "@word@", "@all@", "[SEP]", "[SEP]x", "@", "\u00e9t\u00e9", "caf\u00e9", "CAFE",
              "the", "The", "b", "B", "\u4e2d", " ", "  ", "\u3000", "\u00a0", "\n", "a", "1", "_", "\u0301", "!",
              "\u200d", "\u3000x", "x", "\x00", "\u0e33", "."]
    return ("".join(rng.choice(pieces) for _ in range(rng.randint(1, 9))).encode() for _ in range(count))


# Contents that overlap, begin with one another, and are often white space alone.
WHITE = ["\n", "\t", " ", "\u3000", "\u00a0", "\r\n", "\n\n", " \t", "\n ", "\x00", "\u200b"]
LETTERS = ["a", "ab", "abc", "b a", "bc", "A", "\u00c9", "e\u0301", "\u4e2d", " a", "a ", "\nb", "b\t", "-", "--", "_", "1"]


def random_tokens(rng):
    """Of those that are equal once normalized one: the reference takes any, another every
    time. None that is empty then, which it finds between any two characters."""
    contents = rng.sample(WHITE, rng.randint(0, 4)) + rng.sample(LETTERS, rng.randint(0, 4))
    tokens = {}
    for content in contents:
        flags = "".join(f for f in "slrwn" if rng.random() < 0.4) or "-"
        found = BertNormalizer().normalize_str(content) if "n" in flags else content
        if found:
            tokens["n" in flags, found] = (flags, content)
    return list(tokens.values())


def overlapping_texts(pair, count, seed):
    """Without those on which the reference ends in a panic: a token with lstrip amid what
    the match before has taken along."""
    rng = random.Random(seed)
    for _ in range(count):
        parts = (rng.choice(WHITE if rng.random() < 0.6 else LETTERS) for _ in range(rng.randint(1, 9)))
        text = "".join(parts)
        try:
            pair.reference.encode(text)
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
        else:
            yield text.encode()


def main():
    print(f"# reference: tokenizers {__version__}", flush=True)
    uncased = Pair("uncased")
    compare(uncased, "every code point alone, between letters, doubled", positions())
    compare(uncased, "random strings of mixed scripts", random_texts(200000, 1))
    compare(uncased, "bytes that are not UTF-8", broken_texts(20000, 2))
    compare(uncased, "long words and texts", long_texts(3))
    compare_file(uncased, "sst2", "SST-2", sst2())
    compare_file(uncased, "imdb", "IMDB reviews", imdb())
    variants = [
        Pair("cased", lowercase=False),
        Pair("cased without accents", lowercase=False, strip_accents=True),
        Pair("uncased with accents", strip_accents=False),
        Pair("no CJK", handle_chinese_chars=False),
        Pair("no clean", clean_text=False),
        Pair("nothing", clean_text=False, handle_chinese_chars=False, lowercase=False),
    ]
    for seed, pair in enumerate(variants):
        compare(pair, "code points between letters", (("a" + c + "b").encode() for c in code_points(1 + 2 * (seed > 0))))
        compare(pair, "random strings", random_texts(15000, 10 + seed))
        compare(pair, "long words and texts", long_texts(20 + seed))
    literal = Pair("literal special tokens", literal=True)
    compare(literal, "random strings", random_texts(15000, 30))
    for name, tokens in (("odd added tokens", ODD_TOKENS), ("normalized added tokens", NORMALIZED_TOKENS)):
        for is_literal in (False, True):
            pair = Pair(name + (", literal" if is_literal else ""), added=tokens, literal=is_literal)
            compare(pair, "texts made of them", added_texts(20000, 40))
            compare(pair, "random strings", random_texts(5000, 41))
    rng = random.Random(42)
    os.environ["RUST_BACKTRACE"] = "0"
    for i in range(40):
        pair = Pair("random added tokens", added=random_tokens(rng), literal=rng.random() < 0.25)
        compare(pair, f"set {i + 1}", overlapping_texts(pair, 500, 42 + i))
    compare(Pair("short words only", max_word=5), "random strings", random_texts(10000, 50))
    compare(Pair("words of 300", max_word=300), "long words and texts", long_texts(51))
    for length in (2, 3, 7, 64):
        compare(Pair(f"at most {length}", max_length=length), "random strings", random_texts(3000, 60 + length))
    for length in (3, 4, 7, 8, 20):
        compare(Pair(f"pairs of at most {length}", max_length=length, pairs=True), "random strings",
                two_by_two(random_texts(4000, 70 + length)))
    compare(Pair("pairs", max_length=0, pairs=True), "random strings", two_by_two(random_texts(4000, 80)))
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
