"""`tocsin rules …`: when people want to be told."""

import json as jsonlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from shared import manage, terminal
from shared.cli import context, options
from shared.errors import InvalidInput
from shared.model import Rule

app = typer.Typer(help="Rules: a condition on a monitor, and how it is told.", no_args_is_help=True)

Title = Annotated[str, typer.Argument(metavar="RULE", help="Id or title of the rule.")]


@app.command()
def add(
    title: Annotated[
        str | None,
        typer.Argument(metavar="TITLE", help="What people will read first; a template has one of its own."),
    ] = None,
    template: options.Template = None,
    changed: options.Set = None,
    monitor: options.MonitorName = None,
    match: options.Match = None,
    condition: options.Condition = None,
    when: options.When = None,
    severity: options.Severity = None,
    cooldown: options.Cooldown = None,
    repeat: options.Repeat = None,
    group: options.Group = None,
    channel: options.Channels = None,
    label: options.Labels = None,
    description: options.Description = None,
    runbook: options.Runbook = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Add it without evaluating it yet.")] = False,
    rule_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="An id of your own: rule_…")
    ] = None,
    json: context.Json = False,
) -> None:
    """Add a rule, of your own or from a template."""
    given = options.given(
        monitor=monitor,
        match=match,
        condition=condition,
        when=when,
        severity=severity,
        cooldown=cooldown,
        repeat=repeat,
        group=group,
        channel=channel,
        label=label,
        description=description,
        runbook=runbook,
    )
    given |= {"enabled": not disabled, "id": rule_id} | ({} if title is None else {"title": title})
    if changed and template is None:
        raise InvalidInput("--set", changed[0], "it changes the condition of a --template, and none is given")
    with context.opened() as wiring:
        if template is not None:
            given["condition"] = options.condition_of_template(given.get("condition"), changed)
            given = manage.fill_template(wiring, template, given, now=wiring.clock())
        _check_whole(given)
        draft = manage.draft_rule(given)
        written = manage.create_rule(wiring, draft, actor=context.actor(), now=wiring.clock())
    _tell("Added", written, json)


def _check_whole(given: Mapping[str, Any]) -> None:
    """Whether there is all that a rule can't do without."""
    if "title" not in given:
        raise InvalidInput("TITLE", None, "say what people will read first, or give --template")
    if "condition" not in given:
        needs = "a rule needs --when 'price > 60000', --condition with JSON, or --template"
        raise InvalidInput("--when", None, needs)


@app.command()
def edit(
    rule: Title,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="The new title.")] = None,
    monitor: options.MonitorName = None,
    match: options.Match = None,
    condition: options.Condition = None,
    when: options.When = None,
    severity: options.Severity = None,
    cooldown: options.Cooldown = None,
    repeat: options.Repeat = None,
    group: options.Group = None,
    channel: options.Channels = None,
    default_channels: Annotated[
        bool, typer.Option("--default-channels", help="Tell the default channels.")
    ] = False,
    label: options.Labels = None,
    description: options.Description = None,
    runbook: options.Runbook = None,
    json: context.Json = False,
) -> None:
    """Change a rule: only what is given."""
    given = options.given(
        monitor=monitor,
        match=match,
        condition=condition,
        when=when,
        severity=severity,
        cooldown=cooldown,
        repeat=repeat,
        group=group,
        channel=channel,
        label=label,
        description=description,
        runbook=runbook,
    )
    if title is not None:
        given["title"] = title
    if default_channels:
        given["channels"] = None
    if not given:
        raise InvalidInput("change", None, "say what to change: `tocsin rules edit --help` lists it")
    changes = manage.changes_of_rule(given)
    with context.opened() as wiring:
        written = manage.update_rule(wiring, rule, changes, actor=context.actor(), now=wiring.clock())
    _tell("Changed", written, json)


def _tell(done: str, written: "manage.RuleWritten", json: bool) -> None:
    for text in written.warnings:
        terminal.warn(text)
    if json:
        terminal.as_json(written.rule)
    else:
        terminal.say(f"{done} rule {written.rule.id}: {written.rule.title}")


@app.command("list")
def show_all(
    enabled: Annotated[bool | None, typer.Option("--enabled/--disabled", help="Only these.")] = None,
    monitor: Annotated[str, typer.Option(metavar="MONITOR", help="Only on this monitor (id or name).")] = "",
    severity: options.Severity = None,
    words: Annotated[
        str, typer.Option("--search", metavar="TEXT", help="Only with these words in title or description.")
    ] = "",
    limit: context.Limit = 100,
    cursor: context.Cursor = "",
    json: context.Json = False,
) -> None:
    """List rules, oldest first, and how they do."""
    with context.opened() as wiring:
        page = manage.list_rules(
            wiring,
            enabled=enabled,
            monitor=monitor,
            severity=severity,
            words=words,
            limit=limit,
            cursor=cursor,
        )
    if json:
        terminal.as_json(page)
        return
    rows = [
        (
            one.rule.id,
            "\n".join((one.rule.title, one.condition_text, *_doubts(one.doubts[:1]))),
            f"{_state(one.rule, one.standing)}\n{one.rule.severity.word}",
        )
        for one in page.items
    ]
    empty = "There are no rules. `tocsin rules add` makes one; `tocsin demo` fills an empty database."
    terminal.table(("Id", "Rule", "State"), rows, empty)
    if page.cursor:
        terminal.say(f"More: --cursor {page.cursor}")


