"""What a metric store is asked and what it answers: plain numpy columns, the same from every store.

Pure data: no I/O and no decision lives here.
"""

from collections.abc import Mapping, Sequence
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

    @classmethod
    def joined(cls, columns: Sequence["TagColumn"]) -> "TagColumn":
        """One column of the rows of all, in order."""
        known: dict[str, int] = {}
        codes = [np.empty(0, np.int32)]
        for column in columns:
            if not known:
                known = dict(zip(column.values, range(len(column.values)), strict=True))
                if len(known) == len(column.values):
                    codes.append(column.codes)  # as they are: the first is often much the largest
                    continue
                known = {}
            places = [known.setdefault(value, len(known)) for value in column.values]
            codes.append(np.array(places, np.int32)[column.codes])
        return cls(np.concatenate(codes), tuple(known))


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

    @classmethod
    def joined(cls, columns: Sequence["FieldColumn"]) -> "FieldColumn":
        """One column of the rows of all, in order."""
        known: dict[str, int] = {}
        codes = [np.empty(0, np.int32)]
        for column in columns:
            places = [known.setdefault(text, len(known)) for text in column.texts]
            codes.append(np.array([*places, -1], np.int32)[column.codes])  # -1 is the last place, too
        kinds = {column.kind for column in columns} - {"empty"}
        kind: FieldKind = "empty" if not kinds else kinds.pop() if len(kinds) == 1 else "mixed"
        return cls(
            kind,
            np.concatenate([np.empty(0, np.bool_), *(column.present for column in columns)]),
            np.concatenate([np.empty(0, np.float64), *(column.numbers for column in columns)]),
            np.concatenate(codes),
            tuple(known),
        )


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

    @classmethod
    def joined(cls, answers: Sequence["Samples"]) -> "Samples":
        """The rows of all answers, at least one, in order; all have the same tags and fields."""
        tags = {name: [answer.tags[name] for answer in answers] for name in answers[0].tags}
        fields = {name: [answer.fields[name] for answer in answers] for name in answers[0].fields}
        return cls(
            np.concatenate([answer.time for answer in answers]),
            {name: TagColumn.joined(columns) for name, columns in tags.items()},
            {name: FieldColumn.joined(columns) for name, columns in fields.items()},
            sum(answer.dropped_future for answer in answers),
            sum(answer.bytes_read for answer in answers),
        )


@dataclass(frozen=True, slots=True)
class Part:
    """One field over `[start, stop)` (epoch ms), reduced by the store to a row per combination of tags.

    Either `latest` alone, whose row has the time of the newest point; or some of `NUMBERS`.
    """

    field: str
    functions: tuple[str, ...]
    start: int
    stop: int


LATEST = "latest"
NUMBERS = ("count", "sum", "min", "max")
"""What a store may aggregate besides: these merge, over tag combinations as over neighbouring spans of time."""


@dataclass(frozen=True)
class AggregateQuery:
    """Several parts of one measurement in one request. `tags`, `database` and `where` as in `SampleQuery`."""

    measurement: str
    tags: tuple[str, ...]
    parts: tuple[Part, ...]
    database: str = ""
    where: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class Partials:
    """What the store made of the parts: a row per part and tag combination, of all parts together.

    `part` indexes the query's parts. `time` (ms) is that of the newest point where the part asked for `latest`, else
    any within the part. `numbers` has a column of each of `NUMBERS`, NaN where the part didn't ask for it. A store may
    answer several rows for one combination: whoever reads them merges by the key tags anyway.
    """

    part: NDArray[np.int32]
    time: NDArray[np.int64]
    tags: Mapping[str, TagColumn]
    latest: FieldColumn
    numbers: Mapping[str, NDArray[np.float64]]
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
