"""All series of one shape in one slot, in columns, and the one definition of every aggregation.

A *cell* is one series as rules see it: rows that satisfy one filter and carry the same key tags. Rows lie sorted by
(cell, time), so that every aggregation is one `reduceat` over all cells. Pure numpy; knows nothing about rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import partial

import numpy as np
from numpy.typing import NDArray

from shared.columns import FieldColumn
from shared.conditions._aggregations import AGGREGATIONS, Segments

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Status(IntEnum):
    """What can be said of one cell."""

    FINE = 0
    ABSENT = 1  # no value of the field in the window: for this rule the series isn't there
    SHORT = 2  # too few points for this aggregation
    STALE = 3  # the newest point is older than the rule allows
    WRONG_TYPE = 4  # the newest value is a text where a number is needed, or the other way round
    TOO_LARGE = 5  # the values are numbers, but what they come to is none any more


UNREADABLE = (Status.WRONG_TYPE, Status.TOO_LARGE)
"""Trouble of the rule: nothing is decided on such a cell."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One value per cell: `values` (NaN unless FINE), `codes` into `texts` (-1 unless a text), `at` (ms of the newest
    point, 0 if none) and `status`."""

    values: Floats
    codes: NDArray[np.int32]
    at: Ints
    status: NDArray[np.int8]
    texts: tuple[str, ...] = ()


class Cells:
    """Sorted rows of all cells. Aggregates are made once and kept, however many rules ask for them."""

    def __init__(
        self, fields: Mapping[str, FieldColumn], rows: Ints, cell: Ints, time: Ints, count: int, stop: int
    ):
        """`rows` index the samples in (cell, time) order; `cell` and `time` are theirs; `count` cells in all."""
        self._fields, self._rows, self._cell, self._time = fields, rows, cell, time
        self.count, self.stop = count, stop
        self._made: dict[tuple[object, ...], Aggregate] = {}
        self._sorted: dict[str, FieldColumn] = {}

    def narrowed(self, wanted: Ints) -> "Cells":
        """These cells only (sorted, no repeats), numbered anew in the same order: for rules on few of many series."""
        begin = np.searchsorted(self._cell, wanted)
        counts = np.searchsorted(self._cell, wanted, "right") - begin
        cell = np.repeat(np.arange(len(wanted)), counts)
        place = (
            np.arange(len(cell)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(begin, counts)
        )
        return Cells(self._fields, self._rows[place], cell, self._time[place], len(wanted), self.stop)

    def aggregate(self, field: str, aggregation: str, window_ms: int, before_ms: int = 0) -> Aggregate:
        """A number per cell over `[stop - before_ms - window_ms, stop - before_ms)`."""
        wanted = ("number", field, aggregation, window_ms, before_ms)
        if wanted not in self._made:
            self._made[wanted] = self._numbers(field, aggregation, window_ms, before_ms)
        return self._made[wanted]

    def latest_text(self, field: str, window_ms: int, before_ms: int = 0) -> Aggregate:
        """The newest text per cell; its `codes` index `texts`."""
        wanted = ("text", field, window_ms, before_ms)
        if wanted not in self._made:
            self._made[wanted] = self._texts(field, window_ms, before_ms)
        return self._made[wanted]

    def _numbers(self, field: str, aggregation: str, window_ms: int, before_ms: int) -> Aggregate:
        column = self._column(field)
        usable = ~np.isnan(column.numbers)
        made, any_value = self._empty(column, window_ms, before_ms, usable)
        inside = any_value & usable
        segments = _segments(self._cell[inside], self._time[inside], column.numbers[inside])
        with np.errstate(over="ignore", invalid="ignore"):
            values, enough = AGGREGATIONS[aggregation](segments)
        fine, finite = made.status[segments.cells] == Status.FINE, np.isfinite(values)
        made.values[segments.cells] = np.where(fine & enough & finite, values, np.nan)
        made.status[segments.cells[fine & ~finite]] = Status.TOO_LARGE
        made.status[segments.cells[fine & ~enough]] = Status.SHORT
        return made

    def _texts(self, field: str, window_ms: int, before_ms: int) -> Aggregate:
        column = self._column(field)
        made, any_value = self._empty(column, window_ms, before_ms, column.codes >= 0)
        last = _last_of_each(self._cell[any_value])
        cells = self._cell[any_value][last]
        made.codes[cells] = column.codes[any_value][last]
        return made

    def _empty(
        self, column: FieldColumn, window_ms: int, before_ms: int, usable: NDArray[np.bool_]
    ) -> tuple[Aggregate, NDArray[np.bool_]]:
        """An aggregate with time and status set and no values yet, and which rows have a value in the window.

        The newest value of a cell decides its type: a field that has become a text can't be compared any more.
        """
        stop = self.stop - before_ms
        inside = column.present & (self._time >= stop - window_ms) & (self._time < stop)
        last = _last_of_each(self._cell[inside])
        cells = self._cell[inside][last]
        at = np.zeros(self.count, np.int64)
        at[cells] = self._time[inside][last]
        status = np.full(self.count, Status.ABSENT, np.int8)
        status[cells] = np.where(usable[inside][last], Status.FINE, Status.WRONG_TYPE)
        nothing = np.full(self.count, np.nan)
        return Aggregate(nothing, np.full(self.count, -1, np.int32), at, status, column.texts), inside

    def _column(self, field: str) -> FieldColumn:
        if field not in self._sorted:
            column = self._fields[field]
            take = partial(np.take, indices=self._rows)
            self._sorted[field] = FieldColumn(
                column.kind, take(column.present), take(column.numbers), take(column.codes), column.texts
            )
        return self._sorted[field]


def _segments(cell: Ints, time: Ints, values: Floats) -> Segments:
    if not len(cell):
        nothing = np.zeros(0, np.int64)
        return Segments(nothing, nothing, nothing, time, values)
    starts = np.flatnonzero(np.concatenate(([True], cell[1:] != cell[:-1])))
    counts = np.diff(np.append(starts, len(cell)))
    return Segments(cell[starts], starts, counts, time, values)


def _last_of_each(cell: Ints) -> Ints:
    """Positions of the last row of every cell, in sorted rows."""
    if not len(cell):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate((cell[1:] != cell[:-1], [True])))
