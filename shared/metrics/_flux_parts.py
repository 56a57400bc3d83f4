"""The results of an aggregate query over Flux to the partials of `shared.columns`. Pure.

Flux answers a result for each function of each part, with a row per series. Here those of one combination of the
query's tags become one row, the functions side by side.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.columns import LATEST, AggregateQuery, Partials
from shared.metrics._annotated_csv import Chunk, nanoseconds
from shared.metrics._columns import Codes, PartialsBuilder
from shared.metrics._flux_text import result_name, tags_of

_MS = 1_000_000
_MERGED: Mapping[str, np.ufunc] = {"count": np.add, "sum": np.add, "min": np.fmin, "max": np.fmax}


class PartRows:
    """Collects the rows of all results of one aggregate query."""

    def __init__(self, query: AggregateQuery) -> None:
        self._tags = tags_of(query.tags)
        self._parts = query.parts
        self._builder = PartialsBuilder(query)
        self._asked = {
            result_name(place, function): (place, function)
            for place, part in enumerate(query.parts)
            for function in part.functions
        }
        self._combinations = [Codes() for _ in query.parts]
        self._rows: dict[tuple[int, str], list[tuple[NDArray[np.int32], NDArray[np.float64]]]] = {}

    def add(self, chunk: Chunk) -> None:
        """Read some rows. Raises KeyError for another result or a missing column, ValueError for a bad cell."""
        place, function = self._asked[chunk.result]
        tags = [chunk.columns.get(name) or [""] * chunk.rows for name in self._tags]
        if function == LATEST:
            times = nanoseconds(chunk.columns["_time"]) // _MS
            self._builder.add(
                place, times, dict(zip(self._tags, tags, strict=True)), {LATEST: chunk.values()}
            )
            return
        combinations = list(zip(*tags, strict=True)) if tags else [()] * chunk.rows
        rows = self._combinations[place].of(combinations)
        values = np.array(chunk.values(), np.float64)
        self._rows.setdefault((place, function), []).append((rows, values))

    def build(self, bytes_read: int) -> Partials:
        """All rows of all parts."""
        for place, combinations in enumerate(self._combinations):
            count = len(combinations)
            values = {
                function: _merged(function, self._rows.get((place, function), ()), count).tolist()
                for function in self._parts[place].functions
                if function != LATEST
            }
            if count:
                columns = list(zip(*combinations, strict=True)) if self._tags else []
                times = np.full(count, self._parts[place].start, np.int64)
                self._builder.add(place, times, dict(zip(self._tags, columns, strict=True)), values)
        return self._builder.build(bytes_read)


def _merged(
    function: str, chunks: Sequence[tuple[NDArray[np.int32], NDArray[np.float64]]], count: int
) -> NDArray[np.float64]:
    """One value for each combination, NaN for those without."""
    merged, seen = np.full(count, 0.0 if _MERGED[function] is np.add else np.nan), np.zeros(count, np.bool_)
    for rows, values in chunks:
        _MERGED[function].at(merged, rows, values)
        seen[rows] = True
    merged[~seen] = np.nan
    return merged
