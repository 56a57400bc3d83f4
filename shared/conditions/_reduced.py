"""What the metric store reduced itself, in the cells of one shape: the same answers as from every single point.

A part is one span of time; an ask is answered from the spans that make up its window. Pure numpy.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.columns import Partials
from shared.conditions._cells import Aggregate, Rows, Status, last_of_each, narrowed, newest
from shared.plan import Ask

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# What the rows of neighbouring spans, and of tag combinations outside the key, are merged by, and what it starts at.
_MERGED: Mapping[str, tuple[np.ufunc, float]] = {
    "count": (np.add, 0.0),
    "sum": (np.add, 0.0),
    "min": (np.minimum, np.inf),
    "max": (np.maximum, -np.inf),
}


@dataclass(frozen=True, slots=True)
class Aggregated:
    """The store's rows, and which of the query's parts answer which ask."""

    partials: Partials
    answers: Mapping[Ask, tuple[int, ...]]


class ReducedRows:
    """The store's rows in (cell, time) order. See `_cells.Reduced`."""

    def __init__(self, aggregated: Aggregated, rows: Rows, cell: Rows) -> None:
        """`rows` index the partials in (cell, time) order; `cell` is theirs."""
        self._aggregated, self._rows, self._cell = aggregated, rows, cell

    def narrowed(self, wanted: Ints) -> "ReducedRows":
        """As `Cells.narrowed`."""
        place, cell = narrowed(self._cell, wanted)
        return ReducedRows(self._aggregated, self._rows[place], cell)

    def aggregate(self, ask: Ask, count: int) -> Aggregate | None:
        """As `Cells.aggregate` would make it of the points; None when the store was not asked for it."""
        parts = self._aggregated.answers.get(ask)
        if parts is None:
            return None
        chosen = np.isin(self._aggregated.partials.part[self._rows], parts)
        rows, cell = self._rows[chosen], self._cell[chosen]
        made = self._newest(ask, rows, cell, count)
        if ask.aggregation in ("latest", "text"):
            return made
        with np.errstate(over="ignore", invalid="ignore"):
            values = self._value(ask.aggregation, rows, cell, count)
        fine, finite = made.status == Status.FINE, np.isfinite(values)
        made.status[fine & ~finite] = Status.TOO_LARGE
        made.values[:] = np.where(fine & finite, values, np.nan)
        return made

    def _newest(self, ask: Ask, rows: Rows, cell: Rows, count: int) -> Aggregate:
        """Time, status and the newest value of each cell, which is a text where texts are asked for."""
        partials = self._aggregated.partials
        there = partials.latest.present[rows]
        rows, cell = rows[there], cell[there]
        numbers, codes = partials.latest.numbers[rows], partials.latest.codes[rows]
        usable = codes >= 0 if ask.aggregation == "text" else ~np.isnan(numbers)
        made = newest(count, cell, partials.time[rows], usable, partials.latest.texts)
        last = last_of_each(cell)
        if ask.aggregation == "text":
            made.codes[cell[last]] = codes[last]
        else:
            made.values[cell[last]] = numbers[last]
        return made

    def _value(self, aggregation: str, rows: Rows, cell: Rows, count: int) -> Floats:
        if aggregation == "avg":
            number = np.maximum(self._merged("count", rows, cell, count), 1)
            return self._merged("sum", rows, cell, count) / number
        return self._merged(aggregation, rows, cell, count)

    def _merged(self, function: str, rows: Rows, cell: Rows, count: int) -> Floats:
        operation, first = _MERGED[function]
        values = self._aggregated.partials.numbers[function][rows]
        there = ~np.isnan(values)
        merged = np.full(count, first)
        operation.at(merged, cell[there], values[there])
        return merged
