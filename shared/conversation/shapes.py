"""What tools answer: the nouns of Tocsin as a model reads them. Times are RFC 3339 in UTC, severities words.

Texts that others wrote (titles, notes, values of tags) are in fields of their own, never inside a sentence of ours.
"""

from typing import Any

from pydantic import Field

from shared import manage
from shared.conversation.times import shown
from shared.conversation.tooling import Out
from shared.model import Monitor, Rule, Severity
from shared.series import series_text
from shared.store.managed import COUNTED


class Page(Out):
    """What every list has besides its items."""

    total: int | None = Field(
        None, description=f"How many there are on all pages; {COUNTED} means so many or more."
    )
    next_cursor: str | None = Field(
        None, description="Give it as cursor, with all else unchanged, for the next page."
    )
    hint: str | None = Field(None, description="What to do about an empty list.")


class MonitorOut(Out):
    """Something that writes points."""

    id: str
    name: str
    measurement: str
    fields: dict[str, str] = Field(description="Names of the fields, with unit or type.")
    key: list[str] = Field(description="The tags that tell one series from another.")
    where: dict[str, str | list[str]] | None = None
    kind: str | None = None
    labels: dict[str, str] | None = None
    source: str | None = None
    version: int
    created_at: str | None = None


class RuleOut(Out):
    """A rule. `state` says how it does now."""

    id: str
    title: str
    condition: dict[str, Any]
    condition_text: str = Field(description="The condition in words.")
    severity: str
    monitor_id: str | None = None
    monitor: str | None = Field(None, description="The monitor's name.")
    selector: dict[str, Any] | None = None
    description: str | None = None
    channels: list[str] | None = Field(None, description="Without it, the default channels are told.")
    cooldown_seconds: int
    repeat_seconds: int
    group_seconds: int
    labels: dict[str, str] | None = None
    runbook_url: str | None = None
    enabled: bool
    version: int = Field(description="Give it to update_alert_rule, so that nobody's change is lost.")
    created_at: str | None = None
    updated_at: str | None = None


class AlertOut(Out):
    """One episode of one series of a rule."""

    id: str
    rule_id: str
    title: str = Field(description="The rule's title when it fired.")
    series: str = Field(description="Which series it is; empty when the monitor has only one.")
    state: str = Field(description="firing, acknowledged (still firing, seen by somebody) or resolved.")
    severity: str
    value: float | None = None
    text: str | None = None
    fired_at: str | None = None
    resolved_at: str | None = None
    resolved_because: str | None = None
    acknowledged_at: str | None = None
    acknowledged_by: str | None = None
    acknowledged_until: str | None = None
    note: str | None = None
    announced: bool = Field(description="Whether people were, or will be, told of it.")


class DeliveryOut(Out):
    """One message on its way to one recipient of one channel."""

    id: str
    event: str = Field(description="What it tells: firing, resolved, …")
    rule_id: str
    channel: str
    kind: str
    recipient: str | None = None
    state: str
    attempts: int
    next_attempt_at: str | None = None
    created_at: str | None = None
    sent_at: str | None = None
    finished_at: str | None = None
    reason: str | None = Field(None, description="Why it is not delivered, in the vendor's words.")
    http_status: int | None = None


def monitor(one: Monitor) -> MonitorOut:
    """A monitor as it is shown."""
    where = {tag: given if isinstance(given, str) else list(given) for tag, given in one.where.items()}
    return MonitorOut(
        id=one.id,
        name=one.name,
        measurement=one.measurement,
        fields=dict(one.fields),
        key=list(one.key),
        where=where or None,
        kind=one.kind or None,
        labels=dict(one.labels) or None,
        source=None if one.source == "default" else one.source,
        version=one.version,
        created_at=shown(one.created_at),
    )


def rule_fields(one: Rule, condition_text: str, monitor_name: str) -> dict[str, Any]:
    """The fields of `RuleOut`."""
    return {
        "id": one.id,
        "title": one.title,
        "condition": one.condition,
        "condition_text": condition_text,
        "severity": one.severity.word,
        "monitor_id": one.monitor_id,
        "monitor": monitor_name or None,
        "selector": None if one.selector is None else one.selector.model_dump(),
        "description": one.description or None,
        "channels": None if one.channels is None else list(one.channels),
        "cooldown_seconds": one.cooldown_seconds,
        "repeat_seconds": one.repeat_seconds,
        "group_seconds": one.group_seconds,
        "labels": dict(one.labels) or None,
        "runbook_url": one.runbook_url or None,
        "enabled": one.enabled,
        "version": one.version,
        "created_at": shown(one.created_at),
        "updated_at": shown(one.updated_at),
    }


def alert(one: "manage.AlertRow") -> AlertOut:
    """An alert as it is shown."""
    acknowledged = one.state == "firing" and one.acked_at is not None
    return AlertOut(
        id=one.id,
        rule_id=one.rule_id,
        title=one.title,
        series=series_text(one.key, ""),
        state="acknowledged" if acknowledged else one.state,
        severity=Severity(one.severity).word,
        value=one.value,
        text=one.text or None,
        fired_at=shown(one.fired_at),
        resolved_at=shown(one.resolved_at),
        resolved_because=one.reason or None if one.state == "resolved" else None,
        acknowledged_at=shown(one.acked_at),
        acknowledged_by=one.acked_by or None,
        acknowledged_until=shown(one.acked_until),
        note=one.ack_note or None,
        announced=one.announced,
    )


def delivery(one: "manage.DeliveryRow") -> DeliveryOut:
    """A delivery as it is shown."""
    return DeliveryOut(
        id=one.id,
        event=one.event,
        rule_id=one.rule_id,
        channel=one.channel,
        kind=one.kind,
        recipient=one.recipient or None,
        state=one.state,
        attempts=one.attempts,
        next_attempt_at=shown(one.next_at),
        created_at=shown(one.created_at),
        sent_at=shown(one.sent_at),
        finished_at=shown(one.finished_at),
        reason=one.reason or None,
        http_status=one.http_status,
    )


def level(number: int) -> str:
    """A severity's word; `clean` for 0."""
    return Severity(number).word if number else "clean"
