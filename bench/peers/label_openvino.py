#!/usr/bin/env python3
"""Labels with OpenVINO, a stream a thread, batches in flight; int8: calibrated by NNCF on
300 of the texts. Command line: see texts.py."""
import contextlib
import os
import sys
import zlib

from texts import Job, kept

job = Job("fp32", "bf16", "int8")
import numpy as np
import openvino

from graph import plain_graph

core = openvino.Core()


def inputs(ids, mask):
    return {"ids": ids, "mask": mask, "types": np.zeros_like(ids)}


def quantized_graph():
    texts = job.texts[:300]
    mark = zlib.crc32(f"{job.max_length} {texts}".encode(errors="replace"))
    path = kept(job.model, job.folder, f"-{mark:08x}.int8.xml")
    if not os.path.exists(path):
        def feed(text):
            ids = np.array([job.tokenizer.encode(text).ids], np.int64)
            return inputs(ids, np.ones_like(ids))

        with contextlib.redirect_stdout(sys.stderr):  # where it shows its progress
            import nncf
            model = nncf.quantize(core.read_model(plain_graph(job.model, job.folder)),
                                  nncf.Dataset(texts, feed),
                                  model_type=nncf.ModelType.TRANSFORMER)
        openvino.save_model(model, path, compress_to_fp16=False)
    return path


graph = quantized_graph() if job.precision == "int8" else plain_graph(job.model, job.folder)
compiled = core.compile_model(
    graph, "CPU",
    {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_NUM_THREADS": job.threads,
     "NUM_STREAMS": job.threads,
     "INFERENCE_PRECISION_HINT": "bf16" if job.precision == "bf16" else "f32"})
queue = openvino.AsyncInferQueue(compiled, compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
results = []
queue.set_callback(lambda request, chosen: results.append(
    (chosen, request.get_output_tensor(0).data.astype(np.float32))))


def label():
    results.clear()
    for chosen, ids, mask in job.batches():
        queue.start_async(inputs(ids, mask), chosen)
    queue.wait_all()
    return list(results)


job.measure_all(label)
