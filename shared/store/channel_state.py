"""Verbs on `channel_state`: whose turn it is to send on a channel, when, and whether the channel works at all.

The database's clock paces a slow channel for all processes at once. A channel that is dead is probed by one sender
at a time.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select, update

from shared.model import Millis
from shared.store.engine import Tx
from shared.store.tables import channel_state

PROBE_MS = 300_000
"""How long a dead channel is left alone between two probes."""
OK = "ok"
UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Turn:
    """When to send, in milliseconds from now; or, with `go` False, when to ask again, and why.

    `probe`: the channel is dead as far as we know, and this is the attempt that finds out. `dead`: it is, and
    this is none.
    """

    go: bool
    probe: bool = False
    dead: bool = False
    wait_ms: Millis = 0
    why: str = ""


def take_turn(
    tx: Tx,
    channel: str,
    token: str,
    *,
    spacing_ms: int,
    patience_ms: int,
    lease_ms: int,
    fingerprint: str,
    probe_now: bool = False,
) -> Turn:
    """The next free moment of the channel, when it comes within `patience_ms`.

    A dead channel gives one turn per five minutes, or at once when its secrets' `fingerprint` changed, or when
    somebody wants to know (`probe_now`).
    """
    now = tx.now()
    row = _locked(tx, channel)
    if row.health != OK:
        return _probe(tx, row, token, now, now + lease_ms, fingerprint, probe_now)
    at = max(now, row.next_send_at)
    if at - now > patience_ms:
        return Turn(False, wait_ms=at - now, why="the channel takes no more messages for now")
    if spacing_ms:
        _set(tx, channel, next_send_at=at + spacing_ms)
    return Turn(True, wait_ms=at - now)


def _probe(
    tx: Tx, row: Row[Any], token: str, now: Millis, until: Millis, fingerprint: str, probe_now: bool
) -> Turn:
    if row.secret_fingerprint != fingerprint:
        _revive(tx, row.channel, now)
        return Turn(True)
    others = row.sender_until if row.sender_token != token else 0
    if others > now or (row.next_send_at > now and not probe_now):
        again = max(others, row.next_send_at)
        return Turn(False, dead=True, wait_ms=again - now, why=f"the channel is down: {row.reason}")
    _set(tx, row.channel, sender_token=token, sender_until=until, next_send_at=now + PROBE_MS)
    return Turn(True, probe=True)


def rest(tx: Tx, channel: str, wait_ms: Millis) -> None:
    """Its vendor wants to be left alone: nobody sends on the channel for so long."""
    row = _locked(tx, channel)
    _set(tx, channel, next_send_at=max(row.next_send_at, tx.now() + wait_ms))


def found_dead(tx: Tx, channel: str, reason: str, fingerprint: str) -> None:
    """An attempt with the secrets of this `fingerprint` showed that the channel is dead, for this `reason`."""
    now, row = tx.now(), _locked(tx, channel)
    _set(
        tx,
        channel,
        health=UNHEALTHY,
        reason=reason[:500],
        since=now if row.health == OK else row.since,
        next_send_at=now + PROBE_MS,
        failures=row.failures + 1,
        secret_fingerprint=fingerprint,
        sender_token="",
        sender_until=0,
    )


def found_alive(tx: Tx, channel: str) -> None:
    """A probe came through: everybody may send again."""
    row = _locked(tx, channel)
    if row.health != OK:
        _revive(tx, channel, tx.now())


def _revive(tx: Tx, channel: str, now: Millis) -> None:
    _set(
        tx,
        channel,
        health=OK,
        reason="",
        since=now,
        failures=0,
        next_send_at=now,
        sender_token="",
        sender_until=0,
    )


def _locked(tx: Tx, channel: str) -> Row[Any]:
    """The channel's row; a channel that never took a turn gets its first."""
    query = (
        select(channel_state)
        .where(channel_state.c.tenant == tx.tenant, channel_state.c.channel == channel)
        .with_for_update()
    )
    row = tx.conn.execute(query).one_or_none()
    if row is not None:
        return row
    tx.insert_missing(channel_state, [{"channel": channel, "since": tx.now()}])
    return tx.conn.execute(query).one()


def _set(tx: Tx, channel: str, **values: object) -> None:
    tx.conn.execute(
        update(channel_state)
        .where(channel_state.c.tenant == tx.tenant, channel_state.c.channel == channel)
        .values(**values)
    )
