"""Rows into cells: apply the filters of one shape and sort what is left by (where-set, key tags, time).

Pure numpy. Tag values become numbers once per distinct value; rows are only ever handled as whole columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from shared.columns import Samples, TagColumn
from shared.conditions._cells import Cells, Rows
from shared.conditions._reduced import Aggregated, ReducedRows
from shared.plan import Shape

Ints = NDArray[np.int64]
AnyInts = NDArray[np.int64] | NDArray[np.int32]

_DIRECT = 1 << 22
"""Up to this many codes a plain table maps them; above it codes are numbered anew."""

_INT64 = 1 << 62


@dataclass(frozen=True, slots=True)
class Sorted:
    """How the cells of one shape lie. `first[w]` to `first[w + 1]` are the cells of where-set w; `sample[c]` is a row
    of the samples that shows the tags of cell c."""

    key_tags: tuple[str, ...]
    first: Ints
    sample: Ints
    columns: tuple[TagColumn, ...]

    def pairs(self, wheres: Ints) -> tuple[Ints, Ints]:
        """(index into `wheres`, cell) for every cell of every where-set given, in order of `wheres`."""
        begin = self.first[wheres]
        counts = self.first[wheres + 1] - begin
        index = np.repeat(np.arange(len(wheres)), counts)
        offset = np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)
        return index, np.repeat(begin, counts) + offset

    def tag_values(self, cell: int) -> tuple[str, ...]:
        """The values of the key tags of one cell."""
        row = self.sample[cell]
        return tuple(column.values[column.codes[row]] for column in self.columns)

    def many_tag_values(self, cells: Ints) -> Iterator[tuple[str, ...]]:
        """The values of the key tags of many cells, in order."""
        if not self.columns:
            return iter([()] * len(cells))
        rows = self.sample[cells]
        return zip(
            *(map(column.values.__getitem__, column.codes[rows].tolist()) for column in self.columns),
            strict=True,
        )

    def hashes(self) -> Ints:
        """A number per cell for its key tags' values; the same within one process."""
        made = np.zeros(len(self.sample), np.int64)
        for column in self.columns:
            values = np.fromiter(map(hash, column.values), np.int64, len(column.values))
            made = made * np.int64(1_000_003) + values[column.codes[self.sample]]
        return made


def joined(samples: Samples, aggregated: Aggregated) -> Samples:
    """The rows of the samples and after them those of the aggregates, to be sorted together: times and tags of all.

    The fields stay as long as the samples were: rows beyond them are read from the aggregates.
    """
    made = aggregated.partials
    tags = {
        name: TagColumn.joined([column, made.tags[name]]) if len(samples) else made.tags[name]
        for name, column in samples.tags.items()
    }
    return Samples(np.concatenate((samples.time, made.time)), tags, samples.fields)


def sort_rows(
    shape: Shape, samples: Samples, start: int, stop: int, aggregated: Aggregated | None = None
) -> tuple[Sorted, Cells]:
    """The cells of the shape and how they lie, from the rows in `[start, stop)` that satisfy one of its filters.

    With `aggregated`, samples are what `joined` has made of both.
    """
    columns = tuple(samples.tags[tag] for tag in shape.key_tags)
    inside = np.flatnonzero((samples.time >= start) & (samples.time < stop)).astype(np.int32)
    rows, where = _filtered(shape, samples, inside)
    del inside  # there may be a million rows: what is done with is let go
    series, size = _series(where, shape.where_count, columns, rows)
    order = _order(series, size, samples.time, rows, start, stop)
    rows, series = rows[order], series[order]
    begins = np.ones(len(series), np.bool_)
    begins[1:] = series[1:] != series[:-1]
    firsts = np.flatnonzero(begins)
    first = np.searchsorted(where[order[firsts]], np.arange(shape.where_count + 1))
    del series, where, order
    cell = np.cumsum(begins, dtype=np.int32)
    cell -= 1
    cells = _cells(samples, rows, cell, samples.time[rows], len(firsts), stop, aggregated)
    return Sorted(shape.key_tags, first, rows[firsts].astype(np.int64), columns), cells


def _cells(
    samples: Samples,
    rows: Rows,
    cell: Rows,
    time: Ints,
    count: int,
    stop: int,
    aggregated: Aggregated | None,
) -> Cells:
    if aggregated is None:
        return Cells(samples.fields, rows, cell, time, count, stop)
    ours = len(samples) - len(aggregated.partials)
    raw = rows < ours
    reduced = ReducedRows(aggregated, rows[~raw] - ours, cell[~raw])
    return Cells(samples.fields, rows[raw], cell[raw], time[raw], count, stop, reduced)


def _order(series: AnyInts, size: int, time: Ints, rows: Rows, start: int, stop: int) -> Ints:
    """The stable order by (series, time): among rows of one time the later row stays later."""
    span = stop - start
    if size * span >= _INT64:
        return np.lexsort((time[rows], series))
    both = series * np.int64(span)
    both += time[rows]
    both -= start
    return np.argsort(both, kind="stable")


def _filtered(shape: Shape, samples: Samples, rows: Rows) -> tuple[Rows, Rows]:
    """Rows and the where-set of each; a row that satisfies several where-sets comes once for each."""
    wanted = np.zeros(len(shape.combinations), np.int64)
    code: AnyInts = np.zeros(len(rows), np.int32)
    size = 1
    for number, tag in enumerate(shape.filter_tags):
        vocabulary, column = shape.vocabulary[tag], samples.tags[tag]
        places = np.fromiter(map(vocabulary.get, column.values, repeat(-1)), np.int32, len(column.values))
        here = places[column.codes[rows]]
        kept = here >= 0
        if not kept.all():
            rows, code, here = rows[kept], code[kept], here[kept]
        size = size * len(vocabulary)
        code = here if number == 0 else code * np.int64(len(vocabulary)) + here
        wanted = wanted * len(vocabulary) + shape.combinations[:, number]
        if size > _DIRECT:
            known, wanted = np.unique(wanted, return_inverse=True)
            place = np.minimum(np.searchsorted(known, code), len(known) - 1)
            hit = known[place] == code
            rows, code, size = rows[hit], place[hit], len(known)
    by_code = np.argsort(wanted, kind="stable")
    begin = np.searchsorted(wanted[by_code], np.arange(size + 1))
    owners, several = shape.combination_where[by_code].astype(np.int32), np.diff(begin)
    if (several == 1).all():
        return rows, owners[begin[:-1]][code]
    counts = several[code]
    offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(rows, counts), owners[np.repeat(begin[code], counts) + offset]


def _series(where: Rows, where_count: int, columns: tuple[TagColumn, ...], rows: Rows) -> tuple[AnyInts, int]:
    """One number per row for its where-set and key tags, and how many numbers there may be."""
    if not columns:
        return where, where_count
    key, size = _joint_keys(columns, rows)
    return where * np.int64(size) + key, where_count * size


def _joint_keys(columns: tuple[TagColumn, ...], rows: Rows) -> tuple[AnyInts, int]:
    """One number per row for its key tags together, and how many numbers there may be."""
    joint, size = np.zeros(len(rows), np.int64), 1
    for column in columns:
        count = max(len(column.values), 1)
        joint, size = joint * count + column.codes[rows], size * count
        if size > _DIRECT:
            known, joint = np.unique(joint, return_inverse=True)
            size = max(len(known), 1)
    return joint, size
