"""When each combination of tags had its newest value of each field, as a metric store's answer shows it. Pure numpy.

It knows neither windows nor what was read before: that is `recent`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.columns import SampleQuery, Samples

Ints = NDArray[np.int64]

NEVER = -(1 << 62)
"""The time of no value."""
_DIRECT = 1 << 22
"""Up to this many codes a plain table numbers them; above it they are numbered anew."""


@dataclass(frozen=True, slots=True)
class Newest:
    """By combination of tags: its print (a number that is the same in every answer within this process; sorted, no
    repeats), a row that shows it, and when each field had its newest value (ms, `NEVER` without one). `owner` has each
    row's place among them.
    """

    prints: Ints
    rows: Ints
    times: Mapping[str, Ints]
    owner: Ints

    @classmethod
    def of(cls, query: SampleQuery, samples: Samples) -> "Newest":
        """What the answer to the query shows."""
        combination, rows = _combinations(query, samples)
        prints = np.zeros(len(rows), np.int64)
        for tag in query.tags:
            column = samples.tags[tag]
            hashes = np.fromiter(map(hash, column.values), np.int64, len(column.values))
            prints = prints * np.int64(1_000_003) + hashes[column.codes[rows]]
        prints, place, first = _numbered(prints)
        owner = place[combination]
        times = {name: np.full(len(prints), NEVER, np.int64) for name in query.fields}
        for name, newest in times.items():
            present = samples.fields[name].present
            np.maximum.at(newest, owner[present], samples.time[present])
        return cls(prints, rows[first], times, owner)

    def points(self, samples: Samples) -> float:
        """How many values a combination has: the median, of the field with the fewest; 0 without any."""
        found = []
        for name in self.times:
            counts = np.bincount(self.owner[samples.fields[name].present])
            found += [float(np.median(counts[counts > 0]))] if counts.any() else []
        return min(found, default=0.0)


def _combinations(query: SampleQuery, samples: Samples) -> tuple[Ints, Ints]:
    """A number for each row's combination of tags, and a row for each number."""
    code, size = np.zeros(len(samples), np.int64), 1
    for tag in query.tags:
        column = samples.tags[tag]
        count = max(len(column.values), 1)
        code, size = code * count + column.codes, size * count
        if size > _DIRECT:
            known, code, _ = _numbered(code)
            size = max(len(known), 1)
    row = np.full(size, -1, np.int64)
    row[code] = np.arange(len(code))
    taken = row >= 0
    return (np.cumsum(taken) - 1)[code], row[taken]


def _numbered(values: Ints) -> tuple[Ints, Ints, Ints]:
    """The values sorted without repeats, the place of each value among them, and a place where each is found.

    As `np.unique`, in half of its time: which of the equal ones is found doesn't matter here.
    """
    order = np.argsort(values)
    ordered = values[order]
    begins = np.ones(len(values), np.bool_)
    begins[1:] = ordered[1:] != ordered[:-1]
    place = np.empty(len(values), np.int64)
    place[order] = np.cumsum(begins) - 1
    return ordered[begins], place, order[begins]


@dataclass(frozen=True, slots=True)
class Texts:
    """Many short texts in the memory of one."""

    joined: str
    ends: Ints

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Texts":
        """These texts, in order."""
        return cls("".join(texts), np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts))))

    def plus(self, more: "Texts") -> "Texts":
        """These texts and the others behind them."""
        return Texts(self.joined + more.joined, np.concatenate((self.ends, more.ends + len(self.joined))))

    def at(self, place: int) -> str:
        """The text at this place."""
        return self.joined[self.ends[place - 1] if place else 0 : self.ends[place]]


def tag_texts(query: SampleQuery, samples: Samples, rows: Ints) -> tuple[Texts, ...]:
    """The values of each tag in these rows."""
    columns = [samples.tags[tag] for tag in query.tags]
    return tuple(
        Texts.of([column.values[code] for code in column.codes[rows].tolist()]) for column in columns
    )


def matched(some: Ints, others: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Of each print, its place among the others, and whether it is there. Both are sorted and have no repeats."""
    if not len(others):
        return np.zeros(len(some), np.int64), np.zeros(len(some), np.bool_)
    place = np.minimum(np.searchsorted(others, some), len(others) - 1)
    return place, others[place] == some
