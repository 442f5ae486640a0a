#!/usr/bin/env python3
"""JSON lines with label and text on standard input to the TSV that every trainer reads
alike: a header, white space as single spaces, no backslashes."""
import json
import sys

print("label\ttext")
for line in sys.stdin:
    record = json.loads(line)
    print(record["label"] + "\t" + " ".join(record["text"].replace("\\", " ").split()))
