"""Notifications, their rows and a channels file: what the tests of delivery begin with."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import select, update

from shared.events import Event, notification_event
from shared.model import AlertFacts, EventKind, MonitorFacts, Notification, RuleFacts, Severity
from shared.store import deliveries, outbox, tables
from shared.store.engine import Store, Tx, open_store
from shared.store.migrate import migrate

SLOT = 1_790_000_010_000
FIRED = SLOT - 600_000


def empty_store(url: str) -> Store:
    """A migrated store."""
    store = open_store(url, "default")
    migrate(store)
    return store


def alert(number: int = 1, event: str = "firing", severity: str = "critical", **facts: Any) -> AlertFacts:
    """One alert; a resolved one lasted ten minutes."""
    resolved = {"resolved_at": SLOT, "reason": "recovered"} if event == "resolved" else {}
    given = {"value": 0.0, "started_at": FIRED, "fired_at": FIRED, **resolved, **facts}
    return AlertFacts(
        id=f"alert_{number}",
        series=f"url=https://demo-{number}.example",
        event=EventKind(event),
        severity=Severity[severity.upper()],
        **given,
    )


def notification(
    seq: int = 1, event: str = "firing", alerts: Sequence[AlertFacts] | None = None, **facts: Any
) -> Notification:
    """A rule's `seq`-th notification, about one alert of the same event unless others are given."""
    items = tuple([alert(event=event)] if alerts is None else alerts)
    rule: dict[str, Any] = {
        "id": "rule_1",
        "title": "Demo site is down",
        "condition_text": "is_up is below 1",
        "threshold": 1.0,
        "runbook_url": "https://wiki.example/demo",
        "labels": {"team": "web"},
        **facts.pop("rule", {}),
    }
    return Notification(
        id=facts.pop("id", f"event-{rule['id']}-{seq}"),
        event=EventKind(event),
        seq=seq,
        slot=SLOT,
        severity=max((item.severity for item in items), default=Severity.CRITICAL),
        rule=RuleFacts(**rule),
        monitor=MonitorFacts(id="mon_1", name="Demo site", measurement="website"),
        alerts=items,
        alert_count=facts.pop("alert_count", len(items)),
        **facts,
    )


def announce(store: Store, made: Notification, places: Iterable[tuple[str, str, str]]) -> Event:
    """Commit a notification with its deliveries, and count it as published; returns its event."""
    event = notification_event(made, at=made.slot)

    def work(tx: Tx) -> None:
        outbox.add(tx, [(made, made.alerts, event)])
        deliveries.insert_many(tx, deliveries.new(made, places))
        outbox.published(tx, [made.id], {})

    store.write(work)
    return event


def announce_all(
    store: Store, made: Sequence[Notification], places: Sequence[tuple[str, str, str]]
) -> list[Event]:
    """As `announce`, for many at once."""
    events = [notification_event(one, at=one.slot) for one in made]

    def work(tx: Tx) -> None:
        outbox.add(tx, [(one, one.alerts, event) for one, event in zip(made, events, strict=True)])
        deliveries.insert_many(tx, [row for one in made for row in deliveries.new(one, places)])
        outbox.published(tx, [one.id for one in made], {})

    store.write(work)
    return events


def rows(store: Store) -> list[dict[str, Any]]:
    """Every delivery, in the order of sequence, channel and recipient."""
    table = tables.deliveries
    query = select(table).order_by(table.c.seq, table.c.channel, table.c.recipient)
    return store.read(lambda tx: [dict(row._mapping) for row in tx.conn.execute(query)])


def change(store: Store, **values: Any) -> None:
    """Set columns of every delivery: how a test lets an hour pass."""
    store.write(lambda tx: tx.conn.execute(update(tables.deliveries).values(**values)))


def make_due(store: Store) -> None:
    """Let every wait and every lease of an open delivery end now."""
    table = tables.deliveries
    ended = update(table).where(table.c.next_at.is_not(None)).values(next_at=1, lease_until=1)
    store.write(lambda tx: tx.conn.execute(ended))


def open_outbox(store: Store) -> list[str]:
    """The events that the tick would still look after."""
    table = tables.outbox
    query = select(table.c.id).where(table.c.next_at.is_not(None)).order_by(table.c.id)
    return store.read(lambda tx: list(tx.conn.execute(query).scalars()))


def channels_file(folder: Path, *channels: Mapping[str, Any]) -> Path:
    """A channels file with these entries."""
    path = folder / "channels.yaml"
    path.write_text(yaml.safe_dump({"channels": [dict(channel) for channel in channels]}))
    return path


def binary(event: Event) -> tuple[dict[str, str], bytes]:
    """Headers and body of the event as the broker sends it."""
    headers = {f"ce-{name}": text for name, text in event.attributes.items() if name != "datacontenttype"}
    return {**headers, "content-type": "application/json"}, event.body


def compact(value: Any) -> str:
    """The value as JSON text, to look for something anywhere in it."""
    return json.dumps(value, default=str)
