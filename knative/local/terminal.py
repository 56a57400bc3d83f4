"""What a person sees in the terminal: one plain line per thing that happened, and a table of addresses at the start.

Must not interpret a function's log beyond its common keys (`message`, `level`, `function`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from knative.local.journal import Journal, Note

_COLOURS = (
    "cyan",
    "green",
    "magenta",
    "blue",
    "bright_cyan",
    "bright_green",
    "bright_magenta",
    "bright_blue",
)
_LEVELS = {"warning": "yellow", "error": "bold red", "critical": "bold red"}
_HIDDEN = frozenset(
    {
        "message",
        "level",
        "function",
        "time",
        "timestamp",
        "logger",
        "severity",
        "traceback",
        "exc_info",
        "revision",
        "stack",
    }
)
_QUIET = frozenset({"debug"})


def note_line(journal: Journal, function: str, line: str) -> None:
    """Put one line of a function's output into the journal; JSON lines by their keys, others as they are."""
    try:
        found = json.loads(line) if line.startswith("{") else None
    except ValueError:
        found = None
    if not isinstance(found, dict) or "message" not in found:
        if line.strip():
            journal.note(function, line)
        return
    level = str(found.get("level") or found.get("severity") or "info").lower()
    # Nested values are for programs: they stay in the log file.
    plain = {k: v for k, v in found.items() if k not in _HIDDEN and isinstance(v, (str, int, float))}
    extras = [f"{key}={_short(value)}" for key, value in plain.items()]
    text = "  ".join([str(found["message"]), *extras])
    trace = found.get("traceback") or found.get("exc_info") or found.get("stack")
    if trace:
        text += f"\n{trace}"
    journal.note(function, text, level=level, detail=level in _QUIET)


def _short(value: str | float) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:79] + "…"


class Terminal:
    """Writes notes as they come; `verbose` writes details too."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self._console, self._verbose = console, verbose
        self._colours: dict[str, str] = {}

    def show(self, note: Note) -> None:
        """One line for one note."""
        if note.detail and not self._verbose:
            return
        at = datetime.fromtimestamp(note.at).astimezone().strftime("%H:%M:%S")
        colour = self._colours.setdefault(note.who, _COLOURS[len(self._colours) % len(_COLOURS)])
        line = Text.assemble((at, "dim"), " ", (f"{note.who:<14}", colour), " ")
        line.append(note.text, style=_LEVELS.get(note.level, "dim" if note.detail else ""))
        self._console.print(line, soft_wrap=True, highlight=False)

    def say(self, text: str) -> None:
        """One line of the runner itself."""
        self._console.print(Text(text), soft_wrap=True, highlight=False)

    def addresses(self, rows: Sequence[tuple[str, str]], hints: Sequence[str]) -> None:
        """The table that a start ends with, and what to do next."""
        table = Table(show_header=False, box=None, padding=(0, 2))
        for name, address in rows:
            table.add_row(Text(name, style="bold"), Text(address, style="cyan"))
        self._console.print()
        self._console.print(table)
        self._console.print()
        for hint in hints:
            self.say(hint)
