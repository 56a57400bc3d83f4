"""Verbs on `alerts` that the evaluator needs: one row per episode of one series, one of them open at most."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, update

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


@dataclass(frozen=True, slots=True)
class Episode:
    """When an alert was and why it ended, for messages about it when its series is further on already."""

    started_at: int
    fired_at: int
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
    alike: dict[tuple[int, str], list[str]] = {}
    for item in ended:
        alike.setdefault((item.resolved_at, item.reason[:200]), []).append(item.id)
    # What ends in one slot ends for a few reasons: a statement for each of those, not for each alert.
    for (resolved_at, reason), ids in alike.items():
        closed = update(alerts).values(
            state="resolved", open_key=alerts.c.id, resolved_at=resolved_at, reason=reason, updated_at=now
        )
        for start in range(0, len(ids), _IN_LIST):
            some = alerts.c.id.in_(ids[start : start + _IN_LIST])
            tx.conn.execute(closed.where(alerts.c.tenant == tx.tenant, some, alerts.c.open_key == OPEN))


def end_acknowledgements(tx: Tx, ids: Sequence[str], now: int) -> None:
    """Open alerts that got worse, or whose acknowledgement was for a time that is over, are nobody's any more."""
    for start in range(0, len(ids), _IN_LIST):
        tx.conn.execute(
            update(alerts)
            .where(alerts.c.tenant == tx.tenant, alerts.c.id.in_(ids[start : start + _IN_LIST]))
            .values(acked_at=None, acked_by="", ack_note="", acked_until=None, updated_at=now)
        )


def episodes(tx: Tx, ids: Sequence[str]) -> dict[str, Episode]:
    """The episodes of these alerts, by id."""
    found: dict[str, Episode] = {}
    columns = [alerts.c[name] for name in Episode.__slots__]
    for start in range(0, len(ids), _IN_LIST):
        query = select(alerts.c.id, *columns).where(
            alerts.c.tenant == tx.tenant, alerts.c.id.in_(ids[start : start + _IN_LIST])
        )
        found |= {row[0]: Episode(*row[1:]) for row in tx.conn.execute(query)}
    return found


def announced(tx: Tx, ids: Sequence[str]) -> None:
    """Mark alerts as announced: their firing is in the outbox."""
    for start in range(0, len(ids), _IN_LIST):
        tx.conn.execute(
            update(alerts)
            .where(alerts.c.tenant == tx.tenant, alerts.c.id.in_(ids[start : start + _IN_LIST]))
            .values(announced=True)
        )
