"""What the verbs on claimed deliveries share: rows are locked by their ids, leased by a token, and read as claimed.

Everybody locks deliveries by their ids, in order, and the outbox after them, so that nobody waits for each other.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, func, select, update

from shared.model import DeliveryState, EventKind, Millis
from shared.store import outbox as events
from shared.store.deliveries import Claim, Delivery
from shared.store.engine import Tx
from shared.store.tables import deliveries, outbox

REPEAT_UNKNOWN_MS = 60_000
"""How long to wait before a message that may have arrived is sent once more."""

HELD = (DeliveryState.CLAIMED.value, DeliveryState.SENDING.value)
COLUMNS = tuple(
    column
    for column in deliveries.c
    if column.name not in ("tenant", "http_status", "provider_code", "provider_id", "excerpt")
    and column.name not in ("latency_ms", "payload_sha256", "superseded_by", "finished_at", "updated_at")
)
"""What a claim needs of a row: what came of it before is not read again."""
_IN_LIST = 500
Rows = Sequence[Row[Any]]


def chunks(ids: Iterable[str]) -> Iterator[Sequence[str]]:
    """As many ids at a time as one statement names, in order."""
    ordered = sorted(ids)
    for start in range(0, len(ordered), _IN_LIST):
        yield ordered[start : start + _IN_LIST]


def open_ids(tx: Tx, *conditions: ColumnElement[bool], limit: int | None = None) -> list[str]:
    """Those that are not final, seen without a lock."""
    query = select(deliveries.c.id).where(
        deliveries.c.tenant == tx.tenant, deliveries.c.next_at.is_not(None), *conditions
    )
    return list(tx.conn.execute(query.limit(limit)).scalars())


def locked(tx: Tx, ids: Collection[str]) -> list[Row[Any]]:
    """Those of the rows that are still open, locked. Only ids choose them: an index would be locked as well."""
    found: list[Row[Any]] = []
    for some in chunks(ids):
        query = select(*COLUMNS).where(deliveries.c.tenant == tx.tenant, deliveries.c.id.in_(some))
        found += tx.conn.execute(query.order_by(deliveries.c.id).with_for_update())
    return [row for row in found if row.next_at is not None]


def change(tx: Tx, ids: Iterable[str], **values: object) -> None:
    """Set columns of these rows."""
    for some in chunks(ids):
        tx.conn.execute(
            update(deliveries)
            .where(deliveries.c.tenant == tx.tenant, deliveries.c.id.in_(some))
            .values(**values)
        )


def lapse(tx: Tx, rows: Rows, now: Millis, *, idempotent: bool) -> bool:
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
    change(tx, again, **unknown, next_at=next_at, sent_at=func.coalesce(deliveries.c.sent_at, now))
    change(tx, [row.id for row in final], **unknown, next_at=None, finished_at=now)
    events.close_finished(tx, {row.notification_id for row in final})
    return bool(lapsed)


def take(tx: Tx, rows: Rows, token: str, until: Millis, now: Millis, *, sending: bool = False) -> None:
    """Lease locked rows to the token until then. `sending`: as if their first byte left at once."""
    counted = {"attempts": deliveries.c.attempts + 1} if sending else {}
    change(
        tx,
        [row.id for row in rows],
        state=(DeliveryState.SENDING if sending else DeliveryState.CLAIMED).value,
        claim_token=token,
        lease_until=until,
        next_at=until,
        updated_at=now,
        **counted,
    )


def claim_of(
    tx: Tx,
    rows: Rows,
    now: Millis,
    *,
    known: int,
    held: int,
    digests: Mapping[str, str] | None = None,
    facts: Mapping[str, bytes] | None = None,
) -> Claim:
    """What a claim got, from rows that it has locked and taken.

    `digests`: by row, the digest it was put into. `facts`: by notification, where the caller knows them all.
    """
    named = {row.id: row.digest_id for row in rows} | dict(digests or {})
    failed = _in_words(tx, {row.fallback_of for row in rows if row.fallback_of})
    taken = tuple(
        _delivery(row, named[row.id], failed)
        for row in sorted(rows, key=lambda row: (row.channel, row.recipient, row.seq, row.id))
    )
    found = bodies(tx, {row.notification_id for row in rows}) if facts is None else facts
    return Claim(taken, found, known, held, now)


def _delivery(row: Row[Any], digest_id: str, failed: Mapping[str, str]) -> Delivery:
    return Delivery(
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
        digest_id=digest_id,
    )


def bodies(tx: Tx, ids: Collection[str]) -> dict[str, bytes]:
    """The frozen facts of the notifications, once each: a thousand people may be told of one."""
    found: dict[str, bytes] = {}
    for some in chunks(ids):
        rows = tx.conn.execute(_BODIES, {"tenant": tx.tenant, "ids": some})
        found |= {row.id: bytes(row.body) for row in rows}
    return found


_BODIES = select(outbox.c.id, outbox.c.body).where(
    outbox.c.tenant == bindparam("tenant"), outbox.c.id.in_(bindparam("ids", expanding=True))
)


def _in_words(tx: Tx, ids: Collection[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for some in chunks(ids):
        query = select(deliveries.c.id, deliveries.c.kind, deliveries.c.channel, deliveries.c.reason).where(
            deliveries.c.tenant == tx.tenant, deliveries.c.id.in_(some)
        )
        found |= {row.id: f"{row.kind} {row.channel}: {row.reason}" for row in tx.conn.execute(query)}
    return found
