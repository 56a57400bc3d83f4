"""What one batch of rules sees in the sorted cells of its shape. Pure numpy; `readings` puts the pieces together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.columns import Samples
from shared.conditions import condition_type
from shared.conditions._cells import Cells, Status
from shared.conditions._interface import Measured, Pairs
from shared.conditions._reduced import Aggregated
from shared.conditions._sort import Sorted
from shared.plan import Batch

Ints = NDArray[np.int64]

FEW = 3
"""A batch that needs less than one in this many series aggregates over those alone: that copies a few columns, and
takes less time and memory than to go over all of them."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one batch came to: its pairs that have data; pair i is of `target[i]` in cell `cell[i]` of the shape."""

    batch: Batch
    shape: Sorted
    measured: Measured
    target: Ints
    cell: Ints


def measured(batch: Batch, shape: Sorted, cells: Cells) -> Piece:
    """All pairs of the batch with data."""
    row, cell = shape.pairs(batch.wheres)
    needed, local = _needed(cells, cell)
    pairs = Pairs(row, local, batch.numbers, batch.texts)
    found = condition_type(batch.type).measure(batch.signature, pairs, needed)
    with_data = found.status != Status.ABSENT
    if not with_data.all():
        row, cell, found = row[with_data], cell[with_data], found.only(with_data)
    return Piece(batch, shape, found, batch.targets[row], cell)


def _needed(cells: Cells, cell: Ints) -> tuple[Cells, Ints]:
    """The cells to aggregate over: all of them, shared by all batches, unless this batch needs only a few."""
    if len(cell) * FEW >= cells.count:
        return cells, cell
    wanted, local = np.unique(cell, return_inverse=True)
    return cells.narrowed(wanted), local


def fields_seen(samples: Samples, aggregated: Aggregated | None) -> frozenset[str]:
    """The fields that any point has."""
    seen = {name for name, column in samples.fields.items() if column.present.any()}
    if aggregated is not None:
        parts = set(np.unique(aggregated.partials.part).tolist())
        seen.update(ask.field for ask, answered in aggregated.answers.items() if parts.intersection(answered))
    return frozenset(seen)
