"""What processes cost: the CPU time of one and its children, and the most memory that each of them ever had."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

_MB = 1024 * 1024


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and its living children, seconds (10 ms at best)."""
    total = 0.0
    for process in _family(pid):
        spent = process.cpu_times()
        total += spent.user + spent.system
    return total


def peak_mb(pid: int) -> float:
    """The most that the process, or the child of it that works, ever held (VmHWM), MiB."""
    return max(_high_water(process.pid) for process in _family(pid)) / _MB


def wait_idle(pid: int, within: float = 60.0) -> None:
    """Return when the process has little left to do, as a metric store after a load; after `within` at the latest."""
    process, deadline = psutil.Process(pid), time.monotonic() + within
    while time.monotonic() < deadline and process.cpu_percent(interval=0.5) > 10:
        pass


@dataclass(slots=True)
class Spent:
    """Seconds of the wall and of CPU."""

    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def spending(pid: int) -> Iterator[Spent]:
    """What the block costs; known at its end."""
    spent, cpu, started = Spent(), cpu_seconds(pid), time.perf_counter()
    yield spent
    spent.wall = time.perf_counter() - started
    spent.cpu = cpu_seconds(pid) - cpu


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _high_water(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0
