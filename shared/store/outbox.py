"""Verbs on `outbox` and `notification_alerts`: what is to be told, byte for byte, until everybody was told."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, case, exists, func, or_, select, update

from shared.events import Event
from shared.model import AlertFacts, Notification
from shared.store.engine import Tx
from shared.store.tables import deliveries, notification_alerts, outbox

REPEAT_MS = (60_000, 120_000, 240_000, 480_000)
LONGEST_REPEAT_MS = 600_000
REFUSED_MS = 1_000
"""A refused event steps behind the others, so that one that is always refused can't block them."""


@dataclass(frozen=True, slots=True)
class Due:
    """An event to publish (again), the channel kinds that still have work, and how often it was tried."""

    event: Event
    kinds: frozenset[str]
    attempts: int
    published: bool


def add(tx: Tx, items: Sequence[tuple[Notification, Sequence[AlertFacts], Event]]) -> None:
    """Insert notifications with all of their alerts and their exact events, due at once."""
    now = tx.now()
    tx.insert(
        outbox,
        [
            {
                "id": item.id,
                "rule_id": item.rule.id,
                "seq": item.seq,
                "event": item.event.value,
                "slot": item.slot,
                "attributes": json.dumps(dict(event.attributes)),
                "body": event.body,
                "created_at": now,
                "next_at": now,
            }
            for item, _facts, event in items
        ],
    )
    tx.insert(
        notification_alerts,
        [
            {
                "notification_id": item.id,
                "alert_id": alert.id,
                "event": alert.event.value,
                "position": position,
            }
            for item, facts, _event in items
            for position, alert in enumerate(facts)
        ],
    )


def due(tx: Tx, limit: int, per_kind: int) -> list[Due]:
    """Events to publish now, oldest first: those never accepted, and those with a delivery that is due.

    A published event with a due delivery comes again after 1, 2, 4, 8 and then every 10 minutes, `per_kind` of each
    channel kind at the most per call, so that a dead channel costs a bounded number of requests.
    """
    now = tx.now()
    waiting = exists().where(
        deliveries.c.tenant == outbox.c.tenant,
        deliveries.c.notification_id == outbox.c.id,
        deliveries.c.next_at <= now,
    )
    rows = tx.conn.execute(
        select(outbox.c.id, outbox.c.attributes, outbox.c.body, outbox.c.attempts, outbox.c.published_at)
        .where(
            outbox.c.tenant == tx.tenant,
            outbox.c.next_at <= now,
            or_(outbox.c.published_at.is_(None), waiting),
        )
        .order_by(outbox.c.next_at, outbox.c.seq)
        .limit(limit)
    ).all()
    kinds = _open_kinds(tx, [row.id for row in rows])
    return _bounded([(row, kinds.get(row.id, frozenset())) for row in rows], per_kind)


def _bounded(rows: Sequence[tuple[Any, frozenset[str]]], per_kind: int) -> list[Due]:
    repeated: dict[str, int] = {}
    chosen = []
    for row, kinds in rows:
        if row.published_at is not None:
            kinds = frozenset(kind for kind in kinds if repeated.get(kind, 0) < per_kind)
            if not kinds:
                continue
            for kind in kinds:
                repeated[kind] = repeated.get(kind, 0) + 1
        event = Event(json.loads(row.attributes), bytes(row.body))
        chosen.append(Due(event, kinds, row.attempts, row.published_at is not None))
    return chosen


def _open_kinds(tx: Tx, ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
    if not ids:
        return {}
    rows = tx.conn.execute(
        select(deliveries.c.notification_id, deliveries.c.kind)
        .distinct()
        .where(
            deliveries.c.tenant == tx.tenant,
            deliveries.c.notification_id.in_(ids),
            deliveries.c.next_at.is_not(None),
        )
    )
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row.notification_id, set()).add(row.kind)
    return {name: frozenset(kinds) for name, kinds in found.items()}


def published(tx: Tx, accepted: Sequence[str], refused: Mapping[str, str]) -> None:
    """Record the outcome of publishing: accepted ones wait for their repeat, refused ones come next tick."""
    now = tx.now()
    wait = case(
        *((outbox.c.attempts == tried, pause) for tried, pause in enumerate(REPEAT_MS)),
        else_=LONGEST_REPEAT_MS,
    )
    if accepted:
        tx.conn.execute(
            update(outbox)
            .where(outbox.c.tenant == tx.tenant, outbox.c.id.in_(accepted), outbox.c.next_at.is_not(None))
            .values(
                published_at=func.coalesce(outbox.c.published_at, now),
                attempts=outbox.c.attempts + 1,
                next_at=now + wait,
                error="",
            )
        )
    for event_id, why in refused.items():
        tx.conn.execute(
            update(outbox)
            .where(outbox.c.tenant == tx.tenant, outbox.c.id == event_id, outbox.c.next_at.is_not(None))
            .values(error=why[:500], next_at=now + REFUSED_MS)
        )
    close_finished(tx, accepted)


def close_finished(tx: Tx, ids: Sequence[str]) -> None:
    """Take events out of the re-drive once none of their deliveries is open."""
    if not ids:
        return
    still_open = exists().where(
        and_(
            deliveries.c.tenant == outbox.c.tenant,
            deliveries.c.notification_id == outbox.c.id,
            deliveries.c.next_at.is_not(None),
        )
    )
    tx.conn.execute(
        update(outbox)
        .where(
            outbox.c.tenant == tx.tenant,
            outbox.c.id.in_(ids),
            outbox.c.published_at.is_not(None),
            ~still_open,
        )
        .values(next_at=None)
    )
