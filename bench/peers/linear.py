#!/usr/bin/env python3
"""linear.py TRAIN.tsv TEST.tsv: a linear classifier on TF-IDF of words and pairs of words.
Prints its accuracy and the seconds for reading, training and labelling, separated by a
TAB. The files have a header and the columns label and text."""
import sys
import time

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC


def read(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        rows = [line.rstrip("\n").split("\t", 1) for line in file][1:]
    return [text for _, text in rows], [label for label, _ in rows]


began = time.perf_counter()
texts, labels = read(sys.argv[1])
others, truth = read(sys.argv[2])
vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
classifier = LinearSVC().fit(vectorizer.fit_transform(texts), labels)
predicted = classifier.predict(vectorizer.transform(others))
right = sum(a == b for a, b in zip(truth, predicted))
print(f"{right / len(truth):.4f}\t{time.perf_counter() - began:.1f}")
