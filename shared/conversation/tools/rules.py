"""Tools about rules: saying what people want to be told, changing it, and seeing how it does."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Unpack

from pydantic import Field

from shared import manage
from shared.conversation import cursors, rule_shapes
from shared.conversation.access import Scope
from shared.conversation.arguments import Condition, Cursor, ExactSeverity, Limit, RuleId, Severity
from shared.conversation.rule_shapes import (
    CLEARED,
    Change,
    Clearable,
    RuleChanged,
    RuleDeleted,
    RuleFields,
    RulePage,
    RuleStanding,
    RuleWritten,
    with_rule_fields,
)
from shared.conversation.tooling import Call, tool
from shared.errors import InvalidInput
from shared.model import Rule


@tool("Create an alert rule", Scope.WRITE, idempotent=True)
@with_rule_fields
def create_alert_rule(
    call: Call,
    title: Annotated[
        str | None,
        Field(
            max_length=200,
            description="What people see: say what is wrong when it fires. Without it, a template's.",
        ),
    ] = None,
    condition: Annotated[Condition | None, Field()] = None,
    monitor_id: Annotated[
        str | None,
        Field(max_length=200, description="Id of the monitor (mon_…), or its name: list_monitors has them."),
    ] = None,
    severity: Annotated[
        Severity | None, Field(description="How bad it is; warning, or the template's, if left out.")
    ] = None,
    template: Annotated[
        str | None,
        Field(
            max_length=64,
            description="A ready-made rule from rule_templates, for a monitor; what else is given wins over it, and of "
            'condition only what differs is needed: {"value":70000}.',
        ),
    ] = None,
    enabled: Annotated[bool, Field(description="false: it is stored and not evaluated.")] = True,
    idempotency_key: Annotated[
        str | None,
        Field(
            max_length=200, description="Any text of yours: asked again with it, the first rule is returned."
        ),
    ] = None,
    **fields: Unpack[RuleFields],
) -> RuleWritten:
    """Make a rule: when the condition holds for a series of the monitor, people are told. Use it when somebody wants to
    be told of something, with title and condition, or with a template; try the condition with preview_alert_rule first.
    To change a rule use update_alert_rule: two rules on the same thing tell people twice. The very same rule again
    within a minute returns the first."""
    given = _given(title, condition, severity, monitor_id, enabled, fields)
    if template is not None:
        given = manage.fill_template(call.ports, template, given, now=call.now)
    for name in ("title", "condition"):
        if name not in given:
            raise InvalidInput(name, None, f"{name} is required, unless a template is given")
    made, known = manage.create_rule_once(
        call.ports, manage.draft_rule(given), key=idempotency_key or "", actor=call.actor, now=call.now
    )
    return RuleWritten(
        rule=rule_shapes.rule(manage.get_rule(call.ports, made.rule.id)),
        deduplicated=known or None,
        warnings=list(made.warnings) or None,
    )


def _given(
    title: str | None,
    condition: dict[str, Any] | None,
    severity: str | None,
    monitor_id: str | None,
    enabled: bool | None,
    fields: RuleFields,
) -> dict[str, Any]:
    """What was given, by the names of the use cases."""
    every = {
        "title": title,
        "condition": condition,
        "severity": severity,
        "monitor": monitor_id,
        "enabled": enabled,
        **fields,
    }
    return {name: value for name, value in every.items() if value is not None}


@tool("List alert rules", Scope.READ)
def list_alert_rules(
    call: Call,
    query: Annotated[str | None, Field(max_length=200, description="Words in title or description.")] = None,
    monitor_id: Annotated[
        str | None, Field(max_length=200, description="Only on this monitor (id or name).")
    ] = None,
    severity: ExactSeverity = None,
    enabled: Annotated[
        bool | None, Field(description="Only those that are evaluated, or that are not.")
    ] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> RulePage:
    """Every rule with its condition in words and how it does: firing, in order, without data, or broken and why. Use it
    to find a rule_id, and for "what do we watch?". For what fires or fired use list_alerts."""
    filters = {"query": query, "monitor": monitor_id, "severity": severity, "enabled": enabled}
    page = manage.list_rules(
        call.ports,
        enabled=enabled,
        monitor=monitor_id or "",
        severity=severity,
        words=query or "",
        limit=limit,
        cursor=cursors.opened(cursor, call.tenant, "list_alert_rules", filters),
    )
    empty = "No rule matches; leave a filter out." if any(filters.values()) else "There are no rules yet."
    return RulePage(
        items=[
            rule_shapes.standing(one.rule, one.condition_text, one.monitor_name, one.standing, one.doubts)
            for one in page.items
        ],
        total=page.total,
        next_cursor=cursors.sealed(page.cursor, call.tenant, "list_alert_rules", filters),
        hint=None if page.items else empty,
    )


@tool("Get an alert rule", Scope.READ)
def get_alert_rule(call: Call, rule_id: RuleId) -> RuleStanding:
    """Everything about one rule, with its version and how it does. Use it before update_alert_rule. For why it fires,
    or doesn't, use explain_alert_rule."""
    one = manage.get_rule(call.ports, rule_id)
    name = one.monitor.name if one.monitor else ""
    found = rule_shapes.standing(one.rule, one.condition_text, name, one.standing, one.doubts)
    return found.model_copy(update={"told_on": list(one.told)})


