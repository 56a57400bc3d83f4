"""Points that arrive when they like, a process that reads only what is new, and an account of what it has ever read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared.columns import SampleQuery, Samples
from shared.errors import QueryFailed
from shared.plan import QueryGroup
from shared.readings import Readings, measure
from shared.reads import asks_of, raw_of
from shared.recent import Remembered, read_recent
from tests.support.series import STEP, Row, Value, book, monitor_row, rule_row, samples, threshold

WINDOW = 10 * STEP


@dataclass(frozen=True)
class Arriving:
    """One point and when it was written, epoch milliseconds."""

    at: int
    arrives: int
    tags: Mapping[str, str]
    fields: Mapping[str, Value]

    @property
    def row(self) -> Row:
        return self.at, self.tags, self.fields


@dataclass
class Shelf:
    """Answers queries from the points that have arrived `now`; `failing` queries of the next ones fail."""

    points: list[Arriving]
    tags: tuple[str, ...]
    now: int = 0
    failing: tuple[bool, ...] = ()
    queries: list[SampleQuery] = field(default_factory=list)
    read_before: set[int] = field(default_factory=set)
    """The places of all points that some answer had."""

    def read(self, query: SampleQuery) -> Samples:
        self.queries.append(query)
        fails, self.failing = self.failing[:1] == (True,), self.failing[1:]
        if fails:
            raise QueryFailed("the store is in trouble")
        places = [place for place, point in enumerate(self.points) if self._answers(query, point)]
        self.read_before.update(places)
        return samples([self.points[place].row for place in places], query.tags, query.fields)

    def here(self, since: int, stop: int) -> list[int]:
        """The places of the points that a read of `[since, stop)` must have."""
        return [
            place
            for place, point in enumerate(self.points)
            if point.arrives <= self.now and since <= point.at < stop
        ]

    def series(self, places: Iterable[int]) -> set[tuple[object, str]]:
        """The (tags, field) that these points have values of."""
        return {
            (self._combination(self.points[place]), name)
            for place in places
            for name in self.points[place].fields
        }

    def rows_of(self, places: Iterable[int], shown: set[tuple[object, str]]) -> list[Row]:
        """These points with the fields that are among the shown ones."""
        found: list[Row] = []
        for place in places:
            point = self.points[place]
            fields = {
                name: value
                for name, value in point.fields.items()
                if (self._combination(point), name) in shown
            }
            if fields:
                found.append((point.at, point.tags, fields))
        return found

    def _combination(self, point: Arriving) -> tuple[str, ...]:
        return tuple(point.tags.get(tag, "") for tag in self.tags)

    def _answers(self, query: SampleQuery, point: Arriving) -> bool:
        named = not query.where or any(
            all(point.tags.get(tag, "") == value for tag, value in tags.items()) for tags in query.where
        )
        here = point.arrives <= self.now and query.start <= point.at < query.stop
        return here and named and not point.fields.keys().isdisjoint(query.fields)


def group_of(*, key: tuple[str, ...] = ("host",)) -> QueryGroup:
    """Rules that look at the newest value only, with windows of their own."""
    rules = [
        rule_row("usage", "usage > 50"),
        rule_row("short", threshold("usage > 50", window_seconds=45)),
        rule_row("text", 'word == "bad"'),
        rule_row("silent", {"type": "absence", "field": "load", "window_seconds": 240}),
        rule_row("both", {"type": "all", "conditions": [threshold("usage > 20"), threshold("load > 20")]}),
    ]
    return book([monitor_row(key=list(key))], rules).groups[0]


@dataclass
class Process:
    """A process that reads a group tick by tick, and keeps what it remembers."""

    group: QueryGroup
    shelf: Shelf
    remembered: Remembered | None = None
    whole_reads: list[int] = field(default_factory=list)

    def query(self, stop: int) -> SampleQuery:
        return raw_of(asks_of(self.group)).samples(self.group, stop)

    def tick(self, stop: int) -> Readings:
        """The readings of this slot, from what is asked of the shelf."""
        answer = read_recent(self.remembered, self.query(stop), self.shelf.read)
        self.remembered = answer.remembered
        if answer.whole:
            self.whole_reads.append(stop)
        return measure(self.group, answer.samples, stop)

    def asked(self) -> list[tuple[int, int, int]]:
        """The queries since the last call: how long before their end they begin and end, and how many are named."""
        queries, self.shelf.queries = self.shelf.queries, []
        stop = max((query.stop for query in queries), default=0)
        return [(stop - query.start, stop - query.stop, len(query.where)) for query in queries]
