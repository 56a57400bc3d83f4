"""How many calls one caller may make: far more than a conversation needs, far fewer than a loop that went wrong."""

import time
from collections.abc import Callable

PER_MINUTE = 300
_MOST_REMEMBERED = 10_000


class Turns:
    """The turns of every caller in this process: `limit` at once, then as many in each minute, evenly.

    The generic cell rate algorithm: for each caller the moment when all that was taken will be paid off. One event loop
    uses it, so there is no lock.
    """

    def __init__(self, limit: int = PER_MINUTE, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._step, self._monotonic = 60.0 / limit, monotonic
        self._paid_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._paid_at)

    def take(self, who: str) -> float:
        """Take a turn: 0 to go ahead, else the seconds until there is one."""
        now = self._monotonic()
        paid_at = max(self._paid_at.get(who, now), now) + self._step
        wait = paid_at - now - 60.0
        if wait > 1e-6:  # what many additions of a step are off by
            return wait
        if len(self._paid_at) >= _MOST_REMEMBERED:
            self._paid_at = {one: paid for one, paid in self._paid_at.items() if paid > now}
        self._paid_at[who] = paid_at
        return 0.0
