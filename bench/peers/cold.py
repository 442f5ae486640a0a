#!/usr/bin/env python3
"""cold.py INPUT COMMAND...: starts the command 21 times with the file INPUT on standard
input. Prints milliseconds from its start to its first byte of output, the median, and the
most memory that it had, in MiB, separated by a TAB."""
import os
import subprocess
import sys
import time

times = []
for _ in range(21):
    with open(sys.argv[1], "rb") as line:
        began = time.perf_counter()
        child = subprocess.Popen(sys.argv[2:], stdin=line, stdout=subprocess.PIPE)
        assert child.stdout.read(1), "no output"
        times.append(1e3 * (time.perf_counter() - began))
    child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, status
print(f"{sorted(times)[10]:.1f}\t{usage.ru_maxrss / 1024:.0f}")
