"""Metrics of Tocsin itself (`self://`): its own numbers, so that rules on them work while every other store is down.

It knows columns, and asks others for rows: `wiring` connects it to the database. It takes no points.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.columns import AggregateQuery, Discovered, Partials, SampleQuery, Samples
from shared.errors import InvalidInput, QueryFailed
from shared.metrics._columns import FieldBuilder, TagBuilder

Point = Mapping[str, Any]
"""One row by the names of its tags and fields; its time is under the empty name."""


@dataclass(frozen=True, slots=True)
class OwnRows:
    """One measurement: tags, fields with their types, and what answers rows (time, *tags, *fields) of [start, stop)."""

    tags: tuple[str, ...]
    fields: Mapping[str, str]
    rows: Callable[[int, int], Sequence[Sequence[object]]]


class OwnStore:
    """All measurements. `ping` raises Unavailable unless the place that they come from can be reached."""

    reduces = False

    def __init__(self, measurements: Mapping[str, OwnRows], ping: Callable[[], object]) -> None:
        self._measurements, self._ping = measurements, ping

    def read(self, query: SampleQuery, timeout_seconds: float) -> Samples:
        """See `MetricStore.read`. How long it may take is up to the database's own time-outs."""
        points = self._points(query.measurement, query.start, query.stop, query.where)
        wanted = query.fields or self._fields(query.measurement)
        points = sorted((p for p in points if any(name in p for name in wanted)), key=lambda p: int(p[""]))
        tags = {name: TagBuilder() for name in query.tags}
        for name, tag in tags.items():
            tag.add([point.get(name, "") for point in points])
        fields = {name: FieldBuilder() for name in query.fields}
        for name, field in fields.items():
            field.add([point.get(name) for point in points])
        return Samples(
            np.array([point[""] for point in points], np.int64),
            {name: tag.build() for name, tag in tags.items()},
            {name: field.build() for name, field in fields.items()},
        )

    def aggregate(self, query: AggregateQuery, timeout_seconds: float) -> Partials:
        """Raises QueryFailed: a gauge has one point before the end of whatever is asked for, so the spans of a window
        would have more points together than the window has."""
        raise QueryFailed(f"{query.measurement}: Tocsin's own numbers are read point by point only")

    def discover(self, database: str = "", measurement: str | None = None) -> list[Discovered]:
        """See `MetricStore.discover`; without the tags' values, which are those of monitors, channels and shards."""
        return [
            Discovered(name, dict.fromkeys(own.tags, ()), dict(own.fields), database)
            for name, own in sorted(self._measurements.items())
            if measurement in (None, name)
        ]

    def write(self, lines: bytes, database: str = "", precision: str = "ns") -> int:
        """Raises InvalidInput: these points are made by what Tocsin does."""
        raise InvalidInput("source", "self", "it only tells of Tocsin itself and takes no points")

    def ping(self, timeout_seconds: float) -> None:
        """See `MetricStore.ping`."""
        self._ping()

    def close(self) -> None:
        """Nothing to let go of: the database is others'."""

    def _fields(self, measurement: str) -> Mapping[str, str]:
        own = self._measurements.get(measurement)
        return own.fields if own else {}

    def _points(
        self, measurement: str, start: int, stop: int, where: Sequence[Mapping[str, str]]
    ) -> list[Point]:
        """The points of one measurement that one of the combinations of tags lets through; none of an unknown one."""
        own = self._measurements.get(measurement)
        if own is None:
            return []
        names = ("", *own.tags, *own.fields)
        points = [dict(zip(names, row, strict=True)) for row in own.rows(start, stop)]
        return [
            point
            for point in points
            if not where
            or any(all(point.get(tag, "") == value for tag, value in tags.items()) for tags in where)
        ]
