"""Pure: the facts of a notification from the states of its series. What is told, not how it looks.

Facts are frozen here, at the moment of the transition, so that a retry never tells another story.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from shared.model import (
    AlertFacts,
    ChannelRef,
    EventKind,
    Millis,
    MonitorFacts,
    Notification,
    RuleFacts,
    SeriesState,
    Severity,
)

MAX_ALERTS = 100
"""How many alerts one event carries; the count tells of the rest, and the outbox links them all."""


@dataclass(frozen=True, slots=True)
class Told:
    """One series inside a notification: its state after the slot, what is told of it, and why."""

    state: SeriesState
    alert_id: str
    event: EventKind
    level: int
    reason: str
    resolved_at: Millis | None = None


def tags_of(key: str) -> dict[str, str]:
    """The tags inside a series key."""
    _monitor, tags = json.loads(key)
    return dict(tags)


def monitor_of(key: str) -> str:
    """The monitor id inside a series key."""
    return str(json.loads(key)[0])


def series_text(key: str) -> str:
    """A series as people read it: `host=a, path=/`; empty when the monitor has one series only."""
    return ", ".join(f"{tag}={value}" for tag, value in tags_of(key).items())


def alert_facts(told: Told) -> AlertFacts:
    """The facts of one alert."""
    state = told.state
    return AlertFacts(
        id=told.alert_id,
        series=series_text(state.key),
        event=told.event,
        severity=Severity(max(told.level, Severity.INFO)),
        value=state.value,
        text=state.text,
        started_at=state.since,
        fired_at=state.fired_at,
        resolved_at=told.resolved_at,
        reason=told.reason,
        labels=tags_of(state.key),
    )


def notification(
    *,
    event_id: str,
    tenant: str,
    rule: RuleFacts,
    monitor: MonitorFacts,
    event: EventKind,
    seq: int,
    slot: Millis,
    told: Sequence[Told],
    channels: Sequence[ChannelRef],
) -> tuple[Notification, tuple[AlertFacts, ...]]:
    """The notification, with the worst alerts first, and the facts of all its alerts, however many."""
    facts = tuple(sorted((alert_facts(item) for item in told), key=lambda alert: (-alert.severity, alert.series)))
    worst = max((alert.severity for alert in facts), default=Severity.INFO)
    made = Notification(
        id=event_id,
        tenant=tenant,
        event=event,
        seq=seq,
        slot=slot,
        severity=worst,
        rule=rule,
        monitor=monitor,
        alerts=facts[:MAX_ALERTS],
        alert_count=len(facts),
        channels=tuple(channels),
    )
    return made, facts
