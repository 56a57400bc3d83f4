"""Verbs on `deliveries` for the one who sends: claim rows, mark them as sending, record what became of them.

Claims are leases in the rows, never in memory: whoever dies holds a row no longer than its lease. No verb here sends
or decides.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, case, func, update

from shared.model import DeliveryState, EventKind, Millis
from shared.store import single
from shared.store.deliveries import Claim, Result
from shared.store.engine import Tx
from shared.store.leased import (
    HELD,
    REPEAT_UNKNOWN_MS,
    chunks,
    claim_of,
    lapse,
    locked,
    open_ids,
    take,
)
from shared.store.storms import is_storm
from shared.store.tables import deliveries

__all__ = ["REPEAT_UNKNOWN_MS", "claim", "claim_abandoned", "finish", "mark_sending"]


def claim(
    tx: Tx,
    kind: str,
    notification_id: str,
    token: str,
    lease_ms: int,
    *,
    idempotent: bool = False,
    folds: bool = False,
    sending: bool = False,
    body: bytes | None = None,
) -> Claim:
    """Take what is to be sent to the recipients of a notification, oldest first.

    As soon as one row of a (rule, channel, recipient) is due, all its open rows are taken, so that none overtakes
    another. Rows whose sender died while it was sending become unknown first: they are due again after a minute,
    or at once when the receiver is `idempotent`; when that happens a second time they are final.

    `folds`: people read this kind. Channels for which many rules wait are left alone, and named in `storms`;
    those that somebody drains already are left to him. `sending`: the rows are sent at once, so mark them so.
    `body`: the notification's frozen facts, from an event whose signature proves that they are.
    """
    own = single.own(tx, kind, notification_id)
    if not own:
        return Claim((), {}, 0, 0, tx.now())
    now: Millis = own[0].now
    ready = frozenset(row.channel for row in own if single.is_ready(row, now))
    wanted = {(row.channel, row.recipient) for row in own if row.next_at is not None}
    storms: tuple[str, ...] = ()
    if folds and wanted and own[0].event != EventKind.TEST.value:
        left = {row.channel for row in own if single.is_drained(row, now)}
        channels = sorted({channel for channel, _ in wanted})
        storms = tuple(one for one in channels if one not in left and is_storm(tx, kind, one))
        wanted = {place for place in wanted if place[0] not in left and place[0] not in storms}
    if not wanted:
        return Claim((), {}, len(own), 0, now, storms)
    if (
        len(own) == 1
        and (one := single.take(tx, own[0], kind, token, now + lease_ms, sending=sending)) is not None
    ):
        facts = None if body is None else {notification_id: body}
        return replace(claim_of(tx, [one], now, known=1, held=0, facts=facts), ready=ready)
    # Two claims for one recipient have a row in common: they run one after the other, and the second sees what the
    # first took.
    ids = open_ids(tx, deliveries.c.kind == kind, *_of_rule(own[0].rule_id, {one for one, _ in wanted}))
    rows = locked(tx, ids)
    if lapse(tx, rows, now, idempotent=idempotent):
        rows = locked(tx, ids)
    held = {(row.channel, row.recipient) for row in rows if row.state in HELD and row.next_at > now}
    due = {(row.channel, row.recipient) for row in rows if row.next_at <= now} & wanted - held
    # A digest is sent again as it was, with all its rules; what came later waits for it.
    folded = {(row.channel, row.recipient) for row in rows if row.digest_id}
    storms += tuple(sorted({channel for channel, _ in due & folded}))
    taken = [row for row in rows if (row.channel, row.recipient) in due - folded]
    take(tx, taken, token, now + lease_ms, now, sending=sending)
    found = claim_of(tx, taken, now, known=len(own), held=len((held - folded) & wanted))
    return replace(found, storms=storms, ready=ready)


def _of_rule(rule_id: str, channels: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    return deliveries.c.rule_id == rule_id, deliveries.c.channel.in_(sorted(channels))


def claim_abandoned(tx: Tx, token: str, lease_ms: int, *, overdue_ms: Millis, limit: int) -> Claim:
    """Take rows that nobody ended although their deadline is `overdue_ms` ago, whatever their kind."""
    now = tx.now()
    ids = open_ids(tx, deliveries.c.next_at <= now, deliveries.c.deadline_at <= now - overdue_ms, limit=limit)
    rows = locked(tx, ids)
    if lapse(tx, rows, now, idempotent=False):
        rows = locked(tx, ids)
    due = [row for row in rows if row.next_at <= now]
    take(tx, due, token, now + lease_ms, now)
    return claim_of(tx, due, now, known=len(due), held=0)


def mark_sending(tx: Tx, token: str, ids: Sequence[str], lease_ms: int) -> bool:
    """Say that the first byte is about to leave; False when the rows are no longer this claim's."""
    now = tx.now()
    mine = [
        row
        for row in locked(tx, ids)
        if row.claim_token == token and row.state == DeliveryState.CLAIMED.value and row.lease_until > now
    ]
    if len(mine) != len(ids):
        return False
    take(tx, mine, token, now + lease_ms, now, sending=True)
    return True


def finish(tx: Tx, token: str, results: Sequence[Result]) -> frozenset[str]:
    """Record what became of claimed rows; returns the ids of those that were still this claim's.

    The caller closes their events in the outbox, after it has added what is to be told instead.
    """
    if len(results) == 1:
        (only,) = results
        return frozenset({only.id} if single.finish(tx, token, only) else ())
    now = tx.now()
    mine = frozenset(
        row.id
        for row in locked(tx, [result.id for result in results])
        if row.claim_token == token and row.state in HELD
    )
    # What came of one message is the same for all of its rows, but for what took their place.
    alike: defaultdict[tuple[tuple[str, object], ...], dict[str, str]] = defaultdict(dict)
    for result in results:
        if result.id in mine:
            values = (*_recorded(result, now).items(), ("sent", result.sent))
            alike[values][result.id] = result.superseded_by
    for values, rows in alike.items():
        _record(tx, dict(values), rows, now)
    return mine


def _record(tx: Tx, values: dict[str, object], superseded_by: Mapping[str, str], now: Millis) -> None:
    if values.pop("sent"):
        values["sent_at"] = func.coalesce(deliveries.c.sent_at, now)
    several = len(set(superseded_by.values())) > 1
    for ids in chunks(superseded_by):
        one = superseded_by[ids[0]]
        by: object = case({i: superseded_by[i] for i in ids}, value=deliveries.c.id) if several else one
        tx.conn.execute(
            update(deliveries)
            .where(deliveries.c.tenant == tx.tenant, deliveries.c.id.in_(ids))
            .values(**values, superseded_by=by)
        )


def _recorded(result: Result, now: Millis) -> dict[str, object]:
    values: dict[str, object] = {
        "state": result.state.value,
        "next_at": None if result.wait_ms is None else now + result.wait_ms,
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
    if result.attempts is not None:
        values["attempts"] = result.attempts
    return values
