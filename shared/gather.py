"""Shell: reads everything that the decisions of one slot are made from, and writes nothing.

A failed or partial query is the trouble of its rules and shows no series: not to have looked is not a recovery.
"""

import logging
from collections.abc import Callable, Iterator
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
from shared.model import SeriesState
from shared.plan import QueryGroup
from shared.readings import Readings, measure
from shared.rulebook import RuleBook, updated
from shared.seen import Seen, absent_sights
from shared.series import parse_series_key
from shared.settings import Settings
from shared.store import book as book_rows
from shared.store import states, ticks
from shared.store.engine import Store
from shared.store.ticks import TickReport

QUERY_TIMEOUT_SECONDS = 20.0
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
    looked: list[tuple[QueryGroup, Readings]] = field(default_factory=list)

    def see(self, sight: Sight) -> None:
        """Add a sight; the first one of a series counts."""
        self.sights.setdefault(sight.ref, sight)


@contextmanager
def stage(report: TickReport, name: str) -> Iterator[None]:
    """Add the time that the block takes to a stage of the report."""
    started = perf_counter()
    yield
    report.stages_ms[name] = report.stages_ms.get(name, 0) + int((perf_counter() - started) * 1000)


def gather(tick: Tick, ports: Ports, report: TickReport) -> Gathered:
    """Load the rule book and the active states, query every group of the shard, and see what matters."""
    memory = ports.memory("evaluate", Memory)
    with stage(report, "load"):
        revision = memory.book.revision if memory.book else 0
        rows, active, ages = ports.store.read(
            lambda tx: (book_rows.changed_since(tx, revision), states.active(tx), ticks.groups_by_age(tx))
        )
        book = memory.book = updated(memory.book, rows, tenant=ports.store.tenant)
    gathered = Gathered(book, {(state.rule_id, state.series_id): state for state in active})
    gathered.troubles.unevaluated.update(book.problems)
    _see_ended(gathered, tick)
    targets: dict[tuple[str, str], list[SeriesState]] = {}
    for state in active:
        targets.setdefault((state.rule_id, parse_series_key(state.key)[0]), []).append(state)
    groups = [group for group in book.groups if crc32(group.id.encode()) % tick.of == tick.shard]
    deadline = perf_counter() + tick.interval_seconds * 5 / 6
    for group in sorted(groups, key=lambda group: ages.get(group.id, 0)):
        if perf_counter() > deadline:
            report.errors += 1
            report.error = "the tick ran out of time; the groups that are left come first in the next one"
            break
        _look(group, tick, ports, gathered, targets, report)
    report.rules = len(book)
    return gathered


def _see_ended(gathered: Gathered, tick: Tick) -> None:
    """Series whose rule was deleted or disabled, or that the rule no longer covers, are closed with that reason."""
    for state in gathered.active.values():
        ended = gathered.book.inactive.get(state.rule_id, "")
        if not ended and not gathered.book.belongs(state.rule_id, state.key):
            ended = "rule changed"
        if ended and crc32(state.rule_id.encode()) % tick.of == tick.shard:
            gathered.see(Sight(state.rule_id, state.series_id, state.key, ended=ended))


def _look(
    group: QueryGroup,
    tick: Tick,
    ports: Ports,
    gathered: Gathered,
    targets: dict[tuple[str, str], list[SeriesState]],
    report: TickReport,
) -> None:
    """Query one group and add what is seen; a failure is the trouble of its rules only."""
    stop = tick.slot - int(ports.settings.lateness_seconds * 1000)
    query = SampleQuery(
        group.measurement,
        group.tags,
        group.fields,
        stop - group.lookback_ms,
        stop,
        group.database,
        group.narrowing(),
    )
    report.queries += 1
    try:
        with stage(report, "query"):
            samples = ports.metrics(group.source).read(query, QUERY_TIMEOUT_SECONDS)
    except (QueryFailed, Unavailable, InvalidInput) as error:
        report.errors += 1
        report.error = report.error or str(error)
        gathered.troubles.failed(group, str(error))
        log.warning("%s could not be read: %s", group.measurement, error, extra={"slot": tick.slot})
        return
    with stage(report, "measure"):
        readings = measure(group, samples, stop)
        crowded = readings.crowded(MAX_SERIES)
        for i in readings.breaching():
            if readings.rule_id(i) not in crowded:
                gathered.see(
                    Sight(readings.rule_id(i), readings.series_id(i), readings.key(i), readings.reading(i))
                )
        for target in targets.keys() & group.target_index.keys():
            for state in targets[target]:
                found = readings.find(state.rule_id, state.key) or readings.absent(state.rule_id, state.key)
                gathered.see(Sight(state.rule_id, state.series_id, state.key, found))
        for sight in absent_sights(ports.store, group, readings, gathered.book.expecting()):
            gathered.see(sight)
    gathered.troubles.looked(group, readings.unhealthy(), crowded)
    gathered.looked.append((group, readings))
    report.series += len(readings)
    report.points += len(samples)
