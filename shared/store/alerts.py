"""Verbs on `alerts` that the evaluator needs: one row per episode of one series, one of them open at most."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, update

from shared.store.engine import Tx
from shared.store.tables import alerts

OPEN = "open"
_IN_LIST = 400


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
class Worsening:
    """The level of an open alert rose; its severity is the worst it ever was."""

    id: str
    severity: int
    value: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Ending:
    """An open alert ended, and why."""

    id: str
    resolved_at: int
    reason: str


def open_alerts(tx: Tx, fired: Sequence[NewAlert], now: int) -> None:
    """Insert alerts that fired. Repeating it changes nothing: ids are made from rule, series and slot."""
    rows = []
    for alert in fired:
        row: dict[str, Any] = {name: getattr(alert, name) for name in NewAlert.__slots__}
        row["text"], row["title"], row["reason"] = alert.text[:500], alert.title[:200], alert.reason[:200]
        rows.append({**row, "open_key": OPEN, "state": "firing", "updated_at": now})
    tx.insert_missing(alerts, rows)


def worsen(tx: Tx, worse: Sequence[Worsening], now: int) -> None:
    """Raise the severity of open alerts; it never falls."""
    if not worse:
        return
    tx.conn.execute(
        update(alerts)
        .where(alerts.c.tenant == tx.tenant, alerts.c.id == bindparam("alert_id"))
        .where(alerts.c.severity < bindparam("new_severity"))
        .values(
            severity=bindparam("new_severity"),
            value=bindparam("new_value"),
            text=bindparam("new_text"),
            updated_at=now,
        ),
        [
            {
                "alert_id": item.id,
                "new_severity": item.severity,
                "new_value": item.value,
                "new_text": item.text[:500],
            }
            for item in worse
        ],
    )


def resolve(tx: Tx, ended: Sequence[Ending], now: int) -> None:
    """Close open alerts; one that is closed already stays as it is."""
    if not ended:
        return
    tx.conn.execute(
        update(alerts)
        .where(alerts.c.tenant == tx.tenant, alerts.c.id == bindparam("alert_id"), alerts.c.open_key == OPEN)
        .values(
            state="resolved",
            open_key=alerts.c.id,
            resolved_at=bindparam("new_resolved_at"),
            reason=bindparam("new_reason"),
            updated_at=now,
        ),
        [
            {"alert_id": item.id, "new_resolved_at": item.resolved_at, "new_reason": item.reason[:200]}
            for item in ended
        ],
    )


def end_acknowledgements(tx: Tx, ids: Sequence[str], now: int) -> None:
    """Open alerts that got worse, or whose acknowledgement was for a time that is over, are nobody's any more."""
    for start in range(0, len(ids), _IN_LIST):
        tx.conn.execute(
            update(alerts)
            .where(alerts.c.tenant == tx.tenant, alerts.c.id.in_(ids[start : start + _IN_LIST]))
            .values(acked_at=None, acked_by="", ack_note="", acked_until=None, updated_at=now)
        )


def announced(tx: Tx, ids: Sequence[str]) -> None:
    """Mark alerts as announced: their firing is in the outbox."""
    for start in range(0, len(ids), _IN_LIST):
        tx.conn.execute(
            update(alerts)
            .where(alerts.c.tenant == tx.tenant, alerts.c.id.in_(ids[start : start + _IN_LIST]))
            .values(announced=True)
        )
