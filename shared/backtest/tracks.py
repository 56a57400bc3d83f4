"""Samples to the readings of many slots at once, for backtests: the cell is one series in one slot.

Pure numpy. Every row is repeated for each slot whose window holds it, with its time moved so that all slots end at one
`stop`; the slot becomes one more key tag. The unchanged `measure` and the unchanged condition types then see as many
series as there are (series, slot) pairs. Nothing here decides.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.columns import FieldColumn, Samples, TagColumn
from shared.conditions._cells import UNREADABLE, Status
from shared.model import Millis, Reading
from shared.pieces import Piece
from shared.plan import QueryGroup
from shared.readings import measure
from shared.series import series_key

Ints = NDArray[np.int64]

SLOT_TAG = "\0slot"
"""No tag is named like this."""

MOST_ROWS = 1_000_000
"""About how many repeated rows are measured at once: 200 MB at the peak."""
MOST_SLOTS = 1_000
"""How many slots are measured at once: the columns hold every series in every slot, also where it sent nothing."""


@dataclass(frozen=True)
class Tracks:
    """Readings of some series over consecutive slots; the columns have the shape (series, slot).

    `keys` are series keys. `status` is a `Status`, ABSENT where the series has no data; `level` is 0, `recovered`
    False, `value` NaN and `code` -1 unless FINE. `code` indexes `texts` of the series. `at` in ms, 0 for none.
    """

    slots: Ints
    keys: tuple[str, ...]
    status: NDArray[np.int8]
    level: NDArray[np.int8]
    recovered: NDArray[np.bool_]
    value: NDArray[np.float64]
    code: NDArray[np.int32]
    at: Ints
    texts: tuple[tuple[str, ...], ...]
    reasons: tuple[Mapping[int, str], ...]

    def reading(self, series: int, slot: int) -> Reading | None:
        """What the rule sees there; None where the series has no data."""
        status = int(self.status[series, slot])
        if status == Status.ABSENT:
            return None
        value, code = float(self.value[series, slot]), int(self.code[series, slot])
        return Reading(
            level=int(self.level[series, slot]),
            recovered=bool(self.recovered[series, slot]),
            value=None if np.isnan(value) else value,
            text=self.texts[series][code] if code >= 0 else "",
            missing="" if status == Status.FINE else self.reasons[series][status],
            at=int(self.at[series, slot]),
            error=status in UNREADABLE,
        )


def joined(parts: Sequence[Tracks]) -> Tracks:
    """The same slots of several query groups as one."""
    if len(parts) == 1:
        return parts[0]
    return Tracks(
        parts[0].slots,
        tuple(key for part in parts for key in part.keys),
        np.concatenate([part.status for part in parts]),
        np.concatenate([part.level for part in parts]),
        np.concatenate([part.recovered for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.code for part in parts]),
        np.concatenate([part.at for part in parts]),
        tuple(texts for part in parts for texts in part.texts),
        tuple(reasons for part in parts for reasons in part.reasons),
    )


def windows(time: Ints, slots: Ints, lateness_ms: int, lookback_ms: int) -> Ints:
    """How many of the rows (times sorted) the window of each slot holds."""
    stops = slots - lateness_ms
    return np.searchsorted(time, stops) - np.searchsorted(time, stops - lookback_ms)


def cut(counts: Ints, most: int = MOST_ROWS) -> Iterator[slice]:
    """Consecutive slots, MOST_SLOTS at most, whose windows hold together not more than `most` rows; one at least."""
    ends, begin = np.cumsum(counts), 0
    while begin < len(counts):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, min(begin + MOST_SLOTS, int(np.searchsorted(ends, before + most, "right"))))
        yield slice(begin, end)
        begin = end


def measure_slots(group: QueryGroup, samples: Samples, slots: Ints, lateness_ms: int) -> Tracks:
    """Evaluate the rules of the group in all these slots (ascending). Each (rule, monitor) gives series of its own, so
    the group should be of one rule."""
    spread = _spread(samples, slots, lateness_ms, group.lookback_ms)
    shapes = tuple(replace(shape, key_tags=(*shape.key_tags, SLOT_TAG)) for shape in group.shapes)
    stop: Millis = int(slots[-1]) - lateness_ms
    readings = measure(replace(group, shapes=shapes), spread, stop)
    return joined([_tracks(group, piece, slots) for piece in readings.pieces] or [_nothing(slots)])


def _spread(samples: Samples, slots: Ints, lateness_ms: int, lookback_ms: int) -> Samples:
    """The rows, each once for every slot that sees it, with the slot as a tag and all windows ending together."""
    stops = slots - lateness_ms
    first = np.searchsorted(stops, samples.time, "right")
    counts = np.searchsorted(stops, samples.time + lookback_ms, "right") - first
    rows = np.repeat(np.arange(len(counts)), counts)
    slot = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    tags = {name: TagColumn(column.codes[rows], column.values) for name, column in samples.tags.items()}
    tags[SLOT_TAG] = TagColumn(slot.astype(np.int32), tuple(map(str, range(len(slots)))))
    fields = {
        name: FieldColumn(
            column.kind, column.present[rows], column.numbers[rows], column.codes[rows], column.texts
        )
        for name, column in samples.fields.items()
    }
    return Samples(samples.time[rows] + (stops[-1] - stops)[slot], tags, fields)


def _tracks(group: QueryGroup, piece: Piece, slots: Ints) -> Tracks:
    shape, measured = piece.shape, piece.measured
    *keys, slot = (column.codes[shape.sample[piece.cell]] for column in shape.columns)
    begins = np.diff(piece.target, prepend=-1) != 0
    for codes in keys:
        begins |= np.diff(codes, prepend=-1) != 0
    series, firsts = np.cumsum(begins) - 1, np.flatnonzero(begins)
    size = len(firsts), len(slots)

    def filled(column: NDArray[np.generic], empty: object) -> NDArray[np.generic]:
        made = np.full(size, empty, column.dtype)
        made[series, slot] = column
        return made

    at = np.where(measured.at > 0, measured.at - (slots[-1] - slots)[slot], 0)
    return Tracks(
        slots,
        tuple(_key(group, piece, int(first)) for first in firsts),
        filled(measured.status, Status.ABSENT).astype(np.int8),
        filled(measured.level, 0).astype(np.int8),
        filled(measured.recovered, False).astype(np.bool_),
        filled(measured.value, np.nan).astype(np.float64),
        filled(measured.code, -1).astype(np.int32),
        filled(at, 0).astype(np.int64),
        (measured.texts,) * size[0],
        (measured.reasons,) * size[0],
    )


def _key(group: QueryGroup, piece: Piece, pair: int) -> str:
    values = piece.shape.tag_values(int(piece.cell[pair]))[:-1]
    monitor_id = group.target_monitor[int(piece.target[pair])]
    return series_key(monitor_id, zip(piece.shape.key_tags[:-1], values, strict=True))


def _nothing(slots: Ints) -> Tracks:
    size = 0, len(slots)
    return Tracks(
        slots,
        (),
        np.zeros(size, np.int8),
        np.zeros(size, np.int8),
        np.zeros(size, np.bool_),
        np.zeros(size),
        np.zeros(size, np.int32),
        np.zeros(size, np.int64),
        (),
        (),
    )
