"""Shell: the readings of a rule over a past range, read from the metric stores piece by piece under one deadline.

What would take too much work is refused as soon as that can be foreseen, with what to ask instead.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

import numpy as np

from shared.backtest.tracks import Ints, Tracks, cut, joined, measure_slots, windows
from shared.columns import SampleQuery, Samples, TagColumn
from shared.errors import InvalidInput, QueryFailed
from shared.gather import MAX_SERIES
from shared.metrics import MetricStore
from shared.model import Millis
from shared.plan import QueryGroup

MOST_WORK = 40_000_000
"""How many (row, slot) pairs one backtest may look at: some ten seconds of a core."""
MOST_POINTS = 2_000_000
"""How many rows one read may bring."""
_FIRST_MS, _AIM = 3_600_000, 200_000
"""How much time the first read covers, and how many rows the next ones should bring."""


class Ports(Protocol):
    """What a backtest needs from the outside."""

    def metrics(self, source: str = ...) -> MetricStore: ...


@dataclass(frozen=True, slots=True)
class Past:
    """The slots in `[start, end)`, whole multiples of the interval; each window ends `lateness_ms` before its slot."""

    start: Millis
    end: Millis
    interval_ms: int
    lateness_ms: int

    def slots(self) -> Ints:
        """All slots, ascending. InvalidInput when there is none."""
        first = -(-self.start // self.interval_ms) * self.interval_ms
        slots = np.arange(first, self.end, self.interval_ms, dtype=np.int64)
        if not len(slots):
            raise InvalidInput(
                "range", f"{self.end - self.start} ms", "it holds no slot; it is shorter than one interval"
            )
        return slots


@dataclass
class Rereading:
    """One look at the past of a rule (`title`) with these query groups; `points` counts the rows that came."""

    ports: Ports
    title: str
    groups: Sequence[QueryGroup]
    past: Past
    deadline: float
    points: int = 0
    work: int = 0

    def measured(self, slots: Ints) -> Iterator[Tracks]:
        """The readings of all slots, piece by piece."""
        groups, at = self.groups, 0
        lookback = max(group.lookback_ms for group in groups)
        least = lookback // self.past.interval_ms
        size = max(_FIRST_MS // self.past.interval_ms, least, 1)
        while at < len(slots):
            piece = slots[at : at + size]
            read = [self._read(group, piece) for group in groups]
            at += len(piece)
            counts = sum(
                (windows(rows.time, piece, self.past.lateness_ms, group.lookback_ms)
                 for group, rows in zip(groups, read, strict=True)), start=np.zeros(len(piece), np.int64)
            )  # fmt: skip
            self._bear(int(counts.sum()), at, len(slots))
            for part in cut(counts):
                yield self._of(groups, read, piece[part])
            rows = sum(len(samples) for samples in read)
            size = max(min(size * _AIM // max(rows, 1), size * 24), least, 1)

    def _of(self, groups: Sequence[QueryGroup], read: Sequence[Samples], slots: Ints) -> Tracks:
        tracks = joined(
            [measure_slots(group, self._within(group, rows, slots), slots, self.past.lateness_ms)
             for group, rows in zip(groups, read, strict=True)]
        )  # fmt: skip
        if len(tracks.keys) > MAX_SERIES:
            valid = f"{len(tracks.keys)} series are more than one rule may have ({MAX_SERIES})"
            raise InvalidInput("rule", self.title, valid, "A filter on the monitor makes them fewer")
        return tracks

    def _within(self, group: QueryGroup, rows: Samples, slots: Ints) -> Samples:
        """The rows that these slots see; they are sorted by time."""
        begin = int(np.searchsorted(rows.time, slots[0] - self.past.lateness_ms - group.lookback_ms))
        return _taken(rows, slice(begin, int(np.searchsorted(rows.time, slots[-1] - self.past.lateness_ms))))

    def _read(self, group: QueryGroup, slots: Ints) -> Samples:
        stop = int(slots[-1]) - self.past.lateness_ms
        start = int(slots[0]) - self.past.lateness_ms - group.lookback_ms
        query = SampleQuery(
            group.measurement, group.tags, group.fields, start, stop, group.database, group.narrowing()
        )
        samples = self.ports.metrics(group.source).read(query, self.left(int(slots[0])))
        self.points += len(samples)
        if len(samples) > MOST_POINTS:
            valid = f"{len(samples)} points of {group.measurement!r} for {len(slots)} slots are too many"
            raise InvalidInput("rule", self.title, valid, "Take a shorter window, or filter the monitor")
        return _taken(samples, np.argsort(samples.time, kind="stable"))

    def left(self, slot: Millis) -> float:
        left = self.deadline - perf_counter()
        if left <= 0:
            done = (slot - self.past.start) / max(self.past.end - self.past.start, 1)
            raise QueryFailed(
                f"the backtest had come through {done:.0%} of the range when its time was over; "
                "take a shorter range or a longer interval"
            )
        return left

    def _bear(self, work: int, done: int, slots: int) -> None:
        """Refuse what would take too long, as soon as that can be foreseen."""
        self.work += work
        expected = self.work * slots // done
        if expected > MOST_WORK:
            factor = -(-expected // MOST_WORK)
            raise InvalidInput(
                "range",
                f"{slots} slots",
                f"their windows hold about {expected / 1e6:.0f} million points together, and "
                f"{MOST_WORK // 1_000_000} million are possible",
                f"Take a range {factor} times shorter, or an interval of "
                f"{factor * self.past.interval_ms // 1000} seconds",
            )


def _taken(samples: Samples, rows: "slice | Ints") -> Samples:
    fields = {
        name: replace(
            column, present=column.present[rows], numbers=column.numbers[rows], codes=column.codes[rows]
        )
        for name, column in samples.fields.items()
    }
    tags = {name: TagColumn(column.codes[rows], column.values) for name, column in samples.tags.items()}
    return Samples(samples.time[rows], tags, fields)
