"""Verbs on the alerts of a notification that its event had no room for. Writes nothing."""

from collections.abc import Mapping

from sqlalchemy import and_, select

from shared.model import AlertFacts, EventKind, Severity
from shared.series import parse_series_key, series_text
from shared.store.engine import Tx
from shared.store.tables import alerts, notification_alerts


def rest(tx: Tx, carried: Mapping[str, int]) -> dict[str, tuple[AlertFacts, ...]]:
    """By notification: its alerts behind the first `carried` ones, in its order, as their rows are now."""
    return {name: _behind(tx, name, count) for name, count in carried.items()}


def _behind(tx: Tx, notification_id: str, carried: int) -> tuple[AlertFacts, ...]:
    linked = notification_alerts.c
    rows = tx.conn.execute(
        select(linked.event, alerts)
        .join(alerts, and_(alerts.c.tenant == linked.tenant, alerts.c.id == linked.alert_id))
        .where(
            linked.tenant == tx.tenant,
            linked.notification_id == notification_id,
            linked.position >= carried,
        )
        .order_by(linked.position)
    )
    return tuple(
        AlertFacts(
            id=row.id,
            series=series_text(row.key, ""),
            series_id=row.series_id,
            event=EventKind(row.event),
            severity=Severity(max(row.severity, Severity.INFO)),
            value=row.value,
            text=row.text,
            started_at=row.started_at,
            fired_at=row.fired_at,
            resolved_at=row.resolved_at if row.event == EventKind.RESOLVED.value else None,
            reason=row.reason,
            labels=dict(parse_series_key(row.key)[1]),
        )
        for row in rows
    )
