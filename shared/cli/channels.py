"""`tocsin channels …`: where people are told, and trying it out."""

import time
from typing import Annotated

import typer

from shared import manage, terminal
from shared.cli import context

app = typer.Typer(help="Channels: where people are told, and trying it out.", no_args_is_help=True)

FAILED = 1
POLL_SECONDS = 0.2


@app.command("list")
def show_all(json: context.Json = False) -> None:
    """List the configured channels and how they do."""
    with context.opened() as wiring:
        found = manage.list_channels(wiring)
    if json:
        terminal.as_json(found)
        return
    rows = [
        (
            one.channel.name,
            one.channel.kind,
            "yes" if one.channel.default else "",
            one.channel.timezone,
            f"{one.health}: {one.reason}" if one.reason else one.health,
        )
        for one in found
    ]
    terminal.table(
        ("Name", "Kind", "Default", "Zone", "Health"),
        rows,
        "No channels are configured.",
    )


@app.command("test")
def try_out(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the channel.")],
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long to wait for its vendor.")
    ] = 30.0,
    json: context.Json = False,
) -> None:
    """Send a test message, and show what its vendor said."""
    with context.opened() as wiring:
        sent = manage.send_test(wiring, name, actor=context.actor(), now=wiring.clock())
        deadline = time.monotonic() + timeout
        while not sent.finished and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            sent = manage.delivery_result(wiring, sent.notification_id)
    if json:
        terminal.as_json(sent)
    else:
        _say(sent, timeout)
    if not sent.good:
        raise typer.Exit(FAILED)


def _say(sent: "manage.SentTest", timeout: float) -> None:
    rows = [
        (
            f"{one.channel} ({one.kind})\n{one.recipient}".rstrip(),
            one.state,
            one.http_status or "",
            one.provider_code,
            f"{one.latency_ms} ms" if one.http_status else "",
            f"{one.reason} {one.excerpt}".strip()[:300],
        )
        for one in sent.result
    ]
    terminal.table(("Channel", "State", "HTTP", "Code", "Latency", "Reason"), rows, "It has no recipient.")
    if sent.given_up:
        terminal.warn(f"the broker gave up on it: {sent.given_up}")
    elif not sent.finished:
        terminal.warn(
            f"nothing is known after {timeout:g} s; `tocsin deliveries list` shows what becomes of it"
        )
