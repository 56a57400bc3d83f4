"""`tocsin rules backtest` and `tocsin rules explain`: what a rule would have done, and why it does what it does."""

from typing import Annotated

import typer

from shared import manage, terminal
from shared.cli import _explaining, _looking_back, context, options
from shared.errors import InvalidInput

Title = Annotated[str, typer.Argument(metavar="RULE", help="Id or title of the rule.")]


def backtest(
    rule: Annotated[
        str, typer.Argument(metavar="RULE", help="Id or title; leave it out with --on and --when.")
    ] = "",
    since: Annotated[
        str, typer.Option(metavar="TIME", help="From when: 24h, 7d, or 2030-01-31T18:00.")
    ] = "7d",
    until: Annotated[str, typer.Option(metavar="TIME", help="Until when.")] = "now",
    when: options.When = None,
    condition: options.Condition = None,
    on: Annotated[
        str | None, typer.Option("--on", metavar="NAME", help="On this monitor (id or name) instead.")
    ] = None,
    every: Annotated[
        str,
        typer.Option(
            metavar="DURATION", help="How often the rule is looked at; as often as ticks come, if left out."
        ),
    ] = "",
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Also find thresholds that fire about once a day and a week.")
    ] = False,
    json: context.Json = False,
) -> None:
    """Show what a rule would have done over past data.

    When it would have fired, and what you would have been told. Nothing is written and nobody is told.
    """
    changed = options.condition_given(condition, when)
    if not rule and (changed is None or on is None):
        raise InvalidInput("RULE", None, "give a rule, or --on MONITOR with --when or --condition")
    with context.opened() as wiring:
        now = wiring.clock()
        start = terminal.moment("--since", since, now, -1)
        end = terminal.moment("--until", until, now, -1)
        interval = manage.seconds_of("--every", every) if every else None
        if rule:
            found = manage.backtest_rule(
                wiring, rule, condition=changed, monitor=on, since=start, until=end,
                interval_seconds=interval, suggestions=suggest, now=now,
            )  # fmt: skip
        else:
            draft = manage.draft_rule({"title": "Proposed rule", "monitor": on, "condition": changed})
            found = manage.backtest_draft(
                wiring, draft, since=start, until=end, interval_seconds=interval, suggestions=suggest, now=now
            )
    if json:
        terminal.as_json(found)
    else:
        _looking_back.found(found)


def explain(
    rule: Title,
    series: Annotated[
        str, typer.Option(metavar="NAME", help="This series, by name (host=a) or key; else the worst.")
    ] = "",
    slots: Annotated[int, typer.Option(metavar="NUMBER", help="How many of the last slots to show.")] = 20,
    json: context.Json = False,
) -> None:
    """Say why a rule did or did not fire, and what comes next.

    Also what holds its messages back now: cooldown, silence, acknowledgement, flapping or grouping.
    """
    with context.opened() as wiring:
        explained = manage.explain_rule(wiring, rule, series=series, slots=slots, now=wiring.clock())
    if json:
        terminal.as_json(explained)
    else:
        _explaining.explained(explained)
