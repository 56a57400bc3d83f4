"""The host monitor: this machine's processor, memory, disks and load, under Telegraf's names and units."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from shared.monitors.points import Point

log = logging.getLogger(__name__)

CPU_SECONDS = 0.5
"""How long the processor is watched: its use is a difference between two moments."""


@dataclass(frozen=True, slots=True)
class HostReading:
    """One look at the machine. Percentages are 0 to 100; `disks` maps a mount point to its use."""

    cpu_percent: float
    memory_percent: float
    memory_available_percent: float
    disks: dict[str, float]
    load: float
    cpus: int


def look() -> HostReading:
    """Read this machine; takes `CPU_SECONDS`."""
    memory = psutil.virtual_memory()
    return HostReading(
        cpu_percent=psutil.cpu_percent(interval=CPU_SECONDS),
        memory_percent=memory.percent,
        memory_available_percent=round(100 * memory.available / memory.total, 2),
        disks=_disk_use(_disks()),
        load=psutil.getloadavg()[0],
        cpus=psutil.cpu_count() or 1,
    )


def points(reading: HostReading, host: str, now: int) -> list[Point]:
    """The points of one look; `now` (epoch milliseconds UTC) is their time."""
    own = {"host": host}
    memory = {"used_percent": reading.memory_percent, "available_percent": reading.memory_available_percent}
    return [
        Point("cpu", {**own, "cpu": "cpu-total"}, {"usage_active": float(reading.cpu_percent)}, now),
        Point("mem", own, {name: float(value) for name, value in memory.items()}, now),
        *(
            Point("disk", {**own, "path": path}, {"used_percent": float(used)}, now)
            for path, used in reading.disks.items()
        ),
        Point("system", own, {"load1": float(reading.load), "n_cpus": reading.cpus}, now),
    ]


def _disk_use(paths: Iterable[str]) -> dict[str, float]:
    use = {}
    for path in paths:
        try:
            use[path] = psutil.disk_usage(path).percent
        except OSError as error:  # unmounted meanwhile, or not ours to look at: the other disks still count
            log.warning("disk %s can't be read: %s", path, error)
    return use


def _disks() -> list[str]:
    """The root and every writable disk, each once: containers and snapshots mount one many times."""
    found: dict[str, str] = {}
    for part in psutil.disk_partitions(all=False):
        if "ro" not in part.opts.split(",") and Path(part.mountpoint).is_dir():
            known = found.setdefault(part.device, part.mountpoint)
            found[part.device] = min(known, part.mountpoint, key=len)
    return sorted({Path(Path.cwd().anchor).as_posix(), *found.values()})
