#!/usr/bin/env python3
"""Labels with ONNX Runtime, fused; int8: weights by channel, activations quantised as
they come. Command line: see texts.py."""
import os

from texts import Job, kept

job = Job("fp32", "int8")
import numpy as np
import onnxruntime

from graph import fused_graph


def quantized_graph():
    path = kept(job.model, job.folder, ".fused.int8.onnx")
    if not os.path.exists(path):
        from onnxruntime.quantization import QuantType, quantize_dynamic
        quantize_dynamic(fused_graph(job.model, job.folder), path, weight_type=QuantType.QInt8,
                         per_channel=True, extra_options={"DefaultTensorType": 1})
    return path


options = onnxruntime.SessionOptions()
options.intra_op_num_threads = job.threads
graph = quantized_graph() if job.precision == "int8" else fused_graph(job.model, job.folder)
session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
job.measure(lambda ids, mask: session.run(
    None, {"ids": ids, "mask": mask, "types": np.zeros_like(ids)})[0])
