#!/usr/bin/env python3
"""Training by bs and by PyTorch takes the same way.

    trajectory.py BIN MODEL TEXTS.tsv

From the same weights, without dropout, both fine-tune MODEL on the first 30 rows of
TEXTS.tsv (columns text and label) for 40 updates with warm-up, linear decay, clipping
and weight decay. Every update sees all rows, bs in two batches that it accumulates, so
that no order of rows has to be agreed on. The loss of each update must agree within 1e-5.

Prints TAP; exit status 1 if it fails.
"""
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile

import torch
from transformers import (AutoTokenizer, BertForSequenceClassification,
                          get_linear_schedule_with_warmup)

ROWS, UPDATES, WARMUP_STEPS, LEARNING_RATE, MAX_LENGTH = 30, 40, 10, 5e-5, 128


def train_bs(tools, model, out, rows, *options):
    subprocess.run([f"{tools}/bs-train", "-m", model, "-o", out, "--threads", "1", "--quiet",
                    "--precision", "fp32", "--batch-size", "16", "--accumulation", "2",
                    "--max-length", str(MAX_LENGTH), *options, rows],
                   check=True, stdout=subprocess.DEVNULL)


def beginning(tools, model, scratch, rows):
    """A model with a classifier, and without dropout."""
    train_bs(tools, model, f"{scratch}/first", rows, "--max-steps", "1", "--warmup-steps", "0")
    begin = f"{scratch}/begin"
    shutil.copytree(os.path.realpath(f"{scratch}/first/last"), begin)
    with open(f"{begin}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"):
        config[name] = 0.0
    with open(f"{begin}/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    return begin


def losses_bs(tools, begin, scratch, rows):
    train_bs(tools, begin, f"{scratch}/run", rows, "--epochs", str(UPDATES), "--eval-steps", "1",
             "--save-steps", str(UPDATES), "--warmup-steps", str(WARMUP_STEPS),
             "--learning-rate", str(LEARNING_RATE))
    with open(f"{scratch}/run/log.tsv", encoding="utf-8") as file:
        return [float(row[1]) for row in list(csv.reader(file, delimiter="\t"))[1:]]


def losses_torch(begin, rows):
    net = BertForSequenceClassification.from_pretrained(begin).train()
    with open(rows, encoding="utf-8", newline="\n") as file:
        labels, texts = zip(*(line.rstrip("\n").split("\t", 1) for line in list(file)[1:]))
    batch = AutoTokenizer.from_pretrained(begin)(list(texts), truncation=True, padding=True,
                                                 max_length=MAX_LENGTH, return_tensors="pt")
    targets = torch.tensor([net.config.label2id[label] for label in labels])
    plain, decayed = [], []
    for name, parameter in net.named_parameters():
        (plain if "bias" in name or "LayerNorm" in name else decayed).append(parameter)
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01},
                                   {"params": plain, "weight_decay": 0.0}], lr=LEARNING_RATE)
    schedule = get_linear_schedule_with_warmup(optimizer, WARMUP_STEPS, UPDATES)
    losses = []
    for _ in range(UPDATES):
        loss = net(**batch, labels=targets).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def main():
    tools, model, texts = sys.argv[1:4]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        rows = f"{scratch}/rows.tsv"
        with open(texts, encoding="utf-8", newline="\n") as source, \
                open(rows, "w", encoding="utf-8", newline="\n") as file:
            table = [line.rstrip("\r\n").split("\t") for line in source]
            label, text = table[0].index("label"), table[0].index("text")
            file.write("label\ttext\n")
            file.writelines(f"{row[label]}\t{row[text]}\n" for row in table[1:ROWS + 1])
        begin = beginning(tools, model, scratch, rows)
        ours, theirs = losses_bs(tools, begin, scratch, rows), losses_torch(begin, rows)
    print("# PyTorch's losses: " + " ".join(f"{loss:.4f}" for loss in theirs[::5]))
    off = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    ok = off <= 1e-5
    print(f"{'ok' if ok else 'not ok'} 1 - the loss of each of {UPDATES} updates (worst {off:.1e})\n1..1")
    return not ok


if __name__ == "__main__":
    sys.exit(main())
