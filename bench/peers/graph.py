#!/usr/bin/env python3
"""The model as an ONNX graph, exported by PyTorch once; for ONNX Runtime and OpenVINO.
Inputs ids, mask and types; output logits.

    graph.py MODEL FOLDER     makes the fused graph in FOLDER and prints its path"""
import contextlib
import json
import os
import sys

from texts import kept


def plain_graph(model, folder):
    path = kept(model, folder, ".onnx")
    if not os.path.exists(path):
        with contextlib.redirect_stdout(sys.stderr):
            export(model, path)
    return path


def fused_graph(model, folder):
    """The same, fused by ONNX Runtime's own optimizer."""
    path = kept(model, folder, ".fused.onnx")
    if not os.path.exists(path):
        from onnxruntime.transformers import optimizer
        with open(f"{model}/config.json", encoding="utf-8") as file:
            config = json.load(file)
        optimizer.optimize_model(plain_graph(model, folder), model_type="bert",
                                 num_heads=config["num_attention_heads"],
                                 hidden_size=config["hidden_size"]).save_model_to_file(path)
    return path


def export(model, path):
    import torch
    from transformers import BertForSequenceClassification

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = BertForSequenceClassification.from_pretrained(model).eval()

        def forward(self, ids, mask, types):
            return self.net(input_ids=ids, attention_mask=mask, token_type_ids=types).logits

    dummy = torch.ones(2, 16, dtype=torch.long)
    torch.onnx.export(Logits(), (dummy, dummy, dummy * 0), path,
                      input_names=["ids", "mask", "types"], output_names=["logits"],
                      dynamic_axes={k: {0: "b", 1: "s"} for k in ("ids", "mask", "types")},
                      opset_version=17, dynamo=False)


if __name__ == "__main__":
    print(fused_graph(*sys.argv[1:]))
