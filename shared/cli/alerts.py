"""`tocsin alerts …`: what fires, what fired, who was told."""

from typing import Annotated

import typer

from shared import manage, terminal
from shared.cli import context
from shared.model import Millis
from shared.series import series_text

app = typer.Typer(help="Alerts: what fires, what fired, and who was told.", no_args_is_help=True)

AlertId = Annotated[str, typer.Argument(metavar="ALERT", help="Id of the alert, or the beginning of it.")]


@app.command("list")
def show_all(
    state: Annotated[str, typer.Option(metavar="STATE", help="firing or resolved.")] = "",
    rule: Annotated[str, typer.Option(metavar="RULE", help="Only of this rule (id or title).")] = "",
    severity: Annotated[
        str | None, typer.Option(metavar="SEVERITY", help="Only of this severity or worse.")
    ] = None,
    acked: Annotated[
        bool | None, typer.Option("--acked/--unacked", help="Only those that are, or are not, acknowledged.")
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Fired since then: 2h, or 2030-01-31T18:00.")
    ] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="Fired before then.")] = "",
    limit: context.Limit = 50,
    cursor: context.Cursor = "",
    json: context.Json = False,
) -> None:
    """List alerts, the last to fire first."""
    with context.opened() as wiring:
        now = wiring.clock()
        page = manage.list_alerts(
            wiring,
            state=state,
            rule=rule,
            severity=severity,
            acknowledged=acked,
            since=terminal.moment("--since", since, now, -1) if since else None,
            until=terminal.moment("--until", until, now, -1) if until else None,
            limit=limit,
            cursor=cursor,
        )
    if json:
        terminal.as_json(page)
        return
    rows = [_row(one) for one in page.items]
    empty = (
        "No alert matches."
        if any((state, rule, severity, since, until, acked is not None))
        else "There are no alerts yet."
    )
    terminal.table(("Id", "Alert", "State", "Fired"), rows, empty)
    if page.cursor:
        terminal.say(f"More: --cursor {page.cursor}")


def _row(alert: "manage.AlertRow") -> tuple[str, ...]:
    """Two lines in every column, so that a whole id fits beside them."""
    title = f"{alert.title}\n{series_text(alert.key, '')}".rstrip()
    state = f"{_state(alert)}\n{terminal.severity(alert.severity)}"
    return alert.id, title, state, _two_lines(alert.fired_at)


def _two_lines(time: Millis | None) -> str:
    return terminal.when(time).replace(" ", "\n", 1)


def _state(alert: "manage.AlertRow") -> str:
    return "acknowledged" if alert.state == "firing" and alert.acked_at is not None else alert.state


@app.command()
def show(alert: AlertId, json: context.Json = False) -> None:
    """Show the whole story of one alert."""
    with context.opened() as wiring:
        detail = manage.get_alert(wiring, alert)
    if json:
        terminal.as_json(detail)
        return
    found = detail.alert
    acked = f"{found.acked_by}, {terminal.when(found.acked_at)}" if found.acked_at is not None else ""
    terminal.facts(
        [
            ("Id", found.id),
            ("Rule", f"{found.title} ({found.rule_id})"),
            ("Series", series_text(found.key, "")),
            ("State", _state(found)),
            ("Severity", terminal.severity(found.severity)),
            ("Value", terminal.number(found.value, found.text)),
            ("Began", terminal.when(found.started_at)),
            ("Fired", terminal.when(found.fired_at)),
            ("Resolved", terminal.when(found.resolved_at)),
            ("Reason", found.reason),
            ("Acknowledged", acked),
            ("Until", terminal.when(found.acked_until)),
            ("Note", found.ack_note),
        ]
    )
    steps = [
        (
            terminal.when(one.slot),
            one.change,
            terminal.severity(one.level),
            terminal.number(one.value),
            one.reason,
        )
        for one in detail.transitions
    ]
    terminal.table(("Time", "Change", "Level", "Value", "Reason"), steps, "No steps are recorded.")
    told = [
        (
            one.event,
            f"{one.channel} ({one.kind})\n{one.recipient}".rstrip(),
            one.state,
            _two_lines(one.finished_at),
            one.reason,
        )
        for one in detail.deliveries
    ]
    terminal.table(("Event", "Channel", "State", "Finished", "Reason"), told, "Nobody was told yet.")


@app.command()
def ack(
    alert: AlertId,
    note: Annotated[str, typer.Option(metavar="TEXT", help="What you found, or what you do about it.")] = "",
    until: Annotated[
        str, typer.Option(metavar="TIME", help="Tell again after this: 2h, or 2030-01-31T18:00.")
    ] = "",
    by: Annotated[str, typer.Option(metavar="NAME", help="Who has seen it; you, if left out.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Take the acknowledgement back.")] = False,
) -> None:
    """Acknowledge an alert: it is told again when it worsens or ends."""
    with context.opened() as wiring:
        now = wiring.clock()
        if undo:
            found = manage.withdraw_acknowledgement(wiring, alert, actor=context.actor(), now=now)
            terminal.say(f"Took back the acknowledgement of {found.id}: {found.title}")
            return
        found = manage.acknowledge(
            wiring,
            alert,
            by=by or context.person(),
            note=note,
            until=terminal.moment("--until", until, now, 1) if until else None,
            actor=context.actor(),
            now=now,
        )
    end = f" until {terminal.when(found.acked_until)}" if found.acked_until else ""
    terminal.say(f"Acknowledged {found.id}: {found.title}{end}")
