"""`tocsin deliveries …` and `tocsin dead-letters …`: what became of every message, and trying again what failed."""

from typing import Annotated

import typer

from shared import manage, terminal
from shared.cli import context

app = typer.Typer(help="Deliveries: what became of each message to each recipient.", no_args_is_help=True)
letters = typer.Typer(help="Dead letters: events that the broker gave up on.", no_args_is_help=True)

DeliveryId = Annotated[
    str, typer.Argument(metavar="DELIVERY", help="Id of the delivery, or the beginning of it.")
]
EventId = Annotated[str, typer.Argument(metavar="EVENT", help="Id of the event, or the beginning of it.")]
Kind = Annotated[
    str, typer.Option(metavar="KIND", help="The kind of channel, if there are letters of several.")
]
FAILED = 1


@app.command("list")
def show_all(
    state: Annotated[
        str, typer.Option(metavar="STATE", help="pending, delivered, rejected, expired, unknown, …")
    ] = "",
    channel: Annotated[str, typer.Option(metavar="NAME", help="Only on this channel.")] = "",
    rule: Annotated[str, typer.Option(metavar="RULE", help="Only of this rule (id or title).")] = "",
    alert: Annotated[
        str, typer.Option(metavar="ALERT", help="Only about this alert (id, or the beginning of it).")
    ] = "",
    waiting: Annotated[bool, typer.Option("--waiting", help="Only what will be tried again.")] = False,
    limit: context.Limit = 50,
    cursor: context.Cursor = "",
    json: context.Json = False,
) -> None:
    """List deliveries, newest first."""
    with context.opened() as wiring:
        page = manage.list_deliveries(
            wiring,
            state=state,
            channel=channel,
            rule=rule,
            alert=alert,
            only_open=waiting,
            limit=limit,
            cursor=cursor,
        )
        titles = manage.rule_titles(wiring, {one.rule_id for one in page.items})
    if json:
        terminal.as_json(page)
        return
    chosen = any((state, channel, rule, alert, waiting))
    empty = "No delivery matches." if chosen else "Nobody was told anything yet."
    rows = [_row(one, titles.get(one.rule_id, "")) for one in page.items]
    terminal.table(("Id", "Told", "State", "When"), rows, empty)
    if page.cursor:
        terminal.say(f"More: --cursor {page.cursor}")


def _row(row: "manage.DeliveryRow", title: str) -> tuple[str, ...]:
    told = "\n".join(filter(None, (title, f"{row.event} on {row.channel}", row.recipient)))
    when = terminal.when(row.finished_at or row.created_at).replace(" ", "\n", 1)
    return row.id, told, f"{row.state}\n{row.reason[:80]}".rstrip(), when


@app.command()
def show(delivery: DeliveryId, json: context.Json = False) -> None:
    """Show the whole story of one delivery."""
    with context.opened() as wiring:
        detail = manage.get_delivery(wiring, delivery)
    if json:
        terminal.as_json(detail)
        return
    row = detail.delivery
    terminal.facts(
        [
            ("Id", row.id),
            ("Told", f"{row.event}: {detail.title} ({row.rule_id})"),
            ("Channel", f"{row.channel} ({row.kind})"),
            ("Recipient", row.recipient),
            ("State", row.state),
            ("Reason", row.reason),
            ("Attempts", row.attempts),
            ("Announced", terminal.when(row.created_at)),
            ("Published", "" if detail.published else "not yet: the broker did not take its event"),
            ("Sent", terminal.when(row.sent_at)),
            ("Finished", terminal.when(row.finished_at)),
            ("Next try", terminal.when(row.next_at)),
            ("Worth telling until", terminal.when(row.deadline_at) if row.next_at else ""),
            ("HTTP status", row.http_status),
            ("Vendor's code", row.provider_code),
            ("Vendor's id", row.provider_id),
            ("Latency", f"{row.latency_ms} ms" if row.http_status else ""),
            ("Vendor said", row.excerpt),
            ("Told by", row.superseded_by),
            ("Digest", row.digest_id),
            ("In place of", row.fallback_of),
            ("Event", row.notification_id),
            ("Alerts", "\n".join(f"{one.id} ({one.state})" for one in detail.alerts[:20])),
        ]
    )
    others = [(one.id, "told with it", one.state) for one in detail.superseded]
    others += [(one.id, f"instead of it, on {one.channel}", one.state) for one in detail.fallbacks]
    if others:
        terminal.table(("Id", "Delivery", "State"), others, "")
    for letter in detail.letters:
        terminal.warn(f"the broker gave up on its event: {letter.error_data or 'no reason given'}")


