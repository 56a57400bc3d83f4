"""The wish to stop, as signals tell it.

Must not stop anything itself: it says what was asked.
"""

from __future__ import annotations

import signal
import threading
import time

SAME_WISH_SECONDS = 2.0
"""`make` passes a signal on to what the terminal or a supervisor has told already: both are one wish."""


class Stopping:
    """The first signal after `ready` sets `asked`. Before, and when somebody insists, it raises KeyboardInterrupt."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._ready, self._first = False, 0.0

    def listen(self) -> None:
        """Take SIGINT, SIGTERM and SIGHUP from now on."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.hear)

    def ready(self) -> None:
        """From now on there is something to be stopped in order."""
        self._ready = True

    def hear(self, number: int, frame: object) -> None:
        """One signal."""
        now = time.monotonic()
        if self._first and now - self._first < SAME_WISH_SECONDS:
            return
        insisting, self._first = bool(self._first), self._first or now
        if insisting or not self._ready:
            raise KeyboardInterrupt
        self.asked.set()
