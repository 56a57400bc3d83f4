"""Shell: which series were ever seen (table `series`), so that an absent one is noticed.

A process remembers what it has seen; a new one reads the table once. The table is written when a series is new and
about hourly after, never in every slot.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.advance import Sight
from shared.model import Millis
from shared.plan import QueryGroup
from shared.readings import Readings
from shared.series import series_id
from shared.store import states
from shared.store.engine import Store

REFRESH_MS = 3_600_000

SeenRow = tuple[str, str, str]
"""(rule id, series id, key)"""


@dataclass
class _GroupMemory:
    fingerprints: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    refreshed_at: Millis = 0


@dataclass
class Seen:
    """What this process knows of the table. `known` is None until the table was read."""

    known: set[tuple[str, str]] | None = None
    groups: dict[str, _GroupMemory] = field(default_factory=dict)

    def fresh(self, store: Store, group: QueryGroup, readings: Readings, slot: Millis) -> list[SeenRow]:
        """The rows to write for this group now; call `remember` once they are committed."""
        memory = self.groups.setdefault(group.id, _GroupMemory())
        if memory.refreshed_at and slot - memory.refreshed_at >= REFRESH_MS:
            return _rows(readings.present())
        found = readings.fingerprints()
        positions = np.flatnonzero(~np.isin(found, memory.fingerprints))
        if not len(positions):
            return []
        if self.known is None:
            self.known = store.read(states.known_series)
        rows = _rows(readings.present(positions.tolist()))
        return [row for row in rows if (row[0], row[1]) not in self.known]

    def remember(self, group: QueryGroup, readings: Readings, rows: Sequence[SeenRow], slot: Millis) -> None:
        """The rows are in the table, and these readings hold nothing new any more."""
        memory = self.groups.setdefault(group.id, _GroupMemory())
        if not memory.refreshed_at or slot - memory.refreshed_at >= REFRESH_MS:
            memory.refreshed_at = slot
        memory.fingerprints = np.union1d(memory.fingerprints, readings.fingerprints())
        if self.known is not None:
            self.known.update((row[0], row[1]) for row in rows)


def _rows(present: Iterable[tuple[str, str]]) -> list[SeenRow]:
    return [(rule_id, series_id(key), key) for rule_id, key in present]


def absent_sights(
    store: Store, group: QueryGroup, readings: Readings, expecting: frozenset[str]
) -> list[Sight]:
    """Sights of the expected series that sent nothing, for the rules to which that means something."""
    rules = sorted(expecting.intersection(group.rule_ids))
    if not rules:
        return []
    rows = store.read(lambda tx: states.expected_series(tx, rules))
    return [
        Sight(rule_id, name, key, readings.absent(rule_id, key))
        for rule_id, name, key in rows
        if readings.find(rule_id, key) is None
    ]
