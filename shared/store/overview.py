"""Counting what is there for one look at everything. Nothing here writes or locks; one statement for each count."""

from dataclasses import dataclass

from sqlalchemy import case, func, select

from shared.model import DeliveryState
from shared.store.engine import Tx
from shared.store.tables import alerts, deliveries, outbox, query_groups, rules


@dataclass(frozen=True, slots=True)
class OpenAlerts:
    """Alerts that fire, of one severity, and how many of them somebody acknowledged."""

    severity: int
    count: int
    acknowledged: int


def open_alerts(tx: Tx) -> list[OpenAlerts]:
    """The worst first."""
    acknowledged = func.sum(case((alerts.c.acked_at.is_not(None), 1), else_=0))
    found = tx.conn.execute(
        select(alerts.c.severity, func.count(), acknowledged)
        .where(alerts.c.tenant == tx.tenant, alerts.c.state == "firing")
        .group_by(alerts.c.severity)
        .order_by(alerts.c.severity.desc())
    )
    return [OpenAlerts(severity, count, int(acked)) for severity, count, acked in found]


@dataclass(frozen=True, slots=True)
class OpenDeliveries:
    """Deliveries that are not over: all of them, those that may be tried now, those that were tried and will be again,
    and those of which nobody knows whether they arrived."""

    open: int = 0
    due: int = 0
    retrying: int = 0
    unknown: int = 0


def open_deliveries(tx: Tx) -> OpenDeliveries:
    """Of all channels together."""
    row = deliveries.c
    due = func.sum(case((row.next_at <= tx.now(), 1), else_=0))
    found = tx.conn.execute(
        select(row.state, func.count(), due)
        .where(row.tenant == tx.tenant, row.next_at.is_not(None))
        .group_by(row.state)
    ).all()
    counts = {state: count for state, count, _ in found}
    return OpenDeliveries(
        sum(counts.values()),
        sum(int(one) for _, _, one in found),
        counts.get(DeliveryState.RETRY, 0),
        counts.get(DeliveryState.UNKNOWN, 0),
    )


def disabled_rules(tx: Tx) -> int:
    """How many rules are switched off."""
    live = (rules.c.tenant == tx.tenant, rules.c.deleted_at.is_(None), rules.c.enabled.is_(False))
    return tx.conn.execute(select(func.count()).where(*live)).scalar_one()


def source_errors(tx: Tx) -> dict[str, str]:
    """Of each metric store of which a measurement's last query failed, the newest of its words."""
    group = query_groups.c
    found = tx.conn.execute(
        select(group.source, group.error)
        .where(group.tenant == tx.tenant, group.error != "")
        .order_by(group.slot, group.id)
    )
    return {row.source: row.error for row in found}


def broker_error(tx: Tx) -> str:
    """What the Broker answered to the oldest event that it has not taken; empty when it was not asked yet."""
    found = tx.conn.execute(
        select(outbox.c.error)
        .where(outbox.c.tenant == tx.tenant, outbox.c.next_at.is_not(None), outbox.c.published_at.is_(None))
        .where(outbox.c.error != "")
        .order_by(outbox.c.created_at, outbox.c.id)
        .limit(1)
    )
    return found.scalar() or ""
