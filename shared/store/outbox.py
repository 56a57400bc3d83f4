"""Verbs on `outbox` and `notification_alerts`: what is to be told, byte for byte, until everybody was told."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, bindparam, case, exists, func, select, update

from shared.events import Event
from shared.model import AlertFacts, Notification
from shared.store import deliveries
from shared.store.engine import Tx
from shared.store.tables import deliveries as rows_of
from shared.store.tables import notification_alerts, outbox

REPEAT_MS = (60_000, 120_000, 240_000, 480_000)
LONGEST_REPEAT_MS = 600_000
_IN_LIST = 500
REFUSED_MS = 1_000
"""A refused event steps behind the others, so that one that is always refused can't block them."""


@dataclass(frozen=True, slots=True)
class Due:
    """An event to publish, the channel kinds that still have work, and whether the Broker took it before."""

    event: Event
    kinds: frozenset[str]
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


def unpublished(tx: Tx, limit: int) -> list[Due]:
    """Events that were never accepted, oldest first."""
    rows = tx.conn.execute(
        select(outbox.c.id, outbox.c.attributes, outbox.c.body)
        .where(outbox.c.tenant == tx.tenant, outbox.c.next_at <= tx.now(), outbox.c.published_at.is_(None))
        .order_by(outbox.c.next_at, outbox.c.seq)
        .limit(limit)
    ).all()
    kinds = deliveries.open_kinds(tx, [row.id for row in rows])
    return [Due(_event(row), kinds.get(row.id, frozenset()), False) for row in rows]


def waiting(tx: Tx) -> int:
    """How many events the Broker has not taken; not those whose deliveries are all over."""
    query = select(func.count()).where(
        outbox.c.tenant == tx.tenant, outbox.c.next_at.is_not(None), outbox.c.published_at.is_(None)
    )
    return tx.conn.execute(query).scalar_one()


def take(tx: Tx, ids: Sequence[str], lease_ms: int) -> set[str]:
    """Those of these events that are due and that nobody else publishes; until the lease is over, nobody else will."""
    now, taken = tx.now(), set[str]()
    for start in range(0, len(ids), _IN_LIST):
        some = outbox.c.id.in_(sorted(ids)[start : start + _IN_LIST])
        # Whoever comes second waits here, and then sees that they are not due any more.
        due = select(outbox.c.id).where(outbox.c.tenant == tx.tenant, some, outbox.c.next_at <= now)
        taken.update(tx.conn.execute(due.order_by(outbox.c.id).with_for_update()).scalars())
    for start in range(0, len(taken), _IN_LIST):
        mine = outbox.c.id.in_(sorted(taken)[start : start + _IN_LIST])
        tx.conn.execute(
            update(outbox).where(outbox.c.tenant == tx.tenant, mine).values(next_at=now + lease_ms)
        )
    return taken


def chosen(tx: Tx, ids: Sequence[str]) -> list[Due]:
    """These events, with the kinds that have open deliveries, whether they are due or not."""
    query = select(outbox.c.id, outbox.c.attributes, outbox.c.body, outbox.c.published_at)
    rows = tx.conn.execute(query.where(outbox.c.tenant == tx.tenant, outbox.c.id.in_(ids))).all()
    kinds = deliveries.open_kinds(tx, [row.id for row in rows])
    return [Due(_event(row), kinds.get(row.id, frozenset()), row.published_at is not None) for row in rows]


