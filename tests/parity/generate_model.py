#!/usr/bin/env python3
"""Writes the golden files of test_model.c with PyTorch and transformers.

    generate_model.py [--minilm DIR --texts FILE.tsv] OUT

OUT/tiny/            a random BERT of Hugging Face's layout
OUT/tiny_weights.bin the same in the form of golden.h
OUT/tiny_batch.bin   one batch without dropout: logits, loss, every gradient
OUT/tiny_steps.bin   ten updates with AdamW, warm-up, clipping and accumulation
OUT/tiny_weighted.bin   the same with class weights, label smoothing, and [PAD] in texts
OUT/minilm.bin       logits of 50 texts; the classifier is drawn here and stored

The tiny model runs in float64 and results are rounded to float32, so that what the
test sees are bs's own rounding errors; `logits_fp32` is the same run in float32.
The format is described in golden.h. A run gives the same bytes with the same versions.
"""
import argparse
import os
import struct

import numpy
import torch
from torch.nn.functional import cross_entropy
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertTokenizerFast,
    get_linear_schedule_with_warmup,
)

from tiny_weights import write_weights

LENGTHS = [1, 2, 3, 7, 16, 33, 64, 129, 512]
STEPS, WARMUP, RATE, DECAY, MAX_NORM = 10, 4, 2e-4, 0.01, 1.0
CLASS_WEIGHTS, SMOOTHING = [0.5, 1.0, 2.5], 0.1


def write_arrays(path, arrays):
    with open(path, "wb") as file:
        file.write(b"bsgolden")
        for name, array in arrays.items():
            if isinstance(array, torch.Tensor):
                array = array.detach().numpy()
            array = numpy.asarray(array)
            integer = array.dtype.kind in "iu"
            array = array.astype("<i4" if integer else "<f4")
            file.write(struct.pack("<I", len(name)) + name.encode())
            file.write(struct.pack("<II", int(integer), array.ndim))
            file.write(struct.pack(f"<{array.ndim}Q", *array.shape))
            file.write(array.tobytes())
    print(f"{path}: {len(arrays)} arrays, {os.path.getsize(path)} bytes")


def tiny_model(out):
    """Weights larger than an initialised model's, so that every path carries weight."""
    torch.manual_seed(20240229)
    config = BertConfig(
        vocab_size=1000,
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=256,
        max_position_embeddings=512,
        type_vocab_size=2,
        id2label={0: "negative", 1: "neutral", 2: "positive"},
        label2id={"negative": 0, "neutral": 1, "positive": 2},
        attn_implementation="eager",
    )
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            if "LayerNorm.weight" in name:
                parameter.copy_(1 + 0.1 * noise)
            elif name == "classifier.weight":
                parameter.copy_(0.5 * noise)
            elif "embeddings" in name and "LayerNorm" not in name:
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(0.12 * noise)
    folder = os.path.join(out, "tiny")
    model.save_pretrained(folder)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(c) for c in range(33, 127) if not chr(c).isupper()]
    words = special + letters + ["##" + c for c in letters if c.isalnum()]
    words += [f"word{i}" for i in range(1000 - len(words))]
    with open(os.path.join(folder, "vocab.txt"), "w", encoding="utf-8") as file:
        file.write("".join(word + "\n" for word in words))
    tokenizer = BertTokenizerFast.from_pretrained(folder, model_max_length=512)
    tokenizer.save_pretrained(folder)
    return model


