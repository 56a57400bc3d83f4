"""The tool that shows ready-made rules, and which of them a monitor can have."""

from typing import Annotated, Any

from pydantic import Field

from shared import manage
from shared.conversation.access import Scope
from shared.conversation.tooling import Call, Out, tool
from shared.model import SEVERITY_WORDS


class TemplateOut(Out):
    """A ready-made rule. With a monitor, `condition` is the one that it gets there."""

    name: str = Field(description="Give it to create_alert_rule as template.")
    title: str
    about: str
    severity: str
    asks: dict[str, str] | None = Field(None, description="Keys that condition has to give.")
    fields: list[str] | None = Field(None, description="The names of fields that it looks for; * is any.")
    condition: dict[str, Any] | None = None
    lately: dict[str, float] | None = Field(
        None, description="min, median, max and latest of the field, to choose what it asks for."
    )


class Unfit(Out):
    """A template that this monitor can't have."""

    name: str
    why: str


class Templates(Out):
    """Ready-made rules; with a monitor, those that fit it."""

    monitor_id: str | None = None
    items: list[TemplateOut]
    others: list[Unfit] | None = Field(None, description="Those that don't fit, and why.")
    hint: str | None = None


@tool("List ready-made rules", Scope.READ)
def rule_templates(
    call: Call,
    monitor_id: Annotated[
        str | None,
        Field(max_length=200, description="Only what fits this monitor (id or name), with its field."),
    ] = None,
) -> Templates:
    """Ready-made rules: crypto price, website down or slow, API errors, certificate, CPU, memory, disk, no data. Use it
    when somebody wants something usual watched, then create_alert_rule with template and monitor_id; give only what
    differs. For anything else write a condition."""
    if monitor_id is None:
        every = [_shown(one) for one in manage.list_templates()]
        return Templates(items=every, hint="With monitor_id only those that fit are listed.")
    found = manage.match_templates(call.ports, monitor_id, now=call.now)
    unread = "The metric store did not answer, so only the names of the fields were compared."
    none = "None fits; describe_monitor shows the fields, and create_alert_rule takes any condition."
    return Templates(
        monitor_id=found.monitor.id,
        items=[_fitting(one) for one in found.fitting],
        others=[Unfit(name=one.template.name, why=one.why) for one in found.others] or None,
        hint=unread if found.trouble else None if found.fitting else none,
    )


def _shown(one: "manage.Template") -> TemplateOut:
    return TemplateOut(
        name=one.name,
        title=one.title,
        about=one.about,
        severity=SEVERITY_WORDS[one.severity].word,
        asks=dict(one.asks) or None,
        fields=list(one.field_names),
    )


def _fitting(one: "manage.FittingTemplate") -> TemplateOut:
    seen = one.field
    numbers = {"min": seen.least, "median": seen.median, "max": seen.greatest, "latest": seen.latest}
    known = {name: value for name, value in numbers.items() if value is not None}
    filled = {"title": one.title, "fields": None, "condition": dict(one.condition), "lately": known or None}
    return _shown(one.template).model_copy(update=filled)
