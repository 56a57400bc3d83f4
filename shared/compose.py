"""Pure: the facts of a notification from the states of its series. What is told, not how it looks.

Facts are frozen here, at the moment of the transition, so that a retry never tells another story.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.charted import Charts
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
from shared.series import parse_series_key, series_text

MAX_ALERTS = 100
"""How many alerts one event carries; the count tells of the rest, and the outbox links them all."""

NO_CHARTS: Charts = {}


@dataclass(frozen=True, slots=True)
class Told:
    """One alert inside a notification: the state of its series, what is told of it, how bad it is or was, and why.

    `monitor` is its monitor's name when the notification is about several, else empty.
    """

    state: SeriesState
    monitor: str
    alert_id: str
    event: EventKind
    level: int
    reason: str
    resolved_at: Millis | None = None


def alert_facts(told: Told) -> AlertFacts:
    """The facts of one alert."""
    state = told.state
    _monitor, tags = parse_series_key(state.key)
    return AlertFacts(
        id=told.alert_id,
        series=": ".join(filter(None, (told.monitor, series_text(state.key, "")))),
        series_id=state.series_id,
        event=told.event,
        severity=Severity(max(told.level, Severity.INFO)),
        value=state.value,
        text=state.text,
        started_at=state.since,
        fired_at=state.fired_at,
        resolved_at=told.resolved_at,
        reason=told.reason,
        labels=dict(tags),
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
    charts: Charts = NO_CHARTS,
) -> tuple[Notification, tuple[AlertFacts, ...]]:
    """The notification, with the worst alerts first, and the facts of all its alerts, however many."""
    facts = tuple(
        sorted((alert_facts(item) for item in told), key=lambda alert: (-alert.severity, alert.series))
    )
    facts = _charted(facts, rule.id, charts)
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


def _charted(facts: tuple[AlertFacts, ...], rule_id: str, charts: Charts) -> tuple[AlertFacts, ...]:
    """The facts, with the points of the first alert that has a chart."""
    for place, alert in enumerate(facts[:MAX_ALERTS]) if charts else ():
        points = charts.get((rule_id, alert.series_id))
        if points:
            charted = alert.model_copy(update={"points": points})
            return (*facts[:place], charted, *facts[place + 1 :])
    return facts
