"""Reading what happened, for people: alerts, their deliveries and transitions, ticks. Nothing here writes or locks.

Pages go by keyset, newest first: a page costs the same however far back it is, and rows that arrive don't shift it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Column, Table, select

from shared.errors import InvalidInput, NotFound
from shared.model import Millis, Severity
from shared.store import managed
from shared.store.engine import Tx
from shared.store.managed import Page
from shared.store.tables import (
    alerts,
    deliveries,
    notification_alerts,
    ticks,
    transitions,
)

_IN_LIST = 400
MOST = 500
"""How many rows one look at something belonging together shows."""


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert. `state` is `firing` or `resolved`; an acknowledged one has `acked_at`."""

    id: str
    rule_id: str
    series_id: str
    key: str
    monitor_id: str
    title: str
    state: str
    severity: int
    value: float | None
    text: str
    started_at: Millis
    fired_at: Millis
    resolved_at: Millis | None
    reason: str
    acked_at: Millis | None
    acked_by: str
    ack_note: str
    acked_until: Millis | None
    announced: bool


@dataclass(frozen=True, slots=True)
class TransitionRow:
    """One step of the state machine of an alert's series."""

    slot: Millis
    change: str
    level: int
    value: float | None
    reason: str
    held_by: str


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """What happened to one notification on its way to one recipient. It is open while `next_at` is set."""

    id: str
    notification_id: str
    rule_id: str
    seq: int
    event: str
    severity: int
    kind: str
    channel: str
    recipient: str
    state: str
    attempts: int
    next_at: Millis | None
    sent_at: Millis | None
    finished_at: Millis | None
    http_status: int | None
    provider_id: str
    reason: str
    latency_ms: int
    superseded_by: str
    created_at: Millis
    deadline_at: Millis
    provider_code: str
    excerpt: str
    fallback_of: str
    digest_id: str


@dataclass(frozen=True, slots=True)
class TickRow:
    """What one tick of one shard did and how long it took."""

    shard: str
    slot: Millis
    started_at: Millis
    interval_ms: int
    total_ms: int
    stages_ms: str
    rules: int
    series: int
    queries: int
    points: int
    transitions: int
    notifications: int
    skipped: int
    errors: int
    error: str


def _columns(table: Table, row: type) -> list[Column[Any]]:
    return [table.c[field.name] for field in fields(row)]


def alerts_page(
    tx: Tx,
    *,
    state: str = "",
    rule_id: str = "",
    monitor_id: str = "",
    severity: Severity | None = None,
    acknowledged: bool | None = None,
    since: Millis | None = None,
    until: Millis | None = None,
    limit: int = 50,
    cursor: str = "",
) -> Page[AlertRow]:
    """Alerts, the last to fire first: of this severity or worse, fired in `[since, until)`, and so on."""
    query = select(*_columns(alerts, AlertRow)).where(alerts.c.tenant == tx.tenant)
    for column, wanted in (
        (alerts.c.state, state),
        (alerts.c.rule_id, rule_id),
        (alerts.c.monitor_id, monitor_id),
    ):
        if wanted:
            query = query.where(column == wanted)
    if severity is not None:
        # Nothing is worse than the worst, and a single value comes out of the index in the right order.
        worst = severity is max(Severity)
        query = query.where(
            alerts.c.severity == int(severity) if worst else alerts.c.severity >= int(severity)
        )
    if acknowledged is not None:
        query = query.where(alerts.c.acked_at.is_not(None) if acknowledged else alerts.c.acked_at.is_(None))
    if since is not None:
        query = query.where(alerts.c.fired_at >= since)
    if until is not None:
        query = query.where(alerts.c.fired_at < until)
    rows, more = managed.page(tx, query, (alerts.c.fired_at, alerts.c.id), limit, cursor, newest_first=True)
    return Page(tuple(AlertRow(*row) for row in rows), more, managed.total(tx, query))


def alert(tx: Tx, wanted: str) -> AlertRow:
    """The alert with this id, or whose id begins so. Raises NotFound, and InvalidInput when several begin so."""
    query = select(*_columns(alerts, AlertRow)).where(
        alerts.c.tenant == tx.tenant, alerts.c.id.startswith(wanted, autoescape=True)
    )
    rows = managed.records(tx, AlertRow, query.order_by(alerts.c.id).limit(3))
    exact = next((row for row in rows if row.id == wanted), None)
    if exact is not None:
        return exact
    if not wanted or not rows:
        raise NotFound("alert", wanted, "list the alerts to see their ids")
    if len(rows) > 1:
        raise InvalidInput(
            "alert", wanted, "several alerts begin with it", f"Two of them: {rows[0].id}, {rows[1].id}"
        )
    return rows[0]


