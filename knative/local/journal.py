"""What happens in the stack, as it happens: each part notes it, whoever listens shows or counts it.

Must not print or write: terminal.py does.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

KEPT = 2000
"""Notes that are kept for readers who come later."""


@dataclass(frozen=True)
class Note:
    """One line: when (epoch seconds), who, what. `detail`: only a curious reader wants it; `quiet`: it brings no news.

    `extras` are what programs said besides, for curious readers too.
    """

    at: float
    who: str
    text: str
    level: str = "info"
    detail: bool = False
    quiet: bool = False
    extras: str = ""


class Journal:
    """Keeps the last notes, counts what was counted, and hands each note to its listeners."""

    def __init__(self) -> None:
        self._notes: deque[Note] = deque(maxlen=KEPT)
        self.counts: Counter[str] = Counter()
        self._listeners: list[Callable[[Note], None]] = []

    @property
    def notes(self) -> list[Note]:
        """The last notes, oldest first; a copy, as other threads read while notes come in."""
        return list(self._notes)

    def listen(self, listener: Callable[[Note], None]) -> None:
        """Hand every later note to `listener`."""
        self._listeners.append(listener)

    def note(
        self,
        who: str,
        text: str,
        *,
        level: str = "info",
        detail: bool = False,
        quiet: bool = False,
        extras: str = "",
    ) -> None:
        """Record one line now; levels are those of the functions' logs: debug, info, warning, error."""
        note = Note(time.time(), who, text, level, detail, quiet, extras)
        self._notes.append(note)
        for listener in self._listeners:
            listener(note)

    def count(self, what: str) -> None:
        """One more of `what`."""
        self.counts[what] += 1
