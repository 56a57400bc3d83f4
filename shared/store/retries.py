"""Verbs on deliveries that ended without success: which of them may be tried once more, and making them due again."""

from collections.abc import Mapping, Sequence

from sqlalchemy import and_, exists, select, update

from shared.model import DeliveryState, EventKind, Millis
from shared.store.deliveries import DEADLINES
from shared.store.engine import Tx
from shared.store.listing import DeliveryRow
from shared.store.tables import alerts, deliveries, notification_alerts, outbox

FAILED = (DeliveryState.REJECTED.value, DeliveryState.EXPIRED.value, DeliveryState.UNKNOWN.value)
MOST = 500


def failed(tx: Tx, channel: str, since: Millis) -> list[str]:
    """The ids of what was announced on a channel since a time and ended without success, oldest first; 500 at most."""
    table = deliveries.c
    query = (
        select(table.id)
        .where(table.tenant == tx.tenant, table.channel == channel, table.created_at >= since)
        .where(table.state.in_(FAILED), table.next_at.is_(None), table.event != EventKind.TEST.value)
        .order_by(table.created_at, table.seq)
        .limit(MOST)
    )
    return list(tx.conn.execute(query).scalars())


def overtaken(tx: Tx, ids: Sequence[str]) -> frozenset[str]:
    """Those whose alerts somebody at the same place was told of since: they would tell an older story."""
    later, of_it, of_later = deliveries.alias(), notification_alerts.alias(), notification_alerts.alias()
    newer = exists().where(
        and_(
            of_it.c.tenant == deliveries.c.tenant,
            of_it.c.notification_id == deliveries.c.notification_id,
            of_later.c.tenant == deliveries.c.tenant,
            of_later.c.alert_id == of_it.c.alert_id,
            later.c.tenant == deliveries.c.tenant,
            later.c.notification_id == of_later.c.notification_id,
            later.c.channel == deliveries.c.channel,
            later.c.recipient == deliveries.c.recipient,
            later.c.seq > deliveries.c.seq,
            later.c.sent_at.is_not(None),
        )
    )
    query = select(deliveries.c.id).where(deliveries.c.tenant == tx.tenant, deliveries.c.id.in_(ids), newer)
    return frozenset(tx.conn.execute(query).scalars())


def over(tx: Tx, ids: Sequence[str]) -> frozenset[str]:
    """Those that say that something fires, of which nothing fires any more."""
    firing = exists().where(
        and_(
            notification_alerts.c.tenant == deliveries.c.tenant,
            notification_alerts.c.notification_id == deliveries.c.notification_id,
            alerts.c.tenant == notification_alerts.c.tenant,
            alerts.c.id == notification_alerts.c.alert_id,
            alerts.c.resolved_at.is_(None),
        )
    )
    query = select(deliveries.c.id).where(
        deliveries.c.tenant == tx.tenant,
        deliveries.c.id.in_(ids),
        deliveries.c.event != EventKind.RESOLVED.value,
        ~firing,
    )
    return frozenset(tx.conn.execute(query).scalars())


def reopen(tx: Tx, rows: Sequence[DeliveryRow]) -> int:
    """Make failed deliveries due now, with all their attempts and a new deadline; how many still were failed."""
    now, count = tx.now(), 0
    by_event: Mapping[str, list[str]] = {row.event: [] for row in rows}
    for row in rows:
        by_event[row.event].append(row.id)
    for event, ids in sorted(by_event.items()):
        done = tx.conn.execute(
            update(deliveries)
            .where(deliveries.c.tenant == tx.tenant, deliveries.c.id.in_(sorted(ids)))
            .where(deliveries.c.state.in_(FAILED), deliveries.c.next_at.is_(None))
            .values(
                state=DeliveryState.PENDING.value,
                next_at=now,
                deadline_at=now + DEADLINES[EventKind(event)],
                attempts=0,
                finished_at=None,
                digest_id="",
                updated_at=now,
            )
        )
        count += done.rowcount
    tx.conn.execute(
        update(outbox)
        .where(outbox.c.tenant == tx.tenant, outbox.c.id.in_({row.notification_id for row in rows}))
        .values(next_at=now, attempts=0)
    )
    return count
