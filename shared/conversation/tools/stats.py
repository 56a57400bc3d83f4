"""The tool that counts: how many alerts, of which rules, how quickly answered, what is told."""

from typing import Annotated

from pydantic import Field

from shared import manage
from shared.conversation import times
from shared.conversation.access import Scope
from shared.conversation.arguments import Since, Until
from shared.conversation.tooling import Call, Out, tool


class Count(Out):
    """The alerts that fired in one stretch of time."""

    start: str | None
    alerts: int
    by_severity: dict[str, int] | None = None


class Noisy(Out):
    """A rule and its part of all alerts."""

    rule_id: str
    title: str
    alerts: int
    announced: int
    series: int = Field(description="On how many series they were.")
    share_percent: float


class Took(Out):
    """How long something took, in seconds."""

    count: int
    median_seconds: float | None = None
    p90_seconds: float | None = None


class Flaps(Out):
    """A rule whose series change too often."""

    rule_id: str
    title: str
    told: int = Field(description="How often people were told that one of its series flaps.")
    now: int = Field(description="How many of its series flap now.")


class Silent(Out):
    """A rule of which there is no alert at all."""

    rule_id: str
    title: str
    created_at: str | None
    health: str
    doubts: list[str] | None = Field(None, description="Why it may never fire.")


class Sent(Out):
    """Deliveries of one kind of channel."""

    kind: str
    sent: int
    failed: int = Field(description="Rejected, or given up when too old.")
    unknown: int = Field(description="They went out, and no answer came.")
    open: int = Field(description="They are tried again by themselves.")


class Stats(Out):
    """What happened from `since` until `until`. Days and weeks begin at midnight UTC."""

    since: str | None
    until: str | None
    alerts: int
    announced: int = Field(description="How many of them people were, or will be, told of.")
    still_firing: int
    by_severity: dict[str, int]
    per: str = Field(description="day, or week for a range above 45 days.")
    counts: list[Count]
    noisiest_rules: list[Noisy]
    time_to_acknowledge: Took
    never_acknowledged: int
    time_to_resolve: Took
    flapping_rules: list[Flaps]
    never_fired: list[Silent] = Field(description="Enabled rules without any alert, the oldest rule first.")
    never_fired_total: int
    notifications: list[Sent] = Field(description="Deliveries made in that time, by kind of channel.")
    hint: str | None = None


@tool("Alert statistics", Scope.READ)
def alert_stats(
    call: Call,
    since: Since = "7d",
    until: Until = None,
    limit: Annotated[int, Field(ge=1, le=50, description="How many rules in each list.")] = 10,
) -> Stats:
    """How many alerts there were by day and severity, which rules made them, how long people took to acknowledge and
    they to resolve, what flaps, which rules never fired, what was sent and what failed. Use it to review a week, to
    find noisy rules, and for hand-overs. At most 90 days. For single alerts use list_alerts."""
    start = times.moment("since", since, call.now, -1)
    end = times.moment("until", until, call.now, -1)
    found = manage.alert_stats(
        call.ports,
        since=call.now if start is None else start,
        until=call.now if end is None else end,
        limit=limit,
    )
    return Stats(
        since=times.shown(found.since),
        until=times.shown(found.until),
        alerts=found.alerts,
        announced=found.announced,
        still_firing=found.firing,
        by_severity=dict(found.by_severity),
        per="day" if found.stretch_days == 1 else "week",
        counts=[_count(one) for one in found.stretches],
        noisiest_rules=[_noisy(one) for one in found.noisiest],
        time_to_acknowledge=_took(found.acknowledge),
        never_acknowledged=found.never_acknowledged,
        time_to_resolve=_took(found.resolve),
        flapping_rules=[
            Flaps(rule_id=one.rule_id, title=one.title, told=one.times, now=one.now) for one in found.flapping
        ],
        never_fired=[_silent(one) for one in found.never_fired],
        never_fired_total=found.never_fired_total,
        notifications=[
            Sent(kind=one.kind, sent=one.sent, failed=one.failed, unknown=one.unknown, open=one.open)
            for one in found.told
        ],
        hint=_hint(found),
    )


def _count(one: "manage.Stretch") -> Count:
    return Count(start=times.shown(one.start), alerts=one.alerts, by_severity=dict(one.by_severity) or None)


def _noisy(one: "manage.NoisyRule") -> Noisy:
    return Noisy(
        rule_id=one.rule_id,
        title=one.title,
        alerts=one.alerts,
        announced=one.announced,
        series=one.series,
        share_percent=round(one.share * 100, 1),
    )


def _silent(one: "manage.SilentRule") -> Silent:
    return Silent(
        rule_id=one.rule_id,
        title=one.title,
        created_at=times.shown(one.created_at),
        health=one.health,
        doubts=list(one.doubts) or None,
    )


def _took(one: "manage.Spread") -> Took:
    return Took(
        count=one.count,
        median_seconds=None if one.median is None else round(one.median, 1),
        p90_seconds=None if one.p90 is None else round(one.p90, 1),
    )


def _hint(found: "manage.AlertStats") -> str | None:
    if not found.alerts:
        return "No alert fired in that time; ask for a longer one with since."
    if found.answers_of < found.alerts:
        return f"Times and acknowledgements are those of the newest {found.answers_of} alerts."
    return None
