"""Verbs on what a recipient was told before: the messages there whose alerts are all over by now. Writes nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, select

from shared.model import EventKind, Millis
from shared.store.engine import Tx
from shared.store.tables import alerts, deliveries, notification_alerts, outbox

_OPENING = (EventKind.FIRING.value, EventKind.WORSENED.value, EventKind.ESCALATED.value)


@dataclass(frozen=True, slots=True)
class Ending:
    """When and why an alert ended."""

    at: Millis
    reason: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """One message that says that alerts fire: the vendor's id of it, the frozen facts it told (oldest first), how
    each of its alerts ended."""

    provider_id: str
    bodies: tuple[bytes, ...]
    endings: Mapping[str, Ending]


def closed(
    tx: Tx, rule_id: str, place: tuple[str, str], alert_ids: Collection[str], limit: int
) -> list[Earlier]:
    """The newest messages of a rule to a (channel, recipient) about any of these alerts, if all theirs are resolved.

    Digests are left out: they tell of other rules as well. At most `limit`.
    """
    found = _settled(tx, rule_id, place, alert_ids, limit)
    endings = _endings(tx, [one for group in found.values() for one in group])
    bodies = _bodies(tx, list(endings))
    messages = []
    for provider_id, told in found.items():
        ended = {alert: ending for one in told for alert, ending in endings.get(one, {}).items()}
        if ended and all(ended.values()) and all(one in bodies for one in told):
            given = {alert: ending for alert, ending in ended.items() if ending is not None}
            messages.append(Earlier(provider_id, tuple(bodies[one] for one in told), given))
    return messages


def _settled(
    tx: Tx, rule_id: str, place: tuple[str, str], alert_ids: Collection[str], limit: int
) -> dict[str, list[str]]:
    """By the vendor's id of a message: the notifications that it settled, some perhaps about other alerts."""
    told = deliveries.c
    here = (
        told.tenant == tx.tenant,
        told.rule_id == rule_id,
        told.channel == place[0],
        told.recipient == place[1],
    )
    about = and_(
        notification_alerts.c.tenant == told.tenant,
        notification_alerts.c.notification_id == told.notification_id,
    )
    query = (
        select(told.provider_id, func.max(told.seq).label("newest"))
        .join(notification_alerts, about)
        .where(
            *here,
            told.provider_id != "",
            told.digest_id == "",
            told.event.in_(_OPENING),
            notification_alerts.c.alert_id.in_(alert_ids),
        )
        .group_by(told.provider_id)
        .order_by(func.max(told.seq).desc())
        .limit(limit)
    )
    ids = list(tx.conn.execute(query).scalars())
    rows = select(told.provider_id, told.notification_id).where(*here, told.provider_id.in_(ids))
    found: dict[str, list[str]] = {}
    for row in tx.conn.execute(rows.order_by(told.seq)) if ids else ():
        found.setdefault(row.provider_id, []).append(row.notification_id)
    return found


def _endings(tx: Tx, notification_ids: Sequence[str]) -> dict[str, dict[str, Ending | None]]:
    """By notification: its alerts, and how each ended; None: it is open."""
    query = (
        select(
            notification_alerts.c.notification_id,
            notification_alerts.c.alert_id,
            alerts.c.resolved_at,
            alerts.c.reason,
        )
        .join(
            alerts,
            and_(
                alerts.c.tenant == notification_alerts.c.tenant, alerts.c.id == notification_alerts.c.alert_id
            ),
            isouter=True,  # an alert that nothing is known of is not over
        )
        .where(
            notification_alerts.c.tenant == tx.tenant,
            notification_alerts.c.notification_id.in_(notification_ids),
        )
    )
    found: dict[str, dict[str, Ending | None]] = {}
    for row in tx.conn.execute(query):
        ending = Ending(row.resolved_at, row.reason) if row.resolved_at is not None else None
        found.setdefault(row.notification_id, {})[row.alert_id] = ending
    return found


def _bodies(tx: Tx, ids: Sequence[str]) -> dict[str, bytes]:
    query = select(outbox.c.id, outbox.c.body).where(outbox.c.tenant == tx.tenant, outbox.c.id.in_(ids))
    return {row.id: bytes(row.body) for row in tx.conn.execute(query)} if ids else {}
