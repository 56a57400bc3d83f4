"""Pure: series that people said are gone for good. Until such a series sends again, nothing is seen of it.

Its old points may lie in the windows of rules for a long time, and processes remember having seen it: neither brings
it back, only a point that is newer than the forgetting.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np

from shared.advance import Sight
from shared.model import ForgottenSeries, Millis, SeriesState
from shared.readings import Ints, Readings
from shared.series import parse_series_key

FORGOTTEN = "forgotten"
"""The reason with which an alert of a forgotten series closes."""

SeriesRef = tuple[str, str]
"""(rule id, series id)"""


class Forgotten:
    """Every forgotten series that has not sent since, as far as the database knew when the slot began."""

    def __init__(self, found: Iterable[ForgottenSeries] = ()) -> None:
        self._by_ref: Mapping[SeriesRef, ForgottenSeries] = {
            (one.rule_id, one.series_id): one for one in found
        }

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._by_ref)

    @property
    def moments(self) -> frozenset[tuple[SeriesRef, Millis]]:
        """Which series were forgotten when: what differs from those of another slot is news."""
        return frozenset((ref, one.at) for ref, one in self._by_ref.items())

    @cached_property
    def targets(self) -> frozenset[tuple[str, str]]:
        """(rule id, monitor id) of which a series was forgotten: whoever expects none is not waiting for a first."""
        return frozenset((one.rule_id, parse_series_key(one.key)[0]) for one in self._by_ref.values())

    def ends(self, state: SeriesState) -> str:
        """Why the state is to be closed: it is older than the forgetting; else empty."""
        one = self._by_ref.get((state.rule_id, state.series_id))
        return FORGOTTEN if one is not None and state.slot <= one.at else ""

    def judged(self, sight: Sight) -> Sight:
        """The sight as it is, or as an end when it shows nothing newer than the forgetting."""
        one = self._by_ref.get(sight.ref)
        if one is None or sight.reading is None or sight.reading.at > one.at:
            return sight
        return replace(sight, reading=None, ended=FORGOTTEN)

    def without(self, readings: Readings, positions: Ints) -> Ints:
        """These positions besides those that show no point newer than the forgetting of their series."""
        old = [i for one, i in self._shown(readings) if readings.reading(i).at <= one.at]
        return positions[~np.isin(positions, old)] if old else positions

    def sent_again(self, readings: Readings) -> list[SeriesRef]:
        """The series that have sent since they were forgotten."""
        return [
            (one.rule_id, one.series_id)
            for one, i in self._shown(readings)
            if readings.reading(i).at > one.at
        ]

    def _shown(self, readings: Readings) -> list[tuple[ForgottenSeries, int]]:
        found = [(one, readings.position(one.rule_id, one.key)) for one in self._by_ref.values()]
        return [(one, i) for one, i in found if i is not None]
