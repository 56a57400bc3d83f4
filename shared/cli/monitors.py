"""`tocsin monitors …`: where points are."""

from typing import Annotated

import typer

from shared import manage, terminal
from shared.cli import context
from shared.model import Monitor
from shared.wiring import Wiring

app = typer.Typer(help="Monitors: what writes points, with which tags and fields.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="MONITOR", help="Id or name of the monitor.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="How people will call it.")],
    measurement: Annotated[
        str, typer.Option("--measurement", "-m", metavar="NAME", help="The measurement it writes.")
    ],
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG=VALUE", help="Only points with this tag; repeat for more."),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG", help="A tag that tells one series from another; repeat."),
    ] = None,
    kind: Annotated[
        str, typer.Option(metavar="KIND", help="What it is, such as website or host; selectors use it.")
    ] = "",
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A label; repeat for more.")
    ] = None,
    database: Annotated[
        str, typer.Option(metavar="NAME", help="Database or bucket, if not the default one.")
    ] = "",
    source: Annotated[
        str, typer.Option(metavar="NAME", help="Metric store, if there are several.")
    ] = "default",
    monitor_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="An id of your own: mon_…")
    ] = None,
    json: context.Json = False,
) -> None:
    """Add a monitor."""
    tags: dict[str, list[str]] = {}
    for tag, value in context.split("--where", where or []):
        tags.setdefault(tag, []).append(value)
    with context.opened() as wiring:
        added = manage.add_monitor(
            wiring,
            name=name,
            measurement=measurement,
            where={tag: values[0] if len(values) == 1 else values for tag, values in tags.items()},
            key=key or [],
            kind=kind,
            labels=context.pairs("--label", label or []),
            database=database,
            source=source,
            monitor_id=monitor_id,
            actor=context.actor(),
            now=wiring.clock(),
        )
    for text in added.warnings:
        terminal.warn(text)
    if json:
        terminal.as_json(added.monitor)
    else:
        terminal.say(f"Added monitor {added.monitor.id}: {added.monitor.name}")


@app.command("list")
def show_all(
    kind: Annotated[str, typer.Option(metavar="KIND", help="Only this kind.")] = "",
    words: Annotated[
        str, typer.Option("--search", metavar="TEXT", help="Only with these words in name or measurement.")
    ] = "",
    limit: context.Limit = 100,
    cursor: context.Cursor = "",
    json: context.Json = False,
) -> None:
    """List monitors, oldest first."""
    with context.opened() as wiring:
        page = manage.list_monitors(wiring, kind=kind, words=words, limit=limit, cursor=cursor)
    if json:
        terminal.as_json(page)
        return
    rows = [
        (one.id, one.name, f"{one.measurement}\n{filters(one)}".rstrip(), ", ".join(one.key))
        for one in page.items
    ]
    empty = "There are no monitors. `tocsin monitors discover` shows what could become one."
    terminal.table(("Id", "Name", "Points", "Key"), rows, empty)
    if page.cursor:
        terminal.say(f"More: --cursor {page.cursor}")


@app.command()
def show(name: Name, json: context.Json = False) -> None:
    """Show one monitor and the rules on it."""
    with context.opened() as wiring:
        monitor, titles = manage.get_monitor(wiring, name)
    if json:
        terminal.as_json({"monitor": monitor, "rules": titles})
        return
    terminal.facts(
        [
            ("Id", monitor.id),
            ("Name", monitor.name),
            ("Measurement", monitor.measurement),
            ("Database", monitor.database),
            ("Where", filters(monitor)),
            ("Key", ", ".join(monitor.key)),
            ("Fields", ", ".join(f"{name} ({kind})" for name, kind in monitor.fields.items())),
            ("Kind", monitor.kind),
            ("Labels", ", ".join(f"{name}={value}" for name, value in monitor.labels.items())),
            ("Rules", ", ".join(titles)),
            ("Created", terminal.when(monitor.created_at)),
        ]
    )


@app.command()
def describe(name: Name, json: context.Json = False) -> None:
    """Show what each field of a monitor held lately."""
    with context.opened() as wiring:
        found = manage.describe_monitor(wiring, name, now=wiring.clock())
    if json:
        terminal.as_json(found)
        return
    if found.trouble:
        terminal.warn(f"its points could not be read: {found.trouble}")
    terminal.facts(
        [
            ("Id", found.monitor.id),
            ("Name", found.monitor.name),
            ("Looked back to", terminal.when(found.since)),
            ("Points", found.points),
            ("Series", found.series_count),
            ("Last seen", terminal.when(found.last_at)),
            ("Rules", ", ".join(found.rules)),
        ]
    )
    rows = [
        (
            one.name,
            ", ".join(one.texts) or one.kind,
            *(terminal.number(value) for value in (one.least, one.median, one.greatest, one.latest)),
        )
        for one in found.fields
    ]
    terminal.table(
        ("Field", "Type", "Least", "Middle", "Greatest", "Latest"), rows, "No field of it is known."
    )


@app.command()
def delete(name: Name) -> None:
    """Delete a monitor that no rule needs."""
    with context.opened() as wiring:
        monitor = manage.delete_monitor(wiring, name, actor=context.actor(), now=wiring.clock())
    terminal.say(f"Deleted monitor {monitor.id}: {monitor.name}")


@app.command()
def discover(
    measurement: Annotated[
        str | None, typer.Argument(metavar="MEASUREMENT", help="Only this measurement.")
    ] = None,
    database: Annotated[
        str, typer.Option(metavar="NAME", help="Database or bucket, if not the default one.")
    ] = "",
    source: Annotated[
        str, typer.Option(metavar="NAME", help="Metric store, if there are several.")
    ] = "default",
    make: Annotated[bool, typer.Option("--add", help="Add every one that no monitor reads yet.")] = False,
    json: context.Json = False,
) -> None:
    """Show what the metric store has that could become a monitor."""
    with context.opened() as wiring:
        found = manage.discover_monitors(wiring, source=source, database=database, measurement=measurement)
        added = [_add(wiring, one, source) for one in found if not one.covered_by] if make else []
    if json:
        terminal.as_json(added if make else found)
        return
    if make:
        for monitor in added:
            terminal.say(f"Added monitor {monitor.id}: {monitor.name}")
        if not added:
            terminal.say("There was nothing to add.")
        return
    rows = [
        (
            one.proposal.measurement,
            ", ".join(one.proposal.key),
            ", ".join(one.proposal.fields),
            ", ".join(one.covered_by) or "-",
        )
        for one in found
    ]
    empty = "The metric store holds no points yet."
    if measurement:
        empty = f"The metric store has no measurement {measurement!r}; `tocsin monitors discover` shows what it has."
    terminal.table(("Measurement", "Key", "Fields", "Monitors"), rows, empty)


def _add(wiring: Wiring, found: "manage.Suggestion", source: str) -> Monitor:
    proposal = found.proposal
    return manage.add_monitor(
        wiring,
        name=proposal.name,
        measurement=proposal.measurement,
        key=proposal.key,
        kind=proposal.kind,
        database=proposal.database,
        source=source,
        actor=context.actor(),
        now=wiring.clock(),
    ).monitor


def filters(monitor: Monitor) -> str:
    """The tag filter in words."""
    return ", ".join(
        f"{tag}={value if isinstance(value, str) else ' or '.join(value)}"
        for tag, value in monitor.where.items()
    )
