#!/usr/bin/env python3
"""train_torch.py MODEL TRAIN.tsv PRECISION MAX_LENGTH STEPS THREADS: steps/s.

BertForSequenceClassification as Hugging Face's Trainer fine-tunes it (fused AdamW,
warm-up, clipping, batches of 8 padded to their longest), without the Trainer's overhead.
TRAIN.tsv has a header and the columns label and text. Five steps of warm-up are left out.
"""
import os
import random
import sys
import time

model, train, precision, max_length, steps, threads = sys.argv[1:]
os.environ.update(OMP_NUM_THREADS=threads, HF_HUB_OFFLINE="1")
import torch
from transformers import (BertForSequenceClassification, BertTokenizerFast,
                          get_linear_schedule_with_warmup)

torch.set_num_threads(int(threads))
torch.manual_seed(42)
random.seed(42)
with open(train, encoding="utf-8") as file:
    rows = [line.rstrip("\n").split("\t", 1) for line in file][1:]
names = sorted({label for label, _ in rows})
ids = BertTokenizerFast.from_pretrained(model)([text for _, text in rows], truncation=True,
                                               max_length=int(max_length))["input_ids"]
net = BertForSequenceClassification.from_pretrained(model, num_labels=len(names)).train()
plain = [p for n, p in net.named_parameters() if "bias" in n or "LayerNorm" in n]
decayed = [p for n, p in net.named_parameters() if not ("bias" in n or "LayerNorm" in n)]
optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01},
                               {"params": plain, "weight_decay": 0.0}], lr=2e-5, fused=True)
schedule = get_linear_schedule_with_warmup(optimizer, 500, 3750)
order = list(range(len(rows)))
random.shuffle(order)
for step in range(int(steps) + 5):
    if step == 5:
        began = time.perf_counter()
    chosen = order[8 * step:8 * step + 8]
    longest = max(len(ids[i]) for i in chosen)
    batch = torch.zeros(8, longest, dtype=torch.long)
    mask = batch.clone()
    for row, i in enumerate(chosen):
        batch[row, :len(ids[i])] = torch.tensor(ids[i])
        mask[row, :len(ids[i])] = 1
    labels = torch.tensor([names.index(rows[i][0]) for i in chosen])
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        loss = net(batch, mask, labels=labels).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad(set_to_none=True)
print(f"{int(steps) / (time.perf_counter() - began):.3f}")