@app.command()
def show(rule: Title, json: context.Json = False) -> None:
    """Show everything about one rule."""
    with context.opened() as wiring:
        detail = manage.get_rule(wiring, rule)
    if json:
        terminal.as_json(detail)
        return
    found = detail.rule
    health = detail.standing
    terminal.facts(
        [
            ("Id", found.id),
            ("Title", found.title),
            ("Description", found.description),
            ("Condition", detail.condition_text),
            ("Monitor", f"{detail.monitor.name} ({detail.monitor.id})" if detail.monitor else ""),
            ("Selector", jsonlib.dumps(found.selector.model_dump()) if found.selector else ""),
            ("Severity", found.severity.word),
            ("State", _state(found, health)),
            ("Health", _health(health)),
            ("Doubts", "\n".join(_doubts(detail.doubts))),
            ("Channels", ", ".join(found.channels) if found.channels is not None else _defaults(detail.told)),
            ("Cooldown", terminal.lasting(found.cooldown_seconds)),
            (
                "Reminders",
                f"every {terminal.lasting(found.repeat_seconds)}" if found.repeat_seconds else "off",
            ),
            ("Grouping", terminal.lasting(found.group_seconds)),
            ("Labels", ", ".join(f"{name}={value}" for name, value in found.labels.items())),
            ("Runbook", found.runbook_url),
            ("Version", found.version),
            ("Changed", terminal.when(found.updated_at)),
        ]
    )


def _defaults(told: tuple[str, ...]) -> str:
    return f"the default ones ({', '.join(told) or 'none are configured'})"


def _doubts(found: "Sequence[manage.Doubt]") -> list[str]:
    """Why the rule may never fire, one line each."""
    return [f"{'never fires' if one.sure else 'may never fire'}: {one.text}" for one in found]


def _health(standing: "manage.RuleStanding") -> str:
    reason, since = standing.health_reason, terminal.when(standing.health_since)
    return f"{standing.health}: {reason}, since {since}" if reason else standing.health


def _state(rule: Rule, standing: "manage.RuleStanding") -> str:
    if standing.firing:
        return f"firing {standing.firing}" if standing.firing > 1 else "firing"
    if not rule.enabled:
        return "disabled"
    return {"no_data": "no data"}.get(standing.health, standing.health)


@app.command()
def enable(rule: Title) -> None:
    """Evaluate a rule again."""
    _set_enabled(rule, True)


@app.command()
def disable(rule: Title) -> None:
    """Stop evaluating a rule; its alerts close."""
    _set_enabled(rule, False)


def _set_enabled(wanted: str, enabled: bool) -> None:
    with context.opened() as wiring:
        rule = manage.set_enabled(wiring, wanted, enabled, actor=context.actor(), now=wiring.clock())
    terminal.say(f"{'Enabled' if enabled else 'Disabled'} rule {rule.id}: {rule.title}")


@app.command()
def forget(
    rule: Title,
    series: Annotated[str, typer.Argument(metavar="SERIES", help="Its name, as in host=web1, or its key.")],
    json: context.Json = False,
) -> None:
    """Forget a series that is gone for good; its alert closes."""
    with context.opened() as wiring:
        forgotten = manage.forget_series(wiring, rule, series, actor=context.actor(), now=wiring.clock())
    if json:
        terminal.as_json(forgotten)
        return
    closes = " Its alert closes with the next tick." if forgotten.closes else ""
    terminal.say(f"Forgot {forgotten.name} of {forgotten.rule.title}, until it sends again.{closes}")


@app.command()
def delete(rule: Title) -> None:
    """Delete a rule; its alerts close."""
    with context.opened() as wiring:
        deleted = manage.delete_rule(wiring, rule, actor=context.actor(), now=wiring.clock())
    terminal.say(f"Deleted rule {deleted.id}: {deleted.title}")


@app.command()
def restore(
    rule: Annotated[str, typer.Argument(help="Id of the rule, or its title exactly as it was.")],
) -> None:
    """Bring back a deleted rule as it was; the last of that title."""
    with context.opened() as wiring:
        back = manage.restore_rule(wiring, rule, actor=context.actor(), now=wiring.clock())
    terminal.say(f"Rule {back.rule.id} is there again: {back.rule.title}")
