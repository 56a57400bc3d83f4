"""All series of one shape in one slot, in columns, and the one definition of every aggregation.

A *cell* is one series as rules see it: rows that satisfy one filter and carry the same key tags. Rows lie sorted by
(cell, time), so that every aggregation is one `reduceat` over all cells. Pure numpy; knows nothing about rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.columns import FieldColumn
from shared.conditions._aggregations import AGGREGATIONS, Segments
from shared.plan import Ask

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.int32]
"""Places of rows, or numbers of cells: half as large as other integers, and there are never 2 billion of them."""


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


class Reduced(Protocol):
    """What the metric store has reduced itself, in the same cells."""

    def aggregate(self, ask: Ask, count: int) -> Aggregate | None:
        """The answer for the `count` cells; None when the store was not asked for it."""

    def narrowed(self, wanted: Ints) -> "Reduced":
        """As `Cells.narrowed`."""


class Cells:
    """Sorted rows of all cells. Aggregates are made once and kept, however many rules ask for them."""

    def __init__(
        self,
        fields: Mapping[str, FieldColumn],
        rows: Rows,
        cell: Rows,
        time: Ints,
        count: int,
        stop: int,
        reduced: Reduced | None = None,
    ):
        """`rows` index the samples in (cell, time) order; `cell` and `time` are theirs; `count` cells in all."""
        self._fields, self._rows, self._cell, self._time = fields, rows, cell, time
        self.count, self.stop = count, stop
        self._reduced = reduced
        self._made: dict[Ask, Aggregate] = {}
        self._sorted: dict[str, FieldColumn] = {}

    @property
    def points(self) -> int:
        """How many rows the cells have that were read one by one."""
        return len(self._rows)

    def narrowed(self, wanted: Ints) -> "Cells":
        """These cells only (sorted, no repeats), numbered anew in the same order: for rules on few of many series."""
        place, cell = narrowed(self._cell, wanted)
        reduced = self._reduced.narrowed(wanted) if self._reduced else None
        rows, time = self._rows[place], self._time[place]
        return Cells(self._fields, rows, cell, time, len(wanted), self.stop, reduced)

    def aggregate(self, field: str, aggregation: str, window_ms: int, before_ms: int = 0) -> Aggregate:
        """A number per cell over `[stop - before_ms - window_ms, stop - before_ms)`."""
        return self._answer(Ask(field, aggregation, window_ms, before_ms))

    def latest_text(self, field: str, window_ms: int, before_ms: int = 0) -> Aggregate:
        """The newest text per cell; its `codes` index `texts`."""
        return self._answer(Ask(field, "text", window_ms, before_ms))

    def _answer(self, ask: Ask) -> Aggregate:
        if ask not in self._made:
            made = self._reduced.aggregate(ask, self.count) if self._reduced else None
            self._made[ask] = made or self._of_rows(ask)
        return self._made[ask]

    def _of_rows(self, ask: Ask) -> Aggregate:
        field, aggregation, window_ms, before_ms = ask
        if aggregation == "text":
            return self._texts(field, window_ms, before_ms)
        return self._numbers(field, aggregation, window_ms, before_ms)

    def _numbers(self, field: str, aggregation: str, window_ms: int, before_ms: int) -> Aggregate:
        column = self._column(field)
        usable = ~np.isnan(column.numbers)
        made, any_value = self._empty(column, window_ms, before_ms, usable)
        inside = _narrow(any_value & usable)
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
        last = last_of_each(self._cell[any_value])
        cells = self._cell[any_value][last]
        made.codes[cells] = column.codes[any_value][last]
        return made

    def _empty(
        self, column: FieldColumn, window_ms: int, before_ms: int, usable: NDArray[np.bool_]
    ) -> tuple[Aggregate, NDArray[np.bool_]]:
        """An aggregate with time and status set and no values yet, and which rows have a value in the window."""
        stop = self.stop - before_ms
        inside = column.present & (self._time >= stop - window_ms) & (self._time < stop)
        some = _narrow(inside)
        made = newest(self.count, self._cell[some], self._time[some], usable[some], column.texts)
        return made, inside

    def _column(self, field: str) -> FieldColumn:
        if field not in self._sorted:
            column = self._fields[field]
            take = partial(np.take, indices=self._rows)
            # Without texts every code is -1: a million of them fit into one.
            codes = take(column.codes) if column.texts else np.broadcast_to(np.int32(-1), len(self._rows))
            self._sorted[field] = FieldColumn(
                column.kind, take(column.present), take(column.numbers), codes, column.texts
            )
        return self._sorted[field]


def _narrow(chosen: NDArray[np.bool_]) -> NDArray[np.bool_] | slice:
    """The same choice; one of all rows as a slice, which copies nothing."""
    return slice(None) if chosen.all() else chosen


def _segments(cell: Rows, time: Ints, values: Floats) -> Segments:
    if not len(cell):
        nothing = np.zeros(0, np.int64)
        return Segments(cell, nothing, nothing, time, values)
    starts = np.flatnonzero(np.concatenate(([True], cell[1:] != cell[:-1])))
    counts = np.diff(np.append(starts, len(cell)))
    return Segments(cell[starts], starts, counts, time, values)


def newest(
    count: int, cell: Rows, time: Ints, usable: NDArray[np.bool_], texts: tuple[str, ...]
) -> Aggregate:
    """An aggregate with time and status set and no values yet, from sorted rows that have any value.

    The newest value of a cell decides its type: a field that has become a text can't be compared any more.
    """
    last = last_of_each(cell)
    cells = cell[last]
    at = np.zeros(count, np.int64)
    at[cells] = time[last]
    status = np.full(count, Status.ABSENT, np.int8)
    status[cells] = np.where(usable[last], Status.FINE, Status.WRONG_TYPE)
    return Aggregate(np.full(count, np.nan), np.full(count, -1, np.int32), at, status, texts)


def narrowed(cell: Rows, wanted: Ints) -> tuple[Ints, Rows]:
    """Of sorted rows, the places of those in the wanted cells, and their cells numbered anew."""
    alike = wanted.astype(cell.dtype)  # else all of the cells would be copied to be looked through
    begin = np.searchsorted(cell, alike)
    counts = np.searchsorted(cell, alike, "right") - begin
    new = np.repeat(np.arange(len(wanted), dtype=np.int32), counts)
    place = np.arange(len(new)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(begin, counts)
    return place, new


def last_of_each(cell: Rows) -> Ints:
    """Positions of the last row of every cell, in sorted rows."""
    if not len(cell):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate((cell[1:] != cell[:-1], [True])))
