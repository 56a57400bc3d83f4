"""Shell: reads everything that the decisions of one slot are made from, and writes nothing.

A failed or partial query is the trouble of its rules and shows no series: not to have looked is not a recovery.
"""

import gc
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol, TypeVar
from zlib import crc32

from shared import silencing
from shared.advance import Sight
from shared.broker import Broker
from shared.channels import ChannelBook
from shared.crowds import FEWER, crowd_sight, is_crowd, still_targeted
from shared.errors import InvalidInput, QueryFailed, Unavailable
from shared.events import Tick
from shared.fetch import Fetched, fetch
from shared.forgotten import Forgotten
from shared.gathered import Gathered, Look
from shared.heap import give_back_large_arrays
from shared.learnt import Known
from shared.leases import Leases
from shared.metrics import MetricStore
from shared.model import BookRows, ForgottenSeries, Health, Millis, SeriesState
from shared.plan import QueryGroup
from shared.readings import Readings, measure
from shared.rulebook import RULE_CHANGED, RuleBook, updated
from shared.seen import Seen, absent_sights, came_after_all, speaks_of_all
from shared.series import parse_series_key
from shared.settings import OWN_SOURCE, Settings
from shared.silences import Quiet
from shared.store import book as book_rows
from shared.store import forgotten as forgotten_rows
from shared.store import states, ticks
from shared.store.engine import Store, Tx
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
Turns = Mapping[str, ticks.Turn]


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
    """What a process keeps between ticks: rule book, silences, the series it has seen. Losing it costs time only."""

    book: RuleBook | None = None
    silences: silencing.Kept | None = None
    seen: Seen = field(default_factory=Seen)
    known: dict[str, Known] = field(default_factory=dict)
    """By query group, what was learnt about reading it."""


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
        book, quiet, active, turns, forgotten = _load(ports, tick.slot)
    gathered = Gathered(book, {(state.rule_id, state.series_id): state for state in active}, quiet, forgotten)
    gathered.troubles.unevaluated.update(book.problems)
    gathered.troubles.spread = book.spread
    look = _Looking(tick, ports, gathered, report, book.expecting())
    for state in active:
        ended = _ended(book, state) or forgotten.ends(state)
        if not ended:
            look.targets.setdefault((state.rule_id, parse_series_key(state.key)[0]), []).append(state)
        elif _mine(tick, state.rule_id):
            gathered.see(Sight(state.rule_id, state.series_id, state.key, ended=ended))
    groups = [group for group in book.groups if _mine(tick, group.id)]
    # Tocsin's own numbers first: rules on them tell that a metric store hangs, also when it takes all of the time.
    order = sorted(groups, key=lambda group: (group.source != OWN_SOURCE, turns.get(group.id, (False, 0))))
    for group in order:
        left = deadline - perf_counter()
        if left < LEAST_QUERY_SECONDS:
            report.trouble(
                "the tick ran out of time; the measurements that are left come first in the next one"
            )
            break
        look.at(group, min(left, QUERY_TIMEOUT_SECONDS))
    gathered.leave_out_crowded(MAX_SERIES)
    report.rules = len(book)
    return gathered


def _load(ports: Ports, slot: Millis) -> tuple[RuleBook, Quiet, list[SeriesState], Turns, Forgotten]:
    """The rule book as it is now, what is silenced, every state that is active, when each group was evaluated, and the
    series that people said are gone."""
    memory = ports.memory("evaluate", Memory)
    # Another thread may put a newer book there meanwhile; rows belong to the book that they were read for.
    known = memory.book
    revision = known.revision if known else 0
    if known is None:
        give_back_large_arrays()

    def load(tx: Tx) -> tuple[BookRows, silencing.Kept, list[SeriesState], Turns, list[ForgottenSeries]]:
        rows = book_rows.changed_since(tx, revision)
        kept = silencing.current(tx, memory.silences, rows.revision, slot)
        return rows, kept, states.active(tx), ticks.turns(tx), forgotten_rows.all_of_them(tx)

    rows, kept, active, turns, gone = ports.store.read(load)
    forgotten = Forgotten(gone)
    memory.seen.forget(forgotten.moments)
    memory.silences = kept
    memory.book = book = updated(known, rows, tenant=ports.store.tenant)
    if known is None:
        gc.freeze()  # this much stays for as long as the process does: no collection need walk through it
    return book, Quiet(kept.silences, slot), active, turns, forgotten


