"""Verbs on `deliveries`: one row per notification, channel and recipient, from pending to what became of it.

`next_at` is when a row may be tried (again), by the database's clock; while a row is claimed or sending it is the
end of the lease. NULL exactly when the row is final. `sent_at` is set when the message was, or may have been,
received. No verb here sends or decides.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, bindparam, select, update

from shared.model import DeliveryState, EventKind, Millis, Notification
from shared.store.engine import Tx
from shared.store.tables import deliveries, notification_alerts, outbox

_MINUTE = 60_000
_HOUR = 60 * _MINUTE
DEADLINES: Mapping[EventKind, Millis] = {
    EventKind.FIRING: _HOUR,
    EventKind.WORSENED: _HOUR,
    EventKind.RESOLVED: 24 * _HOUR,
    EventKind.REMINDER: 10 * _MINUTE,
    EventKind.ACKNOWLEDGED: _HOUR,
    EventKind.FLAPPING: _HOUR,
    EventKind.ESCALATED: _HOUR,
    EventKind.TEST: 5 * _MINUTE,
}
"""How long after it was announced a message is still worth sending."""
_IN_LIST = 500


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery to be made: one notification to one recipient of one channel."""

    notification_id: str
    rule_id: str
    seq: int
    event: EventKind
    severity: int
    kind: str
    channel: str
    recipient: str = ""
    fallback_of: str = ""

    @property
    def id(self) -> str:
        """The same however often it is computed; receivers recognise a repeated message by it."""
        text = "\n".join((self.notification_id, self.channel, self.recipient))
        return "dlv_" + hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A claimed row.

    `may_repeat`: an earlier attempt may have arrived. `reason`: what came of the last one. `instead_of`: the delivery
    that failed before this fallback, in words. `digest_id`: the digest it was folded into.
    """

    id: str
    notification_id: str
    rule_id: str
    seq: int
    event: EventKind
    severity: int
    kind: str
    channel: str
    recipient: str
    attempts: int
    deadline_at: Millis
    fallback_of: str = ""
    may_repeat: bool = False
    reason: str = ""
    instead_of: str = ""
    digest_id: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim got: rows, and by notification the frozen facts that they tell.

    `known`: how many rows of this kind the notification has at all. `held`: how many of them another process works
    on, or can't be sent because it works on another row for the same recipient. `storms`: the channels for which so
    much waits that one digest tells it, or that have a digest to be sent again. `ready`: the channels that work, and
    of which nobody asked for rest.
    """

    rows: tuple[Delivery, ...]
    bodies: Mapping[str, bytes]
    known: int
    held: int
    now: Millis
    storms: tuple[str, ...] = ()
    ready: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one row. `sent`: the message was, or may have been, received.

    `wait_ms`: how long, from when it is recorded, until the row may be tried again; None: it is final.
    """

    id: str
    state: DeliveryState
    wait_ms: Millis | None = None
    sent: bool = False
    attempts: int | None = None
    superseded_by: str = ""
    http_status: int | None = None
    provider_code: str = ""
    provider_id: str = ""
    reason: str = ""
    excerpt: str = ""
    latency_ms: int = 0
    payload_sha256: str = ""


def new(notification: Notification, destinations: Iterable[tuple[str, str, str]]) -> list[NewDelivery]:
    """The deliveries of a notification; `destinations` are (kind, channel, recipient)."""
    return [
        NewDelivery(
            notification.id,
            notification.rule.id,
            notification.seq,
            notification.event,
            int(notification.severity),
            kind,
            channel,
            recipient,
        )
        for kind, channel, recipient in destinations
    ]


def insert_many(tx: Tx, rows: Sequence[NewDelivery]) -> None:
    """Insert rows, due at once, with the deadline of their event; rows that exist stay as they are."""
    now = tx.now()
    tx.insert_missing(
        deliveries,
        [
            {
                "id": row.id,
                "notification_id": row.notification_id,
                "rule_id": row.rule_id,
                "seq": row.seq,
                "event": row.event.value,
                "severity": row.severity,
                "kind": row.kind,
                "channel": row.channel,
                "recipient": row.recipient,
                "state": DeliveryState.PENDING.value,
                "next_at": now,
                "deadline_at": now + DEADLINES[row.event],
                "fallback_of": row.fallback_of,
                "created_at": now,
                "updated_at": now,
            }
            for row in rows
        ],
    )


def told(tx: Tx, notification_ids: Iterable[str], channels: Iterable[str]) -> dict[tuple[str, str], set[str]]:
    """By (channel, recipient): those of the notifications' alerts of which it was, or may have been, told.

    One look-up after the other, because databases find no good way through all of it at once.
    """
    linked, places = notification_alerts.c, set(channels)
    asked = {row.alert_id for row in _linked(tx, linked.notification_id, notification_ids)}
    alerts: dict[str, set[str]] = {}
    for row in _linked(tx, linked.alert_id, asked):
        alerts.setdefault(row.notification_id, set()).add(row.alert_id)
    found: dict[tuple[str, str], set[str]] = {}
    for some in _in_lists(alerts):
        query = select(deliveries.c.notification_id, deliveries.c.channel, deliveries.c.recipient).where(
            deliveries.c.tenant == tx.tenant,
            deliveries.c.notification_id.in_(some),
            deliveries.c.sent_at.is_not(None),
        )
        for row in tx.conn.execute(query):
            if row.channel in places:
                found.setdefault((row.channel, row.recipient), set()).update(alerts[row.notification_id])
    return found


def _linked(tx: Tx, column: ColumnElement[str], names: Iterable[str]) -> Iterator[Any]:
    for some in _in_lists(names):
        yield from tx.conn.execute(
            select(notification_alerts.c.notification_id, notification_alerts.c.alert_id).where(
                notification_alerts.c.tenant == tx.tenant, column.in_(some)
            )
        )


def _in_lists(names: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(set(names))
    for start in range(0, len(ordered), _IN_LIST):
        yield ordered[start : start + _IN_LIST]


def add_fallbacks(tx: Tx, rows: Sequence[NewDelivery]) -> None:
    """Insert rows for notifications that were published before, and have those published again whose rows are new."""
    known: set[str] = set()
    for some in _in_lists(row.id for row in rows):
        query = select(deliveries.c.id).where(deliveries.c.tenant == tx.tenant, deliveries.c.id.in_(some))
        known.update(tx.conn.execute(query).scalars())
    new = [row for row in rows if row.id not in known]
    insert_many(tx, new)
    for some in _in_lists(row.notification_id for row in new):
        again = update(outbox).where(outbox.c.tenant == tx.tenant, outbox.c.id.in_(some))
        tx.conn.execute(again.values(next_at=tx.now(), attempts=0))


def due_channels(tx: Tx, now: Millis) -> list[tuple[str, str]]:
    """The channels that have a delivery that is due, as (kind, name), sorted."""
    query = (
        select(deliveries.c.kind, deliveries.c.channel)
        .distinct()
        .where(deliveries.c.tenant == tx.tenant, deliveries.c.next_at <= now)
    )
    found = tx.conn.execute(query.order_by(deliveries.c.kind, deliveries.c.channel))
    return [(row.kind, row.channel) for row in found]


def open_kinds(tx: Tx, notification_ids: Iterable[str]) -> dict[str, frozenset[str]]:
    """By notification: the channel kinds that still have an open delivery; notifications without one are left out."""
    rows = tx.conn.execute(_OPEN_KINDS, {"tenant": tx.tenant, "ids": sorted(set(notification_ids))})
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row.notification_id, set()).add(row.kind)
    return {name: frozenset(kinds) for name, kinds in found.items()}


_OPEN_KINDS = (
    select(deliveries.c.notification_id, deliveries.c.kind)
    .distinct()
    .where(
        deliveries.c.tenant == bindparam("tenant"),
        deliveries.c.notification_id.in_(bindparam("ids", expanding=True)),
        deliveries.c.next_at.is_not(None),
    )
)
