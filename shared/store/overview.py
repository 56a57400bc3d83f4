"""Counting what is there for one look at everything. Nothing here writes or locks; one statement for each count."""

from dataclasses import dataclass

from sqlalchemy import case, func, select

from shared.model import DeliveryState
from shared.store.engine import Tx
from shared.store.tables import alerts, deliveries, rules


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
