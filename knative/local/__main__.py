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
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console

from knative.local.arguments import PROGRAM, options, parse
from knative.local.errors import LocalError
from knative.local.stack import Stack
from knative.local.stopping import Stopping
from knative.local.terminal import Terminal

FAILED, TIMED_OUT = 2, 3


def welcome(stack: Stack, terminal: Terminal) -> None:
    """Where everything is, and what to do next."""
    skipped = Counter(thing.split()[0] for thing in stack.overlay.meaningless)
    if skipped:
        counted = ", ".join(f"{kind} ({count})" if count > 1 else kind for kind, count in skipped.items())
        terminal.say(f"Not needed on one machine: {counted}")
    if stack.overlay.absent:
        terminal.say(f"Can't run on one machine: {'; '.join(stack.overlay.absent)}")
    rows = [(service.name, stack.service_url(service.name)) for service in stack.overlay.services]
    rows.append(("State, logs", from_here(stack.state)))
    extras = {"demo-site": ("Demo site", stack.demo_site_url), "inbox": ("Inbox", stack.inbox_url)}
    rows += [row for name, row in extras.items() if name not in stack.options.without]
    hints = [s.hint.replace("{url}", stack.service_url(s.name)) for s in stack.overlay.services if s.hint]
    hints.append(f"Your own rules: {command_line(stack.state)} --help, in a second terminal.")
    down = stack.options.cycle.first_down
    if down and "demo-site" not in stack.options.without:
        hints.append(f"The demo site goes down in {down:g} s, on purpose: watch the inbox.")
    if stack.reachable:
        ports = ", ".join(f"{name} on port {port}" for name, port in stack.reachable.items())
        hints.append(f"Other machines reach {ports}, and nothing else.")
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


def faults_done(counts: Mapping[str, int]) -> str:
    """What went wrong on purpose, counted; empty when nothing did."""
    names = {"dropped": "events lost", "duplicated": "events doubled", "reordered": "deliveries held back"}
    names |= {"broker_away": "outages of the Broker", "killed": "functions killed"}
    return ", ".join(f"{words}: {counts[what]}" for what, words in names.items() if counts.get(what))


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
        if done := faults_done(stack.journal.counts):
            terminal.say(f"Went wrong on purpose (seed {asked.seed}): {done}.")
        terminal.say(f"Everything has stopped. The next start goes on from {from_here(stack.state)}.")
    except LocalError as error:
        terminal.fail(f"{error.text}. Its output is above" if error.output else error.text)
        return FAILED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return status


if __name__ == "__main__":
    sys.exit(main())
