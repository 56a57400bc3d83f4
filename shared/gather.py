"""Shell: reads everything that the decisions of one slot are made from, and writes nothing.

A failed or partial query is the trouble of its rules and shows no series: not to have looked is not a recovery.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol, TypeVar
from zlib import crc32

from shared.advance import Sight
from shared.broker import Broker
from shared.channels import ChannelBook
from shared.columns import SampleQuery
from shared.errors import InvalidInput, QueryFailed, Unavailable
from shared.events import Tick
from shared.health import Troubles
from shared.leases import Leases
from shared.metrics import MetricStore
from shared.model import Millis, SeriesState
from shared.plan import QueryGroup
from shared.readings import Readings, measure
from shared.rulebook import RULE_CHANGED, RuleBook, updated
from shared.seen import Seen, absent_sights
from shared.series import parse_series_key
from shared.settings import Settings
from shared.store import book as book_rows
from shared.store import states, ticks
from shared.store.engine import Store
from shared.store.ticks import TickReport

LOOKING = 2 / 3
"""How much of the interval reading the metrics may take. A claim lasts 5/6 of it: the rest is for the commit."""
QUERY_TIMEOUT_SECONDS = 20.0
LEAST_QUERY_SECONDS = 0.2
"""With less time than this a measurement is left for the next tick: that it didn't answer would say nothing of it."""
MAX_SERIES = 10_000
"""How many series one rule may have; beyond it the rule is in error instead of drowning its channels."""

log = logging.getLogger("tocsin.evaluate")

T = TypeVar("T")


class Ports(Protocol):
    """What a tick needs from the outside; `wiring.Wiring` is one."""

    @property
    def settings(self) -> Settings: ...
    @property
    def store(self) -> Store: ...
    @property
    def broker(self) -> Broker: ...
    @property
    def leases(self) -> Leases: ...
    @property
    def channels(self) -> ChannelBook: ...
    @property
    def keys(self) -> dict[str, bytes]: ...
    def metrics(self, source: str = ...) -> MetricStore: ...
    def memory(self, name: str, make: Callable[[], T]) -> T: ...


@dataclass
class Memory:
    """What a process keeps between ticks: the rule book, and the series it has seen. Losing it costs time only."""

    book: RuleBook | None = None
    seen: Seen = field(default_factory=Seen)


@dataclass
class Gathered:
    """Everything that the decisions of one slot are made from, and what could not be looked at."""

    book: RuleBook
    active: dict[tuple[str, str], SeriesState]
    sights: dict[tuple[str, str], Sight] = field(default_factory=dict)
    troubles: Troubles = field(default_factory=Troubles)
    looks: list["Look"] = field(default_factory=list)

    def see(self, sight: Sight) -> None:
        """Add a sight; the first one of a series counts."""
        self.sights.setdefault(sight.ref, sight)


@dataclass(frozen=True, slots=True)
class Look:
    """A group whose query succeeded. `crowded`: its rules with too many series, and how many."""

    group: QueryGroup
    readings: Readings
    crowded: Mapping[str, int]


@contextmanager
def stage(report: TickReport, name: str) -> Iterator[None]:
    """Add the time that the block takes to a stage of the report, also when it fails."""
    started = perf_counter()
    try:
        yield
    finally:
        report.stages_ms[name] = report.stages_ms.get(name, 0) + int((perf_counter() - started) * 1000)


def gather(tick: Tick, ports: Ports, report: TickReport) -> Gathered:
    """Load the rule book and the active states, query every group of the shard, and see what matters."""
    deadline = perf_counter() + tick.interval_seconds * LOOKING
    with stage(report, "load"):
        book, active, turns = _load(ports)
    gathered = Gathered(book, {(state.rule_id, state.series_id): state for state in active})
    gathered.troubles.unevaluated.update(book.problems)
    look = _Looking(tick, ports, gathered, report, book.expecting())
    for state in active:
        ended = _ended(book, state)
        if not ended:
            look.targets.setdefault((state.rule_id, parse_series_key(state.key)[0]), []).append(state)
        elif _mine(tick, state.rule_id):
            gathered.see(Sight(state.rule_id, state.series_id, state.key, ended=ended))
    groups = [group for group in book.groups if _mine(tick, group.id)]
    for group in sorted(groups, key=lambda group: turns.get(group.id, (False, 0))):
        left = deadline - perf_counter()
        if left < LEAST_QUERY_SECONDS:
            report.trouble(
                "the tick ran out of time; the measurements that are left come first in the next one"
            )
            break
        look.at(group, min(left, QUERY_TIMEOUT_SECONDS))
    report.rules = len(book)
    return gathered


