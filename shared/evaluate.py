"""Shell: samples → sights → committed states, alerts and notifications. Gather, decide, commit.

A failed or partial query sets the health of its rules and changes no state: not to have looked is not a recovery.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol, TypeVar
from zlib import crc32

from shared.advance import Sight, Step, advance
from shared.broker import Broker
from shared.channels import ChannelBook
from shared.columns import SampleQuery
from shared.commit import Chunk, Commission, commit_chunk
from shared.errors import Fenced, InvalidInput, QueryFailed, Unavailable
from shared.events import Tick
from shared.health import Troubles
from shared.metrics import MetricStore
from shared.model import EventKind, SeriesState
from shared.plan import QueryGroup
from shared.readings import Readings, measure
from shared.rulebook import RuleBook, RuleEntry, updated
from shared.seen import Seen, absent_sights
from shared.series import parse_series_key, series_text
from shared.settings import Settings
from shared.store import book as book_rows
from shared.store import states, ticks
from shared.store.engine import Store, Tx
from shared.store.ticks import Claim, TickReport

CHUNK_SERIES = 500
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
def _stage(report: TickReport, name: str) -> Iterator[None]:
    started = perf_counter()
    yield
    report.stages_ms[name] = report.stages_ms.get(name, 0) + int((perf_counter() - started) * 1000)


def run(tick: Tick, claimed: Claim, ports: Ports, report: TickReport) -> None:
    """Evaluate the claimed slot and commit what changed; raises Fenced when a newer tick took over."""
    gathered = _gather(tick, ports, report)
    with _stage(report, "decide"):
        chunks = _chunks(gathered, _decided(gathered, ports.store, tick.slot))
    ports.channels.refresh()
    commission = Commission(claimed, gathered.book, ports.channels, ports.keys, ports.store.tenant, tick.slot)
    with _stage(report, "commit"):
        _commit_looks(tick, claimed, ports, gathered)
        for chunk in chunks:
            _commit(ports.store, commission, chunk, report)


def preview(tick: Tick, ports: Ports, report: TickReport) -> None:
    """Gather and decide without a claim; nothing is written, what would be told is logged."""
    gathered = _gather(tick, ports, report)
    for step in _decided(gathered, ports.store, tick.slot):
        report.transitions += len(step.transitions)
        if step.announcement.tell is not None:
            report.notifications += 1
            _log_told(
                gathered.book,
                step.before.rule_id,
                step.announcement.tell,
                step.announcement.before,
                "would tell",
            )


# ------------------------------------------------------------------ gather


def _gather(tick: Tick, ports: Ports, report: TickReport) -> Gathered:
    memory = ports.memory("evaluate", Memory)
    with _stage(report, "load"):
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
        if not ended and state.rule_id not in gathered.book.problems:
            ended = "" if gathered.book.belongs(state.rule_id, state.key) else "rule changed"
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
        with _stage(report, "query"):
            samples = ports.metrics(group.source).read(query, QUERY_TIMEOUT_SECONDS)
    except (QueryFailed, Unavailable, InvalidInput) as error:
        report.errors += 1
        report.error = report.error or str(error)
        gathered.troubles.failed(group, str(error))
        log.warning("%s could not be read: %s", group.measurement, error, extra={"slot": tick.slot})
        return
    with _stage(report, "measure"):
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


# ------------------------------------------------------------------ decide


def _decided(gathered: Gathered, store: Store, slot: int) -> list[Step]:
    """The steps that matter, on the states as they were read."""
    missing = [ref for ref in gathered.sights if ref not in gathered.active]
    stored = store.read(lambda tx: states.some(tx, missing)) if missing else {}
    steps = []
    for ref, sight in gathered.sights.items():
        entry = gathered.book.entry(sight.rule_id)
        before = gathered.active.get(ref) or stored.get(ref) or sight.unknown()
        step = advance(entry.decide, entry.announce, before, sight, silenced=False, now=slot)
        if step.matters:
            steps.append(step)
    return steps


def _chunks(gathered: Gathered, steps: Sequence[Step]) -> list[list[tuple[RuleEntry, list[Sight]]]]:
    """The sights that lead to a change, by rule; cut between rules, never inside one."""
    by_rule: dict[str, list[Sight]] = {}
    for step in steps:
        state = step.before
        by_rule.setdefault(state.rule_id, []).append(gathered.sights[state.rule_id, state.series_id])
    chunks: list[list[tuple[RuleEntry, list[Sight]]]] = []
    room = 0
    for rule_id in sorted(by_rule):
        if room <= 0:
            chunks.append([])
            room = CHUNK_SERIES
        chunks[-1].append((gathered.book.entry(rule_id), by_rule[rule_id]))
        room -= len(by_rule[rule_id])
    return chunks


# ------------------------------------------------------------------ commit


def _commit(store: Store, commission: Commission, chunk: Chunk, report: TickReport) -> None:
    outcome = store.write(lambda tx: commit_chunk(tx, commission, chunk))
    report.transitions += outcome.transitions
    report.notifications += len(outcome.notifications)
    for entry, _step, said in outcome.steps:
        if said.tell is not None:
            _log_told(commission.book, entry.rule_id, said.tell, said.before, "tells")


def _commit_looks(tick: Tick, claimed: Claim, ports: Ports, gathered: Gathered) -> None:
    """Record new series, the health of rules where it changed, and when each group was looked at."""
    seen = ports.memory("evaluate", Memory).seen
    fresh = [
        (group, looks, seen.fresh(ports.store, group, looks, tick.slot)) for group, looks in gathered.looked
    ]
    rows = [row for _, _, part in fresh for row in part]
    troubled = ports.store.read(states.troubled)
    changed = gathered.troubles.changes(troubled, gathered.book, tick.slot)
    ages = gathered.troubles.group_rows(gathered.looked, tick.slot)

    def write(tx: Tx) -> None:
        if not ticks.touch(tx, claimed.shard, claimed.fence):
            raise Fenced(f"a newer tick took over shard {claimed.shard}; slot {claimed.slot} stops")
        states.see_series(tx, rows, tick.slot)
        states.set_health(tx, changed)
        ticks.groups_evaluated(tx, ages)

    ports.store.write(write)
    for group, looks, part in fresh:
        seen.remember(group, looks, part, tick.slot)


def _log_told(book: RuleBook, rule_id: str, kind: EventKind, state: SeriesState, verb: str) -> None:
    entry = book.entry(rule_id)
    series = series_text(state.key, "")
    shown = state.text or ("no value" if state.value is None else f"{state.value:g}")
    log.info(
        "%s: %s %s%s — %s (value %s)",
        verb,
        kind.value.upper(),
        entry.title,
        f" [{series}]" if series else "",
        entry.condition_text,
        shown,
        extra={"rule_id": rule_id, "alert_id": state.alert_id, "slot": state.slot, "event": kind.value},
    )
