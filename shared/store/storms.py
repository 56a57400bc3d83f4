"""Verbs on `deliveries` for channels for which many rules wait at once: one sender drains a channel, in digests.

A digest is a set of rows that carry its id from the claim on, so that a retry tells the same again; what comes later
waits for the next one. Everybody locks the channel first, and then its deliveries. No verb here sends or decides what
is said.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, select, update

from shared.model import EventKind, Millis
from shared.store.deliveries import Claim
from shared.store.engine import Tx
from shared.store.leased import HELD, Rows, change, chunks, claim_of, lapse, locked, take
from shared.store.tables import channel_state, deliveries, outbox

FOLD_ABOVE = 5
"""Up to so many rules of one channel are told in a message each; more become one digest."""
DIGEST_ROWS = 5_000
DIGEST_BYTES = 16 * 1024 * 1024
"""How much one claim takes: its facts are in memory together."""
_LOOK_AT = 2 * DIGEST_ROWS

_Place = tuple[str, str]
"""A rule and a recipient."""


def is_storm(tx: Tx, kind: str, channel: str) -> bool:
    """Whether the rules that wait for the channel are more than can be told one by one."""
    rules = (
        select(deliveries.c.rule_id)
        .distinct()
        .where(
            deliveries.c.tenant == tx.tenant,
            deliveries.c.channel == channel,
            deliveries.c.next_at.is_not(None),
            deliveries.c.kind == kind,
            deliveries.c.event != EventKind.TEST.value,
        )
    )
    return len(tx.conn.execute(rules.limit(FOLD_ABOVE + 1)).all()) > FOLD_ABOVE


def begin(tx: Tx, channel: str, token: str, lease_ms: int) -> bool:
    """Become the one who drains the channel, for the length of the lease; False when somebody else is."""
    now = tx.now()
    tx.insert_missing(channel_state, [{"channel": channel, "since": now}])
    taken = tx.conn.execute(
        update(channel_state)
        .where(
            channel_state.c.tenant == tx.tenant,
            channel_state.c.channel == channel,
            channel_state.c.sender_until <= now,
        )
        .values(sender_token=token, sender_until=now + lease_ms)
    )
    return taken.rowcount == 1


def end(tx: Tx, channel: str, token: str) -> None:
    """Let others work on the channel."""
    _lease(tx, channel, token, "", 0)


def _lease(tx: Tx, channel: str, token: str, value: str, until: Millis) -> None:
    tx.conn.execute(
        update(channel_state)
        .where(
            channel_state.c.tenant == tx.tenant,
            channel_state.c.channel == channel,
            channel_state.c.sender_token == token,
        )
        .values(sender_token=value, sender_until=until)
    )


def claim(tx: Tx, kind: str, channel: str, token: str, lease_ms: int, *, idempotent: bool = False) -> Claim:
    """Take what is due on the channel: digests that are to be sent again, and of what is new one digest a recipient.

    The worst rules first, when there is more than one claim takes. Rules that are few stay rows of their own. Who finds
    nothing more has ended his turn.
    """
    now = tx.now()
    _lease(tx, channel, token, token, now + lease_ms)
    seen = _due(tx, kind, channel, now)
    ids = _open_of(tx, kind, channel, seen)
    rows = locked(tx, ids)
    if lapse(tx, rows, now, idempotent=idempotent):
        rows = locked(tx, ids)
    chosen = _chosen(tx, rows, now)
    if not chosen.rows:
        end(tx, channel, token)
        return Claim((), {}, 0, 0, now)
    take(tx, chosen.rows, token, now + lease_ms, now)
    for digest_id, members in chosen.new.items():
        change(tx, members, digest_id=digest_id)
    named = {row: digest_id for digest_id, members in chosen.new.items() for row in members}
    return claim_of(tx, chosen.rows, now, known=len(chosen.rows), held=0, digests=named)


def _due(tx: Tx, kind: str, channel: str, now: Millis) -> Sequence[Any]:
    """What may be taken, oldest first, seen without a lock."""
    found = tx.conn.execute(
        select(
            *(deliveries.c.id, deliveries.c.rule_id, deliveries.c.recipient),
            *(deliveries.c.digest_id, deliveries.c.severity),
        )
        .where(
            deliveries.c.tenant == tx.tenant,
            deliveries.c.channel == channel,
            deliveries.c.next_at <= now,
            deliveries.c.kind == kind,
            deliveries.c.event != EventKind.TEST.value,
        )
        .order_by(deliveries.c.next_at)
        .limit(_LOOK_AT)
    ).all()
    if len(found) == _LOOK_AT and found[-1].digest_id:  # never a part of a digest
        return [row for row in found if row.digest_id != found[-1].digest_id]
    return found


def _open_of(tx: Tx, kind: str, channel: str, seen: Sequence[Any]) -> list[str]:
    """All that is open of the rules and recipients of these rows: waiting, held and newer ones too."""
    rules, recipients = {row.rule_id for row in seen}, {row.recipient for row in seen}
    found: list[str] = []
    for some in chunks(rules):
        query = select(deliveries.c.id, deliveries.c.recipient).where(
            deliveries.c.tenant == tx.tenant,
            deliveries.c.rule_id.in_(some),
            deliveries.c.channel == channel,
            deliveries.c.next_at.is_not(None),
            deliveries.c.kind == kind,
            deliveries.c.event != EventKind.TEST.value,
        )
        found += [row.id for row in tx.conn.execute(query) if row.recipient in recipients]
    return found


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Rows to take, and by id the digests that they newly form."""

    rows: Rows
    new: Mapping[str, Sequence[str]]


