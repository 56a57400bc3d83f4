"""Samples to readings: which series of which rules breach. Columnar; no Python loop over rules or rows.

Pure: no I/O, no state, no clock. Rows are sorted once per shape; every aggregation is made once over all series;
every (rule, series) pair is compared in vectors. Only the few pairs that matter become `Reading` objects.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.columns import Samples
from shared.model import Health, Millis, Reading
from shared.plan import QueryGroup


class Readings:
    """All (rule, series) pairs of one group in one slot, in columns. Positions `i` index these columns."""

    def __len__(self) -> int:
        """How many pairs had data."""
        raise NotImplementedError

    def breaching(self) -> Sequence[int]:
        """Positions whose level is above clean."""
        raise NotImplementedError

    def rule_id(self, i: int) -> str:
        """The rule of pair i."""
        raise NotImplementedError

    def monitor_id(self, i: int) -> str:
        """The monitor of pair i."""
        raise NotImplementedError

    def reading(self, i: int) -> Reading:
        """What the rule sees in this series."""
        raise NotImplementedError

    def key(self, i: int) -> str:
        """The series key of pair i."""
        raise NotImplementedError

    def series_id(self, i: int) -> str:
        """The series id of pair i."""
        raise NotImplementedError

    def find(self, rule_id: str, key: str) -> Reading | None:
        """The reading of a known series (an active state); None when it has no data in this slot: then use
        `absent`."""
        raise NotImplementedError

    def absent(self, rule_id: str, key: str) -> Reading:
        """What the rule sees in a known series that has no data: missing, or 0 for a count."""
        raise NotImplementedError

    def fingerprints(self) -> NDArray[np.int64]:
        """One number per pair, equal in every slot for the same (rule, series); valid within this process only.

        To find new series: `np.flatnonzero(~np.isin(readings.fingerprints(), known))`.
        """
        raise NotImplementedError

    def present(self, positions: Iterable[int] | None = None) -> Iterator[tuple[str, str]]:
        """(rule id, series key) of the given pairs, or of all that had data."""
        raise NotImplementedError

    def unhealthy(self) -> Mapping[str, tuple[Health, str]]:
        """Rules of this group that could not be evaluated, with the reason: no series at all, field never seen,
        field of the wrong type. All others are healthy. A rule with targets in several groups is without data only
        when every group says so."""
        raise NotImplementedError

    def crowded(self, max_series: int) -> Mapping[str, int]:
        """Rules with more than `max_series` series here, with the count."""
        raise NotImplementedError


def measure(group: QueryGroup, samples: Samples, stop: Millis) -> Readings:
    """Evaluate every rule of the group on the samples of `[stop - group.lookback_ms, stop)`.

    `stop` is the slot less the lateness; each rule's window ends there. Samples must hold the group's tags and
    fields; rows outside the window are ignored.
    """
    raise NotImplementedError
