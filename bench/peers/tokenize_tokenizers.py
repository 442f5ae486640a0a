#!/usr/bin/env python3
"""tokenize_tokenizers.py MODEL TEXTS THREADS [IDS]: prints MB/s, the median of three
passes. IDS gets the ids, a line for each text."""
import os
import sys
import time

model, path, threads = sys.argv[1:4]
os.environ["RAYON_NUM_THREADS"] = threads
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file(f"{model}/tokenizer.json")
tokenizer.no_padding()
tokenizer.no_truncation()
with open(path, encoding="utf-8", errors="replace", newline="\n") as file:
    texts = file.read().split("\n")[:-1]
rates = []
for _ in range(3):
    began = time.perf_counter()
    encodings = tokenizer.encode_batch_fast(texts)
    rates.append(os.path.getsize(path) / 1e6 / (time.perf_counter() - began))
print(f"{sorted(rates)[1]:.2f}")
if len(sys.argv) > 4:
    with open(sys.argv[4], "w", encoding="ascii") as file:
        for encoding in encodings:
            print(*encoding.ids, file=file)
