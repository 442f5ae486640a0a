#!/usr/bin/env python3
"""label_torch.py MODEL TEXTS PRECISION MAX_LENGTH THREADS OUTPUT: prints texts/s."""
import json
import os
import sys

model, path, precision, max_length, threads, output = sys.argv[1:]
os.environ.update(RAYON_NUM_THREADS=threads, OMP_NUM_THREADS=threads, HF_HUB_OFFLINE="1")
import torch
from transformers import BertForSequenceClassification

from texts import Batches, measure, read_lines

torch.set_num_threads(int(threads))
net = BertForSequenceClassification.from_pretrained(model).eval()
if precision == "bf16":
    net = net.to(torch.bfloat16)
labels = [net.config.id2label[i] for i in range(net.config.num_labels)]
with torch.inference_mode():
    measure(Batches(model, read_lines(path), int(max_length)),
            lambda ids, mask: net(torch.from_numpy(ids), torch.from_numpy(mask)).logits.float(),
            labels, output)
