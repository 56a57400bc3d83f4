"""Counting what happened between two times: alerts, who answered them, what was told. Nothing here writes or locks.

Every statement reads a range of an index and returns few rows, or only the newest of many.
"""

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, func, select

from shared.model import DeliveryState, EventKind, Millis
from shared.store.engine import Tx
from shared.store.tables import alerts, audit, deliveries, rules, states

ANSWERS = 10_000
"""Of how many alerts, the newest, the times are read; every row looks into the audit once."""


@dataclass(frozen=True, slots=True)
class Volume:
    """How many alerts of one severity fired from `start` on, until the next start, and how many were announced."""

    start: Millis
    severity: int
    alerts: int
    announced: int


@dataclass(frozen=True, slots=True)
class OfRule:
    """How often one rule fired, on how many series."""

    rule_id: str
    alerts: int
    announced: int
    series: int


@dataclass(frozen=True, slots=True)
class Answer:
    """When one alert fired, was acknowledged first, and ended; None: not (yet)."""

    fired_at: Millis
    acknowledged_at: Millis | None
    resolved_at: Millis | None


@dataclass(frozen=True, slots=True)
class Told:
    """What became of the deliveries of one kind of channel; those that another one stands for are not counted."""

    kind: str
    sent: int
    failed: int
    unknown: int
    open: int


def volume(tx: Tx, since: Millis, until: Millis, origin: Millis, step: Millis) -> list[Volume]:
    """Alerts that fired in `[since, until)` by severity and stretch of `step` after `origin`, which is not later."""
    start = (alerts.c.fired_at - (alerts.c.fired_at - origin) % step).label("start")
    query = (
        select(start, alerts.c.severity, func.count(), func.sum(_announced()))
        .where(alerts.c.tenant == tx.tenant, alerts.c.fired_at >= since, alerts.c.fired_at < until)
        .group_by(start, alerts.c.severity)
        .order_by(start, alerts.c.severity)
    )
    return [Volume(*(int(value) for value in row)) for row in tx.conn.execute(query)]


def noisiest(tx: Tx, since: Millis, until: Millis, limit: int) -> list[OfRule]:
    """The rules that fired most in `[since, until)`, the noisiest first."""
    count = func.count().label("alerts")
    query = (
        select(alerts.c.rule_id, count, func.sum(_announced()), func.count(alerts.c.series_id.distinct()))
        .where(alerts.c.tenant == tx.tenant, alerts.c.fired_at >= since, alerts.c.fired_at < until)
        .group_by(alerts.c.rule_id)
        .order_by(count.desc(), alerts.c.rule_id)
        .limit(limit)
    )
    return [OfRule(row[0], *(int(value) for value in row[1:])) for row in tx.conn.execute(query)]


def answers(tx: Tx, since: Millis, until: Millis) -> list[Answer]:
    """The newest `ANSWERS` alerts that fired in `[since, until)`.

    An acknowledgement ends when the alert gets worse; the audit remembers the first one.
    """
    some = (
        select(alerts.c.id, alerts.c.fired_at, alerts.c.acked_at, alerts.c.resolved_at)
        .where(alerts.c.tenant == tx.tenant, alerts.c.fired_at >= since, alerts.c.fired_at < until)
        .order_by(alerts.c.fired_at.desc(), alerts.c.id.desc())
        .limit(ANSWERS)
        .subquery()
    )
    of_alert = and_(
        audit.c.tenant == tx.tenant, audit.c.object == some.c.id, audit.c.action == "alert.acknowledge"
    )
    query = (
        select(some.c.fired_at, some.c.acked_at, some.c.resolved_at, func.min(audit.c.at))
        .outerjoin_from(some, audit, of_alert)
        .group_by(some.c.id, some.c.fired_at, some.c.acked_at, some.c.resolved_at)
    )
    return [
        Answer(fired, acked if first is None else first, resolved)
        for fired, acked, resolved, first in tx.conn.execute(query)
    ]


def flapping(tx: Tx, limit: int) -> dict[str, int]:
    """How many series of a rule flap now, most first."""
    count = func.count().label("series")
    query = (
        select(states.c.rule_id, count)
        .where(states.c.tenant == tx.tenant, states.c.active.is_(True), states.c.flapping_since > 0)
        .group_by(states.c.rule_id)
        .order_by(count.desc(), states.c.rule_id)
        .limit(limit)
    )
    return {row[0]: int(row[1]) for row in tx.conn.execute(query)}


def never_fired(tx: Tx) -> list[str]:
    """The ids of enabled rules of which there is no alert at all, the oldest rule first."""
    # Two walks over indexes: MariaDB makes of NOT EXISTS a look at all alerts for each rule.
    fired = select(alerts.c.rule_id).where(alerts.c.tenant == tx.tenant).distinct()
    known = set(tx.conn.execute(fired).scalars())
    live = (
        select(rules.c.id)
        .where(rules.c.tenant == tx.tenant, rules.c.deleted_at.is_(None), rules.c.enabled.is_(True))
        .order_by(rules.c.created_at, rules.c.id)
    )
    return [rule_id for rule_id in tx.conn.execute(live).scalars() if rule_id not in known]


def told(tx: Tx, since: Millis, until: Millis) -> tuple[list[Told], Counter[str]]:
    """What became of the deliveries that were made in `[since, until)`, test messages left out; and how often people
    were told that a series flaps, by rule."""
    row = deliveries.c
    flaps = row.event == EventKind.FLAPPING.value
    # In one walk, for they are many: what flaps by rule and recipient, everything else by kind.
    of_flaps = [case((flaps, column), else_="").label(f"flapping_{column.name}") for column in _TOLD]
    query = (
        select(
            row.kind,
            *of_flaps,
            func.count(),
            _ended(DeliveryState.DELIVERED, DeliveryState.ACCEPTED),
            _ended(DeliveryState.REJECTED, DeliveryState.EXPIRED),
            _ended(DeliveryState.UNKNOWN),
            func.sum(case((row.next_at.is_not(None), 1), else_=0)),
        )
        .where(row.tenant == tx.tenant, row.created_at >= since, row.created_at < until)
        .where(row.event != EventKind.TEST.value)
        .group_by(row.kind, *of_flaps)
    )
    sums: dict[str, list[int]] = {}
    times: Counter[str] = Counter()
    for kind, rule_id, _channel, _recipient, rows, *counts in tx.conn.execute(query):
        sums[kind] = [old + int(new) for old, new in zip(sums.get(kind, [0] * 4), counts, strict=True)]
        if rule_id:
            times[rule_id] = max(times[rule_id], rows)  # the same ones went to each recipient
    return [Told(kind, *sums[kind]) for kind in sorted(sums)], times


_TOLD = (deliveries.c.rule_id, deliveries.c.channel, deliveries.c.recipient)


def _announced() -> ColumnElement[int]:
    return case((alerts.c.announced.is_(True), 1), else_=0)


def _ended(*ends: DeliveryState) -> ColumnElement[int]:
    """How many are in these states for good."""
    row = deliveries.c
    return func.sum(case((row.state.in_([one.value for one in ends]) & row.next_at.is_(None), 1), else_=0))
