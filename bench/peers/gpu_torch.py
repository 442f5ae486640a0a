#!/usr/bin/env python3
"""PyTorch and transformers on the work of bench/gpu: training and labelling with random
weights, at their best known settings: fused AdamW, autocast (with GradScaler in fp16),
scaled dot-product attention, texts of one length without a mask, no host reads inside a
step, weights in half precision for labelling. The reference report's run also tries torch.compile with CUDA graphs, and goes
whole with whatever was faster.

    gpu_torch.py [--device NAME] [--seconds N] [--small] [--no-compile]

TSV on stdout, row by row, in the columns of bench/gpu/report.c, without their header.
Arithmetic counts as in bench/gpu/shape.h, the last layer whole, since it is computed.
Memory is what the caching allocator held at most, without the driver's context.
"""
import argparse
import contextlib
import sys
import time

options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
options.add_argument("--device", default="cuda")
options.add_argument("--seconds", type=float, default=3, help="that one row may take")
options.add_argument("--small", action="store_true", help="a look at the program itself")
options.add_argument("--no-compile", action="store_true")
options = options.parse_args()

import torch
from transformers import BertConfig, BertForSequenceClassification
from transformers import get_linear_schedule_with_warmup

GPU = options.device.startswith("cuda")
TOTAL, WARM, STEPS, WHOLE_SECONDS = (3, 1, 3, 1e9) if options.small else (3750, 50, 300, 120)
STEP, LARGE = ((2, 16), (4, 24)) if options.small else ((8, 128), (64, 512))
LABEL, LENGTHS = ((4, 8), [5]) if options.small else ((128, 128), [25, 128, 512])
LABEL_TOKENS = 64 if options.small else 16384  # a batch of a long list
VOCABULARY = 1000 if options.small else 30522
SHAPES = {"bert-base": (12, 768, 12), "minilm": (6, 384, 12)}
if options.small:
    SHAPES = {"small": (2, 64, 2)}

hardware = torch.cuda.get_device_name(options.device) if GPU else "CPU"
torch.manual_seed(1)


def precisions():
    if not GPU:
        return ["fp32", "bf16"]
    newer = torch.cuda.get_device_capability(options.device)[0] >= 8
    return ["fp32", "tf32", "bf16", "fp16"] if newer else ["fp32", "fp16"]


def make_model(shape):
    layers, hidden, heads = SHAPES[shape]
    config = BertConfig(vocab_size=VOCABULARY, num_hidden_layers=layers, hidden_size=hidden,
                        num_attention_heads=heads, intermediate_size=4 * hidden, num_labels=2,
                        attn_implementation="sdpa")
    return BertForSequenceClassification(config).to(options.device)


def set_precision(precision):
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"


def low(precision):
    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)


def wait():
    if GPU:
        torch.cuda.synchronize()


def memory_mb():
    return torch.cuda.max_memory_reserved() / 1e6 if GPU else 0


def forward_flops(shape, sequences, length):
    layers, hidden, _ = SHAPES[shape]
    tokens = sequences * length
    layer = 2 * tokens * 12 * hidden**2 + 4 * sequences * length**2 * hidden
    return layers * layer + 2 * sequences * (hidden**2 + 2 * hidden)


def row(work, shape, precision, load, steps, run, taken, rate, unit, flops, compiled=False):
    figure = lambda value, decimals: f"{value:.{decimals}f}" if value > 0 else "-"
    engine = f"torch {torch.__version__.split('+')[0]}{' compiled' if compiled else ''}"
    print(hardware, work, shape, engine, precision, load[0] or "-", load[1], steps, run,
          figure(taken, 3), figure(rate, 3), unit, figure(1e-12 * flops, 4), "-", "-",
          figure(memory_mb(), 1), sep="\t", flush=True)


def forget_memory():
    if GPU:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


