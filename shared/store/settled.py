"""Which notifications are still needed, however old: those of alerts that are open, or of which somebody is yet to be
told. Nothing here writes or locks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from sqlalchemy import and_, or_, select, true

from shared.model import Millis
from shared.store.engine import Tx
from shared.store.tables import alerts, deliveries, notification_alerts, states

T = TypeVar("T")
_IN_LIST = 500


def in_lists(names: Sequence[T], most: int = _IN_LIST) -> Iterator[list[T]]:
    """As many at a time as fit into one statement."""
    for start in range(0, len(names), most):
        yield list(names[start : start + most])


def to_keep(tx: Tx, links: Mapping[str, Sequence[str]], cutoff: Millis) -> set[str]:
    """Those of the notifications (id → alert ids) that have an open delivery, or an alert that is not settled.

    An alert is settled when it ended before the cutoff and nothing of it is to be told: whoever is told of its end
    is whoever was told of it.
    """
    asked = sorted({alert for these in links.values() for alert in these})
    kept = _with_open_deliveries(tx, list(links))
    alerts_in_use = _unsettled(tx, asked, cutoff) | _being_told(tx, asked)
    return kept | {name for name, these in links.items() if not alerts_in_use.isdisjoint(these)}


def _with_open_deliveries(tx: Tx, names: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for some in in_lists(names):
        query = select(deliveries.c.notification_id).where(
            deliveries.c.tenant == tx.tenant,
            deliveries.c.notification_id.in_(some),
            deliveries.c.next_at.is_not(None),
        )
        found.update(tx.conn.execute(query).scalars())
    return found


def _unsettled(tx: Tx, names: Sequence[str], cutoff: Millis) -> set[str]:
    """Alerts that are open, ended lately, or that their series has yet to tell something of."""
    of_it = and_(
        states.c.tenant == alerts.c.tenant,
        states.c.rule_id == alerts.c.rule_id,
        states.c.series_id == alerts.c.series_id,
    )
    owing = and_(
        states.c.active == true(),
        or_(states.c.alert_id == alerts.c.id, states.c.announced_alert == alerts.c.id),
    )
    found: set[str] = set()
    for some in in_lists(names):
        query = (
            select(alerts.c.id)
            .select_from(alerts.outerjoin(states, of_it))
            .where(alerts.c.tenant == tx.tenant, alerts.c.id.in_(some))
            .where(or_(alerts.c.resolved_at.is_(None), alerts.c.resolved_at >= cutoff, owing))
        )
        found.update(tx.conn.execute(query).scalars())
    return found


def _being_told(tx: Tx, names: Sequence[str]) -> set[str]:
    """Alerts with a delivery that is open."""
    link = notification_alerts.c
    of_it = and_(
        deliveries.c.tenant == link.tenant,
        deliveries.c.notification_id == link.notification_id,
        deliveries.c.next_at.is_not(None),
    )
    found: set[str] = set()
    for some in in_lists(names):
        query = select(link.alert_id).distinct().select_from(notification_alerts.join(deliveries, of_it))
        found.update(
            tx.conn.execute(query.where(link.tenant == tx.tenant, link.alert_id.in_(some))).scalars()
        )
    return found