def _load(ports: Ports) -> tuple[RuleBook, list[SeriesState], Mapping[str, ticks.Turn]]:
    """The rule book as it is now, every state that is active, and when each group was evaluated."""
    memory = ports.memory("evaluate", Memory)
    # Another thread may put a newer book there meanwhile; rows belong to the book that they were read for.
    known = memory.book
    revision = known.revision if known else 0
    rows, active, turns = ports.store.read(
        lambda tx: (book_rows.changed_since(tx, revision), states.active(tx), ticks.turns(tx))
    )
    memory.book = book = updated(known, rows, tenant=ports.store.tenant)
    return book, active, turns


def _mine(tick: Tick, name: str) -> bool:
    """Whether this shard is the one that looks after the group or rule."""
    return crc32(name.encode()) % tick.of == tick.shard


def _ended(book: RuleBook, state: SeriesState) -> str:
    """Why the series is to be closed: its rule was deleted or disabled, or doesn't cover it any more; else empty."""
    ended = book.inactive.get(state.rule_id, "")
    return ended if ended or book.belongs(state.rule_id, state.key) else RULE_CHANGED


@dataclass
class _Looking:
    """One tick's look at its query groups. `targets` are the active states by (rule, monitor)."""

    tick: Tick
    ports: Ports
    gathered: Gathered
    report: TickReport
    expecting: frozenset[str]
    targets: dict[tuple[str, str], list[SeriesState]] = field(default_factory=dict)

    def at(self, group: QueryGroup, timeout_seconds: float) -> None:
        """Query one group and add what is seen; a failure is the trouble of its rules only."""
        stop = self.tick.slot - int(self.ports.settings.lateness_seconds * 1000)
        self.report.queries += 1
        try:
            with stage(self.report, "query"):
                samples = self.ports.metrics(group.source).read(_query(group, stop), timeout_seconds)
        except (QueryFailed, Unavailable, InvalidInput) as error:
            self.report.trouble(str(error))
            self.gathered.troubles.failed(group, str(error))
            log.warning("%s could not be read: %s", group.measurement, error, extra={"slot": self.tick.slot})
            return
        with stage(self.report, "measure"):
            readings = measure(group, samples, stop)
            crowded = readings.crowded(MAX_SERIES)
            self._see(group, readings, crowded)
        self.gathered.troubles.looked(group, readings.unhealthy(), crowded)
        self.gathered.looks.append(Look(group, readings, crowded))
        self.report.series += len(readings)
        self.report.points += len(samples)

    def _see(self, group: QueryGroup, readings: Readings, crowded: Mapping[str, int]) -> None:
        see = self.gathered.see
        for i in readings.breaching(crowded):
            see(Sight(readings.rule_id(i), readings.series_id(i), readings.key(i), readings.reading(i)))
        for target in self.targets.keys() & group.target_index.keys():
            for state in self.targets[target]:
                found = readings.find(state.rule_id, state.key) or readings.absent(state.rule_id, state.key)
                see(Sight(state.rule_id, state.series_id, state.key, found))
        expecting = self.expecting.intersection(group.rule_ids).difference(crowded)
        for sight in absent_sights(self.ports.store, group, readings, self.gathered.book, expecting):
            see(sight)


def _query(group: QueryGroup, stop: Millis) -> SampleQuery:
    return SampleQuery(
        group.measurement,
        group.tags,
        group.fields,
        stop - group.lookback_ms,
        stop,
        group.database,
        group.narrowing(),
    )