def _chosen(tx: Tx, rows: Rows, now: Millis) -> _Chosen:
    again, free = _split(rows, now)
    taken: list[Row[Any]] = [row for digest in again for row in digest]
    new: dict[str, list[str]] = {}
    for recipient, rules in free.items():
        room = DIGEST_ROWS - len(taken)
        if room <= 0:
            break
        some = _fitting(tx, rules, room) if not taken or len(rules) <= room else []
        taken += some
        if len({row.rule_id for row in some}) > FOLD_ABOVE:
            ids = sorted(row.id for row in some)
            new[_digest_id(recipient, ids)] = ids
    return _Chosen(taken, new)


def _split(rows: Rows, now: Millis) -> tuple[list[Rows], dict[str, list[Rows]]]:
    """Digests to be sent again; and by recipient the rules that are in none, each with its rows, the worst first."""
    digests: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    rules: defaultdict[_Place, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        rules[row.rule_id, row.recipient].append(row)
        if row.digest_id:
            digests[row.digest_id].append(row)
    free: defaultdict[str, list[Rows]] = defaultdict(list)
    for (_, recipient), members in rules.items():
        if not any(row.digest_id for row in members) and _may_go(members, now):
            free[recipient].append(sorted(members, key=lambda row: row.seq))
    for found in free.values():
        found.sort(key=lambda members: (-max(row.severity for row in members), members[0].created_at))
    return [members for members in digests.values() if _may_go(members, now)], free


def _may_go(rows: Iterable[Row[Any]], now: Millis) -> bool:
    found = list(rows)
    held = any(row.state in HELD and row.next_at > now for row in found)
    return not held and any(row.next_at <= now for row in found)


def _fitting(tx: Tx, rules: Sequence[Rows], room: int) -> list[Row[Any]]:
    """The rows of as many whole rules as there is room and memory for; at least one rule's."""
    sizes = _sizes(tx, {row.notification_id for rows in rules for row in rows})
    found: list[Row[Any]] = []
    size = 0
    for rows in rules:
        size += sum(sizes.get(row.notification_id, 0) for row in rows)
        if found and (len(found) + len(rows) > room or size > DIGEST_BYTES):
            break
        found += rows
    return found


def _sizes(tx: Tx, ids: Collection[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in chunks(ids):
        query = select(outbox.c.id, func.length(outbox.c.body).label("size")).where(
            outbox.c.tenant == tx.tenant, outbox.c.id.in_(some)
        )
        found |= {row.id: row.size for row in tx.conn.execute(query)}
    return found


def _digest_id(recipient: str, ids: Iterable[str]) -> str:
    return "dig_" + hashlib.sha256("\n".join([recipient, *ids]).encode()).hexdigest()[:24]
