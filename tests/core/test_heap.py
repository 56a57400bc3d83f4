"""Large arrays leave nothing behind in the process."""

import subprocess
import sys

from tests.support.processes import ROOT

_GROWTH = """
import sys
import numpy as np
from shared.heap import give_back_large_arrays

def held_mb():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS")) / 1024

if sys.argv[1] == "given back":
    give_back_large_arrays()
np.ones(2 << 20)  # after the first one of a size glibc keeps the memory of the next
before, arrays = held_mb(), [np.ones(1 << 20) for _ in range(8)]
small = [bytes(600) for _ in range(100)]  # lies behind them
del arrays
print(held_mb() - before)
"""


def test_memory_of_large_arrays_goes_back_although_something_lies_behind_it() -> None:
    assert _growth("kept") > 30
    assert _growth("given back") < 5


def _growth(how: str) -> float:
    command = [sys.executable, "-c", _GROWTH, how]
    ran = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    return float(ran.stdout)
