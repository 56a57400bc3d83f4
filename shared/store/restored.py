"""Verbs for a database that was brought back from a backup: the world has gone on, and the rows don't know."""

from sqlalchemy import func, select, update

from shared.model import DeliveryState
from shared.store.engine import Tx
from shared.store.tables import deliveries, outbox, revisions, rule_status, rules, tick_lease

JUMP = 1_000_000
"""More than any counter can have moved between the backup and now."""
REASON = "from a backup: it may have been told since"


def count_on(tx: Tx) -> int:
    """Let every counter go on far beyond where it may have been; how many rules count their notifications.

    The number of a notification makes its id, by which receivers know what they have seen: a new message that took the
    number of one that was told after the backup would be dropped there. Snapshots in Redis and in running processes
    are believed when their revision or fence is the database's.
    """
    known = select(rules.c.id).where(rules.c.tenant == tx.tenant).order_by(rules.c.id)
    tx.insert_missing(rule_status, [{"rule_id": name} for name in tx.conn.execute(known).scalars().all()])
    counted = tx.conn.execute(
        update(rule_status)
        .where(rule_status.c.tenant == tx.tenant)
        .values(seq=rule_status.c.seq + JUMP, grouped_until=0)
    )
    tx.insert_missing(revisions, [{"revision": 0}])
    tx.conn.execute(
        update(revisions).where(revisions.c.tenant == tx.tenant).values(revision=revisions.c.revision + JUMP)
    )
    tx.conn.execute(
        update(tick_lease)
        .where(tick_lease.c.tenant == tx.tenant)
        .values(fence=tick_lease.c.fence + JUMP, done=True)
    )
    return counted.rowcount


def open_again(tx: Tx) -> int:
    """What was to be sent when the backup was made may have been sent since: it is due now, once, and says that it may
    repeat. How many deliveries that are."""
    now = tx.now()
    still_open = select(deliveries.c.notification_id).where(
        deliveries.c.tenant == tx.tenant, deliveries.c.next_at.is_not(None)
    )
    # Before the deliveries change, and as a list: MySQL reads no table that it writes.
    events = sorted(set(tx.conn.execute(still_open).scalars()))
    for start in range(0, len(events), 500):
        mine = outbox.c.id.in_(events[start : start + 500])
        again = update(outbox).where(outbox.c.tenant == tx.tenant, mine)
        tx.conn.execute(again.values(next_at=now, attempts=0))
    done = tx.conn.execute(
        update(deliveries)
        .where(deliveries.c.tenant == tx.tenant, deliveries.c.next_at.is_not(None))
        .values(
            state=DeliveryState.UNKNOWN.value,
            sent_at=func.coalesce(deliveries.c.sent_at, now),
            next_at=now,
            claim_token="",
            lease_until=None,
            reason=REASON,
            updated_at=now,
        )
    )
    return done.rowcount
