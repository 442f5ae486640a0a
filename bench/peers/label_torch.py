#!/usr/bin/env python3
"""Labels with PyTorch. Command line: see texts.py."""
from texts import Job

job = Job("fp32", "bf16")
import torch
from transformers import BertForSequenceClassification

torch.set_num_threads(job.threads)
net = BertForSequenceClassification.from_pretrained(job.model).eval()
if job.precision == "bf16":
    net = net.to(torch.bfloat16)
with torch.inference_mode():
    job.measure(lambda ids, mask: net(torch.from_numpy(ids), torch.from_numpy(mask)).logits.float())
