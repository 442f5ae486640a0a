#!/usr/bin/env python3
"""label_onnxruntime.py MODEL TEXTS PRECISION MAX_LENGTH THREADS OUTPUT: prints texts/s.
The graph is exported by PyTorch once and fused by ONNX Runtime's own optimizer."""
import json
import os
import sys

model, path, precision, max_length, threads, output = sys.argv[1:]
assert precision == "fp32"
os.environ.update(RAYON_NUM_THREADS=threads, OMP_NUM_THREADS=threads, HF_HUB_OFFLINE="1")
import numpy as np
import onnxruntime

from texts import Batches, measure, read_lines

fused = output + ".onnx"
config = json.load(open(f"{model}/config.json", encoding="utf-8"))


def export():
    import torch
    from onnxruntime.transformers import optimizer
    from transformers import BertForSequenceClassification

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = BertForSequenceClassification.from_pretrained(model).eval()

        def forward(self, ids, mask, types):
            return self.net(input_ids=ids, attention_mask=mask, token_type_ids=types).logits

    dummy = torch.ones(2, 16, dtype=torch.long)
    torch.onnx.export(Logits(), (dummy, dummy, dummy * 0), output + ".plain.onnx",
                      input_names=["ids", "mask", "types"], output_names=["logits"],
                      dynamic_axes={k: {0: "b", 1: "s"} for k in ("ids", "mask", "types")},
                      opset_version=17, dynamo=False)
    optimizer.optimize_model(output + ".plain.onnx", model_type="bert",
                             num_heads=config["num_attention_heads"],
                             hidden_size=config["hidden_size"]).save_model_to_file(fused)


if not os.path.exists(fused):
    export()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(threads)
session = onnxruntime.InferenceSession(fused, options, providers=["CPUExecutionProvider"])
labels = [config["id2label"][str(i)] for i in range(len(config["id2label"]))]
measure(Batches(model, read_lines(path), int(max_length)),
        lambda ids, mask: session.run(None, {"ids": ids, "mask": mask,
                                             "types": np.zeros_like(ids)})[0],
        labels, output)
