#!/usr/bin/env python3
"""Makes tests/parity/golden/metrics: predictions, and what scikit-learn says of them.

    python3 tests/parity/generate_metrics.py tests/parity/golden/metrics

Needs numpy and scikit-learn (1.9 was used). Each case is NAME.jsonl and NAME.tsv, the
lines of bs-eval without intervals and counts of what was rejected.
"""
import json
import sys

import numpy as np
from sklearn import metrics as sk

CASES = {  # classes, records, share that is right, probabilities of all, rounding of them
    "two": (["negative", "positive"], 500, 0.85, False, 9),
    "ties": (["no", "yes"], 300, 0.7, False, 2),
    "skewed": (["ham", "spam"], 400, 0.97, True, 9),
    "many": (["anger", "joy", "love", "sadness", "\u00e9tonnement"], 600, 0.6, True, 9),
    "never": (["a", "b", "c", "d"], 60, 0.5, True, 9),
}


def make(name, classes, n, share, all_probabilities, digits):
    rng = np.random.default_rng(len(name) + n)
    k = len(classes)
    prior = np.array([2.0 ** -i for i in range(k)])
    gold = rng.choice(k, size=n, p=prior / prior.sum())
    logits = rng.normal(size=(n, k))
    right = rng.random(n) < share
    logits[np.arange(n), gold] += np.where(right, 2.0, -1.0)
    if name == "never":
        logits[:, k - 1] = -30
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    if k == 2:
        p[:, 1] = np.round(p[:, 1], digits)
        p[:, 0] = 1 - p[:, 1]
    else:
        p = np.round(p, digits)
    predicted = p.argmax(1)
    records = []
    for i in range(n):
        record = {"predicted": classes[predicted[i]], "probability": float(p[i, predicted[i]]),
                  "label": classes[gold[i]], "id": i}
        if all_probabilities:
            record["probabilities"] = {c: float(v) for c, v in zip(classes, p[i])}
        records.append(record)
    return np.array(classes)[gold], np.array(classes)[predicted], p, records


def calibration_error(correct, confidence, bins=15):
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, bins - 1)
    return sum(abs(correct[place == b].mean() - confidence[place == b].mean()) * (place == b).mean()
               for b in range(bins) if (place == b).any())


def scores(classes, gold, predicted, p):
    values = [("accuracy", sk.accuracy_score(gold, predicted))]
    functions = [("f1", sk.f1_score), ("precision", sk.precision_score), ("recall", sk.recall_score)]
    for average in ("macro", "weighted", "micro"):
        for name, function in functions:
            values.append((f"{average}_{name}", function(gold, predicted, average=average, zero_division=0)))
    values.append(("matthews_correlation", sk.matthews_corrcoef(gold, predicted)))
    values.append(("log_loss", sk.log_loss(gold, p, labels=classes)))
    values.append(("expected_calibration_error", calibration_error(gold == predicted, p.max(1))))
    if len(classes) == 2:
        values.append(("roc_auc", sk.roc_auc_score(gold == classes[1], p[:, 1])))
    columns = [f(gold, predicted, average=None, labels=classes, zero_division=0) for _, f in functions]
    lines = [f"{name}\t{value:.6f}" for name, value in values]
    for i, c in enumerate(classes):
        lines += [f"{name}:{c}\t{column[i]:.6f}" for (name, _), column in zip(functions, columns)]
        lines.append(f"support:{c}\t{(gold == c).sum()}")
    lines.append(f"support\t{len(gold)}")
    matrix = sk.confusion_matrix(gold, predicted, labels=classes)
    lines += [f"confusion:{a}:{b}\t{matrix[i, j]}" for i, a in enumerate(classes) for j, b in enumerate(classes)]
    return lines


def main():
    folder = sys.argv[1]
    for name, (classes, n, share, everything, digits) in CASES.items():
        gold, predicted, p, records = make(name, classes, n, share, everything, digits)
        with open(f"{folder}/{name}.jsonl", "w", encoding="utf-8") as file:
            file.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
        with open(f"{folder}/{name}.tsv", "w", encoding="utf-8") as file:
            file.write("metric\tvalue\n" + "\n".join(scores(classes, gold, predicted, p)) + "\n")


main()