def _mine(tick: Tick, name: str) -> bool:
    """Whether this shard is the one that looks after the group or rule."""
    return crc32(name.encode()) % tick.of == tick.shard


def _ended(book: RuleBook, state: SeriesState) -> str:
    """Why the series is to be closed: its rule was deleted or disabled, or doesn't cover it any more; else empty."""
    ended = book.inactive.get(state.rule_id, "")
    if ended or book.belongs(state.rule_id, state.key) or still_targeted(book, state.rule_id, state.key):
        return ended
    return RULE_CHANGED


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
        known = self.ports.memory("evaluate", Memory).known.setdefault(group.id, Known())
        try:
            with stage(self.report, "query"):
                store = self.ports.metrics(group.source)
                fetched = fetch(store, group, stop, known, timeout_seconds, self._count)
        except (QueryFailed, Unavailable, InvalidInput) as error:
            self._trouble(group, str(error))
            self.gathered.troubles.failed(group, str(error))
            return
        for words in sorted(set(fetched.broken.values())):
            self._trouble(group, words)
        with stage(self.report, "measure"):
            readings = measure(group, fetched.samples, stop, fetched.aggregated)
            known.learn(fetched.raw_ms, readings.points_per_series)
        self._looked(group, fetched, readings)

    def _count(self) -> None:
        self.report.queries += 1

    def _trouble(self, group: QueryGroup, words: str) -> None:
        self.report.trouble(words)
        log.warning("%s could not be read: %s", group.measurement, words, extra={"slot": self.tick.slot})

    def _looked(self, group: QueryGroup, fetched: Fetched, readings: Readings) -> None:
        broken, crowded = fetched.broken_rules(group), readings.crowded(MAX_SERIES)
        with stage(self.report, "measure"):
            self._see(group, readings, crowded, broken)
        unhealthy = dict(readings.unhealthy()) | {
            rule_id: (Health.ERROR, words) for rule_id, words in broken.items()
        }
        self.gathered.troubles.looked(group, unhealthy, crowded)
        self.gathered.looks.append(Look(group, readings, {*crowded, *broken}))
        self.report.series += len(readings)
        self.report.points += fetched.points

    def _see(
        self, group: QueryGroup, readings: Readings, crowded: Collection[str], broken: Collection[str]
    ) -> None:
        """Rules that are `broken` are not looked at: what was read says nothing of them. Of those that are `crowded`,
        only series that are active already, and the alert that says so."""
        see, book, left_out = self.gathered.see, self.gathered.book, {*crowded, *broken}
        for rule_id in sorted(set(crowded).difference(broken)):
            see(crowd_sight(book, group, rule_id))
        for i in readings.breaching(left_out):
            see(Sight(readings.rule_id(i), readings.series_id(i), readings.key(i), readings.reading(i)))
        for target in self.targets.keys() & group.target_index.keys():
            if target[0] in broken:
                continue
            if readings.shows(target):
                for sight in came_after_all(book, self.targets[target]):
                    see(sight)
            for state in self.targets[target]:
                if is_crowd(state.key):
                    see(Sight(state.rule_id, state.series_id, state.key, FEWER))
                    continue
                if speaks_of_all(book, state.key):
                    continue
                found = readings.find(state.rule_id, state.key) or readings.absent(state.rule_id, state.key)
                see(Sight(state.rule_id, state.series_id, state.key, found))
        expecting = self.expecting.intersection(group.rule_ids).difference(left_out)
        alarmed = {rule_id for rule_id in expecting if book.compiled[rule_id].no_data == "alert"}
        for i in readings.missing(alarmed):
            see(Sight(readings.rule_id(i), readings.series_id(i), readings.key(i), readings.reading(i)))
        spared = self.gathered.forgotten.targets
        for sight in absent_sights(
            self.ports.store, group, readings, book, expecting, self.targets, spared, self.tick.slot
        ):
            see(sight)
