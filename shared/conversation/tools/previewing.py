"""The tool that says what a rule would have done over past data."""

from typing import Annotated

from pydantic import Field

from shared import manage
from shared.conversation import shapes, times
from shared.conversation.access import Scope
from shared.conversation.arguments import Condition, Severity
from shared.conversation.tooling import Call, Out, tool
from shared.errors import InvalidInput

_EPISODES, _SERIES = 20, 20


class Fired(Out):
    """One time that it would have fired."""

    series: str
    fired_at: str | None
    ended_at: str | None = Field(None, description="Left out: it would fire still.")
    severity: str
    worst: float | None = None
    text: str | None = None


class SeriesSeen(Out):
    """One series over the range."""

    series: str
    fired: int
    coverage_percent: float = Field(description="How often there was a value to look at.")
    last_point_at: str | None = None


class Suggestion(Out):
    """Thresholds, and how often each would really have fired in the range."""

    once_a_day: float | None = None
    once_a_day_fired: int | None = None
    once_a_week: float | None = None
    once_a_week_fired: int | None = None
    note: str | None = None


class Preview(Out):
    """What the rule would have done in the range."""

    condition_text: str
    since: str | None
    until: str | None
    fired: int = Field(description="How many alerts there would have been.")
    messages: int
    messages_per_day: float
    series_count: int
    pending_only: int = Field(description="How often it breached, and not for long enough.")
    last_fired: list[Fired] = Field(description="The newest of them, oldest first.")
    series: list[SeriesSeen] = Field(description="Those that fired most, first.")
    suggested_thresholds: Suggestion | None = None
    troubles: list[str] | None = Field(None, description="Why there was no reading, at times.")
    hint: str | None = None


@tool("Preview an alert rule", Scope.READ)
def preview_alert_rule(
    call: Call,
    monitor_id: Annotated[
        str | None,
        Field(max_length=200, description="Id or name of the monitor, for a rule that is not made yet."),
    ] = None,
    condition: Annotated[Condition | None, Field()] = None,
    rule_id: Annotated[
        str | None,
        Field(max_length=200, description="Or a rule (id or title), as it is or with another condition."),
    ] = None,
    severity: Annotated[Severity, Field(description="Severity of a rule that is not made yet.")] = "warning",
    lookback: Annotated[
        str,
        Field(
            max_length=64,
            description="How far back: 24h, 7d, 30d (92 days at most), or a time with its zone.",
        ),
    ] = "7d",
) -> Preview:
    """What a rule would have done over past data, by the code that evaluates it: how often it would have fired, when,
    how many messages people would have got, and thresholds for about one alert a day and one a week. Use it before
    create_alert_rule, and to tune a noisy rule. It writes nothing and tells nobody."""
    if (rule_id is None) == (monitor_id is None):
        raise InvalidInput("monitor_id", monitor_id, "give either rule_id, or monitor_id and condition")
    since = times.moment("lookback", lookback, call.now, -1)
    if rule_id is not None:
        found = manage.backtest_rule(
            call.ports, rule_id, condition=condition, since=since, suggestions=True, now=call.now
        )
    elif condition is None:
        raise InvalidInput("condition", None, "a rule that is not made yet needs one")
    else:
        draft = manage.draft_rule(
            {"title": "Preview", "monitor": monitor_id, "condition": condition, "severity": severity}
        )
        found = manage.backtest_draft(call.ports, draft, since=since, suggestions=True, now=call.now)
    return _preview(found)


def _preview(found: "manage.Found") -> Preview:
    several = found.series_count > 1
    fired = sorted(
        (
            (episode.fired_at, one.name if several else "", episode)
            for one in found.series
            for episode in one.episodes
            if episode.fired_at is not None
        ),
        key=lambda row: row[:2],
    )
    nothing = not any(one.readings for one in found.series)
    empty = "There was nothing to look at: check monitor, field and range with describe_monitor."
    made = found.suggested
    return Preview(
        condition_text=found.condition,
        since=times.shown(found.start),
        until=times.shown(found.end),
        fired=found.fired,
        messages=found.notifications,
        messages_per_day=found.notifications_per_day,
        series_count=found.series_count,
        pending_only=found.pending_only,
        last_fired=[
            Fired(
                series=name,
                fired_at=times.shown(at),
                ended_at=times.shown(episode.ended_at),
                severity=shapes.level(episode.level),
                worst=episode.value if episode.peak is None else episode.peak,
                text=episode.text or None,
            )
            for at, name, episode in fired[-_EPISODES:]
        ],
        series=[
            SeriesSeen(
                series=one.name,
                fired=one.fired,
                coverage_percent=round(one.coverage * 100, 1),
                last_point_at=times.shown(one.last_at),
            )
            for one in found.series[:_SERIES]
        ],
        suggested_thresholds=None
        if made is None
        else Suggestion(
            once_a_day=made.per_day,
            once_a_day_fired=None if made.per_day is None else made.per_day_fired,
            once_a_week=made.per_week,
            once_a_week_fired=None if made.per_week is None else made.per_week_fired,
            note=made.note or None,
        ),
        troubles=[reason for reason, _ in found.troubles] or None,
        hint=empty if nothing and not found.fired else None,
    )
