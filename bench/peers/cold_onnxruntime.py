#!/usr/bin/env python3
"""cold_onnxruntime.py MODEL GRAPH MAX_LENGTH THREADS: labels the one line on standard input
and prints `label TAB probability`, with as little around it as there can be."""
import json
import os
import sys

model, graph, max_length, threads = sys.argv[1:]
os.environ["RAYON_NUM_THREADS"] = threads
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file(f"{model}/tokenizer.json")
tokenizer.no_padding()
tokenizer.enable_truncation(int(max_length))
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(threads)
session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
with open(f"{model}/config.json", encoding="utf-8") as file:
    names = json.load(file)["id2label"]
ids = np.array([tokenizer.encode(sys.stdin.readline().rstrip("\n")).ids], np.int64)
logits = session.run(None, {"ids": ids, "mask": np.ones_like(ids), "types": np.zeros_like(ids)})[0][0]
exp = np.exp(logits - logits.max())
print(f"{names[str(int(exp.argmax()))]}\t{exp.max() / exp.sum():.6f}", flush=True)