@tool("Change an alert rule", Scope.WRITE, destructive=True, idempotent=True)
@with_rule_fields
def update_alert_rule(
    call: Call,
    rule_id: RuleId,
    title: Annotated[str | None, Field(max_length=200, description="What people see.")] = None,
    condition: Annotated[Condition | None, Field()] = None,
    monitor_id: Annotated[
        str | None, Field(max_length=200, description="Another monitor (id or name).")
    ] = None,
    severity: Annotated[Severity | None, Field(description="How bad it is.")] = None,
    enabled: Annotated[
        bool | None, Field(description="false stops it, and its alerts close; true evaluates it.")
    ] = None,
    clear: Annotated[
        list[Clearable] | None,
        Field(description="Fields to empty; without channels the default ones are told."),
    ] = None,
    version: Annotated[
        int | None,
        Field(ge=1, description="The version that you saw: refused, if somebody changed it since."),
    ] = None,
    **fields: Unpack[RuleFields],
) -> RuleChanged:
    """Change only what is given of a rule; the rest stays. Use it for thresholds, severity, channels, and to stop a
    rule (enabled false). What fires goes on under a new condition. It says what is different now."""
    given = _given(title, condition, severity, monitor_id, enabled, fields)
    changes = manage.changes_of_rule(_changes(given, clear or ()))
    before = manage.get_rule(call.ports, rule_id).rule
    expected = before.version if version is None else version
    written = manage.update_rule(
        call.ports, before.id, changes, actor=call.actor, now=call.now, version=expected
    )
    return RuleChanged(
        rule=rule_shapes.rule(manage.get_rule(call.ports, before.id)),
        changed=_different(before, written.rule),
        warnings=list(written.warnings) or None,
    )


@tool("Bring a deleted rule back", Scope.WRITE, idempotent=True)
def restore_alert_rule(
    call: Call,
    rule_id: Annotated[
        str,
        Field(max_length=200, description="Id of the rule (rule_…), or its title: the last of that title."),
    ],
) -> RuleWritten:
    """Bring back a rule that was deleted, as it was; it is evaluated again from the next tick on. Use it when a
    deletion was a mistake. A rule that is not deleted stays as it is; one that is disabled is enabled by
    update_alert_rule."""
    back = manage.restore_rule(call.ports, rule_id, actor=call.actor, now=call.now)
    return RuleWritten(
        rule=rule_shapes.rule(manage.get_rule(call.ports, back.rule.id)), warnings=list(back.warnings) or None
    )


def _changes(given: Mapping[str, Any], clear: Collection[Clearable]) -> dict[str, Any]:
    """What is given, and what is emptied. Raises InvalidInput for a field that is both."""
    changes = dict(given)
    for name in clear:
        if name in changes:
            raise InvalidInput("clear", name, f"{name} is given, too", "Either set it or clear it")
        changes[name] = CLEARED[name]
    return changes


def _different(before: Rule, after: Rule) -> list[Change]:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    names = [name for name in new if new[name] != old[name] and name not in ("version", "updated_at")]
    return [Change(field=name, old=old[name], new=new[name]) for name in names]


@tool("Delete an alert rule", Scope.DELETE, destructive=True, idempotent=True)
def delete_alert_rule(
    call: Call,
    rule_id: RuleId,
    confirm_title: Annotated[
        str | None,
        Field(max_length=200, description="The rule's title, exactly: it shows that this one is meant."),
    ] = None,
) -> RuleDeleted:
    """Delete a rule; what fires of it closes, and people are told so. Use it only when a person asks for it and knows
    which rule. To stop a rule for a while use update_alert_rule with enabled false, or silence_alerts. It can be undone
    with restore_alert_rule."""
    found = manage.get_rule(call.ports, rule_id)
    rule = found.rule
    if confirm_title is None or confirm_title.strip() != rule.title:
        raise InvalidInput(
            "confirm_title",
            confirm_title,
            "it must be the title of the rule that is deleted",
            f"Ask the person; then call delete_alert_rule with rule_id {rule.id} and its title, from get_alert_rule",
        )
    manage.delete_rule(call.ports, rule.id, actor=call.actor, now=call.now, version=rule.version)
    return RuleDeleted(deleted=rule_shapes.rule(found))
