"""Shell: which series were ever seen (table `series`), so that an absent one is noticed.

A process remembers what it has seen; a new one reads the table once. The table is written when a series is new and
about hourly after, never in every slot.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.advance import Sight
from shared.model import Millis, Reading, SeriesState
from shared.newest import matched
from shared.plan import QueryGroup
from shared.readings import Ints, Readings
from shared.rulebook import RuleBook
from shared.series import parse_series_key, series_id
from shared.store import states
from shared.store.engine import Store

REFRESH_MS = 3_600_000
_AT_ONCE = 10_000

CAME_AFTER_ALL = Reading(0, True)
"""What stands in for a monitor sees as soon as one of its series was seen."""

Target = tuple[str, str]
"""(rule id, monitor id)"""

SeenRow = tuple[str, str, str]
"""(rule id, series id, key)"""


@dataclass
class _GroupMemory:
    fingerprints: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    latest: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Of the last look alone, in its order: most looks show the same series once more, and one comparison tells."""
    refreshed_at: Millis = 0

    def due(self, slot: Millis) -> bool:
        """Whether every series' `last_seen` is to be written again."""
        return bool(self.refreshed_at) and slot - self.refreshed_at >= REFRESH_MS


@dataclass
class Seen:
    """What this process knows of the table. `known` is None until the table was read; then it has a number for each
    row, sorted: the texts would take twenty times the memory."""

    known: Ints | None = None
    groups: dict[str, _GroupMemory] = field(default_factory=dict)
    forgotten: frozenset[object] = frozenset()

    def forget(self, moments: frozenset[object]) -> None:
        """Somebody forgot a series that this process remembers: it begins again, to notice when that one is new."""
        if moments - self.forgotten:
            self.known, self.groups = None, {}
        self.forgotten = moments

    def fresh(
        self, store: Store, group: QueryGroup, readings: Readings, kept: Ints, slot: Millis
    ) -> list[SeenRow]:
        """The rows to write for this group now, of the positions `kept`; call `remember` once they are committed.

        Of rules with too many series nothing is to be kept: the table must not grow with a tag that never repeats.
        """
        memory = self.groups.setdefault(group.id, _GroupMemory())
        if memory.due(slot):
            return _rows(readings, kept)
        prints = readings.fingerprints()[kept]
        if np.array_equal(prints, memory.latest):
            return []
        new = kept[~np.isin(prints, memory.fingerprints)]
        if not len(new):
            return []
        if self.known is None:
            self.known = np.unique(store.read(lambda tx: _numbers(states.known_series(tx))))
        return self._unknown(readings, new, self.known)

    @staticmethod
    def _unknown(readings: Readings, new: Ints, known: Ints) -> list[SeenRow]:
        """Of these positions the rows that are not known: some at a time, because a new process knows most of many."""
        unknown: list[SeenRow] = []
        for first in range(0, len(new), _AT_ONCE):
            rows = _rows(readings, new[first : first + _AT_ONCE])
            found = matched(_row_numbers(rows), known)[1]
            unknown += [row for row, there in zip(rows, found.tolist(), strict=True) if not there]
        return unknown

    def remember(
        self,
        group: QueryGroup,
        readings: Readings,
        kept: Ints,
        rows: Sequence[SeenRow],
        slot: Millis,
    ) -> None:
        """The rows are in the table, and these readings hold nothing new any more."""
        memory = self.groups.setdefault(group.id, _GroupMemory())
        if not memory.refreshed_at or memory.due(slot):
            memory.refreshed_at = slot
        seen = readings.fingerprints()[kept]
        if not np.array_equal(seen, memory.latest):
            memory.fingerprints, memory.latest = np.union1d(memory.fingerprints, seen), seen
        if self.known is not None and rows:
            self.known = np.union1d(self.known, _row_numbers(rows))


def _rows(readings: Readings, positions: Ints) -> list[SeenRow]:
    return [(rule_id, series_id(key), key) for rule_id, key in readings.present(positions)]


def _row_numbers(rows: Iterable[SeenRow]) -> Ints:
    return _numbers(rule_id + name for rule_id, name, _ in rows)


def _numbers(texts: Iterable[str]) -> Ints:
    """A number for each text, valid within this process only."""
    return np.fromiter(map(hash, texts), np.int64)


def absent_sights(
    store: Store,
    group: QueryGroup,
    readings: Readings,
    book: RuleBook,
    rules: Iterable[str],
    active: Mapping[Target, Sequence[SeriesState]],
    spared: Collection[Target],
    slot: Millis,
) -> list[Sight]:
    """Sights of the expected series of these rules that this group would show, and that sent nothing.

    A monitor of which nothing was ever seen is expected to show something too, once its grace is over, unless it is
    `spared`. `active` are the states that are looked at anyway, by (rule, monitor).
    """
    wanted = sorted(rules)
    if not wanted:
        return []
    known = [
        (rule_id, name, key)
        for rule_id, name, key in store.read(lambda tx: states.expected_series(tx, wanted))
        # A selector rule has series in other groups too, and a rule that was changed has left some behind.
        if (rule_id, parse_series_key(key)[0]) in group.target_index and book.belongs(rule_id, key)
    ]
    sights = [
        Sight(rule_id, name, key, readings.absent(rule_id, key))
        for rule_id, name, key in known
        if readings.find(rule_id, key) is None
    ]
    seen = {(rule_id, parse_series_key(key)[0]) for rule_id, _, key in known}
    for rule_id in wanted:
        for monitor_id in book.targets[rule_id]:
            target = rule_id, monitor_id
            if target not in group.target_index:
                continue
            if target in seen or readings.shows(target):
                sights += came_after_all(book, active.get(target, ()))
            elif target not in spared and book.overdue(rule_id, monitor_id, slot):
                key = book.monitor(monitor_id).stand_in
                sights.append(Sight(rule_id, series_id(key), key, readings.absent(rule_id, key)))
    return sights


def came_after_all(book: RuleBook, active: Iterable[SeriesState]) -> list[Sight]:
    """Clean sights of those states that stand in for a monitor, because a series of it was seen."""
    return [
        Sight(state.rule_id, state.series_id, state.key, CAME_AFTER_ALL)
        for state in active
        if speaks_of_all(book, state.key)
    ]


def speaks_of_all(book: RuleBook, key: str) -> bool:
    """Whether the key stands in for a monitor as a whole: its series have tags, and the key has none."""
    monitor_id, tags = parse_series_key(key)
    monitor = book.monitors.get(monitor_id)
    return not tags and monitor is not None and bool(monitor.key_tags)
