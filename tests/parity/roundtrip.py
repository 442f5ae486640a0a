#!/usr/bin/env python3
"""Models travel between bs and Hugging Face, both ways.

    roundtrip.py BIN MODEL

BIN holds bs-train, bs-predict and bs-export; MODEL is a model directory written by
Hugging Face, with a classifier. Checked, for MODEL and for a model that bs-train makes
from it in a few steps:

  - Hugging Face loads it without a missing or unexpected tensor, and its
    log-probabilities of some texts agree with bs-predict's within 1e-4;
  - bs-export's copy, and Hugging Face's own copy of that, hold the same tensors bit for
    bit.

Prints TAP; exit status 1 if a check fails.
"""
import json
import os
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, BertForSequenceClassification

TEXTS = [
    "a b c d e f g",
    "word7 word8 word9, word10!",
    "unbelievably good (really)",
    "x",
    "why? because word700 word701 " * 12,
    "the end.",
]
checks, failures = 0, 0


def check(ok, what):
    global checks, failures
    checks += 1
    failures += not ok
    print(f"{'ok' if ok else 'not ok'} {checks} - {what}", flush=True)


def run(command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options)


def predicted(tools, model):
    """Log-probabilities by bs, [texts, labels], labels in the order of config.json."""
    command = [f"{tools}/bs-predict", "-m", model, "-f", "lines", "-t", "jsonl"]
    lines = run(command + ["--probabilities"], input="\n".join(TEXTS) + "\n").stdout
    with open(f"{model}/config.json", encoding="utf-8") as file:
        labels = json.load(file)["id2label"]
    rows = [json.loads(line)["probabilities"] for line in lines.splitlines()]
    rows = [[row[labels[str(i)]] for i in range(len(labels))] for row in rows]
    return torch.tensor(rows, dtype=torch.double).log()


def reference(model):
    """The same by Hugging Face, and what was missing or unexpected."""
    net, report = BertForSequenceClassification.from_pretrained(
        model, output_loading_info=True
    )
    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = []
    with torch.no_grad():
        for text in TEXTS:
            batch = tokenizer(text, truncation=True, max_length=512, return_tensors="pt")
            rows.append(net.eval()(**batch).logits[0].double().log_softmax(-1))
    troubles = [name for key in report for name in report[key]]
    return net, torch.stack(rows), troubles


def bits(tensor):
    return tensor.dtype, tensor.shape, tensor.numpy().tobytes()


def same_tensors(a, b):
    a, b = load_file(f"{a}/model.safetensors"), load_file(f"{b}/model.safetensors")
    return a.keys() == b.keys() and all(bits(a[name]) == bits(b[name]) for name in a)


def travel(tools, model, scratch, what):
    net, wanted, troubles = reference(model)
    check(not troubles, f"{what}: Hugging Face finds every tensor {troubles or ''}")
    off = (predicted(tools, model) - wanted).abs().max().item()
    check(off <= 1e-4, f"{what}: bs and Hugging Face agree (worst {off:.1e})")
    exported, again = f"{scratch}/{what}-exported", f"{scratch}/{what}-again"
    run([f"{tools}/bs-export", "-m", model, "-o", exported, "--to", "hf"])
    check(same_tensors(model, exported), f"{what}: bs-export keeps every bit")
    net.save_pretrained(again)
    check(same_tensors(model, again), f"{what}: so does Hugging Face")
    AutoTokenizer.from_pretrained(model).save_pretrained(again)
    same = torch.equal(predicted(tools, model), predicted(tools, again))
    check(same, f"{what}: bs reads what Hugging Face wrote, with the same result")


def main():
    tools, model = sys.argv[1], sys.argv[2]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        travel(tools, model, scratch, "reference")
        train = f"{scratch}/train.tsv"
        with open(train, "w", encoding="utf-8") as file:
            file.write("label\ttext\n")
            for i in range(48):
                file.write(f"{['yes', 'no'][i % 2]}\tword{i % 7} a b {i}\n")
        run(
            [f"{tools}/bs-train", "-m", model, "-o", f"{scratch}/run", "--epochs", "1"]
            + ["--eval-fraction", "0.2", "--warmup-steps", "1", train]
        )
        trained = os.path.realpath(f"{scratch}/run/best")
        travel(tools, trained, scratch, "trained")
        before = load_file(f"{model}/model.safetensors")["bert.pooler.dense.weight"]
        after = load_file(f"{trained}/model.safetensors")["bert.pooler.dense.weight"]
        check(not torch.equal(before, after), "training changed the weights")
    print(f"1..{checks}")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
