"""The usual case in few round trips: an event with one delivery, for which nothing else of its rule waits.

Statements are built once, at import. They change a row only while it is what was seen, so that no lock has to be taken
before; whoever finds that it is not takes the long way.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, and_, bindparam, case, func, null, select, update

from shared.model import DeliveryState, Millis
from shared.store.channel_state import OK
from shared.store.clock import now_ms
from shared.store.deliveries import Result
from shared.store.engine import Tx
from shared.store.leased import COLUMNS, HELD
from shared.store.tables import channel_state, deliveries

_of, _state = deliveries.c, channel_state.c
_OWN = (
    select(
        *(now_ms().label("now"), _of.rule_id, _of.channel, _of.recipient, _of.next_at, _of.event),
        *(_state.health, _state.sender_until, _state.next_send_at),
    )
    .select_from(
        deliveries.outerjoin(channel_state, and_(_state.tenant == _of.tenant, _state.channel == _of.channel))
    )
    .where(
        _of.tenant == bindparam("tenant"),
        _of.notification_id == bindparam("notification_id"),
        _of.kind == bindparam("kind"),
    )
)
_OPEN = (
    select(*COLUMNS)
    .where(
        _of.tenant == bindparam("tenant"),
        _of.rule_id == bindparam("rule_id"),
        _of.channel == bindparam("channel"),
        _of.next_at.is_not(None),
        _of.kind == bindparam("kind"),
    )
    .limit(2)
)
_TAKE = (
    update(deliveries)
    .where(
        _of.tenant == bindparam("_tenant"),
        _of.id == bindparam("_id"),
        _of.state == bindparam("_state"),
        _of.next_at == bindparam("_next_at"),
        _of.claim_token == bindparam("_claim_token"),
    )
    .values(
        state=bindparam("state"),
        attempts=_of.attempts + bindparam("tried"),
        claim_token=bindparam("token"),
        lease_until=bindparam("until"),
        next_at=bindparam("until"),
        updated_at=bindparam("now"),
    )
)
_wait = bindparam("wait_ms", type_=_of.next_at.type)
_FINISH = (
    update(deliveries)
    .where(
        _of.tenant == bindparam("_tenant"),
        _of.id == bindparam("_id"),
        _of.claim_token == bindparam("_token"),
        _of.state.in_(HELD),
    )
    .values(
        state=bindparam("state"),
        next_at=now_ms() + _wait,
        finished_at=case((_wait.is_(None), now_ms()), else_=null()),
        sent_at=case((bindparam("sent") == 1, func.coalesce(_of.sent_at, now_ms())), else_=_of.sent_at),
        attempts=func.coalesce(bindparam("attempts", type_=_of.attempts.type), _of.attempts),
        superseded_by=bindparam("superseded_by"),
        http_status=bindparam("http_status"),
        provider_code=bindparam("provider_code"),
        provider_id=bindparam("provider_id"),
        reason=bindparam("reason"),
        excerpt=bindparam("excerpt"),
        latency_ms=bindparam("latency_ms"),
        payload_sha256=bindparam("payload_sha256"),
        claim_token="",
        lease_until=None,
        updated_at=now_ms(),
    )
)


def own(tx: Tx, kind: str, notification_id: str) -> Sequence[Row[Any]]:
    """The rows of this kind that the notification has, with what is known of their channels, and the time."""
    given = {"tenant": tx.tenant, "notification_id": notification_id, "kind": kind}
    return tx.conn.execute(_OWN, given).all()


def is_ready(row: Row[Any], now: Millis) -> bool:
    """Whether the channel of one of these rows works, and nobody asked for rest."""
    return row.health is None or bool(row.health == OK and row.next_send_at <= now)


def is_drained(row: Row[Any], now: Millis) -> bool:
    """Whether somebody is at work on all that waits for the channel of one of these rows."""
    return bool(row.health == OK and row.sender_until > now)


def take(tx: Tx, mine: Row[Any], kind: str, token: str, until: Millis, *, sending: bool) -> Row[Any] | None:
    """The one open row of a rule and channel, leased; None when there are others, or somebody was faster."""
    place = {"tenant": tx.tenant, "rule_id": mine.rule_id, "channel": mine.channel, "kind": kind}
    found = tx.conn.execute(_OPEN, place).all()
    if len(found) != 1:
        return None
    row: Row[Any] = found[0]
    plain = row.state != DeliveryState.SENDING.value and row.next_at <= mine.now and not row.digest_id
    if row.recipient != mine.recipient or not plain:
        return None
    seen = {"_tenant": tx.tenant, "_id": row.id, "_state": row.state, "_next_at": row.next_at}
    state = DeliveryState.SENDING if sending else DeliveryState.CLAIMED
    new = {"state": state.value, "tried": int(sending), "token": token, "until": until, "now": mine.now}
    taken = tx.conn.execute(_TAKE, {**seen, "_claim_token": row.claim_token, **new})
    return row if taken.rowcount == 1 else None


def finish(tx: Tx, token: str, result: Result) -> bool:
    """Record what became of one claimed row; False when it was no longer this claim's."""
    values = {
        "state": result.state.value,
        "wait_ms": result.wait_ms,
        "sent": int(result.sent),
        "attempts": result.attempts,
        "superseded_by": result.superseded_by,
        "http_status": result.http_status,
        "provider_code": result.provider_code[:100],
        "provider_id": result.provider_id[:255],
        "reason": result.reason[:500],
        "excerpt": result.excerpt[:1024],
        "latency_ms": result.latency_ms,
        "payload_sha256": result.payload_sha256,
    }
    done = tx.conn.execute(_FINISH, {"_tenant": tx.tenant, "_id": result.id, "_token": token, **values})
    return done.rowcount == 1
