"""Long rows (one per field, time and series) to the columns of `shared.columns` (one row per time and series). Pure.

Flux tells every field by itself. Values of one instant and the same tags are one row; where several series have the
same tags, because they differ in one that was not asked for, the n-th value of each field stands in the n-th row.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.columns import FieldColumn, SampleQuery, Samples, TagColumn
from shared.metrics._annotated_csv import Chunk, nanoseconds
from shared.metrics._columns import Codes, FieldBuilder, TagBuilder, empty_field, empty_tag, scattered
from shared.metrics._flux_text import ROWS, tags_of

_MS = 1_000_000


class LongRows:
    """Collects the rows of one read."""

    def __init__(self, query: SampleQuery) -> None:
        self._query = query
        self._tags = {name: TagBuilder() for name in tags_of(query.tags)}
        self._values: dict[str, FieldBuilder] = {}
        self._places = Codes()
        self._times: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        self._fields: list[NDArray[np.int32]] = [np.empty(0, np.int32)]

    def add(self, chunk: Chunk) -> None:
        """Read some rows. Raises KeyError for another result or a missing column, ValueError for a bad cell."""
        if chunk.result != ROWS:
            raise KeyError(chunk.result)
        self._times.append(nanoseconds(chunk.columns["_time"]))
        for name, tag in self._tags.items():
            tag.add(chunk.columns.get(name) or [""] * chunk.rows)
        values = chunk.values()
        for name, start, stop in _runs(chunk.columns["_field"]):
            builder = self._values.setdefault(name, FieldBuilder())
            self._fields.append(np.full(stop - start, self._places[name], np.int32))
            builder.add(values[start:stop])

    def build(self, bytes_read: int) -> Samples:
        """All rows before the query's stop, oldest first. Every tag and field that was asked for is there."""
        time, field = np.concatenate(self._times), np.concatenate(self._fields)
        tags = {name: builder.build() for name, builder in self._tags.items()}
        row, first = pivoted(time, _combined([tag.codes for tag in tags.values()], len(time)), field)
        # 1.8 answers the points at `stop` too, though it was asked for those before it.
        kept = int(np.count_nonzero(time[first] // _MS < self._query.stop))
        beyond, first = len(first) - kept, first[:kept]
        fields = {
            name: self._field(builder, row[field == self._places[name]], kept)
            for name, builder in self._values.items()
        }
        seen = {name: TagColumn(tag.codes[first], tag.values) for name, tag in tags.items()}
        return Samples(
            time[first] // _MS,
            {name: seen.get(name) or empty_tag(kept) for name in self._query.tags},
            {name: fields.get(name) or empty_field(kept) for name in self._query.fields},
            beyond,
            bytes_read,
        )

    @staticmethod
    def _field(builder: FieldBuilder, rows: NDArray[np.intp], kept: int) -> FieldColumn:
        """The values of one field at the rows that they belong to, for as many rows as are kept."""
        column, inside = builder.build(), rows < kept
        mine = FieldColumn(
            column.kind,
            column.present[inside],
            column.numbers[inside],
            column.codes[inside],
            column.texts,
        )
        return scattered(mine, rows[inside], kept)


def pivoted(
    time: NDArray[np.int64], series: NDArray[np.int64], field: NDArray[np.int32]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The row that each value belongs to, oldest first, and of each row one of its values."""
    order = np.lexsort((field, series, time))
    new = _changes(time[order], series[order], field[order])
    starts = np.flatnonzero(new)
    nth = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    if nth.any():
        again = np.lexsort((nth, series[order], time[order]))
        order, nth = order[again], nth[again]
    new = _changes(time[order], series[order], nth)
    row = np.empty(len(order), np.intp)
    row[order] = np.cumsum(new) - 1
    return row, order[new]


def _changes(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows differ from the one before."""
    new = np.zeros(len(columns[0]), np.bool_)
    new[:1] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return new


def _combined(columns: Sequence[NDArray[np.int32]], rows: int) -> NDArray[np.int64]:
    """One number for each combination of codes."""
    combined = np.zeros(rows, np.int64)
    for codes in columns:
        wide = combined * (int(codes.max(initial=0)) + 1) + codes
        # Numbered anew each time: the product of many tags' sizes would not fit.
        _, combined = np.unique(wide, return_inverse=True)
    return combined


def _runs(cells: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Equal neighbours: the cell, and where they begin and end."""
    start = 0
    for cell, run in groupby(cells):
        stop = start + sum(1 for _ in run)
        yield cell, start, stop
        start = stop