def draw(generator, lengths, types=True, padding=False):
    """Random sequences: [CLS] ids [SEP], the second half of every third of type 1. With
    `padding` the second token of every other one is [PAD], as if the text said so."""
    sequences = []
    for i, length in enumerate(lengths):
        ids = torch.randint(5, 1000, (length,), generator=generator)
        ids[0] = 2
        kinds = torch.zeros(length, dtype=torch.long)
        if types and i % 3 == 2:
            kinds[length // 2 :] = 1
        if padding and i % 2 == 0:
            ids[1:2] = 0
        sequences.append((ids, kinds))
    labels = torch.randint(0, 3, (len(lengths),), generator=generator)
    return sequences, labels


def padded(sequences):
    longest = max(len(ids) for ids, _ in sequences)
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    kinds, mask = ids.clone(), ids.clone()
    for row, (sequence, types) in enumerate(sequences):
        ids[row, : len(sequence)] = sequence
        kinds[row, : len(sequence)] = types
        mask[row, : len(sequence)] = 1
    return {"input_ids": ids, "token_type_ids": kinds, "attention_mask": mask}


def packed(sequences, labels):
    return {
        "lengths": [len(ids) for ids, _ in sequences],
        "ids": torch.cat([ids for ids, _ in sequences]),
        "type_ids": torch.cat([kinds for _, kinds in sequences]),
        "labels": labels,
    }


def canonical(name):
    return name.removeprefix("bert.")


def tiny_batch(model, out):
    sequences, labels = draw(torch.Generator().manual_seed(1), LENGTHS)
    arrays = packed(sequences, labels)
    with torch.no_grad():
        arrays["logits_fp32"] = model.float().eval()(**padded(sequences)).logits
    model = model.double()
    logits = model(**padded(sequences)).logits
    loss = cross_entropy(logits, labels)
    loss.backward()
    arrays |= {"logits": logits, "loss": loss.reshape(1)}
    for name, parameter in model.named_parameters():
        arrays["gradient:" + canonical(name)] = parameter.grad
    model.zero_grad()
    write_arrays(os.path.join(out, "tiny_batch.bin"), arrays)


def tiny_steps(folder, path, seed, class_weights=None, smoothing=0.0, padding=False):
    """Ten updates of two micro-batches of four; the last update has one alone."""
    model = BertForSequenceClassification.from_pretrained(
        folder, attn_implementation="eager"
    )
    model = model.double().eval()
    plain = [p for n, p in model.named_parameters() if "bias" in n or "LayerNorm" in n]
    decayed = [
        p for n, p in model.named_parameters() if not ("bias" in n or "LayerNorm" in n)
    ]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": DECAY},
            {"params": plain, "weight_decay": 0.0},
        ],
        lr=RATE,
    )
    schedule = get_linear_schedule_with_warmup(optimizer, WARMUP, STEPS)
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 65, (8 * STEPS - 4,), generator=generator).tolist()
    sequences, labels = draw(generator, lengths, padding=padding)
    weights = class_weights and torch.tensor(class_weights, dtype=torch.double)
    losses, norms, rates = [], [], []
    for begin in range(0, len(lengths), 8):
        group = labels[begin : begin + 8]
        total = len(group) if weights is None else weights[group].sum().item()
        losses.append(0.0)
        for micro in range(begin, min(begin + 8, len(lengths)), 4):
            logits = model(**padded(sequences[micro : micro + 4])).logits
            loss = cross_entropy(
                logits,
                labels[micro : micro + 4],
                weight=weights,
                label_smoothing=smoothing,
                reduction="sum",
            )
            loss = loss / total
            loss.backward()
            losses[-1] += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
        norms.append(norm.item())
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    arrays = packed(sequences, labels)
    arrays |= {"losses": losses, "norms": norms, "rates": rates}
    arrays |= {"settings": [DECAY, MAX_NORM, smoothing]}
    arrays |= {"class_weights": class_weights or [1.0, 1.0, 1.0]}
    for name, parameter in model.named_parameters():
        arrays["parameter:" + canonical(name)] = parameter
    write_arrays(path, arrays)


def minilm(folder, texts, out):
    """The classifier is not in the model: random weights, stored with the rest."""
    with open(texts, encoding="utf-8", newline="\n") as file:
        rows = [line.rstrip("\n").split("\t")[-1] for line in file][1:]
    rows = rows[:: len(rows) // 50][:50]
    ids = BertTokenizerFast.from_pretrained(folder)(rows)["input_ids"]
    model = BertForSequenceClassification.from_pretrained(
        folder, num_labels=2, attn_implementation="eager"
    ).eval()
    generator = torch.Generator().manual_seed(7)
    weight = torch.empty(2, 384).normal_(0, 1, generator=generator)
    bias = torch.tensor([0.25, -0.5])
    with torch.no_grad():
        model.classifier.weight.copy_(weight)
        model.classifier.bias.copy_(bias)
        logits = [model(torch.tensor([row])).logits[0] for row in ids]
    arrays = {
        "lengths": [len(row) for row in ids],
        "ids": sum(ids, []),
        "classifier.weight": weight,
        "classifier.bias": bias,
        "logits": torch.stack(logits),
    }
    write_arrays(os.path.join(out, "minilm.bin"), arrays)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minilm", help="directory of all-MiniLM-L6-v2")
    parser.add_argument("--texts", help="TSV with a header, the text last")
    parser.add_argument("out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tiny_batch(tiny_model(options.out), options.out)
    tiny = os.path.join(options.out, "tiny")
    write_weights(tiny, os.path.join(options.out, "tiny_weights.bin"))
    tiny_steps(tiny, os.path.join(options.out, "tiny_steps.bin"), 2)
    weighted = os.path.join(options.out, "tiny_weighted.bin")
    tiny_steps(tiny, weighted, 3, CLASS_WEIGHTS, SMOOTHING, padding=True)
    if options.minilm and options.texts:
        minilm(options.minilm, options.texts, options.out)


if __name__ == "__main__":
    main()
