"""The tool that says why a rule fired or did not, and why people were told or were not."""

from typing import Annotated

from pydantic import Field

from shared import manage
from shared.conversation import shapes, times
from shared.conversation.access import Scope
from shared.conversation.arguments import RuleId
from shared.conversation.tooling import Call, Out, tool

_NAMES, _SLOTS = 20, 20


class SlotSeen(Out):
    """One slot as the rule, as it is now, sees it again."""

    at: str | None
    value: float | None = None
    text: str | None = None
    breach: str | None = None
    state: str
    missing: str | None = None
    told: str | None = None
    held_by: str | None = None


class SeriesStory(Out):
    """One series: what it is, what was told of it, what holds it back now, what comes next."""

    series: str
    now: str
    told: str | None = None
    holds: list[str] | None = None
    next: list[str] | None = None
    last_slots: list[SlotSeen]


class Explanation(Out):
    """Why a rule does what it does."""

    rule_id: str
    title: str
    condition_text: str
    monitor: str
    health: str
    health_reason: str | None = None
    told_on: list[str]
    obstacles: list[str] | None = Field(
        None, description="What keeps it from being evaluated or told at all."
    )
    doubts: list[str] | None = Field(None, description="Why it may never fire.")
    firing: int
    series_count: int
    story: SeriesStory | None = None
    other_series: list[str] | None = None
    trouble: str | None = Field(None, description="Why the last slots can't be shown.")


@tool("Explain an alert rule", Scope.READ)
def explain_alert_rule(
    call: Call,
    rule_id: RuleId,
    series: Annotated[
        str | None,
        Field(max_length=500, description="One series, such as host=web1; the worst, if left out."),
    ] = None,
) -> Explanation:
    """Why a rule fired or did not, and why people were told or were not: its last values slot by slot, what holds it
    back (cooldown, silence, acknowledgement, flapping), and what comes next. Use it for "why was I not told?". For the
    messages of an alert use get_alert."""
    found = manage.explain_rule(call.ports, rule_id, series=series or "", slots=_SLOTS, now=call.now)
    return Explanation(
        rule_id=found.rule.id,
        title=found.rule.title,
        condition_text=found.condition_text,
        monitor=found.monitor,
        health=found.standing.health,
        health_reason=found.standing.health_reason or None,
        told_on=list(found.told_on),
        obstacles=list(found.obstacles) or None,
        doubts=[one.text for one in found.doubts] or None,
        firing=found.standing.firing,
        series_count=found.series_count,
        story=None if found.story is None else _story(found.story),
        other_series=list(found.others[:_NAMES]) or None,
        trouble=found.trouble or None,
    )


def _story(story: "manage.SeriesStory") -> SeriesStory:
    return SeriesStory(
        series=story.name,
        now=story.situation,
        told=story.told or None,
        holds=list(story.holds) or None,
        next=list(story.next) or None,
        last_slots=[
            SlotSeen(
                at=times.shown(slot.at),
                value=slot.value,
                text=slot.text or None,
                breach=shapes.level(slot.level) if slot.level else None,
                state=slot.state,
                missing=slot.missing or None,
                told=slot.told or None,
                held_by=slot.held_by or None,
            )
            for slot in story.slots
        ],
    )
