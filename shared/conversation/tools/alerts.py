"""Tools about alerts: what fires, what fired, who was told, and saying that it was seen."""

from typing import Annotated, Any, Literal

from pydantic import Field

from shared import manage
from shared.conversation import cursors, shapes, times
from shared.conversation.access import Scope
from shared.conversation.arguments import AlertId, Cursor, LeastSeverity, Limit, Since, Until
from shared.conversation.shapes import AlertOut, DeliveryOut
from shared.conversation.tooling import Call, Out, tool

State = Literal["all", "open", "unacknowledged", "acknowledged", "resolved"]
_FILTERS: dict[State, dict[str, Any]] = {
    "all": {},
    "open": {"state": "firing"},
    "unacknowledged": {"state": "firing", "acknowledged": False},
    "acknowledged": {"state": "firing", "acknowledged": True},
    "resolved": {"state": "resolved"},
}


class AlertPage(shapes.Page):
    """Alerts, the last to fire first."""

    items: list[AlertOut]


class Step(Out):
    """One step of the state of the alert's series."""

    at: str | None
    change: str
    severity: str
    value: float | None = None
    reason: str | None = None
    held_by: str | None = None


class AlertStory(Out):
    """One alert, how it came to be so, and every message about it, oldest first."""

    alert: AlertOut
    timeline: list[Step]
    deliveries: list[DeliveryOut]


@tool("List alerts", Scope.READ)
def list_alerts(
    call: Call,
    state: Annotated[State, Field(description="open: not over yet, whether acknowledged or not.")] = "all",
    rule_id: Annotated[
        str | None, Field(max_length=200, description="Only of this rule (id or title).")
    ] = None,
    severity: LeastSeverity = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> AlertPage:
    """What fires now and what fired before, the last to fire first. Use it for "what is wrong?" and "what happened last
    night?". For rules and whether they are healthy use list_alert_rules; for one alert with its timeline get_alert."""
    filters = {"state": state, "rule": rule_id, "severity": severity, "since": since, "until": until}
    page = manage.list_alerts(
        call.ports,
        **_FILTERS[state],
        rule=rule_id or "",
        severity=severity,
        since=times.moment("since", since, call.now, -1),
        until=times.moment("until", until, call.now, -1),
        limit=limit,
        cursor=cursors.opened(cursor, call.tenant, "list_alerts", filters),
    )
    narrowed = any((state != "all", rule_id, severity, since, until))
    empty = "No alert matches; leave a filter out." if narrowed else "No rule has fired yet."
    return AlertPage(
        items=[shapes.alert(one) for one in page.items],
        total=page.total,
        next_cursor=cursors.sealed(page.cursor, call.tenant, "list_alerts", filters),
        hint=None if page.items else empty,
    )


@tool("Get an alert", Scope.READ)
def get_alert(call: Call, alert_id: AlertId) -> AlertStory:
    """The whole story of one alert: each step of its state with the reason, and every message about it with what
    became of it. Use it for "why did this fire?" and "was anybody told?". For a rule that did not fire use
    explain_alert_rule."""
    found = manage.get_alert(call.ports, alert_id)
    return AlertStory(
        alert=shapes.alert(found.alert),
        timeline=[
            Step(
                at=times.shown(step.slot),
                change=step.change,
                severity=shapes.level(step.level),
                value=step.value,
                reason=step.reason or None,
                held_by=step.held_by or None,
            )
            for step in found.transitions
        ],
        deliveries=[shapes.delivery(one) for one in found.deliveries],
    )


class Acknowledged(Out):
    """The alert as it is now."""

    alert: AlertOut


@tool("Acknowledge an alert", Scope.ACT, idempotent=True)
def acknowledge_alert(
    call: Call,
    alert_id: AlertId,
    note: Annotated[
        str | None, Field(max_length=1000, description="What is being done about it; others read it.")
    ] = None,
    until: Annotated[
        str | None,
        Field(max_length=64, description="Only until then: 2h (from now), or a time with its zone."),
    ] = None,
) -> Acknowledged:
    """Say that somebody takes care of an alert that fires: it is not told again until it gets worse or ends. Use it
    when a person says so. To keep a whole rule or host quiet, also for alerts to come, use silence_alerts. Repeating
    it with the same words changes nothing."""
    row = manage.acknowledge(
        call.ports,
        alert_id,
        by=call.person,
        note=note or "",
        until=times.moment("until", until, call.now, 1),
        actor=call.actor,
        now=call.now,
    )
    return Acknowledged(alert=shapes.alert(row))
