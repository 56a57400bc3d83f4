"""Tools about silences: nobody is told about something for a while."""

from typing import Annotated, Any, Literal

from pydantic import Field

from shared import manage
from shared.conversation import cursors, shapes, times
from shared.conversation.access import Scope
from shared.conversation.arguments import Cursor, Labels, Limit, Severity
from shared.conversation.tooling import Call, Out, tool
from shared.silences import FOREVER


class SilenceOut(Out):
    """A silence. `silent_from` and `silent_until` are its present or next hours."""

    id: str
    state: str = Field(description="active, pending (later, or between its weekly hours) or expired.")
    about: str = Field(description="What it matches, in words.")
    reason: str
    created_by: str
    created_at: str | None = None
    silent_from: str | None = None
    silent_until: str | None = Field(None, description="Left out: until somebody ends it.")
    weekly: dict[str, Any] | None = None
    ended_at: str | None = None
    alerts: int = Field(description="How many alerts that fire now it keeps quiet.")


class SilencePage(shapes.Page):
    """Silences, newest first."""

    items: list[SilenceOut]


class Silenced(Out):
    """The silence as it is now."""

    silence: SilenceOut


@tool("Silence alerts", Scope.ACT)
def silence_alerts(
    call: Call,
    reason: Annotated[str, Field(max_length=1000, description="Why, for whoever wonders.")],
    duration: Annotated[str | None, Field(max_length=32, description="How long: 30m, 2h, 3d.")] = None,
    until: Annotated[
        str | None, Field(max_length=64, description="Or until when, with zone: 2030-01-31T18:00:00Z.")
    ] = None,
    starts_at: Annotated[
        str | None, Field(max_length=64, description="From when, if not now: 2h, or a time with its zone.")
    ] = None,
    rules: Annotated[list[str] | None, Field(max_length=100, description="Ids or titles of rules.")] = None,
    monitors: Annotated[
        list[str] | None, Field(max_length=100, description="Ids or names of monitors.")
    ] = None,
    labels: Annotated[
        Labels, Field(description='Labels of rule or monitor, or tags of the series: {"host":"web1"}.')
    ] = None,
    severity: Annotated[Severity | None, Field(description="While alerts are exactly so bad.")] = None,
    at_least: Annotated[
        Severity | None, Field(description="Or so bad or worse; info is all of them.")
    ] = None,
    weekly: Annotated[
        str | None,
        Field(max_length=100, description="Only in these hours: mon-fri 22:00-06:00, daily 12:00-13:00."),
    ] = None,
    zone: Annotated[
        str | None, Field(max_length=64, description="Whose clock the weekly hours are of: Europe/Berlin.")
    ] = None,
) -> Silenced:
    """Tell nobody about what matches all that is given. Use it for maintenance or for nights. Alerts still fire and are
    listed; what differs when it ends is told then. Give rules, monitors, labels, severity or at_least, and duration,
    until or weekly. To stop a rule for good use update_alert_rule with enabled false; for a single alert
    acknowledge_alert."""
    given: dict[str, Any] = {
        "reason": reason,
        "rules": rules,
        "monitors": monitors,
        "labels": labels,
        "severity": severity,
        "at_least": at_least,
        "starts_at": times.moment("starts_at", starts_at, call.now, 1),
        "ends_at": times.moment("until", until, call.now, 1),
        "duration_seconds": None if duration is None else manage.seconds_of("duration", duration),
        "weekly": None if weekly is None else manage.weekly_of(weekly, zone or ""),
    }
    draft = manage.draft_silence({name: value for name, value in given.items() if value is not None})
    made = manage.silence_alerts(call.ports, draft, by=call.person, actor=call.actor, now=call.now)
    return Silenced(silence=_shown(made))


@tool("List silences", Scope.READ)
def list_silences(
    call: Call,
    state: Annotated[
        Literal["active", "pending", "expired"] | None,
        Field(description="Only of this state; those that are not over, if left out."),
    ] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> SilencePage:
    """What is silenced now or later, by whom and why, newest first. Use it when something fires and nobody was told."""
    filters = {"state": state}
    page = manage.list_silences(
        call.ports,
        state=state or "",
        now=call.now,
        limit=limit,
        cursor=cursors.opened(cursor, call.tenant, "list_silences", filters),
    )
    return SilencePage(
        items=[_shown(one) for one in page.items],
        total=page.total,
        next_cursor=cursors.sealed(page.cursor, call.tenant, "list_silences", filters),
        hint=None if page.items else f"No silence is {state}." if state else "Nothing is silenced.",
    )


@tool("End a silence", Scope.ACT, idempotent=True)
def end_silence(
    call: Call,
    silence_id: Annotated[str, Field(max_length=100, description="Id of the silence (sil_…).")],
) -> Silenced:
    """End a silence now: what it held back is told by the next tick, if it still differs. Use it when maintenance
    is over earlier than planned. One that is over already is left as it is."""
    ended = manage.end_silence(call.ports, silence_id, actor=call.actor, now=call.now)
    return Silenced(silence=_shown(ended))


def _shown(one: "manage.SilenceItem") -> SilenceOut:
    begin, end = one.window or (None, None)
    return SilenceOut(
        id=one.id,
        state=one.state,
        about=one.about,
        reason=one.reason,
        created_by=one.created_by,
        created_at=times.shown(one.created_at),
        silent_from=times.shown(begin),
        silent_until=None if end == FOREVER else times.shown(end),
        weekly=None if one.weekly is None else one.weekly.model_dump(mode="json"),
        ended_at=times.shown(one.ended_at),
        alerts=one.alerts,
    )
