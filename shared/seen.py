"""Shell: which series were ever seen (table `series`), so that an absent one is noticed.

A process remembers what it has seen; a new one reads the table once. The table is written when a series is new and
about hourly after, never in every slot.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.advance import Sight
from shared.model import Millis
from shared.plan import QueryGroup
from shared.readings import Readings
from shared.rulebook import RuleBook
from shared.series import parse_series_key, series_id
from shared.store import states
from shared.store.engine import Store

REFRESH_MS = 3_600_000

SeenRow = tuple[str, str, str]
"""(rule id, series id, key)"""


@dataclass
class _GroupMemory:
    fingerprints: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    refreshed_at: Millis = 0

    def due(self, slot: Millis) -> bool:
        """Whether every series' `last_seen` is to be written again."""
        return bool(self.refreshed_at) and slot - self.refreshed_at >= REFRESH_MS


@dataclass
class Seen:
    """What this process knows of the table. `known` is None until the table was read."""

    known: set[tuple[str, str]] | None = None
    groups: dict[str, _GroupMemory] = field(default_factory=dict)

    def fresh(
        self, store: Store, group: QueryGroup, readings: Readings, crowded: Collection[str], slot: Millis
    ) -> list[SeenRow]:
        """The rows to write for this group now; call `remember` once they are committed.

        Of the rules that are `crowded` nothing is kept: the table must not grow with a tag that never repeats.
        """
        memory = self.groups.setdefault(group.id, _GroupMemory())
        kept = readings.without(crowded)
        if memory.due(slot):
            return _rows(readings.present(kept.tolist()))
        new = kept[~np.isin(readings.fingerprints()[kept], memory.fingerprints)]
        if not len(new):
            return []
        if self.known is None:
            self.known = store.read(states.known_series)
        rows = _rows(readings.present(new.tolist()))
        return [row for row in rows if (row[0], row[1]) not in self.known]

    def remember(
        self,
        group: QueryGroup,
        readings: Readings,
        crowded: Collection[str],
        rows: Sequence[SeenRow],
        slot: Millis,
    ) -> None:
        """The rows are in the table, and these readings hold nothing new any more."""
        memory = self.groups.setdefault(group.id, _GroupMemory())
        if not memory.refreshed_at or memory.due(slot):
            memory.refreshed_at = slot
        seen = readings.fingerprints()[readings.without(crowded)]
        memory.fingerprints = np.union1d(memory.fingerprints, seen)
        if self.known is not None:
            self.known.update((row[0], row[1]) for row in rows)


def _rows(present: Iterable[tuple[str, str]]) -> list[SeenRow]:
    return [(rule_id, series_id(key), key) for rule_id, key in present]


def absent_sights(
    store: Store, group: QueryGroup, readings: Readings, book: RuleBook, rules: Iterable[str]
) -> list[Sight]:
    """Sights of the expected series of these rules that this group would show, and that sent nothing."""
    wanted = sorted(rules)
    if not wanted:
        return []
    return [
        Sight(rule_id, name, key, readings.absent(rule_id, key))
        for rule_id, name, key in store.read(lambda tx: states.expected_series(tx, wanted))
        # A selector rule has series in other groups too, and a rule that was changed has left some behind.
        if (rule_id, parse_series_key(key)[0]) in group.target_index
        and book.belongs(rule_id, key)
        and readings.find(rule_id, key) is None
    ]
