"""Verbs on `deliveries` for the one who sends: claim rows, mark them as sending, record what became of them.

Claims are leases in the rows, never in memory: whoever dies holds a row no longer than its lease. Everybody locks
deliveries by their ids, in order, and the outbox after them, so that nobody waits for each other. No verb here sends
or decides.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select, update

from shared.model import DeliveryState, EventKind, Millis
from shared.store import outbox as events
from shared.store.deliveries import Claim, Delivery, Result
from shared.store.engine import Tx
from shared.store.tables import deliveries, outbox

REPEAT_UNKNOWN_MS = 60_000
"""How long to wait before a message that may have arrived is sent once more."""

_HELD = (DeliveryState.CLAIMED.value, DeliveryState.SENDING.value)
_IN_LIST = 500
Rows = Sequence[Row[Any]]


def claim(
    tx: Tx, kind: str, notification_id: str, token: str, lease_ms: int, *, idempotent: bool = False
) -> Claim:
    """Take what is to be sent to the recipients of a notification, oldest first.

    As soon as one row of a (rule, channel, recipient) is due, all its open rows are taken, so that none overtakes
    another. Rows whose sender died while it was sending become unknown first: they are due again after a minute,
    or at once when the receiver is `idempotent`; when that happens a second time they are final.
    """
    now = tx.now()
    own = tx.conn.execute(
        select(
            deliveries.c.rule_id, deliveries.c.channel, deliveries.c.recipient, deliveries.c.next_at
        ).where(
            deliveries.c.tenant == tx.tenant,
            deliveries.c.notification_id == notification_id,
            deliveries.c.kind == kind,
        )
    ).all()
    wanted = {(row.channel, row.recipient) for row in own if row.next_at is not None}
    if not wanted:
        return Claim((), {}, len(own), 0, now)
    # Two claims for one recipient have a row in common: they run one after the other, and the second sees what the
    # first took.
    rows = _locked(
        tx,
        _open_ids(
            tx,
            deliveries.c.rule_id == own[0].rule_id,
            deliveries.c.channel.in_({channel for channel, _ in wanted}),
            deliveries.c.kind == kind,
        ),
    )
    if _lapse(tx, rows, now, idempotent=idempotent):
        rows = _locked(tx, [row.id for row in rows])
    held = {(row.channel, row.recipient) for row in rows if row.state in _HELD and row.next_at > now}
    due = {(row.channel, row.recipient) for row in rows if row.next_at <= now} & wanted - held
    taken = [row.id for row in rows if (row.channel, row.recipient) in due]
    return _taken(tx, taken, token, now + lease_ms, now, known=len(own), held=len(held & wanted))


def claim_abandoned(tx: Tx, token: str, lease_ms: int, *, overdue_ms: Millis, limit: int) -> Claim:
    """Take rows that nobody ended although their deadline is `overdue_ms` ago, whatever their kind."""
    now = tx.now()
    ids = _open_ids(
        tx, deliveries.c.next_at <= now, deliveries.c.deadline_at <= now - overdue_ms, limit=limit
    )
    rows = _locked(tx, ids)
    if _lapse(tx, rows, now, idempotent=False):
        rows = _locked(tx, ids)
    due = [row.id for row in rows if row.next_at <= now]
    return _taken(tx, due, token, now + lease_ms, now, known=len(due), held=0)


def _open_ids(tx: Tx, *conditions: ColumnElement[bool], limit: int | None = None) -> list[str]:
    query = select(deliveries.c.id).where(
        deliveries.c.tenant == tx.tenant, deliveries.c.next_at.is_not(None), *conditions
    )
    return list(tx.conn.execute(query.limit(limit)).scalars())


def _locked(tx: Tx, ids: Collection[str]) -> list[Row[Any]]:
    """Those of the rows that are still open, locked. Only ids choose them: an index would be locked as well."""
    columns = (
        *(deliveries.c.id, deliveries.c.notification_id, deliveries.c.channel, deliveries.c.recipient),
        *(deliveries.c.state, deliveries.c.next_at, deliveries.c.sent_at),
        *(deliveries.c.claim_token, deliveries.c.lease_until),
    )
    found: list[Row[Any]] = []
    for some in _chunks(sorted(ids)):
        query = select(*columns).where(deliveries.c.tenant == tx.tenant, deliveries.c.id.in_(some))
        found += tx.conn.execute(query.order_by(deliveries.c.id).with_for_update())
    return [row for row in found if row.next_at is not None]


def _chunks(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + _IN_LIST] for start in range(0, len(ids), _IN_LIST)]


def _set(tx: Tx, ids: Sequence[str], **values: object) -> None:
    for some in _chunks(ids):
        tx.conn.execute(
            update(deliveries)
            .where(deliveries.c.tenant == tx.tenant, deliveries.c.id.in_(some))
            .values(**values)
        )


def _lapse(tx: Tx, rows: Rows, now: Millis, *, idempotent: bool) -> bool:
    """Rows whose lease ended while they were sent may have arrived; False when there is none."""
    lapsed = [row for row in rows if row.state == DeliveryState.SENDING.value and row.next_at <= now]
    unknown = {
        "state": DeliveryState.UNKNOWN.value,
        "claim_token": "",
        "lease_until": None,
        "reason": "the sender ended before it recorded what came of it",
        "updated_at": now,
    }
    again = [row.id for row in lapsed if idempotent or row.sent_at is None]
    final = [row for row in lapsed if not idempotent and row.sent_at is not None]
    next_at = now if idempotent else now + REPEAT_UNKNOWN_MS
    _set(tx, again, **unknown, next_at=next_at, sent_at=func.coalesce(deliveries.c.sent_at, now))
    _set(tx, [row.id for row in final], **unknown, next_at=None, finished_at=now)
    events.close_finished(tx, {row.notification_id for row in final})
    return bool(lapsed)


def _taken(
    tx: Tx, ids: Sequence[str], token: str, until: Millis, now: Millis, *, known: int, held: int
) -> Claim:
    if not ids:
        return Claim((), {}, known, held, now)
    _set(
        tx,
        ids,
        state=DeliveryState.CLAIMED.value,
        claim_token=token,
        lease_until=until,
        next_at=until,
        updated_at=now,
    )
    rows = _claimed(tx, token)
    bodies = _bodies(tx, sorted({row.notification_id for row in rows}))
    return Claim(rows, bodies, known, held, now)


def _claimed(tx: Tx, token: str) -> tuple[Delivery, ...]:
    found = tx.conn.execute(
        select(deliveries)
        .where(deliveries.c.tenant == tx.tenant, deliveries.c.claim_token == token)
        .order_by(deliveries.c.channel, deliveries.c.recipient, deliveries.c.seq, deliveries.c.id)
    ).all()
    failed = _in_words(tx, sorted({row.fallback_of for row in found if row.fallback_of}))
    return tuple(
        Delivery(
            id=row.id,
            notification_id=row.notification_id,
            rule_id=row.rule_id,
            seq=row.seq,
            event=EventKind(row.event),
            severity=row.severity,
            kind=row.kind,
            channel=row.channel,
            recipient=row.recipient,
            attempts=row.attempts,
            deadline_at=row.deadline_at,
            fallback_of=row.fallback_of,
            may_repeat=row.sent_at is not None,
            reason=row.reason,
            instead_of=failed.get(row.fallback_of, ""),
        )
        for row in found
    )


def _bodies(tx: Tx, ids: Sequence[str]) -> dict[str, bytes]:
    """The frozen facts of the notifications, once each: a thousand people may be told of one."""
    found: dict[str, bytes] = {}
    for some in _chunks(ids):
        query = select(outbox.c.id, outbox.c.body).where(outbox.c.tenant == tx.tenant, outbox.c.id.in_(some))
        found |= {row.id: bytes(row.body) for row in tx.conn.execute(query)}
    return found


def _in_words(tx: Tx, ids: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for some in _chunks(ids):
        query = select(deliveries.c.id, deliveries.c.kind, deliveries.c.channel, deliveries.c.reason).where(
            deliveries.c.tenant == tx.tenant, deliveries.c.id.in_(some)
        )
        found |= {row.id: f"{row.kind} {row.channel}: {row.reason}" for row in tx.conn.execute(query)}
    return found


def mark_sending(tx: Tx, token: str, ids: Sequence[str], lease_ms: int) -> bool:
    """Say that the first byte is about to leave; False when the rows are no longer this claim's."""
    now = tx.now()
    mine = [
        row
        for row in _locked(tx, ids)
        if row.claim_token == token and row.state == DeliveryState.CLAIMED.value and row.lease_until > now
    ]
    if len(mine) != len(ids):
        return False
    _set(
        tx,
        ids,
        state=DeliveryState.SENDING.value,
        attempts=deliveries.c.attempts + 1,
        lease_until=now + lease_ms,
        next_at=now + lease_ms,
        updated_at=now,
    )
    return True


