#!/usr/bin/env python3
"""tokenize_nanotoken.py MODEL TEXTS THREADS [IDS]: prints MB/s from file to ids in memory,
first pass and warm, separated by a TAB, each the median of three passes; the caches are
empty before each first pass. IDS gets the ids, a line for each text."""
import os
import sys
import time

model, path, threads = sys.argv[1:4]
os.environ["RAYON_NUM_THREADS"] = threads
import nanotoken

tokenizer = nanotoken.Tokenizer(f"{model}/tokenizer.json")
source = nanotoken.TextFileSource(path, separator="\n")


def rates(clear):
    result = []
    for _ in range(3):
        if clear:
            tokenizer.clear_cache()
        began = time.perf_counter()
        tokenizer.encode_files(source)
        result.append(os.path.getsize(path) / 1e6 / (time.perf_counter() - began))
    return result


tokenizer.encode_files(source)
print("\t".join(f"{sorted(rates(clear))[1]:.1f}" for clear in (True, False)))
if len(sys.argv) > 4:
    with open(sys.argv[4], "w", encoding="ascii") as file:
        for ids in tokenizer.encode_files(source):
            print(*ids.tolist(), file=file)
