"""`tocsin stats`: how much there was, what made the noise, how quickly people answered."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from shared import manage, terminal
from shared.cli import context


def stats(
    since: Annotated[
        str, typer.Option(metavar="TIME", help="From when: 24h, 7d, or 2030-01-31T18:00; 90 days at most.")
    ] = "7d",
    until: Annotated[str, typer.Option(metavar="TIME", help="Until when.")] = "now",
    limit: Annotated[int, typer.Option(metavar="NUMBER", help="How many rules in each list.")] = 10,
    json: context.Json = False,
) -> None:
    """Count alerts, and show what is noisy, slow or silent."""
    with context.opened() as wiring:
        now = wiring.clock()
        start = terminal.moment("--since", since, now, -1)
        end = terminal.moment("--until", until, now, -1)
        found = manage.alert_stats(wiring, since=start, until=end, limit=limit)
    if json:
        terminal.as_json(found)
        return
    terminal.facts(_facts(found))
    if found.alerts:
        _stretches(found)
        _rules(found)
    _silent(found)
    if found.told:
        rows = [(one.kind, one.sent, one.failed, one.unknown, one.open) for one in found.told]
        terminal.table(("Channels", "Sent", "Failed", "Unknown", "Open"), rows, "")


def _facts(found: "manage.AlertStats") -> list[tuple[str, object]]:
    words = ", ".join(f"{count} {word}" for word, count in found.by_severity.items())
    some = f"the newest {found.answers_of}" if found.answers_of < found.alerts else "them"
    return [
        ("From", terminal.when(found.since)),
        ("Until", terminal.when(found.until)),
        ("Alerts", f"{found.alerts}: {words}" if found.alerts else "none"),
        ("Told", f"{found.announced} of them" if found.alerts else ""),
        ("Still firing", f"{found.firing} of {some}" if found.alerts else ""),
        ("To acknowledge", _spread(found.acknowledge)),
        ("Not acknowledged", f"{found.never_acknowledged} of {some}" if found.alerts else ""),
        ("To resolve", _spread(found.resolve)),
    ]


def _spread(one: "manage.Spread") -> str:
    if one.median is None or one.p90 is None:
        return ""
    return f"half within {terminal.lasting(one.median)}, nine of ten within {terminal.lasting(one.p90)}"


def _stretches(found: "manage.AlertStats") -> None:
    rows = [
        (
            datetime.fromtimestamp(one.start / 1000, UTC).strftime("%a %Y-%m-%d"),
            one.alerts,
            ", ".join(f"{count} {word}" for word, count in one.by_severity.items()),
        )
        for one in found.stretches
    ]
    unit = "Day" if found.stretch_days == 1 else "Week from"
    terminal.table((f"{unit} (UTC)", "Alerts", ""), rows, "")


def _rules(found: "manage.AlertStats") -> None:
    rows = [(one.title, one.alerts, f"{one.share:.0%}", one.announced, one.series) for one in found.noisiest]
    terminal.table(("Noisiest rules", "Alerts", "Share", "Told", "Series"), rows, "")
    if found.flapping:
        flaps = [(one.title, one.times, one.now) for one in found.flapping]
        terminal.table(("Flapping rules", "Times", "Now"), flaps, "")


def _silent(found: "manage.AlertStats") -> None:
    rows = [
        ("\n".join((one.title, *one.doubts)), one.health.replace("_", " "), terminal.when(one.created_at))
        for one in found.never_fired
    ]
    if rows:
        terminal.table(("Rules that never fired", "Health", "Since"), rows, "")
        more = found.never_fired_total - len(rows)
        if more:
            terminal.say(f"And {more} more: --limit shows up to 50.")
