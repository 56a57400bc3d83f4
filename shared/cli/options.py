"""The options that describe a rule, and what the use cases call them. `add` and `edit` share them."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from shared import manage
from shared.cli import context
from shared.errors import InvalidInput

MonitorName = Annotated[
    str | None, typer.Option("--monitor", metavar="NAME", help="Id or name of the monitor.")
]
Match = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE", help="Instead of --monitor: every monitor with kind=… or this label; repeat."
    ),
]
Condition = Annotated[str | None, typer.Option(metavar="JSON", help='As JSON: {"type":"threshold",…}')]
When = Annotated[
    str | None,
    typer.Option(metavar="CONDITION", help="In short: 'price > 60000', 'avg(load) >= 9 over 5m for 2m'"),
]
Template = Annotated[
    str | None, typer.Option(metavar="NAME", help="A ready-made rule: `tocsin templates list` shows them.")
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A key of the template's condition: value=70000; repeat."
    ),
]
Severity = Annotated[str | None, typer.Option(metavar="SEVERITY", help="critical, high, warning or info.")]
Cooldown = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Not told again within this time: 300, 5m, 1h.")
]
Repeat = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Remind while it fires, this often; 0 is never.")
]
Group = Annotated[
    str | None, typer.Option(metavar="DURATION", help="How long further series wait to join one message.")
]
Channels = Annotated[
    list[str] | None, typer.Option("--channel", metavar="NAME", help="Tell this channel; repeat for more.")
]
Labels = Annotated[list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="A label; repeat.")]
Description = Annotated[str | None, typer.Option(metavar="TEXT", help="What it means and what to do.")]
Runbook = Annotated[str | None, typer.Option(metavar="URL", help="Web address of the instructions.")]


def given(
    *,
    condition: str | None,
    when: str | None,
    match: Sequence[str] | None,
    cooldown: str | None,
    repeat: str | None,
    group: str | None,
    label: Sequence[str] | None,
    channel: Sequence[str] | None,
    runbook: str | None,
    **same: Any,
) -> dict[str, Any]:
    """The options that were given, by the names of the use cases; `same` are called alike there."""
    found = {
        **same,
        "selector": _selector(match),
        "condition": condition_given(condition, when),
        "cooldown_seconds": _seconds("--cooldown", cooldown),
        "repeat_seconds": _seconds("--repeat", repeat),
        "group_seconds": _seconds("--group", group),
        "labels": context.pairs("--label", label) if label else None,
        "channels": channel or None,
        "runbook_url": runbook,
    }
    return {name: value for name, value in found.items() if value is not None}


def _seconds(option: str, text: str | None) -> int | None:
    return None if text is None else manage.seconds_of(option, text)


def _selector(match: Sequence[str] | None) -> dict[str, Any] | None:
    if not match:
        return None
    wanted = context.pairs("--match", match)
    return {"kind": wanted.pop("kind", ""), "labels": wanted}


def condition_given(text: str | None, when: str | None) -> dict[str, Any] | None:
    """The condition of --condition or --when; None when neither was given."""
    if text is not None and when is not None:
        raise InvalidInput("--when", when, "give --when or --condition, not both")
    if text is None:
        return None if when is None else manage.condition_of(when)
    try:
        condition = json.loads(text)
    except ValueError as error:
        hint = "Or say it in short with --when"
        raise InvalidInput("--condition", text, f"expected JSON: {error}", hint) from None
    if not isinstance(condition, dict):
        raise InvalidInput("--condition", text, 'expected a JSON object such as {"type":"threshold",…}')
    return condition


def condition_of_template(condition: dict[str, Any] | None, changed: Sequence[str] | None) -> dict[str, Any]:
    """What differs from the condition of a template: --when or --condition, and each --set, whose value may be JSON."""
    found = dict(condition or {})
    for key, text in context.pairs("--set", changed or []).items():
        try:
            found[key] = json.loads(text)
        except ValueError:
            found[key] = text
    return found
