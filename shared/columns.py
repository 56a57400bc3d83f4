"""What a metric store is asked and what it answers: plain numpy columns, the same from every store.

Pure data: no I/O and no decision lives here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FieldKind = Literal["number", "boolean", "string", "mixed", "empty"]


@dataclass(frozen=True)
class SampleQuery:
    """One raw read of one measurement: every point with its tags and fields in `[start, stop)`.

    `start` and `stop` are epoch milliseconds UTC. `database` is empty for the store's default one.
    `where` is an optional narrowing: rows whose tags equal one of these combinations (an or-chain);
    empty means all rows. It may only be used to save work: the reader filters again.
    """

    measurement: str
    tags: tuple[str, ...]
    fields: tuple[str, ...]
    start: int
    stop: int
    database: str = ""
    where: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class TagColumn:
    """Dictionary-encoded tag values: `values[codes[row]]`; a missing tag is the empty string."""

    codes: NDArray[np.int32]
    values: tuple[str, ...]


@dataclass(frozen=True)
class FieldColumn:
    """One field over all rows.

    `numbers` (float64) is NaN where the row has no number; booleans are 1.0 and 0.0. `codes` index `texts`
    and are -1 where the row has no string. `present` is True where the row has any value that can be used
    (null, NaN and infinities are absent). `kind` says what was seen.
    """

    kind: FieldKind
    present: NDArray[np.bool_]
    numbers: NDArray[np.float64]
    codes: NDArray[np.int32]
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Samples:
    """All rows of one answer. `time` is int64 epoch milliseconds; rows are in no particular order.

    Every tag and field that was asked for is there, even when no row has it. `dropped_future` counts rows at
    or after `stop`, which are never part of the columns. `bytes_read` is the size of the answer.
    """

    time: NDArray[np.int64]
    tags: Mapping[str, TagColumn]
    fields: Mapping[str, FieldColumn]
    dropped_future: int = 0
    bytes_read: int = 0

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True)
class Discovered:
    """What a metric store holds in one measurement: tag keys with a few values, field names with types."""

    measurement: str
    tags: Mapping[str, tuple[str, ...]]
    fields: Mapping[str, str]
    database: str = ""
    series_estimate: int | None = field(default=None)
