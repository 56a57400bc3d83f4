"""Rules in a conversation: the arguments that describe one, and how one is shown."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypedDict, TypeVar, get_type_hints

from pydantic import Field

from shared import manage
from shared.conversation import shapes
from shared.conversation.arguments import Labels
from shared.conversation.shapes import RuleOut
from shared.conversation.tooling import Out
from shared.model import Rule, Selector

Title = Annotated[str, Field(max_length=200, description="What people see: say what is wrong when it fires.")]


class RuleFields(TypedDict, total=False):
    """What both creating and changing a rule take; a field that is left out, or None, is not given."""

    description: Annotated[
        str | None, Field(max_length=2000, description="More for whoever is told: what it means, what to do.")
    ]
    channels: Annotated[
        list[str] | None,
        Field(
            max_length=50,
            description="Names from list_channels; the default channels, if left out; [] tells nobody.",
        ),
    ]
    cooldown_seconds: Annotated[
        int | None,
        Field(ge=0, le=604_800, description="After a firing, the next of that series waits so long (300)."),
    ]
    repeat_seconds: Annotated[
        int | None, Field(ge=0, le=2_592_000, description="Remind so often while it fires; 0 is never (0).")
    ]
    group_seconds: Annotated[
        int | None,
        Field(ge=0, le=86_400, description="Further series wait so long to share one message (60)."),
    ]
    labels: Labels
    runbook_url: Annotated[
        str | None, Field(max_length=1000, description="Address of a page that says what to do.")
    ]
    selector: Annotated[
        Selector | None,
        Field(
            description='Instead of a monitor: all monitors of a kind and with labels, {"kind":"website","labels":{}}.'
        ),
    ]


F = TypeVar("F", bound=Callable[..., Any])


def with_rule_fields(fn: F) -> F:
    """A tool whose `**fields` are shown as the arguments of `RuleFields`, each None unless it is given."""
    own = inspect.signature(fn)
    named = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in get_type_hints(RuleFields, include_extras=True).items()
    ]
    fn.__dict__["__signature__"] = own.replace(parameters=[*named, *more])
    return fn


Clearable = Literal["description", "channels", "labels", "runbook_url"]
CLEARED: dict[Clearable, Any] = {"description": "", "channels": None, "labels": {}, "runbook_url": ""}


class RuleStanding(RuleOut):
    """A rule and how it does."""

    state: str = Field(description="ok, firing, no_data, error or disabled.")
    firing: int = Field(description="How many of its series fire now.")
    health_reason: str | None = Field(None, description="Why it could not be evaluated.")
    told_on: list[str] | None = Field(None, description="The channels that it tells now.")
    doubts: list[str] | None = Field(None, description="Why it may never fire.")


class RulePage(shapes.Page):
    """Rules, in the order of their creation."""

    items: list[RuleStanding]


class RuleWritten(Out):
    """The rule as it is stored now."""

    rule: RuleOut
    deduplicated: bool | None = Field(
        None, description="True: it was there already, made by the same request."
    )
    warnings: list[str] | None = Field(None, description="What may not be as it was meant.")


class Change(Out):
    """One field before and after."""

    field: str
    old: Any = None
    new: Any = None


class RuleChanged(Out):
    """The rule as it is stored now, and what is different."""

    rule: RuleOut
    changed: list[Change]
    warnings: list[str] | None = None


class RuleDeleted(Out):
    """The rule that was deleted."""

    deleted: RuleOut


def rule(one: "manage.RuleDetail") -> RuleOut:
    """A rule as it is shown."""
    name = one.monitor.name if one.monitor else ""
    return RuleOut(**shapes.rule_fields(one.rule, one.condition_text, name))


def standing(
    one: Rule, text: str, name: str, found: "manage.RuleStanding", doubts: "tuple[manage.Doubt, ...]"
) -> RuleStanding:
    """A rule with how it does; `name` is its monitor's."""
    state = "firing" if found.firing else found.health if one.enabled else "disabled"
    return RuleStanding(
        **shapes.rule_fields(one, text, name),
        state=state,
        firing=found.firing,
        health_reason=found.health_reason or None,
        doubts=[doubt.text for doubt in doubts] or None,
    )
