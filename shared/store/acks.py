"""Acknowledging alerts: somebody has seen them, so they are not told again until they worsen, end, or the time is over.

Two rows of each say so, in one transaction: the alert for people, the state for the evaluator. A tick that works on the
same state meanwhile notices by the version and decides again. All alerts of one call belong to one rule.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, or_, select, update

from shared.errors import Conflict
from shared.model import Millis, Phase
from shared.store import listing
from shared.store.engine import Tx
from shared.store.listing import AlertRow
from shared.store.tables import alerts, deliveries, notification_alerts, outbox, states

_IN_LIST = 400


@dataclass(frozen=True, slots=True)
class Place:
    """Where an alert was told, or is about to be."""

    kind: str
    channel: str
    recipient: str


def hold(tx: Tx, chosen: Sequence[AlertRow]) -> list[AlertRow]:
    """Those of the alerts that are open, as they are now, and nobody else's until the commit."""
    held: set[str] = set()
    for some in _chunks(chosen):
        query = (
            select(states.c.alert_id)
            .where(states.c.tenant == tx.tenant, states.c.rule_id == some[0].rule_id)
            .where(states.c.series_id.in_([one.series_id for one in some]))
            .where(states.c.phase == Phase.FIRING.value)
            .order_by(states.c.series_id)
            .with_for_update()
        )
        held |= set(tx.conn.execute(query).scalars())
    found = listing.alerts_by_id(tx, [one.id for one in chosen if one.id in held])
    return [one for one in found if one.state == "firing"]


def acknowledge(
    tx: Tx, held: Sequence[AlertRow], by: str, note: str, until: Millis | None, now: Millis
) -> None:
    """Acknowledge alerts that are held, until a time or (None) until they end; a second one replaces the first."""
    # Level 0 would mean no acknowledgement: a series that is clean, but kept firing, has the alert's level.
    for severity in sorted({one.severity for one in held}):
        level = case((states.c.level > 0, states.c.level), else_=severity)
        alike = [one for one in held if one.severity == severity]
        _set_states(tx, alike, {"acked_level": level, "acked_until": until or 0})
    seen = {"acked_at": now, "acked_by": by[:200], "ack_note": note[:1000], "acked_until": until}
    _set_alerts(tx, held, seen, now)


def withdraw(tx: Tx, alert: AlertRow, now: Millis) -> AlertRow:
    """Take an acknowledgement back: from the next tick on the alert is told as if there had been none."""
    held = hold(tx, [alert])
    if not held:
        raise ended(alert.id)
    _set_states(tx, held, {"acked_level": 0, "acked_until": 0})
    _set_alerts(tx, held, {"acked_at": None, "acked_by": "", "ack_note": "", "acked_until": None}, now)
    return listing.alert(tx, alert.id)


def ended(alert_id: str) -> Conflict:
    """What to raise for an alert that is over."""
    return Conflict(f"alert {alert_id} is not open any more: it ended before it could be acknowledged")


def last_told(tx: Tx, chosen: Sequence[AlertRow]) -> bytes | None:
    """The frozen facts of the newest notification about any of the first of these alerts; None: nobody was told."""
    about = (outbox.c.tenant == notification_alerts.c.tenant) & (
        outbox.c.id == notification_alerts.c.notification_id
    )
    query = (
        select(outbox.c.body)
        .join(notification_alerts, about)
        .where(outbox.c.tenant == tx.tenant)
        .where(notification_alerts.c.alert_id.in_([one.id for one in chosen[:_IN_LIST]]))
        .order_by(outbox.c.seq.desc())
        .limit(1)
    )
    body = tx.conn.execute(query).scalar()
    return None if body is None else bytes(body)


def places(tx: Tx, chosen: Sequence[AlertRow]) -> list[Place]:
    """Everybody who was, or will be, told of any of these alerts."""
    found: dict[Place, None] = {}
    about = (deliveries.c.tenant == notification_alerts.c.tenant) & (
        deliveries.c.notification_id == notification_alerts.c.notification_id
    )
    for some in _chunks(chosen):
        query = (
            select(deliveries.c.kind, deliveries.c.channel, deliveries.c.recipient)
            .distinct()
            .join(notification_alerts, about)
            .where(deliveries.c.tenant == tx.tenant)
            .where(notification_alerts.c.alert_id.in_([one.id for one in some]))
            .where(or_(deliveries.c.sent_at.is_not(None), deliveries.c.next_at.is_not(None)))
        )
        found |= dict.fromkeys(Place(*row) for row in tx.conn.execute(query))
    return sorted(found, key=lambda place: (place.kind, place.channel, place.recipient))


def _set_states(tx: Tx, held: Sequence[AlertRow], values: Mapping[str, Any]) -> None:
    for some in _chunks(held):
        tx.conn.execute(
            update(states)
            .where(states.c.tenant == tx.tenant, states.c.rule_id == some[0].rule_id)
            .where(states.c.series_id.in_([one.series_id for one in some]))
            .values({**values, "version": states.c.version + 1})
        )


def _set_alerts(tx: Tx, held: Sequence[AlertRow], values: Mapping[str, Any], now: Millis) -> None:
    for some in _chunks(held):
        tx.conn.execute(
            update(alerts)
            .where(alerts.c.tenant == tx.tenant, alerts.c.id.in_([one.id for one in some]))
            .values({**values, "updated_at": now})
        )


def _chunks(rows: Sequence[AlertRow]) -> Iterator[Sequence[AlertRow]]:
    for start in range(0, len(rows), _IN_LIST):
        yield rows[start : start + _IN_LIST]