def alerts_by_id(tx: Tx, ids: Sequence[str]) -> list[AlertRow]:
    """The alerts with these ids, in the order of the ids; those that don't exist are left out."""
    found: dict[str, AlertRow] = {}
    for start in range(0, len(ids), _IN_LIST):
        query = select(*_columns(alerts, AlertRow)).where(
            alerts.c.tenant == tx.tenant, alerts.c.id.in_(ids[start : start + _IN_LIST])
        )
        found |= {row.id: row for row in managed.records(tx, AlertRow, query)}
    return [found[one] for one in ids if one in found]


def alerts_of(tx: Tx, notification_id: str) -> list[AlertRow]:
    """All alerts that a notification is about, the worst first."""
    query = (
        select(*_columns(alerts, AlertRow))
        .join(
            notification_alerts,
            (notification_alerts.c.tenant == alerts.c.tenant)
            & (notification_alerts.c.alert_id == alerts.c.id),
        )
        .where(alerts.c.tenant == tx.tenant, notification_alerts.c.notification_id == notification_id)
        .order_by(notification_alerts.c.position)
    )
    return managed.records(tx, AlertRow, query)


def transitions_of(tx: Tx, alert_id: str) -> list[TransitionRow]:
    """The steps of an alert's state, oldest first."""
    query = select(*_columns(transitions, TransitionRow)).where(
        transitions.c.tenant == tx.tenant, transitions.c.alert_id == alert_id
    )
    return managed.records(tx, TransitionRow, query.order_by(transitions.c.slot))


def deliveries_of(tx: Tx, alert_id: str) -> list[DeliveryRow]:
    """Every delivery of every notification that an alert was part of, in the order they were made."""
    query = (
        select(*_columns(deliveries, DeliveryRow))
        .join(
            notification_alerts,
            (notification_alerts.c.tenant == deliveries.c.tenant)
            & (notification_alerts.c.notification_id == deliveries.c.notification_id),
        )
        .where(notification_alerts.c.tenant == tx.tenant, notification_alerts.c.alert_id == alert_id)
        .order_by(deliveries.c.seq, deliveries.c.channel, deliveries.c.recipient)
    )
    return managed.records(tx, DeliveryRow, query)


def deliveries_page(
    tx: Tx,
    *,
    state: str = "",
    channel: str = "",
    rule_id: str = "",
    alert_id: str = "",
    only_open: bool = False,
    limit: int = 50,
    cursor: str = "",
) -> Page[DeliveryRow]:
    """Deliveries, newest first; all conditions that are given must hold."""
    table = deliveries.c
    query = select(*_columns(deliveries, DeliveryRow)).where(table.tenant == tx.tenant)
    for column, wanted in ((table.state, state), (table.channel, channel), (table.rule_id, rule_id)):
        if wanted:
            query = query.where(column == wanted)
    if only_open:
        query = query.where(table.next_at.is_not(None))
    if alert_id:
        told = select(notification_alerts.c.notification_id).where(
            notification_alerts.c.tenant == tx.tenant, notification_alerts.c.alert_id == alert_id
        )
        query = query.where(table.notification_id.in_(told))
    rows, more = managed.page(tx, query, (table.created_at, table.id), limit, cursor, newest_first=True)
    return Page(tuple(DeliveryRow(*row) for row in rows), more, managed.total(tx, query))


def delivery(tx: Tx, wanted: str) -> DeliveryRow:
    """The delivery with this id, or whose id begins so. Raises NotFound, and InvalidInput when several begin so."""
    table = deliveries.c
    query = select(*_columns(deliveries, DeliveryRow)).where(
        table.tenant == tx.tenant, table.id.startswith(wanted, autoescape=True)
    )
    rows = managed.records(tx, DeliveryRow, query.order_by(table.id).limit(2))
    if not wanted or not rows:
        raise NotFound("delivery", wanted, "list the deliveries to see their ids")
    if len(rows) > 1 and rows[0].id != wanted:
        found = f"Two of them: {rows[0].id}, {rows[1].id}"
        raise InvalidInput("delivery", wanted, "several deliveries begin with it", found)
    return rows[0]


def deliveries_with(tx: Tx, **columns: str) -> list[DeliveryRow]:
    """Deliveries whose columns have these values: the siblings, the fallbacks or the superseded ones of another."""
    query = select(*_columns(deliveries, DeliveryRow)).where(deliveries.c.tenant == tx.tenant)
    for name, value in columns.items():
        query = query.where(deliveries.c[name] == value)
    order = (deliveries.c.created_at, deliveries.c.channel, deliveries.c.recipient)
    return managed.records(tx, DeliveryRow, query.order_by(*order).limit(MOST))


def ticks_page(tx: Tx, *, limit: int = 20, cursor: str = "") -> Page[TickRow]:
    """What the last ticks did, newest first."""
    query = select(*_columns(ticks, TickRow)).where(ticks.c.tenant == tx.tenant)
    rows, more = managed.page(tx, query, (ticks.c.slot, ticks.c.shard), limit, cursor, newest_first=True)
    return Page(tuple(TickRow(*row) for row in rows), more)