def finish(tx: Tx, token: str, results: Sequence[Result]) -> frozenset[str]:
    """Record what became of claimed rows; returns the ids of those that were still this claim's.

    The caller closes their events in the outbox, after it has added what is to be told instead.
    """
    now = tx.now()
    mine = frozenset(
        row.id
        for row in _locked(tx, [result.id for result in results])
        if row.claim_token == token and row.state in _HELD
    )
    for result in results:
        if result.id in mine:
            _set(tx, [result.id], **_recorded(result, now))
    return mine


def _recorded(result: Result, now: Millis) -> dict[str, object]:
    values: dict[str, object] = {
        "state": result.state.value,
        "next_at": None if result.wait_ms is None else now + result.wait_ms,
        "superseded_by": result.superseded_by,
        "http_status": result.http_status,
        "provider_code": result.provider_code[:100],
        "provider_id": result.provider_id[:255],
        "reason": result.reason[:500],
        "excerpt": result.excerpt[:1024],
        "latency_ms": result.latency_ms,
        "payload_sha256": result.payload_sha256,
        "claim_token": "",
        "lease_until": None,
        "updated_at": now,
        "finished_at": now if result.wait_ms is None else None,
    }
    if result.sent:
        values["sent_at"] = func.coalesce(deliveries.c.sent_at, now)
    if result.attempts is not None:
        values["attempts"] = result.attempts
    return values
