"""Verbs on `dead_letters`: events that the broker gave up on, one row per (event, kind of channel).

A row is kept for good; it is *open* only while a delivery of that kind is still open for that event.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_, exists, select, update

from shared.model import Millis
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


def _open() -> ColumnElement[bool]:
    return exists().where(
        and_(
            deliveries.c.tenant == dead_letters.c.tenant,
            deliveries.c.notification_id == dead_letters.c.event_id,
            deliveries.c.kind == dead_letters.c.kind,
            deliveries.c.next_at.is_not(None),
        )
    )


def listing(tx: Tx, limit: int = 100, *, only_open: bool = False) -> list[DeadLetter]:
    """The letters, newest first."""
    query = select(dead_letters).where(dead_letters.c.tenant == tx.tenant)
    if only_open:
        query = query.where(_open())
    rows = tx.conn.execute(
        query.order_by(dead_letters.c.last_at.desc(), dead_letters.c.event_id).limit(limit)
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
        )
        for row in rows
    ]