class Training:
    """Batches are on the device beforehand: nothing but steps is timed."""

    def __init__(self, shape, precision, load):
        set_precision(precision)
        forget_memory()
        self.shape, self.precision, self.load = shape, precision, load
        self.plain = self.net = make_model(shape).train()
        named = list(self.plain.named_parameters())
        plain = [p for n, p in named if "bias" in n or "LayerNorm" in n]
        decayed = [p for n, p in named if not ("bias" in n or "LayerNorm" in n)]
        self.optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01},
                                            {"params": plain, "weight_decay": 0.0}],
                                           lr=2e-5, fused=True)
        self.schedule = get_linear_schedule_with_warmup(self.optimizer, 500, TOTAL)
        self.scaler = torch.amp.GradScaler(options.device.split(":")[0],
                                           enabled=precision == "fp16")
        self.batches = [torch.randint(1, 1000, load, device=options.device) for _ in range(16)]
        self.labels = (torch.arange(load[0], device=options.device) % 2).long()
        self.count = 0

    def autocast(self):
        if not low(self.precision):
            return contextlib.nullcontext()
        return torch.autocast(options.device.split(":")[0], low(self.precision))

    def step(self):
        with self.autocast():
            loss = self.net(input_ids=self.batches[self.count % 16], labels=self.labels).loss
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.plain.parameters(), 1.0, foreach=True)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.count += 1

    def run(self, steps):
        wait()
        began = time.perf_counter()
        for _ in range(steps):
            self.step()
        wait()
        return time.perf_counter() - began

    def rate(self):
        """Steps a second, and how many steps were timed."""
        self.run(3)  # slow: kernels are loaded, compiled, recorded
        began, each, warm = time.perf_counter(), self.run(1), 4
        while warm < WARM and time.perf_counter() - began < options.seconds / 4:
            each, warm = self.run(1), warm + 1
        steps = max(2, min(STEPS, int(options.seconds / each)))
        return steps / self.run(steps), steps

    def flops(self):
        return 3 * forward_flops(self.shape, *self.load)


def train(shape, precision, load):
    training = Training(shape, precision, load)
    rate, steps = training.rate()
    row("train", shape, precision, load, steps, "extrapolated", TOTAL / rate, rate,
        "steps/s", training.flops() * rate)
    return rate


def whole(shape, precision, rate):
    """The report's run: all steps, compiled if that is faster."""
    training = Training(shape, precision, STEP)
    compiled = False
    if GPU and not options.no_compile:
        try:
            training.net = torch.compile(training.plain, mode="reduce-overhead")
            faster, _ = training.rate()
            compiled = faster > rate
            rate = max(rate, faster)
        except Exception as failure:
            print(f"bench: torch.compile failed: {failure}"[:300], file=sys.stderr)
        if not compiled:
            training = Training(shape, precision, STEP)
    if TOTAL / rate > WHOLE_SECONDS:
        print(f"bench: PyTorch's whole run would take {TOTAL / rate:.0f} s: left out",
              file=sys.stderr)
        return
    taken = training.run(TOTAL)
    row("report", shape, precision, STEP, TOTAL, "whole", taken, TOTAL / taken, "steps/s",
        training.flops() * TOTAL / taken, compiled)


def label_batches(net, load):
    """Seconds for one batch, each waited for as bs does, and how many were timed."""
    forget_memory()
    ids = torch.randint(1, 1000, load, device=options.device)
    batches = 0
    for batch in range(-3, 10**9):
        if batch == 0:
            wait()
            began = time.perf_counter()
        if batch >= 2 and time.perf_counter() - began > options.seconds / 6:
            break
        net(input_ids=ids).logits.float().cpu()
        batches = batch + 1
    return (time.perf_counter() - began) / batches, batches


def label(shape, precision):
    set_precision(precision)
    net = make_model(shape).eval().to(low(precision) or torch.float32)
    with torch.inference_mode():
        for length in LENGTHS:
            load = (max(1, LABEL_TOKENS // length), length)
            each, n = label_batches(net, load)
            row("label", shape, precision, (0, length), n * load[0], "measured", n * each,
                load[0] / each, "texts/s", forward_flops(shape, *load) / each)
        each, n = label_batches(net, LABEL)
        row("label", shape, precision, LABEL, n, "measured", n * each, LABEL[0] / each,
            "texts/s", forward_flops(shape, *LABEL) / each)
        single = (1, LABEL[1])
        each, n = label_batches(net, single)
        row("label", shape, precision, single, n, "measured", n * each, 1e3 * each, "ms",
            forward_flops(shape, *single) / each)


def main():
    for number, shape in enumerate(SHAPES):
        rates = {}
        for precision in precisions():
            try:
                rates[precision] = train(shape, precision, STEP)
                train(shape, precision, LARGE)
                label(shape, precision)
            except torch.OutOfMemoryError as failure:
                print(f"bench: PyTorch, {precision}: {failure}"[:300], file=sys.stderr)
        if number == 0:
            fastest = max(rates, key=rates.get)
            whole(shape, fastest, rates[fastest])


main()
