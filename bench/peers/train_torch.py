#!/usr/bin/env python3
"""BertForSequenceClassification as Hugging Face's Trainer fine-tunes it (fused AdamW,
warm-up, linear decay, clipping, batches of 8 padded to their longest), without the
Trainer's overhead.

    train_torch.py MODEL TRAIN.tsv [--steps N | --eval VAL.tsv] ...

The files have a header and the columns label and text. --steps times N steps after five
of warm-up and prints steps/s; --eval trains to the end and prints accuracy and macro F1,
separated by a TAB. --group makes batches of texts of like length, out of 50 batches at a
time, as the Trainer's group_by_length does."""
import argparse
import math
import os
import random
import time

options = argparse.ArgumentParser()
options.add_argument("model")
options.add_argument("train")
options.add_argument("--eval")
options.add_argument("--steps", type=int)
options.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
options.add_argument("--group", action="store_true")
options.add_argument("--max-length", type=int, default=128)
options.add_argument("--learning-rate", type=float, default=2e-5)
options.add_argument("--warmup-steps", type=int, default=500)
options.add_argument("--epochs", type=int, default=3)
options.add_argument("--threads", type=int, default=2)
options.add_argument("--seed", type=int, default=42)
options = options.parse_args()
os.environ.update(OMP_NUM_THREADS=str(options.threads), HF_HUB_OFFLINE="1")
import torch
from transformers import (BertForSequenceClassification, BertTokenizerFast,
                          get_linear_schedule_with_warmup)

BATCH = 8
torch.set_num_threads(options.threads)
torch.manual_seed(options.seed)
random.seed(options.seed)
tokenizer = BertTokenizerFast.from_pretrained(options.model)


def read_rows(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        rows = [line.rstrip("\n").split("\t", 1) for line in file][1:]
    ids = tokenizer([text for _, text in rows], truncation=True,
                    max_length=options.max_length)["input_ids"]
    return ids, [label for label, _ in rows]


def collate(ids, chosen):
    longest = max(len(ids[i]) for i in chosen)
    batch = torch.zeros(len(chosen), longest, dtype=torch.long)
    mask = batch.clone()
    for row, i in enumerate(chosen):
        batch[row, :len(ids[i])] = torch.tensor(ids[i])
        mask[row, :len(ids[i])] = 1
    return batch, mask


def autocast():
    return torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16")


def evaluate(net, ids, labels):
    net.eval()
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    predicted = [None] * len(ids)
    with torch.inference_mode(), autocast():
        for first in range(0, len(order), 32):
            chosen = order[first:first + 32]
            for i, p in zip(chosen, net(*collate(ids, chosen)).logits.argmax(-1).tolist()):
                predicted[i] = names[p]
    pairs = list(zip(labels, predicted))
    f1 = []
    for name in names:
        hit = sum(g == p == name for g, p in pairs)
        f1.append(2 * hit / max(1, sum(g == name for g, _ in pairs) + sum(p == name for _, p in pairs)))
    return sum(g == p for g, p in pairs) / len(pairs), sum(f1) / len(f1)


def shuffled(ids):
    """The batches of an epoch, one after the other."""
    order = list(range(len(ids)))
    random.shuffle(order)
    if not options.group:
        return order
    batches = []
    for first in range(0, len(order), 50 * BATCH):
        group = sorted(order[first:first + 50 * BATCH], key=lambda i: len(ids[i]))
        some = [group[at:at + BATCH] for at in range(0, len(group), BATCH)]
        random.shuffle(some)
        batches += some
    batches.sort(key=len, reverse=True)  # the one that is not full comes last
    return [i for batch in batches for i in batch]


ids, labels = read_rows(options.train)
names = sorted(set(labels))
net = BertForSequenceClassification.from_pretrained(options.model, num_labels=len(names)).train()
plain = [p for n, p in net.named_parameters() if "bias" in n or "LayerNorm" in n]
decayed = [p for n, p in net.named_parameters() if not ("bias" in n or "LayerNorm" in n)]
optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01},
                               {"params": plain, "weight_decay": 0.0}],
                              lr=options.learning_rate, fused=True)
per_epoch = math.ceil(len(ids) / BATCH)
schedule = get_linear_schedule_with_warmup(optimizer, options.warmup_steps,
                                           per_epoch * options.epochs)
last = options.steps + 5 if options.steps else per_epoch * options.epochs
for step in range(last):
    if step % per_epoch == 0:
        order = shuffled(ids)
    if step == 5:
        began = time.perf_counter()
    at = step % per_epoch * BATCH
    chosen = order[at:at + BATCH]
    batch, mask = collate(ids, chosen)
    targets = torch.tensor([names.index(labels[i]) for i in chosen])
    with autocast():
        loss = net(batch, mask, labels=targets).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad(set_to_none=True)
if options.eval:
    print("%.6f\t%.6f" % evaluate(net, *read_rows(options.eval)))
else:
    print(f"{options.steps / (time.perf_counter() - began):.3f}")
