"""Verbs on `deliveries` for the one who sends: claim rows, mark them as sending, record what became of them.

Claims are leases in the rows, never in memory: whoever dies holds a row no longer than its lease. No verb here sends
or decides.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, and_, func, select, update

from shared.model import DeliveryState, EventKind, Millis
from shared.store.deliveries import Claim, Delivery, Result
from shared.store.engine import Tx
from shared.store.tables import deliveries, outbox

REPEAT_UNKNOWN_MS = 60_000
"""How long to wait before a message that may have arrived is sent once more."""

_HELD = (DeliveryState.CLAIMED.value, DeliveryState.SENDING.value)


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
        return Claim((), len(own), 0, now)
    scope = and_(
        deliveries.c.tenant == tx.tenant,
        deliveries.c.rule_id == own[0].rule_id,
        deliveries.c.channel.in_({channel for channel, _ in wanted}),
        deliveries.c.kind == kind,
        deliveries.c.next_at.is_not(None),
    )
    _lapse(tx, scope, now, idempotent=idempotent)
    # Locks every open row of the group: two claims for one recipient run one after the other, and the second
    # sees what the first took.
    rows = tx.conn.execute(
        select(
            deliveries.c.id,
            deliveries.c.channel,
            deliveries.c.recipient,
            deliveries.c.state,
            deliveries.c.next_at,
        )
        .where(scope)
        .with_for_update()
    ).all()
    held = {(row.channel, row.recipient) for row in rows if row.state in _HELD and row.next_at > now}
    due = {(row.channel, row.recipient) for row in rows if row.next_at <= now} & wanted - held
    taken = [row.id for row in rows if (row.channel, row.recipient) in due]
    _take(tx, taken, token, now + lease_ms, now)
    return Claim(_claimed(tx, token) if taken else (), len(own), len(held & wanted), now)


def _lapse(tx: Tx, scope: ColumnElement[bool], now: Millis, *, idempotent: bool) -> None:
    lapsed = and_(scope, deliveries.c.state == DeliveryState.SENDING.value, deliveries.c.next_at <= now)
    unknown = {
        "state": DeliveryState.UNKNOWN.value,
        "claim_token": "",
        "lease_until": None,
        "reason": "the sender ended before it recorded what came of it",
        "updated_at": now,
    }
    if not idempotent:
        tx.conn.execute(
            update(deliveries)
            .where(lapsed, deliveries.c.sent_at.is_not(None))
            .values(**unknown, next_at=None, finished_at=now)
        )
    next_at = now if idempotent else now + REPEAT_UNKNOWN_MS
    tx.conn.execute(
        update(deliveries)
        .where(lapsed)
        .values(**unknown, next_at=next_at, sent_at=func.coalesce(deliveries.c.sent_at, now))
    )


def _take(tx: Tx, ids: Sequence[str], token: str, until: Millis, now: Millis) -> None:
    for start in range(0, len(ids), 500):
        tx.conn.execute(
            update(deliveries)
            .where(deliveries.c.tenant == tx.tenant, deliveries.c.id.in_(ids[start : start + 500]))
            .values(
                state=DeliveryState.CLAIMED.value,
                claim_token=token,
                lease_until=until,
                next_at=until,
                updated_at=now,
            )
        )


def _claimed(tx: Tx, token: str) -> tuple[Delivery, ...]:
    found = tx.conn.execute(
        select(deliveries, outbox.c.body)
        .join(
            outbox,
            and_(outbox.c.tenant == deliveries.c.tenant, outbox.c.id == deliveries.c.notification_id),
        )
        .where(deliveries.c.tenant == tx.tenant, deliveries.c.claim_token == token)
        .order_by(deliveries.c.channel, deliveries.c.recipient, deliveries.c.seq, deliveries.c.id)
    ).all()
    failed = _in_words(tx, [row.fallback_of for row in found if row.fallback_of])
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
            created_at=row.created_at,
            fallback_of=row.fallback_of,
            may_repeat=row.sent_at is not None,
            body=bytes(row.body),
            instead_of=failed.get(row.fallback_of, ""),
        )
        for row in found
    )


def _in_words(tx: Tx, ids: Sequence[str]) -> dict[str, str]:
    if not ids:
        return {}
    rows = tx.conn.execute(
        select(deliveries.c.id, deliveries.c.kind, deliveries.c.channel, deliveries.c.reason).where(
            deliveries.c.tenant == tx.tenant, deliveries.c.id.in_(ids)
        )
    )
    return {row.id: f"{row.kind} {row.channel}: {row.reason}" for row in rows}


def mark_sending(tx: Tx, token: str, ids: Sequence[str], lease_ms: int) -> bool:
    """Say that the first byte is about to leave; False when the rows are no longer this claim's."""
    now = tx.now()
    mine = and_(
        deliveries.c.tenant == tx.tenant,
        deliveries.c.id.in_(ids),
        deliveries.c.claim_token == token,
        deliveries.c.state == DeliveryState.CLAIMED.value,
        deliveries.c.lease_until > now,
    )
    if len(tx.conn.execute(select(deliveries.c.id).where(mine).with_for_update()).all()) != len(ids):
        return False
    tx.conn.execute(
        update(deliveries)
        .where(mine)
        .values(
            state=DeliveryState.SENDING.value,
            attempts=deliveries.c.attempts + 1,
            lease_until=now + lease_ms,
            next_at=now + lease_ms,
            updated_at=now,
        )
    )
    return True


def finish(tx: Tx, token: str, notification_ids: Iterable[str], results: Sequence[Result]) -> int:
    """Record what became of claimed rows; returns how many were still this claim's."""
    now = tx.now()
    # Functions of several kinds may finish one notification at once; each must see what the other recorded.
    tx.conn.execute(
        select(outbox.c.id)
        .where(outbox.c.tenant == tx.tenant, outbox.c.id.in_(sorted(set(notification_ids))))
        .order_by(outbox.c.id)
        .with_for_update()
    ).all()
    return sum(_finish(tx, token, result, now) for result in results)


def _finish(tx: Tx, token: str, result: Result, now: Millis) -> int:
    values: dict[str, object] = {
        "state": result.state.value,
        "next_at": result.next_at,
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
        "finished_at": now if result.next_at is None else None,
    }
    if result.sent:
        values["sent_at"] = func.coalesce(deliveries.c.sent_at, now)
    if result.attempts is not None:
        values["attempts"] = result.attempts
    done = tx.conn.execute(
        update(deliveries)
        .where(
            deliveries.c.tenant == tx.tenant,
            deliveries.c.id == result.id,
            deliveries.c.claim_token == token,
            deliveries.c.state.in_(_HELD),
        )
        .values(**values)
    )
    return done.rowcount
