"""`tocsin migrate | demo | tick | retain | restored | serve`: what runs Tocsin rather than what it watches."""

import importlib
import logging
import math
from typing import Annotated

import typer

from shared import manage, terminal
from shared.cli import context
from shared.errors import InvalidInput
from shared.settings import settings

FAILED = 2


def migrate() -> None:
    """Bring the database up to date.

    Safe to repeat, and while everything runs.
    """
    # Here and not at the top, as in `tick`: every other command would wait for it.
    from shared.store import migrate as schema
    from shared.store.engine import open_store

    found = settings()
    store = open_store(found.database_url.get_secret_value(), found.tenant, found.state_dir)
    before = schema.revision(store)
    if before >= schema.NEWEST:
        terminal.say(f"The database is up to date (revision {before}).")
    else:
        terminal.say(f"The database is now at revision {schema.migrate(store)}.")
    store.close()


def demo(
    if_empty: Annotated[
        bool, typer.Option("--if-empty", help="Do nothing where there is something.")
    ] = False,
    self_alerts: Annotated[
        bool, typer.Option("--self-alerts", help="Turn on the rules on Tocsin itself with it.")
    ] = False,
) -> None:
    """Fill an empty database with rules about this machine."""
    with context.opened() as wiring:
        actor, now = context.actor(), wiring.clock()
        seeded = manage.seed_demo(wiring, if_empty=if_empty, actor=actor, now=now)
        if seeded.rules and self_alerts:
            # A machine of one's own sleeps, and is switched off: that it missed slots is no news.
            manage.turn_on_self_alerts(wiring, without=("missed-slots",), actor=actor, now=now)
    if seeded.rules:
        more = ", and turned on the self-alerts" if self_alerts else ""
        terminal.say(f"Added {len(seeded.monitors)} monitors and {len(seeded.rules)} rules{more}.")
    else:
        terminal.say("The database has monitors or rules already; nothing was added.")


def tick(
    at: Annotated[
        str, typer.Option(metavar="TIME", help="The time to evaluate: now, or 2030-01-31T18:00.")
    ] = "now",
    interval: Annotated[
        str, typer.Option(metavar="DURATION", help="Time between ticks; that of the newest one, if left out.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would happen; write and send nothing.")
    ] = False,
    json: context.Json = False,
) -> None:
    """Evaluate all rules once."""
    # Not at the top: the evaluator brings numpy and every adapter, which no other command needs.
    from shared import tick as ticking
    from shared.events import Tick

    logging.getLogger("tocsin").setLevel(logging.INFO)
    given = manage.seconds_of("--interval", interval) * 1000 if interval else None
    if given == 0:
        raise InvalidInput("--interval", interval, "expected at least one second")
    with context.opened() as wiring:
        step = given or manage.pace(wiring).interval_ms
        time = terminal.moment("--at", at, wiring.clock(), -1)
        asked = Tick(time // step * step, step // 1000)
        report = ticking.dry_run(asked, wiring) if dry_run else ticking.run(asked, wiring)
    if report is None:
        # Why is in the log, which goes to stderr.
        terminal.as_json(None) if json else terminal.say("Nothing was evaluated.")
        return
    if json:
        terminal.as_json(report)
    else:
        names = ("rules", "series", "queries", "points", "transitions", "notifications", "skipped", "errors")
        counts = [(name.capitalize(), getattr(report, name)) for name in names]
        terminal.facts([("Slot", terminal.when(report.slot)), *counts, ("Error", report.error)])
    if report.errors:
        raise typer.Exit(FAILED)


def retain(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show how many rows would go; remove nothing.")
    ] = False,
    json: context.Json = False,
) -> None:
    """Remove what was kept long enough.

    The TOCSIN_KEEP_…_DAYS say how long. What is open or owed stays, and so does what something that stays refers to.
    """
    from shared import retention

    with context.opened() as wiring:
        report = retention.run(wiring, wiring.clock(), seconds=math.inf, dry_run=dry_run)
    if json:
        terminal.as_json(report)
        return
    rows = [(table, f"{count:,}") for table, count in report.rows.items() if count]
    terminal.table(
        ("Table", "Would go" if dry_run else "Removed"), rows, "Nothing was kept long enough to go."
    )


def restored() -> None:
    """Say that the database came from a backup.

    Before the first tick: messages get numbers that were never used, and what may have been told since says so.
    """
    with context.opened() as wiring:
        done = manage.after_restore(wiring, actor=context.actor(), now=wiring.clock())
    terminal.say(f"{done.rules} {'rule counts' if done.rules == 1 else 'rules count'} on from a new number.")
    if done.deliveries:
        many = f"{done.deliveries} {'message' if done.deliveries == 1 else 'messages'}"
        terminal.warn(f"{many} may be told twice: nobody knows what was told since the backup")


def serve(ctx: typer.Context) -> None:
    """Run everything on this machine."""
    # By name: the local stack knows manifests and HTTP only, and nothing of this package may depend on it.
    local = importlib.import_module("knative.local.__main__")
    raise typer.Exit(local.main(ctx.args, "tocsin serve"))
