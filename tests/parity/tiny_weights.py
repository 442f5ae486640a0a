#!/usr/bin/env python3
"""Writes the tiny model in the form of golden.h, for builds that read no safetensors.

    tiny_weights.py FOLDER OUT.bin

"sizes" holds the whole numbers of config.json, in the order of SIZES; "layer_norm_eps"
its epsilon; then come the tensors under canonical names, in the order of the file.
"""
import json
import os
import struct
import sys

SIZES = [
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
]


def array(name, kind, shape, data):
    head = struct.pack("<I", len(name)) + name.encode()
    head += struct.pack(f"<II{len(shape)}Q", kind, len(shape), *shape)
    return head + data


def write_weights(folder, path):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    with open(os.path.join(folder, "model.safetensors"), "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    sizes = [config[name] for name in SIZES] + [len(config["id2label"])]
    with open(path, "wb") as file:
        file.write(b"bsgolden")
        file.write(array("sizes", 1, [len(sizes)], struct.pack(f"<{len(sizes)}i", *sizes)))
        epsilon = struct.pack("<f", config["layer_norm_eps"])
        file.write(array("layer_norm_eps", 0, [1], epsilon))
        for name, tensor in header.items():
            assert tensor["dtype"] == "F32", name
            begin, end = tensor["data_offsets"]
            canonical = name.removeprefix("bert.")
            file.write(array(canonical, 0, tensor["shape"], data[begin:end]))
    print(f"{path}: {len(header)} tensors, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    write_weights(sys.argv[1], sys.argv[2])
