"""What a person sees in the terminal: one plain line per thing that happened, and a table of addresses at the start.

Must not interpret a function's log beyond its common keys: `message`, `level`, `function`, and `quiet`, which says that
the line brings no news.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
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
        "quiet",
    }
)
_NARROWEST = 30
_DETAILS = frozenset({"debug"})
_CLEAR_LINE = Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2))


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
    text = str(found["message"])
    trace = found.get("traceback") or found.get("exc_info") or found.get("stack")
    if trace:
        text += f"\n{trace}"
    quiet = found.get("quiet") is True
    journal.note(function, text, level=level, detail=level in _DETAILS, quiet=quiet, extras="  ".join(extras))


def _short(value: str | float) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:79] + "…"


class Terminal:
    """Writes notes as they come; `verbose` writes details and extras too.

    On a screen the next line takes the place of one that brings no news. `errors` is where a failure is said.
    """

    def __init__(self, console: Console, *, verbose: bool = False, errors: Console | None = None) -> None:
        self._console, self._errors, self._verbose = console, errors or console, verbose
        self._colours: dict[str, str] = {}
        self._lock, self._passing = threading.Lock(), False

    def show(self, note: Note) -> None:
        """One line for one note."""
        if note.detail and not self._verbose:
            return
        at = datetime.fromtimestamp(note.at).astimezone().strftime("%H:%M:%S")
        colour = self._colours.setdefault(note.who, _COLOURS[len(self._colours) % len(_COLOURS)])
        who = Text.assemble((at, "dim"), " ", (f"{note.who:<14}", colour), " ")
        said = Text(note.text, _LEVELS.get(note.level, "dim" if note.detail or note.quiet else ""))
        if note.extras and self._verbose:
            said.append(f"  {note.extras}", style="dim")
        passing = note.quiet and not self._verbose
        self._write(who + (said if passing else self._wrapped(said, len(who))), passing=passing)

    def _wrapped(self, text: Text, indent: int) -> Text:
        """On a screen, lines that go on below their own beginning; elsewhere as it is."""
        if not self._console.is_terminal:
            return text
        lines = text.wrap(self._console, max(self._console.width - indent, _NARROWEST))
        return Text("\n" + " " * indent).join(lines)

    def say(self, text: str) -> None:
        """One line of the runner itself."""
        self._write(Text(text))

    def fail(self, text: str) -> None:
        """Why it does not go on."""
        with self._lock:
            self._finish_line()
        self._errors.print(Text(f"Error: {text}", style="red"), soft_wrap=True, highlight=False)

    def _write(self, line: Text, *, passing: bool = False) -> None:
        with self._lock:  # notes come from the stack's thread, the rest from the main one
            self._finish_line()
            self._passing = passing and self._console.is_terminal and not self._console.is_dumb_terminal
            if self._passing:
                line.truncate(self._console.width - 1, overflow="ellipsis")
            self._console.print(line, soft_wrap=True, highlight=False, end="" if self._passing else "\n")

    def _finish_line(self) -> None:
        if self._passing:
            self._console.control(_CLEAR_LINE)
            self._passing = False

    def addresses(self, rows: Sequence[tuple[str, str]], hints: Sequence[str]) -> None:
        """The table that a start ends with, and what to do next."""
        width = max(len(name) for name, _ in rows)
        self.say("")
        for name, address in rows:
            self._write(Text.assemble("  ", (f"{name:<{width}}", "bold"), "  ", (address, "cyan")))
        self.say("")
        for hint in hints:
            self.say(hint)
        self.say("")
