"""Verbs on `dead_letters`: events that the broker gave up on, one row per (event, kind of channel).

A row is kept until retention removes it; it is *open* only while a delivery of that kind is still open for that event.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_, exists, select, update

from shared.model import DeliveryState, Millis
from shared.store.engine import Tx
from shared.store.tables import dead_letters, deliveries


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One event that was given up, with what the broker said about it (all of that is optional)."""

    event_id: str
    kind: str
    attributes: Mapping[str, str]
    body: bytes = field(repr=False)
    error_dest: str = ""
    error_code: int | None = None
    error_data: str = ""
    received: int = 1
    last_at: Millis = 0
    first_at: Millis = 0
    replayed_at: Millis | None = None
    open: bool = False


def record(tx: Tx, letter: DeadLetter) -> None:
    """Insert the letter, or count it once more."""
    now = tx.now()
    row = {
        "event_id": letter.event_id[:64],
        "kind": letter.kind[:32],
        "attributes": json.dumps(dict(letter.attributes)),
        "body": letter.body,
        "error_dest": letter.error_dest[:500],
        "error_code": letter.error_code,
        "error_data": letter.error_data[:1024],
        "received": 0,
        "first_at": now,
        "last_at": now,
    }
    tx.insert_missing(dead_letters, [row])
    tx.conn.execute(
        update(dead_letters)
        .where(
            dead_letters.c.tenant == tx.tenant,
            dead_letters.c.event_id == row["event_id"],
            dead_letters.c.kind == row["kind"],
        )
        .values(
            received=dead_letters.c.received + 1,
            last_at=now,
            error_dest=row["error_dest"],
            error_code=row["error_code"],
            error_data=row["error_data"],
        )
    )


def is_open() -> ColumnElement[bool]:
    """Whether a delivery still waits for the letter's event: for a query on the table."""
    return exists().where(
        and_(
            deliveries.c.tenant == dead_letters.c.tenant,
            deliveries.c.notification_id == dead_letters.c.event_id,
            deliveries.c.kind == dead_letters.c.kind,
            deliveries.c.next_at.is_not(None),
        )
    )


def listing(tx: Tx, limit: int = 100, *, only_open: bool = False, event_id: str = "") -> list[DeadLetter]:
    """The letters, newest first; of events whose ids begin with `event_id`."""
    query = select(dead_letters, is_open().label("still_open")).where(dead_letters.c.tenant == tx.tenant)
    if only_open:
        query = query.where(is_open())
    if event_id:
        query = query.where(dead_letters.c.event_id.startswith(event_id, autoescape=True))
    rows = tx.conn.execute(
        query.order_by(dead_letters.c.last_at.desc(), dead_letters.c.event_id, dead_letters.c.kind).limit(
            limit
        )
    )
    return [
        DeadLetter(
            row.event_id,
            row.kind,
            json.loads(row.attributes),
            bytes(row.body),
            row.error_dest,
            row.error_code,
            row.error_data,
            row.received,
            row.last_at,
            row.first_at,
            row.replayed_at,
            bool(row.still_open),
        )
        for row in rows
    ]


def replayed(tx: Tx, event_id: str, kind: str) -> None:
    """Note that the event is published again, and let what waits for its time be due now.

    What may have arrived keeps its minute: it is sent once more only.
    """
    now = tx.now()
    waiting = (DeliveryState.PENDING.value, DeliveryState.RETRY.value)
    tx.conn.execute(
        update(deliveries)
        .where(deliveries.c.tenant == tx.tenant, deliveries.c.notification_id == event_id)
        .where(deliveries.c.kind == kind, deliveries.c.next_at > now, deliveries.c.state.in_(waiting))
        .values(next_at=now, updated_at=now)
    )
    tx.conn.execute(
        update(dead_letters)
        .where(dead_letters.c.tenant == tx.tenant, dead_letters.c.event_id == event_id)
        .where(dead_letters.c.kind == kind)
        .values(replayed_at=now)
    )
