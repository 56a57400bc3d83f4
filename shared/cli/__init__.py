"""The command line: every use case of shared.manage, on the same database as the functions.

An edge: it reads the clock and the environment, calls one use case, and prints. An error that was expected is one
sentence on stderr and exit status 2.
"""

import logging
import sys

import typer

from shared import terminal
from shared.cli import (
    alerts,
    audit,
    channels,
    deliveries,
    doctor,
    history,
    monitors,
    operate,
    rules,
    rules_file,
    self_alerts,
    silences,
    stats,
    status,
    templates,
    tokens,
)
from shared.errors import TocsinError
from shared.settings import SettingsError

app = typer.Typer(
    name="tocsin",
    help="Serverless alerting: monitors say where points are, rules when you want to be told, alerts what happens.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # help and errors as plain text, which can be copied and searched
)
app.add_typer(monitors.app, name="monitors")
rules.app.command("backtest")(history.backtest)
rules.app.command("explain")(history.explain)
rules.app.command("export")(rules_file.export)
rules.app.command("apply")(rules_file.apply)
app.add_typer(rules.app, name="rules")
app.add_typer(templates.app, name="templates")
app.add_typer(alerts.app, name="alerts")
app.add_typer(silences.app, name="silences")
app.add_typer(channels.app, name="channels")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(deliveries.letters, name="dead-letters")
app.add_typer(self_alerts.app, name="self-alerts")
app.add_typer(tokens.app, name="tokens")
app.command("audit")(audit.audit)
app.command("stats")(stats.stats)
app.command("migrate")(operate.migrate)
app.command("doctor")(doctor.doctor)
app.command("status")(status.status)
app.command("demo")(operate.demo)
app.command("tick")(operate.tick)
app.command("retain")(operate.retain)
app.command("restored")(operate.restored)
app.command(
    "serve",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)(operate.serve)


def main() -> None:
    """Run the command line and exit."""
    # What a function would log at length, a command says itself.
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    try:
        app()
    except (TocsinError, SettingsError) as error:
        terminal.fail(str(error))
        sys.exit(2)