@app.command()
def retry(
    delivery: Annotated[
        list[str] | None, typer.Argument(metavar="DELIVERY", help="Ids, or the beginnings of them.")
    ] = None,
    channel: Annotated[str, typer.Option(metavar="NAME", help="All that failed on this channel.")] = "",
    since: Annotated[str, typer.Option(metavar="TIME", help="With --channel: announced since then.")] = "24h",
    json: context.Json = False,
) -> None:
    """Try again what was rejected, expired, or may not have arrived."""
    with context.opened() as wiring:
        now = wiring.clock()
        done = manage.retry_deliveries(
            wiring,
            delivery or [],
            channel=channel,
            since=terminal.moment("--since", since, now, -1),
            actor=context.actor(),
            now=now,
        )
    if json:
        terminal.as_json(done)
        return
    count = len(done.deliveries)
    terminal.say(f"{count} {'delivery is' if count == 1 else 'deliveries are'} due again.")
    for name, why in done.left.items():
        terminal.warn(f"{name} was left alone: {why}")


@letters.command("list")
def list_letters(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are dealt with.")] = False,
    limit: context.Limit = 50,
    json: context.Json = False,
) -> None:
    """List dead letters that a delivery still waits for."""
    with context.opened() as wiring:
        found = manage.list_dead_letters(wiring, everything=everything, limit=limit)
    if json:
        terminal.as_json(found)
        return
    rows = [
        (
            one.event_id,
            f"{one.kind}\n{one.type}",
            "open" if one.open else "closed",
            f"{one.error_code or ''} {one.error}".strip()[:200],
            terminal.when(one.last_at).replace(" ", "\n", 1),
        )
        for one in found
    ]
    empty = "There are no dead letters." if everything else "No delivery waits for a dead letter."
    terminal.table(("Id", "Kind", "State", "Why", "Last"), rows, empty)


@letters.command("show")
def show_letter(event: EventId, kind: Kind = "", json: context.Json = False) -> None:
    """Show one dead letter with its whole event."""
    with context.opened() as wiring:
        detail = manage.get_dead_letter(wiring, event, kind)
    if json:
        terminal.as_json(detail)
        return
    one = detail.letter
    terminal.facts(
        [
            ("Event", one.event_id),
            ("Kind", one.kind),
            ("State", "open" if one.open else "closed: no delivery waits for it"),
            ("Refused by", one.refused_by),
            ("Status", one.error_code),
            ("Reason", one.error),
            ("Given up", f"{one.received} times" if one.received > 1 else "once"),
            ("First", terminal.when(one.first_at)),
            ("Last", terminal.when(one.last_at)),
            ("Replayed", terminal.when(one.replayed_at)),
            ("Attributes", "\n".join(f"{name}: {text}" for name, text in sorted(detail.attributes.items()))),
            ("Data", detail.data),
        ]
    )


@letters.command()
def replay(event: EventId, kind: Kind = "") -> None:
    """Publish a dead letter's event again, unchanged."""
    with context.opened() as wiring:
        found = manage.replay_dead_letter(wiring, event, kind, actor=context.actor(), now=wiring.clock())
    terminal.say(f"Published {found.event_id} again, for {found.kind}.")