def repeats(tx: Tx, per_channel: int) -> list[Due]:
    """Accepted events that still have a delivery that is due, oldest first, with the kinds of those deliveries.

    One comes again after 1, 2, 4, 8 and then every 10 minutes; `per_channel` of each channel at the most, so that a
    dead channel costs a bounded number of requests and takes no turn from the others.
    """
    now = tx.now()
    kinds: dict[str, set[str]] = {}
    for kind, channel in deliveries.due_channels(tx, now):
        waiting = exists().where(
            rows_of.c.tenant == outbox.c.tenant,
            rows_of.c.notification_id == outbox.c.id,
            rows_of.c.kind == kind,
            rows_of.c.channel == channel,
            rows_of.c.next_at <= now,
        )
        found = (
            select(outbox.c.id)
            .where(outbox.c.tenant == tx.tenant, outbox.c.next_at <= now)
            .where(outbox.c.published_at.is_not(None), waiting)
            .order_by(outbox.c.next_at, outbox.c.seq)
            .limit(per_channel)
        )
        for event_id in tx.conn.execute(found).scalars():
            kinds.setdefault(event_id, set()).add(kind)
    rows = tx.conn.execute(
        select(outbox.c.id, outbox.c.attributes, outbox.c.body)
        .where(outbox.c.tenant == tx.tenant, outbox.c.id.in_(kinds))
        .order_by(outbox.c.next_at, outbox.c.seq)
    )
    return [Due(_event(row), frozenset(kinds[row.id]), True) for row in rows]


def _event(row: Any) -> Event:
    return Event(json.loads(row.attributes), bytes(row.body))


def published(tx: Tx, accepted: Sequence[str], refused: Mapping[str, str]) -> None:
    """Record the outcome of publishing: accepted ones wait for their repeat, refused ones come next tick."""
    now = tx.now()
    wait = growing_wait()
    if accepted:
        tx.conn.execute(
            update(outbox)
            .where(outbox.c.tenant == tx.tenant, outbox.c.id.in_(accepted), outbox.c.next_at.is_not(None))
            # In this order: MySQL would compute a later column from the new value of an earlier one.
            .ordered_values(
                (outbox.c.next_at, now + wait),
                (outbox.c.attempts, outbox.c.attempts + 1),
                (outbox.c.published_at, func.coalesce(outbox.c.published_at, now)),
                (outbox.c.error, ""),
            )
        )
    # A Broker that is down refuses hundreds for one reason: one statement for each reason, not for each event.
    for why, ids in _by_reason(refused).items():
        tx.conn.execute(
            update(outbox)
            .where(outbox.c.tenant == tx.tenant, outbox.c.id.in_(ids), outbox.c.next_at.is_not(None))
            .values(error=why[:500], next_at=now + REFUSED_MS)
        )
    close_finished(tx, accepted)


def growing_wait() -> ColumnElement[int]:
    """1, 2, 4, 8 and then always 10 minutes, by the number of attempts so far."""
    return case(
        *((outbox.c.attempts == tried, pause) for tried, pause in enumerate(REPEAT_MS)),
        else_=LONGEST_REPEAT_MS,
    )


def _by_reason(refused: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for event_id, why in refused.items():
        found.setdefault(why, []).append(event_id)
    return found


def close_finished(tx: Tx, ids: Collection[str]) -> None:
    """Take events out of the re-drive once none of their deliveries is open: published or not, nobody is to be told."""
    for start in range(0, len(ids), _IN_LIST):
        _close_finished(tx, sorted(ids)[start : start + _IN_LIST])


def _close_finished(tx: Tx, ids: Sequence[str]) -> None:
    # Functions of several kinds may finish one event at once; the second waits here, and sees what the first recorded.
    tx.conn.execute(_LOCK, {"tenant": tx.tenant, "ids": ids}).all()
    # Asked first and not within the update: databases answer that for each row anew, and badly.
    finished = sorted(set(ids) - deliveries.open_kinds(tx, ids).keys())
    if finished:
        tx.conn.execute(_CLOSE, {"_tenant": tx.tenant, "_ids": finished})


_LOCK = (
    select(outbox.c.id)
    .where(outbox.c.tenant == bindparam("tenant"), outbox.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(outbox.c.id)
    .with_for_update()
)
_CLOSE = (
    update(outbox)
    .where(outbox.c.tenant == bindparam("_tenant"), outbox.c.id.in_(bindparam("_ids", expanding=True)))
    .values(next_at=None)
)
