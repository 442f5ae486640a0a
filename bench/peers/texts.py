"""What the labelling peers share: their command line, and the same texts, tokenized and
batched at their best known settings: batches of 32 sorted by length, padded to the longest
of the batch.

    label_ENGINE.py MODEL TEXTS PRECISION MAX_LENGTH THREADS OUTPUT

prints texts/s and leaves `label TAB probability` of each text in OUTPUT. What is made of
MODEL on the way is kept beside OUTPUT."""
import json
import os
import sys
import time
import zlib

import numpy as np
from tokenizers import Tokenizer

BATCH = 32


def read_lines(path):
    with open(path, encoding="utf-8", errors="replace", newline="\n") as file:
        return file.read().split("\n")[:-1]


def kept(model, folder, suffix):
    """Path in `folder` for something made of the model as it is now."""
    weights = os.path.realpath(f"{model}/model.safetensors")
    mark = zlib.crc32(f"{weights} {os.path.getmtime(weights)}".encode())
    return os.path.join(folder, f"peer-{mark:08x}{suffix}")


class Job:
    """The command line. Made before the engine is imported, which reads how many threads
    it may use from the environment."""

    def __init__(self, *precisions):
        self.model, self.path, self.precision, max_length, threads, self.output = sys.argv[1:]
        assert self.precision in precisions, self.precision
        self.max_length, self.threads = int(max_length), int(threads)
        self.folder = os.path.dirname(self.output)
        os.environ.update(RAYON_NUM_THREADS=threads, OMP_NUM_THREADS=threads, HF_HUB_OFFLINE="1")
        self.texts = read_lines(self.path)
        self.tokenizer = Tokenizer.from_file(f"{self.model}/tokenizer.json")
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.max_length)
        with open(f"{self.model}/config.json", encoding="utf-8") as file:
            self.config = json.load(file)

    def batches(self):
        """Which texts, their ids padded with 0, and the mask of what is not padding."""
        ids = [e.ids for e in self.tokenizer.encode_batch_fast(self.texts)]
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        for first in range(0, len(order), BATCH):
            chosen = order[first:first + BATCH]
            padded = np.zeros((len(chosen), len(ids[chosen[0]])), np.int64)
            mask = np.zeros_like(padded)
            for row, i in enumerate(chosen):
                padded[row, :len(ids[i])] = ids[i]
                mask[row, :len(ids[i])] = 1
            yield chosen, padded, mask

    def measure(self, logits_of):
        """`logits_of(ids, mask)` for one batch after another."""
        self.measure_all(lambda: [(chosen, logits_of(ids, mask))
                                  for chosen, ids, mask in self.batches()])

    def measure_all(self, label):
        """`label()` labels all batches and gives a list of (chosen, logits). It is called
        four times; printed is the median of the last three."""
        rates = []
        for _ in range(4):
            began = time.perf_counter()
            results = label()
            rates.append(len(self.texts) / (time.perf_counter() - began))
        self.write(results)
        print(f"{sorted(rates[1:])[1]:.1f}")

    def write(self, results):
        names = [self.config["id2label"][str(i)] for i in range(len(self.config["id2label"]))]
        rows = [None] * len(self.texts)
        for chosen, logits in results:
            logits = np.asarray(logits, np.float64)
            exp = np.exp(logits - logits.max(1, keepdims=True))
            for i, p in zip(chosen, exp / exp.sum(1, keepdims=True)):
                rows[i] = f"{names[int(p.argmax())]}\t{p.max():.6f}\n"
        with open(self.output, "w", encoding="utf-8") as file:
            file.writelines(rows)
