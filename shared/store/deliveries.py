"""Verbs on `deliveries`: one row per notification, channel and recipient, from pending to what became of it.

`next_at` is when a row may be tried (again), by the database's clock; while a row is claimed or sending it is the
end of the lease. NULL exactly when the row is final. `sent_at` is set when the message was, or may have been,
received. No verb here sends or decides.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.model import DeliveryState, EventKind, Millis, Notification
from shared.store.engine import Tx
from shared.store.tables import deliveries

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

REPEAT_UNKNOWN_MS = 60_000

_HELD = (DeliveryState.CLAIMED.value, DeliveryState.SENDING.value)


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
    """A claimed row with the frozen facts of its notification. `may_repeat`: an earlier attempt may have arrived."""

    id: str
    notification_id: str
    rule_id: str
    seq: int
    event: EventKind
    kind: str
    channel: str
    recipient: str
    attempts: int
    deadline_at: Millis
    created_at: Millis
    fallback_of: str
    may_repeat: bool
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim got. `known`: rows of the notification there are at all; `held`: due rows that others work on."""

    rows: tuple[Delivery, ...]
    known: int
    held: int
    now: Millis


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one row. `next_at` None: final. `sent`: the message was, or may have been, received."""

    id: str
    state: DeliveryState
    next_at: Millis | None = None
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
