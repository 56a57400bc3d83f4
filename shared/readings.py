"""Samples to readings: which series of which rules breach. Columnar; no Python loop over rules or rows.

Pure: no I/O, no state, no clock. Rows are sorted once per shape; every aggregation is made once over all series;
every (rule, series) pair is compared in vectors. Only the few pairs that matter become `Reading` objects.

Rows are merged by the key tags alone. A tag outside the key whose value changes (a status, an error text) therefore
never splits a series, and the newest row by time is the latest whatever that tag says.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shared.columns import Samples
from shared.conditions import absent
from shared.conditions._cells import UNREADABLE, Status
from shared.conditions._options import duration
from shared.conditions._reduced import Aggregated
from shared.conditions._sort import Sorted, joined, sort_rows
from shared.model import Health, Millis, Reading
from shared.pieces import Piece, fields_seen, measured
from shared.plan import Batch, QueryGroup
from shared.series import parse_series_key, series_id, series_key

Ints = NDArray[np.int64]


class Readings:
    """All (rule, series) pairs of one group in one slot, in columns. Positions `i` index these columns."""

    def __init__(
        self,
        group: QueryGroup,
        pieces: Sequence[Piece],
        fields_seen: frozenset[str],
        points: int,
        points_per_series: float,
    ) -> None:
        """Use `measure`. Of the points only the number is kept, of all and (of those that were read one by one) per
        series: there may be millions of them."""
        self._group, self._pieces, self._fields_seen = group, pieces, fields_seen
        self._points, self.points_per_series = points, points_per_series
        sizes = [len(piece.target) for piece in pieces]
        self._piece = np.repeat(np.arange(len(pieces)), sizes)
        self._start = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
        self._target = _joined([piece.target for piece in pieces])
        self._cell = _joined([piece.cell for piece in pieces])
        self._level = _joined([piece.measured.level.astype(np.int64) for piece in pieces])
        # The pairs of one target lie together: pieces are in batch order, and a target is in one batch.
        count = np.bincount(self._target, minlength=len(group.target_rule))
        self._count, self._first = count, np.zeros(len(count), np.int64)
        begins = np.flatnonzero(np.diff(self._target, prepend=-1))
        self._first[self._target[begins]] = begins
        self._wide: dict[int, dict[tuple[str, ...], int]] = {}
        self._batch_of: dict[int, tuple[Batch, int]] | None = None

    def __len__(self) -> int:
        """How many pairs had data."""
        return len(self._target)

    @property
    def pieces(self) -> Sequence[Piece]:
        """The columns as they were measured, for those who need all pairs and not only the few that matter."""
        return self._pieces

    def breaching(self, besides: Collection[str] = ()) -> list[int]:
        """Positions whose level is above clean; rules `besides` are left out."""
        found: list[int] = self.without(besides, np.flatnonzero(self._level)).tolist()
        return found

    def missing(self, rules: Collection[str]) -> list[int]:
        """Positions of these rules' pairs that have points and yet nothing to see: too few, too old, half a change."""
        if not rules or not len(self):
            return []
        wanted = [number for number, rule_id in enumerate(self._group.rule_ids) if rule_id in rules]
        status = np.concatenate([piece.measured.status for piece in self._pieces])
        some = np.flatnonzero((status != Status.FINE) & ~np.isin(status, UNREADABLE))
        found: list[int] = some[np.isin(self._group.target_rule[self._target[some]], wanted)].tolist()
        return found

    def without(self, rules: Collection[str], positions: Ints | None = None) -> Ints:
        """Positions (of all, or of these) that belong to no such rule."""
        some = np.arange(len(self)) if positions is None else positions
        if not rules:
            return some
        left_out = [number for number, rule_id in enumerate(self._group.rule_ids) if rule_id in rules]
        kept: Ints = some[~np.isin(self._group.target_rule[self._target[some]], left_out)]
        return kept

    def rule_id(self, i: int) -> str:
        """The rule of pair i."""
        return self._group.rule_ids[int(self._group.target_rule[self._target[i]])]

    def monitor_id(self, i: int) -> str:
        """The monitor of pair i."""
        return self._group.target_monitor[int(self._target[i])]

    def reading(self, i: int) -> Reading:
        """What the rule sees in this series."""
        piece = self._pieces[self._piece[i]]
        found: Reading = piece.measured.reading(int(i - self._start[self._piece[i]]))
        return found

    def key(self, i: int) -> str:
        """The series key of pair i."""
        shape = self._pieces[self._piece[i]].shape
        return series_key(
            self.monitor_id(i), zip(shape.key_tags, shape.tag_values(int(self._cell[i])), strict=True)
        )

    def series_id(self, i: int) -> str:
        """The series id of pair i."""
        return series_id(self.key(i))

    def shows(self, target: tuple[str, str]) -> bool:
        """Whether a series of this (rule id, monitor id) had data."""
        return bool(self._count[self._group.target_index[target]])

    def find(self, rule_id: str, key: str) -> Reading | None:
        """The reading of a known series (an active state); None when it has no data in this slot: then use
        `absent`."""
        i = self.position(rule_id, key)
        return None if i is None else self.reading(i)

    def position(self, rule_id: str, key: str) -> int | None:
        """The position of a known series; None when it has no data in this slot."""
        monitor_id, tags = parse_series_key(key)
        target = self._group.target_index.get((rule_id, monitor_id))
        if target is None or not self._count[target]:
            return None
        first = int(self._first[target])
        shape = self._pieces[self._piece[first]].shape
        if tuple(tag for tag, _ in tags) != shape.key_tags:
            return None
        return self._series_of(target, shape).get(tuple(value for _, value in tags))

    def _series_of(self, target: int, shape: Sorted) -> dict[tuple[str, ...], int]:
        """Tag values → position, for the series of one target; made once, however many of them are looked for."""
        if target not in self._wide:
            first, count = int(self._first[target]), int(self._count[target])
            cells = self._cell[first : first + count]
            self._wide[target] = dict(
                zip(shape.many_tag_values(cells), range(first, first + count), strict=True)
            )
        return self._wide[target]

    def absent(self, rule_id: str, key: str) -> Reading:
        """What the rule sees in a known series that has no data: missing, or 0 for a count."""
        target = self._group.target_index.get((rule_id, parse_series_key(key)[0]))
        if target is None:
            return Reading(0, False, missing="the rule no longer covers this series")
        if self._batch_of is None:
            batches = [batch for shape in self._group.shapes for batch in shape.batches]
            self._batch_of = {
                int(number): (batch, row)
                for batch in batches
                for row, number in enumerate(batch.targets.tolist())
            }
        batch, row = self._batch_of[target]
        return absent(batch.type, batch.signature, batch.numbers[row].tolist(), batch.texts[row])

    def fingerprints(self) -> Ints:
        """One number per pair, equal in every slot for the same (rule, series); valid within this process only."""
        prints: list[Ints] = []
        hashes: dict[int, Ints] = {}
        for piece in self._pieces:
            if id(piece.shape) not in hashes:
                hashes[id(piece.shape)] = piece.shape.hashes()
            tags = hashes[id(piece.shape)][piece.cell]
            prints.append(self._group.target_hash[piece.target] * np.int64(1_000_003) + tags)
        return _joined(prints)

    def present(self, positions: Ints | Sequence[int]) -> Iterator[tuple[str, str]]:
        """(rule id, series key) of the given pairs, whose positions are sorted."""
        group, wanted = self._group, np.asarray(positions, np.int64)
        begins = np.searchsorted(wanted, self._start).tolist()
        for piece, (first, end) in zip(self._pieces, pairwise(begins), strict=True):
            some = wanted[first:end]
            targets, tags = self._target[some], piece.shape.many_tag_values(self._cell[some])
            rules = group.target_rule[targets].tolist()
            for target, rule, values in zip(targets.tolist(), rules, tags, strict=True):
                pairs = zip(piece.shape.key_tags, values, strict=True)
                yield group.rule_ids[rule], series_key(group.target_monitor[target], pairs)

    def crowded(self, max_series: int) -> Mapping[str, int]:
        """Rules with more than `max_series` series here, with the count."""
        counts = self._series_by_rule
        return {self._group.rule_ids[rule]: int(counts[rule]) for rule in np.flatnonzero(counts > max_series)}

    def series_of(self, rule_id: str) -> int:
        """How many series the rule has here."""
        rules = self._group.rule_ids
        return int(self._series_by_rule[rules.index(rule_id)]) if rule_id in rules else 0

    @cached_property
    def _series_by_rule(self) -> Ints:
        rules = self._group.target_rule[self._target]
        return np.bincount(rules, minlength=len(self._group.rule_ids)).astype(np.int64)

    def unhealthy(self) -> Mapping[str, tuple[Health, str]]:
        """Rules of this group that could not be evaluated, with the reason: no series at all, field never seen,
        field of the wrong type, numbers too large. All others are healthy. A rule with targets in several groups is
        without data only when every group says so."""
        group, found = self._group, {}
        silent = self._series_by_rule == 0
        for batch in (batch for shape in group.shapes for batch in shape.batches):
            rules = group.target_rule[batch.targets]
            rules = rules[silent[rules]]
            reason = self._no_data_reason(batch) if len(rules) else ""
            found.update({group.rule_ids[rule]: (Health.NO_DATA, reason) for rule in rules})
        for piece in self._pieces:
            for status in UNREADABLE:
                rules = group.target_rule[piece.target[piece.measured.status == status]]
                reason = piece.measured.reasons.get(status, "")
                found.update({group.rule_ids[rule]: (Health.ERROR, reason) for rule in rules})
        return found

    def _no_data_reason(self, batch: Batch) -> str:
        lookback, measurement = duration(batch.lookback_ms / 1000), self._group.measurement
        if not self._points:
            return f"no point in measurement {measurement!r} in the last {lookback}"
        unseen = [name for name in batch.fields if name not in self._fields_seen]
        if unseen:
            return f"no point in measurement {measurement!r} has field {unseen[0]!r} in the last {lookback}"
        return f"no point of the monitor has field {batch.fields[0]!r} in the last {lookback}"


def measure(
    group: QueryGroup, samples: Samples, stop: Millis, aggregated: Aggregated | None = None
) -> Readings:
    """Evaluate every rule of the group on the samples of `[stop - group.lookback_ms, stop)`.

    `stop` is the slot less the lateness; each rule's window ends there. Samples must hold the group's tags; rows
    outside the window are ignored. What `aggregated` answers is not looked for in the samples: for all other asks they
    must hold every point.
    """
    rows = joined(samples, aggregated) if aggregated else samples
    pieces, per_series = list[Piece](), 0.0
    for shape in group.shapes:
        ordered, cells = sort_rows(shape, rows, stop - group.lookback_ms, stop, aggregated)
        pieces.extend(measured(batch, ordered, cells) for batch in shape.batches)
        per_series = max(per_series, cells.points / max(cells.count, 1))
    return Readings(group, pieces, fields_seen(samples, aggregated), len(rows), per_series)


def _joined(parts: Sequence[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
