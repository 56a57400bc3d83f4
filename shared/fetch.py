"""Shell: read what one measurement's rules ask for, as `reads` plans it, within a deadline.

One field that the metric store chokes on must not take the others with it: a query that fails is asked again field by
field, and what still fails is the trouble of the asks of that field alone. What failed alone is from then on asked for
apart, all in one query, so that lasting trouble costs one query more and no others. Where nothing but newest values
counts, only what is new is read (`recent`). It decides nothing about alerts.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeVar

import numpy as np

from shared.columns import Partials, SampleQuery, Samples
from shared.conditions._reduced import Aggregated
from shared.errors import NotNow, QueryFailed, Unavailable
from shared.learnt import Known
from shared.metrics import MetricStore
from shared.metrics.stack import stacked
from shared.model import Millis
from shared.plan import Ask, QueryGroup
from shared.reads import Reads, asks_of, raw_of
from shared.recent import newest_only, read_recent

LEAST_SECONDS = 0.1
"""With less time than this another query is not begun."""

T = TypeVar("T")


@dataclass
class Fetched:
    """What was read. The samples reach back `raw_ms`, 0 when they are not all points of that time; `broken` are the
    asks that could not be answered, each with the store's words."""

    raw_ms: int
    samples: Samples
    aggregated: Aggregated | None
    broken: Mapping[Ask, str]

    @property
    def points(self) -> int:
        """Rows, of both kinds."""
        return len(self.samples) + (len(self.aggregated.partials) if self.aggregated else 0)

    def broken_rules(self, group: QueryGroup) -> dict[str, str]:
        """The rules that ask for something broken, with the words."""
        found: dict[str, str] = {}
        if not self.broken:
            return found
        for batch in (batch for shape in group.shapes for batch in shape.batches):
            words = next((self.broken[ask] for ask in batch.asks if ask in self.broken), "")
            if words:
                rules = np.unique(group.target_rule[batch.targets])
                found.update({group.rule_ids[rule]: words for rule in rules.tolist()})
        return found


def fetch(
    store: MetricStore,
    group: QueryGroup,
    stop: Millis,
    known: Known,
    timeout_seconds: float,
    count: Callable[[], None],
) -> Fetched:
    """Read for the slot that ends at `stop`; `count` is called for every query.

    Raises QueryFailed, Unavailable or InvalidInput when nothing at all could be read.
    """
    fetching = _Fetching(store, group, stop, known, perf_counter() + timeout_seconds, count)
    return fetching.all(known.reads(group, stop, reduces=store.reduces))


