"""Verbs on `tick_lease`, `ticks` and `query_groups`: who evaluates which slot, and what came of it."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Update, select, update

from shared.errors import Fenced
from shared.store.engine import Tx
from shared.store.tables import query_groups, tick_lease, ticks


@dataclass(frozen=True, slots=True)
class Claim:
    """A slot that this process owns until `lease_until` or until a newer claim raises the fence."""

    shard: str
    slot: int
    fence: int
    lease_until: int
    skipped: int


@dataclass(slots=True)
class TickReport:
    """One row of `ticks`: what a tick did, how long each stage took (milliseconds), what went wrong."""

    shard: str
    slot: int
    started_at: int = 0
    interval_ms: int = 0
    lateness_ms: int = 0
    total_ms: int = 0
    stages_ms: dict[str, int] = field(default_factory=dict)
    rules: int = 0
    series: int = 0
    queries: int = 0
    points: int = 0
    transitions: int = 0
    notifications: int = 0
    skipped: int = 0
    errors: int = 0
    error: str = ""

    def trouble(self, why: str) -> None:
        """Count something that went wrong; the first reason is shown."""
        self.errors += 1
        self.error = self.error or why


def claim(tx: Tx, shard: str, slot: int, interval_seconds: int, owner: str) -> Claim | None:
    """Take `slot` of a shard (`i/n`) for 5/6 of the interval; None when it, or a newer one, is taken or done.

    Old slots are never taken over: the newest slot does their work, so a killed tick costs one slot. A slot belongs to
    one number of shards: while `n` is being changed, whoever comes second with another `n` finds the slot taken, and a
    lease that such a one left behind is fenced off.
    """
    now = tx.now()
    leases = _locked(tx, shard)
    if any(not _free(lease, slot, now) for lease in leases.values()):
        return None
    mine, newest = leases[shard], max(lease.slot for lease in leases.values())
    fence, lease_until = mine.fence + 1, now + interval_seconds * 1000 * 5 // 6
    tx.conn.execute(
        _of(tx, [shard]).values(
            slot=slot,
            interval_seconds=interval_seconds,
            fence=fence,
            owner=owner,
            lease_until=lease_until,
            done=False,
        )
    )
    left_behind = [name for name, lease in leases.items() if name != shard and not lease.done]
    if left_behind:
        tx.conn.execute(_of(tx, left_behind).values(fence=tick_lease.c.fence + 1, done=True))
    missed = (slot - newest) // (interval_seconds * 1000) - 1 if newest else 0
    return Claim(shard, slot, fence, lease_until, max(0, missed))


@dataclass(frozen=True, slots=True)
class _Lease:
    slot: int
    interval_seconds: int
    fence: int
    lease_until: int
    done: bool


def _free(lease: _Lease, slot: int, now: int) -> bool:
    if lease.slot >= slot:
        return False
    # A lease that ends later than any lease could was written before the database's clock was set back.
    return lease.done or not now <= lease.lease_until <= now + lease.interval_seconds * 1000


def _locked(tx: Tx, shard: str) -> dict[str, _Lease]:
    """The lease of this shard and those of other numbers of shards, locked. Its siblings are left alone: they work
    at the same time, and hold their rows while they commit."""
    names = _rivals(tx, shard)
    if shard not in names:
        # Only then: an insert would lock the row that is there, before its turn, and two claims would wait in a ring.
        tx.insert_missing(tick_lease, [{"shard": shard, "owner": ""}])
        names = _rivals(tx, shard)
    leases = _lock(tx, names)
    # Whoever came first to the locks may have been a shard that nobody knew before.
    return leases | _lock(tx, _rivals(tx, shard) - names)


def _rivals(tx: Tx, shard: str) -> set[str]:
    """The shard itself if it is known, and the shards of other numbers of shards."""
    siblings = "/" + shard.rpartition("/")[2]
    names = tx.conn.execute(select(tick_lease.c.shard).where(tick_lease.c.tenant == tx.tenant)).scalars()
    return {name for name in names if name == shard or not name.endswith(siblings)}


def _lock(tx: Tx, shards: Collection[str]) -> dict[str, _Lease]:
    """These leases, locked in one order."""
    if not shards:
        return {}
    rows = tx.conn.execute(
        select(
            tick_lease.c.shard,
            tick_lease.c.slot,
            tick_lease.c.interval_seconds,
            tick_lease.c.fence,
            tick_lease.c.lease_until,
            tick_lease.c.done,
        )
        .where(tick_lease.c.tenant == tx.tenant, tick_lease.c.shard.in_(sorted(shards)))
        .order_by(tick_lease.c.shard)
        .with_for_update()
    )
    return {row.shard: _Lease(*row[1:]) for row in rows}


def _of(tx: Tx, shards: Sequence[str]) -> Update:
    return update(tick_lease).where(tick_lease.c.tenant == tx.tenant, tick_lease.c.shard.in_(shards))


def hold(tx: Tx, claimed: Claim) -> None:
    """Lock the lease row until the commit; raises Fenced when a newer tick has raised the fence."""
    fence = tx.conn.execute(
        select(tick_lease.c.fence)
        .where(tick_lease.c.tenant == tx.tenant, tick_lease.c.shard == claimed.shard)
        .with_for_update()
    ).scalar_one_or_none()
    if fence != claimed.fence:
        raise Fenced(f"a newer tick took over shard {claimed.shard}; slot {claimed.slot} stops")


def finish(tx: Tx, claimed: Claim, report: TickReport) -> None:
    """Release the lease, unless a newer tick has it, and record what happened."""
    tx.conn.execute(
        update(tick_lease)
        .where(
            tick_lease.c.tenant == tx.tenant,
            tick_lease.c.shard == claimed.shard,
            tick_lease.c.fence == claimed.fence,
        )
        .values(done=True)
    )
    record(tx, report)


def record(tx: Tx, report: TickReport) -> None:
    """Write the tick's row."""
    row = {name: getattr(report, name) for name in TickReport.__slots__}
    row["stages_ms"] = json.dumps(report.stages_ms)
    row["error"] = report.error[:500]
    tx.upsert(ticks, [row])


@dataclass(frozen=True, slots=True)
class Pace:
    """How often rules are looked at, and how long points may take to arrive, milliseconds."""

    interval_ms: int
    lateness_ms: int


def pace(tx: Tx) -> Pace | None:
    """The pace of the newest tick: what evaluates may be set otherwise than what looks back. None when no tick with a
    known pace was ever recorded."""
    row = tx.conn.execute(
        select(ticks.c.interval_ms, ticks.c.lateness_ms)
        .where(ticks.c.tenant == tx.tenant)
        .order_by(ticks.c.slot.desc())
        .limit(1)
    ).one_or_none()
    return Pace(row.interval_ms, row.lateness_ms) if row and row.interval_ms else None


Turn = tuple[bool, int]
"""Whether the last query of a group failed, and its slot: sorted, those that work come before those that only cost
time, and of each sort the one that waited longest comes first."""


def turns(tx: Tx) -> Mapping[str, Turn]:
    """Query group id → its turn."""
    rows = tx.conn.execute(
        select(query_groups.c.id, query_groups.c.slot, query_groups.c.error).where(
            query_groups.c.tenant == tx.tenant
        )
    )
    return {row.id: (bool(row.error), row.slot) for row in rows}


def groups_evaluated(tx: Tx, rows: Sequence[Mapping[str, object]]) -> None:
    """Remember when each query group was evaluated, and the store's words where that failed."""
    tx.upsert(query_groups, rows)
