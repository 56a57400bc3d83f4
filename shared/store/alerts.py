"""Verbs on `alerts` that the evaluator needs: one row per episode of one series, one of them open at most."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, update

from shared.store.engine import Tx
from shared.store.tables import alerts

OPEN = "open"


@dataclass(frozen=True, slots=True)
class NewAlert:
    """What is known when an alert fires."""

    id: str
    rule_id: str
    series_id: str
    key: str
    monitor_id: str
    title: str
    severity: int
    value: float | None
    text: str
    started_at: int
    fired_at: int
    reason: str


@dataclass(frozen=True, slots=True)
class AlertProgress:
    """What changed on an open alert: its level or value, whether it was announced, or its end."""

    id: str
    severity: int
    value: float | None
    text: str
    announced: bool
    resolved_at: int | None
    reason: str


def open_alerts(tx: Tx, fired: Sequence[NewAlert], now: int) -> None:
    """Insert alerts that fired. Repeating it changes nothing: ids are made from rule, series and slot."""
    rows = []
    for alert in fired:
        row: dict[str, Any] = {name: getattr(alert, name) for name in NewAlert.__slots__}
        row["text"], row["title"], row["reason"] = alert.text[:500], alert.title[:200], alert.reason[:200]
        rows.append({**row, "open_key": OPEN, "state": "firing", "updated_at": now})
    tx.insert_missing(alerts, rows)


def progress(tx: Tx, changed: Sequence[AlertProgress], now: int) -> None:
    """Update open alerts; the severity only rises, and a resolved one closes."""
    running = [item for item in changed if item.resolved_at is None]
    ended = [item for item in changed if item.resolved_at is not None]
    chosen = (alerts.c.tenant == tx.tenant, alerts.c.id == bindparam("alert_id"))
    if running:
        tx.conn.execute(
            update(alerts)
            .where(*chosen)
            .values(
                severity=bindparam("new_severity"),
                value=bindparam("new_value"),
                text=bindparam("new_text"),
                announced=bindparam("new_announced"),
                updated_at=now,
            ),
            [_running(item) for item in running],
        )
    if ended:
        tx.conn.execute(
            update(alerts)
            .where(*chosen)
            .values(
                state="resolved",
                open_key=alerts.c.id,
                resolved_at=bindparam("new_resolved_at"),
                reason=bindparam("new_reason"),
                announced=bindparam("new_announced"),
                updated_at=now,
            ),
            [
                {
                    "alert_id": item.id,
                    "new_resolved_at": item.resolved_at,
                    "new_reason": item.reason[:200],
                    "new_announced": item.announced,
                }
                for item in ended
            ],
        )


def _running(item: AlertProgress) -> dict[str, Any]:
    return {
        "alert_id": item.id,
        "new_severity": item.severity,
        "new_value": item.value,
        "new_text": item.text[:500],
        "new_announced": item.announced,
    }
