"""What the run writes, and therefore what is true: which series breaches in which slot. Pure, and drawn from a seed.

Must not import anything of `shared`: it is one half of the oracle.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

STEP = 30_000
"""Milliseconds from slot to slot."""
LEAST_SLOTS, MOST_SLOTS = 5, 8
"""Slots of a wave: nothing changes within one."""
MOST_FLIPS = 4
"""In a row of seven waves, which last for more than 15 minutes: a series that changes six times in those flaps."""
_WINDOW = 6
GROUP_EVERY, HOSTS = 10, ("h0", "h1", "h2")
"""Every tenth rule watches three hosts, the others one series."""
BREACHING, CLEAN = 20, 5
LIMIT = 10


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """One series of one rule; `key` is empty when the rule has only one."""

    rule: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Wave:
    """From slot number `first` on, for `slots` slots, these series breach and all others are clean."""

    first: int
    slots: int
    breaching: frozenset[Series]


@dataclass(frozen=True, slots=True)
class Episode:
    """A series breaches from slot `start` until before slot `end`; None when it does at the end of the run."""

    start: int
    end: int | None

    def holds(self, slot: int) -> bool:
        """Whether the series breaches in that slot."""
        return self.start <= slot and (self.end is None or slot < self.end)


@dataclass
class Input:
    """The waves so far. `start` is the time of slot 0, epoch milliseconds."""

    rules: Sequence[str]
    seed: int
    start: int
    waves: list[Wave] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dice = random.Random(f"input {self.seed}")
        self.series = [series for number, rule in enumerate(self.rules) for series in _of_rule(number, rule)]
        self._flips: dict[Series, list[int]] = {series: [] for series in self.series}
        self.waves.append(Wave(0, 1, frozenset()))

    @property
    def slots(self) -> int:
        """How many slots there are so far."""
        return self.waves[-1].first + self.waves[-1].slots

    def next_wave(self, share: float) -> Wave:
        """Let about `share` of the series change, but for those that changed too often lately."""
        number, before = len(self.waves), self.waves[-1].breaching
        changed = set()
        for series in self.series:
            recent = [at for at in self._flips[series] if at > number - _WINDOW]
            if len(recent) < MOST_FLIPS and self._dice.random() < share:
                changed.add(series)
                self._flips[series] = [*recent, number]
        wave = Wave(self.slots, self._dice.randint(LEAST_SLOTS, MOST_SLOTS), before ^ changed)
        self.waves.append(wave)
        return wave

    def longer(self) -> None:
        """The last wave lasts one slot more."""
        last = self.waves[-1]
        self.waves[-1] = Wave(last.first, last.slots + 1, last.breaching)

    def time_of(self, slot: int) -> int:
        """When a slot is, epoch milliseconds."""
        return self.start + slot * STEP

    def slot_of(self, time: int) -> int | None:
        """The slot of that time; None when it is no slot of this run."""
        slot, rest = divmod(time - self.start, STEP)
        return None if rest or not 0 <= slot < self.slots else slot

    def lines(self, wave: Wave, slot: int) -> Iterator[str]:
        """The points of one slot in line protocol, in milliseconds: written just before it, and seen by it."""
        at = self.time_of(slot) - 1
        for series in self.series:
            value = BREACHING if series in wave.breaching else CLEAN
            tags = f"rule={series.rule}" + (f",{series.key}" if series.key else "")
            yield f"soak,{tags} value={value} {at}"

    def breaches(self, series: Series, slot: int) -> bool:
        """The truth of one slot."""
        return any(episode.holds(slot) for episode in self.episodes(series))

    def episodes(self, series: Series) -> list[Episode]:
        """The truth of a series, oldest first."""
        found: list[Episode] = []
        began: int | None = None
        for wave in self.waves:
            if series in wave.breaching and began is None:
                began = wave.first
            elif series not in wave.breaching and began is not None:
                found.append(Episode(began, wave.first))
                began = None
        return found + ([Episode(began, None)] if began is not None else [])


def watches_hosts(number: int) -> bool:
    """Whether the rule of that number has a series for each host."""
    return number % GROUP_EVERY == GROUP_EVERY - 1


def _of_rule(number: int, rule: str) -> list[Series]:
    return [Series(rule, f"host={host}") for host in HOSTS] if watches_hosts(number) else [Series(rule)]
