"""Tocsin's own numbers, read from its tables as points: what `self://` answers. Nothing here writes or locks.

Ticks are history, a point for each at its slot. Everything else is a gauge: one point for each combination of tags, as
things are at the moment of reading, just before the end of what was asked for. Whatever may be counted is there with
a zero too, so that a rule sees the trouble go. One statement for each measurement.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Executable, and_, case, func, literal, null, select, union_all

from shared.model import DeliveryState, Health, Millis
from shared.settings import OWN_SOURCE
from shared.store.channel_state import OK
from shared.store.engine import Tx
from shared.store.tables import (
    channel_state,
    dead_letters,
    deliveries,
    outbox,
    query_groups,
    rule_status,
    rules,
    ticks,
)

OVERDUE_MS = 300_000
"""A delivery that is still open so long after its event was published is overdue."""
ENDED_MS = 300_000
"""Of so long a time are rejected and expired deliveries counted: not of what is asked for, which is as long as the
longest window of any rule."""
RECENT_MS = 60_000
"""A metric store is unreachable when all that was asked of it so shortly before its newest query failed. A tick that
waits for an answer in vain asks for one measurement only, and shards don't ask all at once."""
GONE_MS = 3_600_000
"""A query group that no tick has looked at for so long belongs to rules that are gone."""
MAX_TICKS = 100_000
"""The newest ticks, at most: two weeks of two shards every 30 seconds."""

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What rows are wanted: `[start, stop)` in epoch milliseconds, and the kind of every configured channel."""

    start: Millis
    stop: Millis
    kinds: Mapping[str, str]

    @property
    def present(self) -> Millis:
        """When the point of a gauge is."""
        return self.stop - 1


@dataclass(frozen=True, slots=True)
class OwnMeasurement:
    """Tags, fields with their types, and what reads the rows: (time, *tags, *fields), numbers or None."""

    tags: tuple[str, ...]
    fields: Mapping[str, str]
    rows: Callable[[Tx, Asked], Sequence[Row]]


def _ticks(tx: Tx, asked: Asked) -> list[Row]:
    """A point for each finished tick, at its slot."""
    counts = [ticks.c[name] for name in _TICK_COUNTS]
    found = tx.conn.execute(
        select(ticks.c.slot, ticks.c.shard, ticks.c.total_ms, ticks.c.stages_ms, *counts)
        .where(ticks.c.tenant == tx.tenant, ticks.c.slot >= asked.start, ticks.c.slot < asked.stop)
        .order_by(ticks.c.slot.desc())
        .limit(MAX_TICKS)
    )
    return [
        (slot, shard, total, json.loads(stages).get("query", 0), *rest)
        for slot, shard, total, stages, *rest in found
    ]


def _groups(tx: Tx, asked: Asked) -> list[Row]:
    """Each measurement that rules look at: whether its last query failed, and how long ago that was, in slots' time."""
    group = query_groups.c
    found = tx.conn.execute(
        select(group.source, group.database, group.measurement, group.slot, group.error).where(
            group.tenant == tx.tenant, group.slot > asked.stop - GONE_MS
        )
    )
    return [
        (
            asked.present,
            row.source,
            row.database,
            row.measurement,
            int(bool(row.error)),
            _age(asked.stop, row.slot),
        )
        for row in found
    ]


def _sources(tx: Tx, asked: Asked) -> list[Row]:
    """Each metric store that rules look at: whether every recent query failed; how many measurements do, of how many.

    Not Tocsin's own numbers: a rule that they fail can't see that they do.
    """
    group = query_groups.c
    newest = (
        select(group.source, func.max(group.slot).label("slot"))
        .where(group.tenant == tx.tenant, group.slot > asked.stop - GONE_MS, group.source != OWN_SOURCE)
        .group_by(group.source)
        .subquery()
    )
    worked = case((and_(group.slot > newest.c.slot - RECENT_MS, group.error == ""), 1), else_=0)
    found = tx.conn.execute(
        select(
            group.source,
            func.max(worked),
            func.sum(case((group.error != "", 1), else_=0)),
            func.count(),
        )
        .join(newest, group.source == newest.c.source)
        .where(group.tenant == tx.tenant, group.slot > asked.stop - GONE_MS)
        .group_by(group.source)
    )
    return [
        (asked.present, source, int(not works), int(failing), count)
        for source, works, failing, count in found
    ]


def _rules(tx: Tx, asked: Asked) -> list[Row]:
    """How many enabled rules are in each health; one that was never evaluated is in order."""
    live = and_(rules.c.tenant == tx.tenant, rules.c.deleted_at.is_(None), rules.c.enabled.is_(True))
    total = select(literal(""), func.count()).where(live)
    troubled = (
        select(rule_status.c.health, func.count())
        .join(rules, and_(rules.c.tenant == rule_status.c.tenant, rules.c.id == rule_status.c.rule_id))
        .where(rule_status.c.tenant == tx.tenant, rule_status.c.health.in_(_TROUBLED), live)
        .group_by(rule_status.c.health)
    )
    found = _pairs(tx, union_all(total, troubled))
    everything = found.pop("", 0)
    counts = {Health.OK.value: everything - sum(found.values()), **found}
    return [(asked.present, health.value, counts.get(health.value, 0)) for health in Health]


