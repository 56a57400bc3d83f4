"""`tocsin silences …`: nobody is told about something for a while, or at some hours of the week."""

from collections.abc import Collection
from typing import Annotated

import typer

from shared import manage, terminal
from shared.cli import context
from shared.errors import InvalidInput
from shared.weekly import WEEKDAYS

app = typer.Typer(
    help="Silences: what nobody is told about for a while.",
    no_args_is_help=True,
)

SilenceId = Annotated[
    str, typer.Argument(metavar="SILENCE", help="Id of the silence, or the beginning of it.")
]
Rules = Annotated[
    list[str] | None, typer.Option("--rule", metavar="NAME", help="This rule (id or title); repeat for more.")
]
Monitors = Annotated[
    list[str] | None,
    typer.Option("--monitor", metavar="NAME", help="This monitor (id or name); repeat for more."),
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="KEY=VALUE", help="A label of rule or monitor, or a tag of the series."),
]
Severity = Annotated[str | None, typer.Option(metavar="SEVERITY", help="While alerts are exactly so bad.")]
AtLeast = Annotated[
    str | None,
    typer.Option(metavar="SEVERITY", help="While alerts are so bad or worse; info is all of them."),
]
Lasting = Annotated[str, typer.Option("--for", metavar="DURATION", help="How long: 30m, 2h, 3d.")]
Until = Annotated[str, typer.Option(metavar="TIME", help="Until when: 2030-01-31T18:00.")]
Since = Annotated[
    str, typer.Option("--from", metavar="TIME", help="From when, if not now: 2h, or 2030-01-31T18:00.")
]
Weekly = Annotated[
    str,
    typer.Option(metavar="HOURS", help="Only in these hours: 'mon-fri 22:00-06:00', 'daily 12:00-13:00'."),
]


@app.command()
def add(
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever wonders.")] = "",
    rule: Rules = None,
    monitor: Monitors = None,
    severity: Severity = None,
    at_least: AtLeast = None,
    label: Labels = None,
    lasting: Lasting = "",
    until: Until = "",
    since: Since = "",
    weekly: Weekly = "",
    zone: Annotated[
        str,
        typer.Option(
            metavar="ZONE", help="Whose clock --weekly is read on: Europe/Berlin; yours, if left out."
        ),
    ] = "",
    by: Annotated[str, typer.Option(metavar="NAME", help="Who wants it; you, if left out.")] = "",
    json: context.Json = False,
) -> None:
    """Silence alerts for a time, or at some hours of the week.

    An alert must match all that is given. What differs at the end from what was told, is told then.
    """
    if not (lasting or until or weekly):
        raise InvalidInput(
            "--for", None, "say how long: --for 2h, --until 2030-01-31T18:00, or --weekly HOURS"
        )
    if not reason:
        raise InvalidInput("--reason", None, "say why, so that others know whether it may be ended")
    with context.opened() as wiring:
        now = wiring.clock()
        given = {
            "rules": rule,
            "monitors": monitor,
            "severity": severity,
            "at_least": at_least,
            "labels": context.pairs("--label", label) if label else None,
            "starts_at": terminal.moment("--from", since, now, 1) if since else None,
            "ends_at": terminal.moment("--until", until, now, 1) if until else None,
            "duration_seconds": manage.seconds_of("--for", lasting) if lasting else None,
            "weekly": manage.weekly_of(weekly, zone or terminal.zone()) if weekly else None,
            "reason": reason,
        }
        draft = manage.draft_silence({name: value for name, value in given.items() if value is not None})
        made = manage.silence_alerts(wiring, draft, by=by or context.person(), actor=context.actor(), now=now)
    if json:
        terminal.as_json(made)
        return
    terminal.say(f"Silence {made.id} is {made.state}: {made.about}; {_when(made)}")
    terminal.say(_matched(made.alerts))


@app.command("list")
def show_all(
    state: Annotated[
        str, typer.Option(metavar="STATE", help="active, pending or expired; those not over, if left out.")
    ] = "",
    limit: context.Limit = 50,
    cursor: context.Cursor = "",
    json: context.Json = False,
) -> None:
    """List silences, the newest first."""
    with context.opened() as wiring:
        page = manage.list_silences(wiring, state=state, now=wiring.clock(), limit=limit, cursor=cursor)
    if json:
        terminal.as_json(page)
        return
    rows = [
        (one.id, f"{one.about}\n{one.reason} ({one.created_by})", one.state, _when(one), one.alerts)
        for one in page.items
    ]
    empty = f"No silence is {state}." if state else "Nothing is silenced."
    terminal.table(("Id", "What and why", "State", "When", "Alerts"), rows, empty)
    if page.cursor:
        terminal.say(f"More: --cursor {page.cursor}")


@app.command()
def end(silence: SilenceId) -> None:
    """End a silence now.

    The next tick tells what it held back, if that still differs from what was told.
    """
    with context.opened() as wiring:
        ended = manage.end_silence(wiring, silence, actor=context.actor(), now=wiring.clock())
    terminal.say(f"Ended {ended.id}: {ended.about}. {_matched(ended.alerts)}")


def _when(one: "manage.SilenceItem") -> str:
    """Until when, or from when to when; the hours of a weekly one, and when those come next."""
    if one.window is None:
        return f"ended {terminal.when(one.ended_at or one.ends_at)}"
    begin, end = (terminal.when(moment) for moment in one.window)
    stretch = f"until {end}" if one.state == "active" else f"{begin} to {end}"
    if one.weekly is None:
        return stretch
    hours = one.weekly
    last = f", for the last time before {terminal.when(one.ends_at)}" if one.ends_at else ""
    return f"{_days(hours.days)} {hours.start}-{hours.end} {hours.zone}{last}; {stretch}"


def _days(days: Collection[str]) -> str:
    """The days of a week in its order: `daily`, three or more in a row as `mon-fri`, others as `mon,thu`."""
    found = [number for number, day in enumerate(WEEKDAYS) if day in days]
    if len(found) == len(WEEKDAYS):
        return "daily"
    if len(found) > 2 and found[-1] - found[0] == len(found) - 1:
        return f"{WEEKDAYS[found[0]]}-{WEEKDAYS[found[-1]]}"
    return ",".join(WEEKDAYS[number] for number in found)


def _matched(alerts: int) -> str:
    if not alerts:
        return "No alert that fires now is concerned."
    return (
        "1 alert that fires now is concerned."
        if alerts == 1
        else f"{alerts} alerts that fire now are concerned."
    )
