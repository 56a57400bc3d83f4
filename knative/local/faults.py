"""Faults on purpose: events lost, doubled and overtaken, a Broker that is away, processes that are killed.

What happens is drawn from a seed, so that a run can be had again. Must not reach into the parts: it says what is to
go wrong, and they do it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from knative.local.journal import Journal

LONGEST_HOLD_SECONDS = 2.0
"""How long an event is held back at the most, so that later ones overtake it."""
KILL_EVERY_SECONDS = 30.0
ANY = "any"
"""Kill whichever function the dice choose."""


@dataclass(frozen=True)
class Outage:
    """The Broker is away for `lasts` seconds, once in `every` seconds."""

    every: float
    lasts: float


@dataclass(frozen=True)
class Kill:
    """`kill -9` of a Service's processes, once in `every` seconds; ANY for a random one."""

    function: str
    every: float = KILL_EVERY_SECONDS


@dataclass(frozen=True)
class Faults:
    """Probabilities from 0 to 1 that the Broker loses an event after its 202, delivers it twice, or holds it back."""

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    outage: Outage | None = None
    kills: tuple[Kill, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Fate:
    """What becomes of one event: the seconds before each of its copies leaves; none when it is lost."""

    waits: tuple[float, ...] = (0.0,)


@dataclass
class Dice:
    """The fate of each event, in the order in which they come. `faults` may be changed while the Broker runs."""

    journal: Journal
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        self._drawn: dict[str, random.Random] = {}

    def use(self, faults: Faults) -> None:
        """From now on these, from the beginning of their seed."""
        self.faults, self._drawn = faults, {}

    def generator(self, what: str) -> random.Random:
        """The numbers of one sort of fault: those of another don't shift them."""
        return self._drawn.setdefault(what, random.Random(f"{self.faults.seed} {what}"))

    def fate(self, called: str) -> Fate:
        """What becomes of the next event, which the journal knows as `called`."""
        if self._falls("drop", self.faults.drop):
            self._tell("dropped", f"{called}: lost on purpose")
            return Fate(())
        copies = 1
        if self._falls("duplicate", self.faults.duplicate):
            self._tell("duplicated", f"{called}: delivered twice on purpose")
            copies = 2
        return Fate(tuple(self._wait(called) for _ in range(copies)))

    def _wait(self, called: str) -> float:
        if not self._falls("reorder", self.faults.reorder):
            return 0.0
        seconds = self.generator("hold").uniform(0.1, LONGEST_HOLD_SECONDS)
        self._tell("reordered", f"{called}: held back for {seconds:.1f} s on purpose")
        return seconds

    def _falls(self, what: str, probability: float) -> bool:
        return probability > 0 and self.generator(what).random() < probability

    def _tell(self, what: str, text: str) -> None:
        self.journal.count(what)
        self.journal.note("faults", text, level="warning")


async def come_and_go(
    outage: Outage, dice: Dice, away: Callable[[], Awaitable[None]], back: Callable[[], Awaitable[None]]
) -> None:
    """Call `away` and `back` by turns until cancelled; the Broker is back then."""
    chance = dice.generator("outage")
    while True:
        await asyncio.sleep(max(outage.every - outage.lasts, 0.0) * chance.uniform(0.5, 1.5))
        await away()
        try:
            await asyncio.sleep(outage.lasts)
        finally:
            await back()


async def kill_now_and_then(
    kill: Kill, dice: Dice, alive: Callable[[], list[str]], strike: Callable[[str], None]
) -> None:
    """Call `strike` with a function's name at random moments until cancelled; one that doesn't run is spared."""
    chance = dice.generator(f"kill {kill.function}")
    while True:
        await asyncio.sleep(kill.every * chance.uniform(0.5, 1.5))
        running = alive()
        wanted = running if kill.function == ANY else [name for name in running if name == kill.function]
        if wanted:
            strike(chance.choice(wanted))
