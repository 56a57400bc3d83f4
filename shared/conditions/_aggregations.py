"""What each aggregation means, once, over many series at a time.

Every row counts: a store overwrites a point that is written twice, so two rows of one series at one time come from
two sources that the key merges. Only where order matters (latest, rate, delta) the last row of equal times wins.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Segments:
    """Rows of the cells that have any: segment i is `[starts[i], starts[i] + counts[i])`, belongs to `cells[i]`,
    and is sorted by time (ms)."""

    cells: NDArray[np.int32]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    time: NDArray[np.int64]
    values: Floats

    @property
    def enough(self) -> Bools:
        """One point is enough."""
        return np.ones(len(self.cells), np.bool_)

    def of_rows(self) -> NDArray[np.int64]:
        """The segment of each row."""
        return np.repeat(np.arange(len(self.cells)), self.counts)


Aggregation = Callable[[Segments], tuple[Floats, Bools]]
"""Segments → a value per segment, and where there were points enough to say one."""


def _latest(rows: Segments) -> tuple[Floats, Bools]:
    """The value of the newest point."""
    return rows.values[rows.starts + rows.counts - 1], rows.enough


def _count(rows: Segments) -> tuple[Floats, Bools]:
    """How many points have the field."""
    return rows.counts.astype(np.float64), rows.enough


def _sum(rows: Segments) -> tuple[Floats, Bools]:
    """The sum of all values."""
    return _reduce(np.add, rows, rows.values), rows.enough


def _avg(rows: Segments) -> tuple[Floats, Bools]:
    """The arithmetic mean of the points, not weighted by time."""
    return _mean(rows), rows.enough


def _max(rows: Segments) -> tuple[Floats, Bools]:
    """The greatest value."""
    return _reduce(np.maximum, rows, rows.values), rows.enough


def _min(rows: Segments) -> tuple[Floats, Bools]:
    """The least value."""
    return _reduce(np.minimum, rows, rows.values), rows.enough


def _stddev(rows: Segments) -> tuple[Floats, Bools]:
    """The sample standard deviation (divided by n - 1, as in InfluxQL and Flux); needs two points."""
    squares = (rows.values - np.repeat(_mean(rows), rows.counts)) ** 2
    variance = _reduce(np.add, rows, squares) / np.maximum(rows.counts - 1, 1)
    return np.sqrt(variance), rows.counts > 1


def _percentile(share: float) -> Aggregation:
    """The value below which this share of the points lies, interpolated linearly (numpy's default)."""

    def percentile(rows: Segments) -> tuple[Floats, Bools]:
        values = rows.values[np.lexsort((rows.values, rows.of_rows()))]
        place = (rows.counts - 1) * share
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, rows.counts - 1)
        low, high = values[rows.starts + below], values[rows.starts + above]
        return low + (high - low) * (place - below), rows.enough

    return percentile


def _delta(rows: Segments) -> tuple[Floats, Bools]:
    """How much a counter grew from the first to the last point; a drop is a reset, counted from zero. Needs points
    at two times. For values that may fall use the condition type `change`."""
    grown, _, enough = _growth(rows)
    return grown, enough


def _rate(rows: Segments) -> tuple[Floats, Bools]:
    """`delta` per second between the first and the last point, with no extrapolation to the window's edges."""
    grown, span_ms, enough = _growth(rows)
    return grown / np.where(enough, span_ms, 1) * 1000, enough


def _growth(rows: Segments) -> tuple[Floats, NDArray[np.int64], Bools]:
    segment = rows.of_rows()
    # Of rows at one time the last wins.
    final = np.ones(len(segment), np.bool_)
    final[:-1] = (segment[1:] != segment[:-1]) | (rows.time[1:] != rows.time[:-1])
    segment, values = segment[final], rows.values[final]
    steps = np.diff(values, prepend=0.0)
    grown = np.where(steps < 0, values, steps)
    first = np.ones(len(segment), np.bool_)
    first[1:] = segment[1:] != segment[:-1]
    weights = np.where(first, 0.0, grown)
    total = np.bincount(segment, weights, minlength=len(rows.cells)).astype(np.float64)
    span: NDArray[np.int64] = rows.time[rows.starts + rows.counts - 1] - rows.time[rows.starts]
    return total, span.astype(np.int64), span > 0


def _mean(rows: Segments) -> Floats:
    return _reduce(np.add, rows, rows.values) / np.maximum(rows.counts, 1)


def _reduce(operation: np.ufunc, rows: Segments, values: Floats) -> Floats:
    if not len(rows.starts):
        return np.zeros(0)
    reduced: Floats = operation.reduceat(values, rows.starts)
    return reduced


AggregationName = Literal[
    "latest", "avg", "max", "min", "sum", "count", "median", "p50", "p90", "p95", "p99", "stddev", "rate", "delta"
]  # fmt: skip

AGGREGATIONS: Mapping[str, Aggregation] = {
    "latest": _latest,
    "avg": _avg,
    "max": _max,
    "min": _min,
    "sum": _sum,
    "count": _count,
    "median": _percentile(0.5),
    "p50": _percentile(0.5),
    "p90": _percentile(0.9),
    "p95": _percentile(0.95),
    "p99": _percentile(0.99),
    "stddev": _stddev,
    "rate": _rate,
    "delta": _delta,
}
