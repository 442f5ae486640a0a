#!/usr/bin/env python3
"""Labels with CTranslate2, which computes up to the pooler; the classifier is two rows of
NumPy. Command line: see texts.py."""
import os

from texts import Job, kept

job = Job("fp32", "int8")
import ctranslate2
import numpy as np

folder = kept(job.model, job.folder, ".ct2")


def convert():
    from transformers import AutoTokenizer, BertForSequenceClassification
    net = BertForSequenceClassification.from_pretrained(job.model)
    net.config.position_embedding_type = "absolute"
    net.bert.save_pretrained(folder + "-hf")
    AutoTokenizer.from_pretrained(job.model).save_pretrained(folder + "-hf")
    np.savez(folder + "-classifier.npz", weight=net.classifier.weight.detach().numpy(),
             bias=net.classifier.bias.detach().numpy())
    ctranslate2.converters.TransformersConverter(folder + "-hf").convert(folder)


if not os.path.exists(folder):
    convert()
classifier = np.load(folder + "-classifier.npz")
weight, bias = classifier["weight"], classifier["bias"]
encoder = ctranslate2.Encoder(
    folder, device="cpu", intra_threads=job.threads, inter_threads=1,
    compute_type={"fp32": "float32", "int8": "int8_float32"}[job.precision])


def logits_of(ids, mask):
    output = encoder.forward_batch(ctranslate2.StorageView.from_array(ids.astype(np.int32)),
                                   ctranslate2.StorageView.from_array(mask.sum(1, dtype=np.int32)))
    return np.array(output.pooler_output) @ weight.T + bias


job.measure(logits_of)
