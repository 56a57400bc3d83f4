"""`tocsin self-alerts …`: the rules with which Tocsin watches itself."""

from typing import Annotated

import typer

from shared import manage, terminal
from shared.cli import context

app = typer.Typer(help="Self-alerts: rules on Tocsin's own numbers.", no_args_is_help=True)

Channels = Annotated[
    list[str] | None,
    typer.Option("--channel", metavar="NAME", help="Tell all of them here; repeat for more."),
]

Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="SLUG", help="Leave this one as it is; repeat for more."),
]


@app.command()
def on(channel: Channels = None, without: Without = None, json: context.Json = False) -> None:
    """Turn them on.

    Those that are missing are added; what you changed of the others stays.
    """
    with context.opened() as wiring:
        done = manage.turn_on_self_alerts(
            wiring, channels=channel, without=without or (), actor=context.actor(), now=wiring.clock()
        )
    if json:
        terminal.as_json(done)
    elif done.added or done.changed:
        terminal.say(f"The self-alerts are on: {len(done.added)} added, {len(done.changed)} changed.")
    else:
        terminal.say("The self-alerts were on already; nothing was changed.")


@app.command()
def off(json: context.Json = False) -> None:
    """Turn them off; the next tick closes their alerts.

    They stay as you changed them.
    """
    with context.opened() as wiring:
        done = manage.turn_off_self_alerts(wiring, actor=context.actor(), now=wiring.clock())
    if json:
        terminal.as_json(done)
    elif done.changed:
        terminal.say(f"{len(done.changed)} self-alerts are off.")
    else:
        terminal.say("No self-alert was on; nothing was changed.")


@app.command("list")
def list_(json: context.Json = False) -> None:
    """Show all of them: which are on, and which fire."""
    with context.opened() as wiring:
        found = manage.list_self_alerts(wiring)
    if json:
        terminal.as_json(found)
        return
    rows = [(one.slug, one.rule.title, *_doing(one)) for one in found]
    terminal.table(("Slug", "Title", "State", "Health", "Firing"), rows, "There are none.")
    terminal.say(f"What to do about one: {found[0].runbook.partition('#')[0]}#SLUG.")


def _doing(one: "manage.SelfAlert") -> tuple[object, ...]:
    if one.standing is None:
        return "never on", "", ""
    return "on" if one.rule.enabled else "off", one.standing.health, one.standing.firing
