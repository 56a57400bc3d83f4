"""Which (slot, series) pairs of some tracks are worth a look: where a reading changes, and where a clock was set.

Pure: it decides nothing.
"""

import heapq
from functools import cached_property

import numpy as np

from shared.backtest.tracks import Tracks
from shared.conditions._cells import Status
from shared.model import Millis, Reading
from shared.series import parse_series_key


class Walk:
    """Iterates slots in their order, each with the rows to look at; `look_again` may be called meanwhile."""

    def __init__(self, tracks: Tracks, keys: list[str]) -> None:
        self.tracks, self.keys = tracks, keys
        kinds = tracks.status.astype(np.int16) * 32 + tracks.level * 2 + tracks.recovered
        changed = np.ones(kinds.shape, np.bool_)
        changed[:, 1:] = kinds[:, 1:] != kinds[:, :-1]
        slots, rows = np.nonzero(changed.T)
        without = range(len(tracks.keys), len(keys))  # no data in any of these slots
        self._planned = [*((0, row) for row in without), *zip(slots.tolist(), rows.tolist(), strict=True)]
        self._asked: list[tuple[int, int]] = []
        self._time = tracks.slots

    def __iter__(self) -> "Walk":
        self._planned.sort()
        self._at = 0
        return self

    def __next__(self) -> tuple[int, list[int]]:
        """The next slot's number, and the rows to look at."""
        nexts = [self._planned[self._at][0]] if self._at < len(self._planned) else []
        nexts += [self._asked[0][0]] if self._asked else []
        if not nexts:
            raise StopIteration
        number, rows = min(nexts), set[int]()
        while self._at < len(self._planned) and self._planned[self._at][0] == number:
            rows.add(self._planned[self._at][1])
            self._at += 1
        while self._asked and self._asked[0][0] == number:
            rows.add(heapq.heappop(self._asked)[1])
        return number, sorted(rows)

    def reading(self, row: int, number: int) -> Reading | None:
        """The reading of a row in a slot; None without data."""
        return self.tracks.reading(row, number) if row < len(self.tracks.keys) else None

    @cached_property
    def rows(self) -> dict[str, int]:
        """Key → row."""
        return {key: row for row, key in enumerate(self.keys)}

    @cached_property
    def shown(self) -> dict[str, int]:
        """Monitor → the number of the first slot in which a series of it has data."""
        found: dict[str, int] = {}
        for row, key in enumerate(self.tracks.keys):
            shows = np.flatnonzero(self.tracks.status[row] != Status.ABSENT)
            if len(shows):
                monitor_id = parse_series_key(key)[0]
                found[monitor_id] = min(int(shows[0]), found.get(monitor_id, int(shows[0])))
        return found

    def slot_at(self, time: Millis, number: int) -> int:
        """The number of the first slot at or after a time, but after slot `number`."""
        return max(number + 1, int(np.searchsorted(self._time, time)))

    def look_again(self, row: int, number: int) -> None:
        """Look at the row in that slot, if it is still one of these slots."""
        if number < len(self._time):
            heapq.heappush(self._asked, (number, row))
