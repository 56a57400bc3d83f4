"""What a process learns about reading one measurement, tick by tick. Pure; losing it costs time only."""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from shared.model import Millis
from shared.plan import QueryGroup
from shared.reads import USUAL_MS, Reads, asks_of, plan, raw_of
from shared.recent import Remembered

REFUSED_MS = 3_600_000
"""How long a field that the store could not reduce is read one by one before it is tried again: types may change."""
LOST_MS = 600_000
"""How long a field that could not be read even alone is not asked for alone again."""


@dataclass
class Lost:
    """The fields that can't be read, not even alone.

    They are asked for together, in one query, until that succeeds: trouble of the whole store (an unknown database)
    must not cost a query for each field in every tick.
    """

    until: dict[str, Millis] = field(default_factory=dict)

    def among(self, fields: Collection[str], now: Millis) -> frozenset[str]:
        """Those of the fields that are lost."""
        return frozenset(name for name in fields if self.until.get(name, 0) > now)

    def add(self, fields: Collection[str], now: Millis) -> None:
        """They failed alone."""
        self.until.update(dict.fromkeys(fields, now + LOST_MS))

    def found(self, fields: Collection[str]) -> None:
        """They could be read."""
        for name in fields:
            self.until.pop(name, None)


@dataclass
class Known:
    """What is known of one query group: how far apart its points are, and what the store chokes on."""

    every_ms: float = USUAL_MS
    refused: dict[str, Millis] = field(default_factory=dict)
    unread: Lost = field(default_factory=Lost)
    """Lost to reading points."""
    unreduced: Lost = field(default_factory=Lost)
    """Lost to reducing, and then to reading the points instead."""
    recent: Remembered | None = None
    """When series had their newest values, of the last points that were read for these alone."""
    _planned: tuple[QueryGroup, bool, float, frozenset[str], Reads] | None = None

    def reads(self, group: QueryGroup, stop: Millis, *, reduces: bool) -> Reads:
        """The plan of this slot; made anew only when the rules, the density or the refusals are others."""
        self.refused = {name: until for name, until in self.refused.items() if until > stop}
        refused = frozenset(self.refused)
        if self._planned is not None:
            of, reduced, every_ms, without, reads = self._planned
            if of is group and (reduced, every_ms, without) == (reduces, self.every_ms, refused):
                return reads
        asks = asks_of(group)
        reads = plan(asks, self.every_ms, refused) if reduces else raw_of(asks)
        self._planned = (group, reduces, self.every_ms, refused, reads)
        return reads

    def refuse(self, fields: Collection[str], now: Millis) -> None:
        """The store can't reduce these, and their points can be read."""
        self.refused.update(dict.fromkeys(fields, now + REFUSED_MS))

    def learn(self, raw_ms: int, points: float) -> None:
        """So many points per series were read one by one, of so long a time; without a time they say nothing.

        Rounded to powers of two: plans shall not waver.
        """
        if points > 0 and raw_ms:
            self.every_ms = float(2 ** np.round(np.log2(raw_ms / points)))
