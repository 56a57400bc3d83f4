"""Plan what a slot reads of one measurement: which points one by one, and which spans the metric store reduces itself.

Pure. A window is read in one of two ways, and both give the same readings:

- one by one: one query of all points of the last `raw_ms`, which every window that ends in it shares;
- reduced: the windows beyond are cut where any of them begins or ends, and the store reduces each span to a row per
  series. Newest value, count, sum, minimum and maximum of spans merge to those of every window made of them, so that
  no point is read twice, however many windows there are.

Percentiles, median, stddev, rate and delta can't be merged, and are always read one by one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from shared.columns import LATEST, NUMBERS, AggregateQuery, Part, SampleQuery
from shared.model import Millis
from shared.plan import Ask, QueryGroup

MAX_PARTS = 24
"""Statements of the one aggregate request of a measurement; windows that would need more are read one by one."""

FEW_POINTS = 10
"""A window that reaches back so many points is read one by one in any case: that costs about the same, and every field
of the measurement comes along for little."""

USUAL_MS = 30_000
"""The time between two points of a series that is assumed before any was read."""

# Seconds per 10,000 series, measured on InfluxDB 1.8 and two cores: a raw read takes 0.09 at 1 to 2 points per series,
# 0.27 at 10, 0.78 at 30, 2.74 at 120, and about a tenth more for each further field; an aggregate 0.2 to 0.26 for
# each function, whatever the span.
_RAW, _RAW_POINT, _RAW_FIELD, _FUNCTION = 0.055, 0.0225, 0.1, 0.23

_NEEDS: Mapping[str, tuple[str, ...]] = {
    "latest": (),
    "text": (),
    "count": ("count",),
    "sum": ("sum",),
    "avg": ("count", "sum"),
    "min": ("min",),
    "max": ("max",),
}
"""What merges, and the numbers that it is made of, besides the newest value: that one says type and time."""


@dataclass(frozen=True, slots=True)
class Span:
    """One statement: a field over `[stop - begins_ms, stop - ends_ms)`."""

    field: str
    functions: tuple[str, ...]
    begins_ms: int
    ends_ms: int


@dataclass(frozen=True)
class Reads:
    """What to read in a slot. `answers` says which `spans` answer an ask; all other asks need the points."""

    raw_ms: int
    raw_fields: tuple[str, ...]
    spans: tuple[Span, ...]
    answers: Mapping[Ask, tuple[int, ...]]

    @property
    def fields(self) -> frozenset[str]:
        """The fields that are reduced."""
        return frozenset(ask.field for ask in self.answers)

    def samples(self, group: QueryGroup, stop: Millis) -> SampleQuery:
        """The query for the points; only to be asked when there are `raw_fields`."""
        where = group.narrowing()
        start = stop - self.raw_ms
        return SampleQuery(group.measurement, group.tags, self.raw_fields, start, stop, group.database, where)

    def aggregates(self, group: QueryGroup, stop: Millis) -> AggregateQuery:
        """The query for the spans."""
        parts = tuple(
            Part(span.field, span.functions, stop - span.begins_ms, stop - span.ends_ms)
            for span in self.spans
        )
        return AggregateQuery(group.measurement, group.tags, parts, group.database, group.narrowing())

    def only(self, fields: Collection[str]) -> "Reads":
        """The reduced part of it, for these fields alone."""
        return _reads((), [ask for ask in self.answers if ask.field in fields])


def asks_of(group: QueryGroup) -> frozenset[Ask]:
    """Everything that the group's conditions ask for."""
    return frozenset(ask for shape in group.shapes for batch in shape.batches for ask in batch.asks)


def plan(asks: Collection[Ask], every_ms: float, refused: Collection[str] = ()) -> Reads:
    """The cheapest way to answer the asks; `every_ms` lies between two points of a series.

    Fields that are `refused` are read one by one: the store can't reduce them. Windows are moved to the reduced ones
    from the one that reaches back furthest on, as long as these are at most `MAX_PARTS` statements.
    """
    one_by_one = [
        ask
        for ask in asks
        if ask.aggregation not in _NEEDS or ask.field in refused or _reach(ask) <= FEW_POINTS * every_ms
    ]
    free = sorted(set(asks).difference(one_by_one), key=lambda ask: (-_reach(ask), ask))
    best = _reads([*one_by_one, *free], [])
    least = _cost(best, every_ms)
    for place, ask in enumerate(free, start=1):
        if place < len(free) and _reach(free[place]) == _reach(ask):
            continue
        option = _reads([*one_by_one, *free[place:]], free[:place])
        if len(option.spans) > MAX_PARTS:
            break  # one more window never makes fewer spans
        cost = _cost(option, every_ms)
        if cost < least:
            best, least = option, cost
    return best


def raw_of(asks: Iterable[Ask]) -> Reads:
    """All of these asks, read one by one."""
    return _reads(tuple(asks), [])


def _reach(ask: Ask) -> int:
    return ask.window_ms + ask.before_ms


def _cost(reads: Reads, every_ms: float) -> float:
    """Seconds per 10,000 series."""
    points = reads.raw_ms / every_ms
    fields = 1 + _RAW_FIELD * (len(reads.raw_fields) - 1)
    raw = (_RAW + _RAW_POINT * points) * fields if reads.raw_fields else 0.0
    return raw + _FUNCTION * sum(len(span.functions) for span in reads.spans)


def _reads(raw: Sequence[Ask], reduced: Sequence[Ask]) -> Reads:
    spans: list[Span] = []
    answers: dict[Ask, list[int]] = {ask: [] for ask in reduced}
    for field in sorted({ask.field for ask in reduced}):
        own = [ask for ask in reduced if ask.field == field]
        edges = sorted({edge for ask in own for edge in (ask.before_ms, _reach(ask))})
        for ends, begins in pairwise(edges):
            covering = [ask for ask in own if ask.before_ms <= ends and begins <= _reach(ask)]
            if not covering:
                continue
            needed = {function for ask in covering for function in _NEEDS[ask.aggregation]}
            spans.append(Span(field, (LATEST,), begins, ends))
            for ask in covering:
                answers[ask].append(len(spans) - 1)
            if needed:
                spans.append(Span(field, tuple(name for name in NUMBERS if name in needed), begins, ends))
                for ask in covering:
                    answers[ask].append(len(spans) - 1)
    return Reads(
        raw_ms=max(map(_reach, raw), default=0),
        raw_fields=tuple(sorted({ask.field for ask in raw})),
        spans=tuple(spans),
        answers={ask: tuple(places) for ask, places in answers.items()},
    )
