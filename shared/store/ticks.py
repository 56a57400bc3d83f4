"""Verbs on `tick_lease`, `ticks` and `query_groups`: who evaluates which slot, and what came of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import or_, select, update

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
    """Take `slot` of a shard for 5/6 of the interval; None when it, or a newer one, is taken or done.

    Old slots are never taken over: the newest slot does their work, so a killed tick costs one slot.
    """
    now = tx.now()
    tx.insert_missing(tick_lease, [{"shard": shard, "owner": ""}])
    before = tx.conn.execute(
        select(tick_lease.c.slot, tick_lease.c.fence)
        .where(tick_lease.c.tenant == tx.tenant, tick_lease.c.shard == shard)
        .with_for_update()
    ).one()
    lease_until = now + interval_seconds * 1000 * 5 // 6
    taken = tx.conn.execute(
        update(tick_lease)
        .where(
            tick_lease.c.tenant == tx.tenant,
            tick_lease.c.shard == shard,
            tick_lease.c.slot < slot,
            or_(tick_lease.c.done.is_(True), tick_lease.c.lease_until < now),
        )
        .values(
            slot=slot,
            interval_seconds=interval_seconds,
            fence=before.fence + 1,
            owner=owner,
            lease_until=lease_until,
            done=False,
        )
    )
    if taken.rowcount != 1:
        return None
    missed = (slot - before.slot) // (interval_seconds * 1000) - 1 if before.slot else 0
    return Claim(shard, slot, before.fence + 1, lease_until, max(0, missed))


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