def _outbox(tx: Tx, asked: Asked) -> list[Row]:
    """Events that the Broker has not taken, and how long the oldest of them has waited."""
    # Those that are due: an event whose deliveries are all over needs no Broker any more.
    count, oldest = tx.conn.execute(
        select(func.count(), func.min(outbox.c.created_at)).where(
            outbox.c.tenant == tx.tenant, outbox.c.next_at.is_not(None), outbox.c.published_at.is_(None)
        )
    ).one()
    return [(asked.present, count, _age(tx.now(), oldest))]


def _deliveries(tx: Tx, asked: Asked) -> list[Row]:
    """Of each channel what is open, overdue and how old, and what came to a bad end lately."""
    now, row = tx.now(), deliveries.c
    overdue = case((outbox.c.published_at <= now - OVERDUE_MS, 1), else_=0)
    of_event = and_(outbox.c.tenant == row.tenant, outbox.c.id == row.notification_id)
    still_open = (
        select(
            *(row.kind, row.channel, func.count(), func.sum(overdue), func.min(row.created_at)),
            *(literal(0), literal(0)),
        )
        .join(outbox, of_event, isouter=True)
        .where(row.tenant == tx.tenant, row.next_at.is_not(None))
        .group_by(row.kind, row.channel)
    )
    ended = (
        select(
            *(row.kind, row.channel, literal(0), literal(0), null()),
            *(func.sum(case((row.state == state.value, 1), else_=0)) for state in _BAD_ENDS),
        )
        .where(row.tenant == tx.tenant)
        .where(row.finished_at >= asked.stop - ENDED_MS, row.finished_at < asked.stop)
        .where(row.state.in_([state.value for state in _BAD_ENDS]))
        .group_by(row.kind, row.channel)
    )
    found: dict[tuple[str, str], list[int]] = {(kind, name): [0] * 5 for name, kind in asked.kinds.items()}
    for kind, channel, count, late, oldest, *bad in tx.conn.execute(union_all(still_open, ended)):
        sums = found.setdefault((kind, channel), [0] * 5)
        for place, number in enumerate((count, late, _age(now, oldest), *bad)):
            sums[place] += int(number)
    return [(asked.present, *key, *sums) for key, sums in found.items()]


def _channels(tx: Tx, asked: Asked) -> list[Row]:
    """Of each configured channel whether it is known to be dead."""
    state = channel_state.c
    dead = set(
        tx.conn.execute(select(state.channel).where(state.tenant == tx.tenant, state.health != OK)).scalars()
    )
    return [(asked.present, kind, name, int(name in dead)) for name, kind in asked.kinds.items()]


def _dead_letters(tx: Tx, asked: Asked) -> list[Row]:
    """Of each kind how many events the Broker gave up on while deliveries are still open."""
    letter, row = dead_letters.c, deliveries.c
    # From the open deliveries, which are few: dead letters are kept for good.
    same = and_(letter.tenant == row.tenant, letter.event_id == row.notification_id, letter.kind == row.kind)
    found = _pairs(
        tx,
        select(row.kind, func.count(letter.event_id.distinct()))
        .join(dead_letters, same)
        .where(row.tenant == tx.tenant, row.next_at.is_not(None))
        .group_by(row.kind),
    )
    counts = {**dict.fromkeys(asked.kinds.values(), 0), **found}
    return [(asked.present, kind, count) for kind, count in counts.items()]


def _pairs(tx: Tx, query: Executable) -> dict[str, int]:
    return {str(key): int(count) for key, count in tx.conn.execute(query)}


def _age(now: Millis, then: Millis | None) -> int:
    """Whole seconds since then; 0 when there is no then."""
    return 0 if then is None else max(0, now - then) // 1000


def _integers(names: Iterable[str]) -> dict[str, str]:
    return dict.fromkeys(names, "integer")


_TICK_COUNTS = (
    *("rules", "series", "queries", "points"),
    *("transitions", "notifications", "skipped", "errors"),
)
_TROUBLED = [health.value for health in Health if health is not Health.OK]
_BAD_ENDS = (DeliveryState.REJECTED, DeliveryState.EXPIRED)

MEASUREMENTS: Mapping[str, OwnMeasurement] = {
    "tocsin_tick": OwnMeasurement(("shard",), _integers(("total_ms", "query_ms", *_TICK_COUNTS)), _ticks),
    "tocsin_group": OwnMeasurement(
        ("source", "database", "measurement"), _integers(("error", "seconds")), _groups
    ),
    "tocsin_source": OwnMeasurement(("source",), _integers(("unreachable", "failing", "groups")), _sources),
    "tocsin_rules": OwnMeasurement(("health",), _integers(("count",)), _rules),
    "tocsin_outbox": OwnMeasurement((), _integers(("unpublished", "oldest_seconds")), _outbox),
    "tocsin_deliveries": OwnMeasurement(
        ("kind", "channel"),
        _integers(("open", "overdue", "oldest_seconds", "rejected", "expired")),
        _deliveries,
    ),
    "tocsin_channel": OwnMeasurement(("kind", "channel"), _integers(("failing",)), _channels),
    "tocsin_dead_letters": OwnMeasurement(("kind",), _integers(("open",)), _dead_letters),
}
"""Every measurement of `self://`."""


def read(tx: Tx, name: str, asked: Asked) -> Sequence[Row]:
    """The rows of a measurement, as `MEASUREMENTS` names its columns."""
    return MEASUREMENTS[name].rows(tx, asked)
