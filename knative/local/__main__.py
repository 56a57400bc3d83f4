"""The command `python -m knative.local`: start the overlay, show what happens, stop cleanly.

Must not hold logic that a test would want: Stack has it.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console

from knative.local.demo_site import Cycle
from knative.local.errors import LocalError
from knative.local.options import EXTRAS, Options
from knative.local.stack import Stack
from knative.local.stopping import Stopping
from knative.local.terminal import Terminal

PROGRAM = "python -m knative.local"
FAILED, TIMED_OUT = 2, 3
INBOX_PORT, PORT_BASE = 8025, 8700


def parse(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> argparse.Namespace:
    """The command line."""
    usage = "Run an overlay on this machine, without Kubernetes."
    parser = argparse.ArgumentParser(program, description=usage)
    parser.add_argument(
        "--overlay", default="laptop", help="name of an overlay, or a path to one (default: laptop)"
    )
    parser.add_argument(
        "--state", default=".tocsin", help="folder for databases, logs and mounts (default: .tocsin)"
    )
    port = "port of the inbox; 0 for any"
    base = "first of the ports of everything else, which follow each other; 0 for any"
    parser.add_argument(
        "--inbox-port", type=int, default=INBOX_PORT, metavar="PORT", help=f"{port} (default: {INBOX_PORT})"
    )
    parser.add_argument(
        "--port-base", type=int, default=PORT_BASE, metavar="PORT", help=f"{base} (default: {PORT_BASE})"
    )
    env = "a variable of every function, whatever the manifests say; repeat for more"
    parser.add_argument("--env", action="append", default=[], metavar="KEY=VALUE", help=env)
    without = "leave a part out; repeat for more"
    parser.add_argument("--without", action="append", default=[], choices=EXTRAS, help=without)
    parser.add_argument(
        "--until-message", type=int, default=0, metavar="N", help="stop when the inbox has N messages"
    )
    parser.add_argument(
        "--kind", default="", help="with --until-message: count only this kind (slack, email, …)"
    )
    parser.add_argument("--timeout", type=float, default=0.0, metavar="S", help="stop after S seconds")
    parser.add_argument(
        "--site-down",
        default="20-45",
        metavar="A-B",
        help="seconds after the start when the demo site is down (default: 20-45)",
    )
    parser.add_argument(
        "--site-every",
        type=float,
        default=600.0,
        metavar="S",
        help="then down again every S seconds (default: 600)",
    )
    parser.add_argument(
        "--site-down-for", type=float, default=60.0, metavar="S", help="for so long (default: 60)"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="every tick, delivery and debug line")
    return parser.parse_args(arguments)


def options(asked: argparse.Namespace) -> Options:
    """What the command line asks for; LocalError when it makes no sense."""
    env = {}
    for pair in asked.env:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise LocalError(f"--env {pair}: KEY=VALUE is needed")
        env[name] = value
    first, _, last = asked.site_down.partition("-")
    try:
        cycle = Cycle(float(first), float(last), asked.site_every, asked.site_down_for)
    except ValueError as error:
        raise LocalError(
            f"--site-down {asked.site_down}: two numbers of seconds are needed, such as 20-45"
        ) from error
    return Options(env, frozenset(asked.without), True, asked.inbox_port, asked.port_base, cycle)


def welcome(stack: Stack, terminal: Terminal) -> None:
    """Where everything is, and what to do next."""
    skipped = Counter(thing.split()[0] for thing in stack.overlay.meaningless)
    if skipped:
        counted = ", ".join(f"{kind} ({count})" if count > 1 else kind for kind, count in skipped.items())
        terminal.say(f"Not needed on one machine: {counted}")
    rows = [(service.name, stack.service_url(service.name)) for service in stack.overlay.services]
    rows += [("State, logs", from_here(stack.state)), ("Demo site", stack.demo_site_url)]
    rows.append(("Inbox", stack.inbox_url))
    hints = [s.hint.replace("{url}", stack.service_url(s.name)) for s in stack.overlay.services if s.hint]
    hints.append(f"Your own rules: {command_line(stack.state)} --help, in a second terminal.")
    down = stack.options.cycle.first_down
    if down and "demo-site" not in stack.options.without:
        hints.append(f"The demo site goes down in {down:g} s, on purpose: watch the inbox.")
    zone = datetime.now().astimezone().strftime("%z")
    hints.append(f"Ctrl-C stops everything. Times are in {zone[:3]}:{zone[3:]}.")
    terminal.addresses(rows, hints)


def from_here(path: Path) -> str:
    """The path as somebody in the present folder would write it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def command_line(state: Path) -> str:
    """How to call the command that works on the same state."""
    command = from_here(Path(sys.executable).with_name("tocsin"))
    shown = from_here(state)
    return command if shown == ".tocsin" else f"TOCSIN_STATE_DIR={shown} {command}"


def wait(stack: Stack, asked: argparse.Namespace, stopped: threading.Event) -> int:
    """Until a signal, enough messages, or the time is up; the exit status."""
    deadline = time.monotonic() + asked.timeout if asked.timeout else None
    while not stopped.wait(0.1):
        if asked.until_message and len(stack.messages(asked.kind)) >= asked.until_message:
            return 0
        if deadline is not None and time.monotonic() > deadline:
            return TIMED_OUT if asked.until_message else 0
    return 0


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Run, called `program`; 0 when asked to stop, 2 when it can't start, 3 when the messages did not come in time."""
    asked = parse(arguments, program)
    terminal = Terminal(Console(), verbose=asked.verbose, errors=Console(stderr=True))
    stopping = Stopping()
    stopping.listen()
    try:
        stack = Stack(asked.overlay, asked.state, options=options(asked))
        stack.journal.listen(terminal.show)
        terminal.say(f"Starting {len(stack.overlay.services)} functions of overlay {asked.overlay} …")
        with stack:
            stopping.ready()
            welcome(stack, terminal)
            status = wait(stack, asked, stopping.asked)
            terminal.say("Stopping …")
        terminal.say(f"Everything has stopped. The next start goes on from {from_here(stack.state)}.")
    except LocalError as error:
        terminal.fail(f"{error.text}. Its output is above" if error.output else error.text)
        return FAILED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return status


if __name__ == "__main__":
    sys.exit(main())