@dataclass
class _Fetching:
    store: MetricStore
    group: QueryGroup
    stop: Millis
    known: Known
    deadline: float
    count: Callable[[], None]
    broken: dict[Ask, str] = field(default_factory=dict)
    failure: QueryFailed | Unavailable | None = None
    whole: bool = True
    """Whether the points are all that there are of their time."""

    def all(self, reads: Reads) -> Fetched:
        """Points first: most rules look at these, and an aggregate that takes long must not cost them their slot."""
        asks = asks_of(self.group)
        raw = [ask for ask in asks if ask not in reads.answers]
        samples, raw_ms = self._points(raw) if raw else [], reads.raw_ms
        aggregated, refused = self._reduced(reads) if reads.answers else (None, frozenset[str]())
        if refused:
            # With all that is asked of these fields: what was read of them before is replaced.
            again = [ask for ask in asks if ask.field in refused]
            samples += self._points(again)
            raw_ms = max(raw_ms, raw_of(again).raw_ms)
            lost = refused.intersection(ask.field for ask in self.broken)
            self.known.refuse(refused - lost, self.stop)
            self.known.unreduced.add(lost, self.stop)
        if self.failure is not None and asks <= self.broken.keys():
            raise self.failure
        missing = {ask.field for ask in self.broken}
        return Fetched(
            raw_ms if self.whole else 0, stacked(samples, self.group.tags, missing), aggregated, self.broken
        )

    # -------------------------------------------------------------- points

    def _points(self, asks: Collection[Ask]) -> list[Samples]:
        """The points for these asks: one query, and one more for fields that were lost before."""
        lost = self.known.unread.among({ask.field for ask in asks}, self.stop)
        apart = [ask for ask in asks if ask.field in lost]
        others = [ask for ask in asks if ask.field not in lost]
        return [
            *(self._asked(others, splitting=True) if others else ()),
            *(self._asked(apart, splitting=False) if apart else ()),
        ]

    def _asked(self, asks: Collection[Ask], *, splitting: bool) -> list[Samples]:
        """One query; when that fails, one for each field if it may be split."""
        query = raw_of(asks).samples(self.group, self.stop)
        try:
            found = self._newest(query) if self.store.reduces and newest_only(asks) else self._read(query)
        except (NotNow, Unavailable) as error:
            self._break(asks, error)
            return []
        except QueryFailed as error:
            if splitting and len(query.fields) > 1:
                single = ([ask for ask in asks if ask.field == name] for name in query.fields)
                return [samples for own in single for samples in self._asked(own, splitting=True)]
            self._break(asks, error)
            if splitting:
                self.known.unread.add(query.fields, self.stop)
            return []
        self.known.unread.found(query.fields)
        return [found]

    def _newest(self, query: SampleQuery) -> Samples:
        """Of the points, enough to tell every newest value."""
        answer = read_recent(self.known.recent, query, self._read)
        self.known.recent, self.whole = answer.remembered, self.whole and answer.whole
        return answer.samples

    def _read(self, query: SampleQuery) -> Samples:
        return self._in_time(lambda left: self.store.read(query, left))

    # -------------------------------------------------------------- what the store reduces

    def _reduced(self, reads: Reads) -> tuple[Aggregated | None, frozenset[str]]:
        """What the store has reduced, and the fields that it can't reduce."""
        choking = frozenset[str]()
        try:
            reads, splitting = self._less_lost(reads)
            try:
                partials = self._aggregate(reads)
            except NotNow:
                raise
            except QueryFailed:
                if not splitting:
                    raise
                choking = self._choking(reads)
                reads = reads.only(reads.fields - choking)
                if not reads.answers:
                    return None, choking
                partials = self._aggregate(reads)
        except (QueryFailed, Unavailable) as error:
            self._break(reads.answers, error)
            return None, choking
        self.known.unreduced.found(reads.fields)
        refused = _unreduced(reads, partials)
        kept = {ask: parts for ask, parts in reads.answers.items() if ask.field not in refused}
        return Aggregated(partials, kept), refused | choking

    def _less_lost(self, reads: Reads) -> tuple[Reads, bool]:
        """The reads without the fields that were lost before and still are; and whether a failure is to be split."""
        lost = self.known.unreduced.among(reads.fields, self.stop)
        if not lost or lost == reads.fields:
            return reads, not lost
        apart = reads.only(lost)
        try:
            self._aggregate(apart)
        except NotNow:
            raise
        except QueryFailed as error:
            self._break(apart.answers, error)
            return reads.only(reads.fields - lost), True
        return reads, True

    def _choking(self, reads: Reads) -> frozenset[str]:
        """The fields that the store can't reduce even alone."""
        choking = set[str]()
        for name in sorted(reads.fields):
            try:
                self._aggregate(reads.only({name}))
            except NotNow:
                raise
            except QueryFailed:
                choking.add(name)
        return frozenset(choking)

    def _aggregate(self, reads: Reads) -> Partials:
        query = reads.aggregates(self.group, self.stop)
        return self._in_time(lambda left: self.store.aggregate(query, left))

    def _break(self, asks: Iterable[Ask], error: QueryFailed | Unavailable) -> None:
        self.failure = self.failure or error
        self.broken.update(dict.fromkeys(asks, str(error)))

    def _in_time(self, ask: Callable[[float], T]) -> T:
        if isinstance(self.failure, Unavailable):
            raise self.failure  # nobody answered a moment ago, and finding that out again may take seconds
        left = self.deadline - perf_counter()
        if left < LEAST_SECONDS:
            raise NotNow(f"{self.group.measurement}: no time was left to ask the metric store")
        self.count()
        return ask(left)


def _unreduced(reads: Reads, partials: Partials) -> frozenset[str]:
    """Fields that have numbers for values, and no sum, minimum or maximum of them: booleans, to InfluxDB."""
    values = [partials.numbers[name] for name in ("sum", "min", "max")]
    counts = len(reads.spans)
    reduced = np.bincount(partials.part[~np.isnan(values).all(axis=0)], minlength=counts)
    newest = np.bincount(partials.part[~np.isnan(partials.latest.numbers)], minlength=counts)
    return frozenset(
        span.field
        for place, span in enumerate(reads.spans)
        # The span before it is the same one's newest value.
        if {"sum", "min", "max"}.intersection(span.functions) and newest[place - 1] and not reduced[place]
    )
