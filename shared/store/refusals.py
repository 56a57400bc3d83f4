"""Verbs on events that the Broker refuses for what they are: they come less and less often, and not for ever."""

from collections.abc import Collection

from sqlalchemy import select, update

from shared.model import DeliveryState
from shared.store.engine import Tx
from shared.store.leased import HELD, change, locked, open_ids
from shared.store.outbox import growing_wait
from shared.store.tables import deliveries, outbox

MOST = 8
"""How often an event is refused before it is given up: the first and the last are three quarters of an hour apart."""


def put_off(tx: Tx, ids: Collection[str]) -> list[str]:
    """Let these events wait, longer each time. Those that were refused too often end, and are returned.

    Their deliveries expire, with the reason that stands in the outbox; another channel would need the same event.
    """
    ended = _refused_before(tx, ids)
    _expire(tx, ended)
    now = tx.now()
    tx.conn.execute(
        update(outbox)
        .where(outbox.c.tenant == tx.tenant, outbox.c.id.in_(ids), outbox.c.next_at.is_not(None))
        # In this order: MySQL would compute a later column from the new value of an earlier one.
        .ordered_values((outbox.c.next_at, now + growing_wait()), (outbox.c.attempts, outbox.c.attempts + 1))
    )
    if ended:
        tx.conn.execute(
            update(outbox).where(outbox.c.tenant == tx.tenant, outbox.c.id.in_(ended)).values(next_at=None)
        )
    return sorted(ended)


def _refused_before(tx: Tx, ids: Collection[str]) -> dict[str, str]:
    query = select(outbox.c.id, outbox.c.error).where(
        outbox.c.tenant == tx.tenant,
        outbox.c.id.in_(ids),
        outbox.c.attempts >= MOST - 1,
        outbox.c.published_at.is_(None),
    )
    return {row.id: row.error for row in tx.conn.execute(query)}


def _expire(tx: Tx, reasons: dict[str, str]) -> None:
    now = tx.now()
    for event_id, why in reasons.items():
        rows = locked(tx, open_ids(tx, deliveries.c.notification_id == event_id))
        change(
            tx,
            [row.id for row in rows if row.state not in HELD],
            state=DeliveryState.EXPIRED.value,
            reason=f"never published: {why}"[:500],
            next_at=None,
            finished_at=now,
            updated_at=now,
        )
