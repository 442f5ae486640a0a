#!/usr/bin/env python3
"""make_base.py MODEL FOLDER: a classifier of BERT-base's shape with random weights and
MODEL's vocabulary."""
import os
import shutil
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import BertConfig, BertForSequenceClassification

model, folder = sys.argv[1:]
torch.manual_seed(1)
names = {0: "negative", 1: "positive"}
config = BertConfig(num_hidden_layers=12, hidden_size=768, num_attention_heads=12,
                    intermediate_size=3072, id2label=names,
                    label2id={name: i for i, name in names.items()})
BertForSequenceClassification(config).save_pretrained(folder)
for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
    if os.path.exists(f"{model}/{name}"):
        shutil.copy(f"{model}/{name}", folder)
