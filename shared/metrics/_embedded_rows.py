"""Points to rows of the embedded store, and rows to columns. It opens and commits nothing.

Table `points` has one row per field, time (epoch nanoseconds) and series; `series.tags` is canonical JSON.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.columns import FieldColumn, SampleQuery, Samples, TagColumn
from shared.errors import InvalidInput
from shared.metrics._columns import FieldBuilder, TagBuilder, empty_field, scattered
from shared.metrics._line_protocol import FieldValue, Point

MS = 1_000_000
"""Nanoseconds."""

_MAX_INTEGER = 2**63 - 1

_TYPES: Mapping[type, str] = {bool: "boolean", int: "integer", float: "float", str: "string"}
_UPSERT_SERIES = """
INSERT INTO series (measurement, tags, last) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET last = max(last, excluded.last)
"""
_UPSERT_FIELD = """
INSERT INTO fields (measurement, name, type, last) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET last = max(last, excluded.last)
"""
_UPSERT_POINT = """
INSERT INTO points (field, time, series, value) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET value = excluded.value
"""


def write(connection: sqlite3.Connection, points: Sequence[Point]) -> None:
    """Insert or overwrite. Raises InvalidInput when a field would change its type."""
    series = _series_ids(connection, points)
    fields = _field_ids(connection, points)
    connection.executemany(
        _UPSERT_POINT,
        (
            (
                fields[point.measurement, name],
                point.time,
                series[point.measurement, _tags(point)],
                _stored(value),
            )
            for point in points
            for name, value in point.fields.items()
        ),
    )


def _series_ids(connection: sqlite3.Connection, points: Sequence[Point]) -> dict[tuple[str, str], int]:
    last: dict[tuple[str, str], int] = {}
    for point in points:
        key = point.measurement, _tags(point)
        last[key] = max(point.time, last.get(key, point.time))
    connection.executemany(_UPSERT_SERIES, ((*key, time) for key, time in last.items()))
    find = "SELECT id FROM series WHERE measurement = ? AND tags = ?"
    return {key: connection.execute(find, key).fetchone()[0] for key in last}


def _field_ids(connection: sqlite3.Connection, points: Sequence[Point]) -> dict[tuple[str, str], int]:
    known: dict[tuple[str, str], tuple[int, str]] = {}
    last: dict[tuple[str, str], tuple[str, int]] = {}
    for name in {point.measurement for point in points}:
        for id_, field, type_ in connection.execute(
            "SELECT id, name, type FROM fields WHERE measurement = ?", (name,)
        ):
            known[name, field] = id_, type_
    for point in points:
        for field, value in point.fields.items():
            key, type_ = (point.measurement, field), _TYPES[type(value)]
            first = known[key][1] if key in known else last.get(key, (type_, 0))[0]
            if first != type_:
                valid = f"field {field!r} of {point.measurement!r} is {first}, and this value is {type_}"
                raise InvalidInput(f"field {field}", value, valid, 'An integer is written 2i, a string "2"')
            last[key] = type_, max(point.time, last.get(key, (type_, point.time))[1])
    connection.executemany(_UPSERT_FIELD, ((*key, type_, time) for key, (type_, time) in last.items()))
    find = "SELECT id FROM fields WHERE measurement = ? AND name = ?"
    return {key: connection.execute(find, key).fetchone()[0] for key in last}


def _tags(point: Point) -> str:
    return json.dumps(point.tags, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _stored(value: FieldValue) -> FieldValue:
    """An unsigned integer beyond SQLite's range is kept as a float, which it is in every column anyway."""
    return float(value) if type(value) is int and value > _MAX_INTEGER else value


@dataclass(frozen=True, slots=True)
class _Field:
    """One field's own rows: epoch nanoseconds, series ids, and the values."""

    time: NDArray[np.int64]
    series: NDArray[np.int64]
    column: FieldColumn


def read(connection: sqlite3.Connection, query: SampleQuery) -> Samples:
    """The columns of one query, oldest first."""
    known = connection.execute(
        "SELECT name, id, type FROM fields WHERE measurement = ?", (query.measurement,)
    )
    types = {name: (id_, type_) for name, id_, type_ in known}
    tags = tags_by_id(connection, query.measurement)
    allowed = [id_ for id_, own in tags.items() if matches(own, query.where)] if query.where else None
    wanted = [name for name in dict.fromkeys(query.fields or types) if name in types]
    found = {name: _field(connection, *types[name], query, allowed) for name in wanted}

    places, time, series = _rows(list(found.values()))
    columns = {
        name: scattered(field.column, own, len(time))
        for (name, field), own in zip(found.items(), places, strict=True)
        if name in query.fields
    }
    return Samples(
        time // MS,
        _tag_columns(query.tags, series, tags),
        {name: columns.get(name, empty_field(len(time))) for name in query.fields},
    )


def _field(
    connection: sqlite3.Connection, id_: int, type_: str, query: SampleQuery, allowed: Sequence[int] | None
) -> _Field:
    bounds = (id_, query.start * MS, query.stop * MS)
    rows = connection.execute(
        "SELECT time, series, value FROM points WHERE field = ? AND time >= ? AND time < ?", bounds
    ).fetchall()
    if allowed is not None:
        chosen = frozenset(allowed)
        rows = [row for row in rows if row[1] in chosen]
    times, series, values = zip(*rows, strict=True) if rows else ((), (), ())
    builder = FieldBuilder()
    builder.add([bool(value) for value in values] if type_ == "boolean" else values)
    return _Field(np.array(times, np.int64), np.array(series, np.int64), builder.build())


def _rows(
    fields: Sequence[_Field],
) -> tuple[list[NDArray[np.intp]], NDArray[np.int64], NDArray[np.int64]]:
    """One row per (time, series): for each field the rows that its values belong to, and the rows themselves."""
    if not fields:
        return [], np.empty(0, np.int64), np.empty(0, np.int64)
    time = np.concatenate([field.time for field in fields])
    series = np.concatenate([field.series for field in fields])
    order = np.lexsort((series, time))
    sorted_time, sorted_series = time[order], series[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (sorted_time[1:] != sorted_time[:-1]) | (sorted_series[1:] != sorted_series[:-1])
    row = np.empty(len(order), np.intp)
    row[order] = np.cumsum(first) - 1
    ends = np.cumsum([len(field.time) for field in fields], dtype=np.intp)[:-1]
    return np.split(row, ends), sorted_time[first], sorted_series[first]


def _tag_columns(
    names: Sequence[str], series: NDArray[np.int64], tags: Mapping[int, Mapping[str, str]]
) -> dict[str, TagColumn]:
    """The tags of each row, looked up once per series."""
    ids, own = np.unique(series, return_inverse=True)
    columns = {}
    for name in names:
        builder = TagBuilder()
        builder.add([tags[id_].get(name) for id_ in ids.tolist()])
        column = builder.build()
        columns[name] = TagColumn(column.codes[own], column.values or ("",))
    return columns


def tags_by_id(connection: sqlite3.Connection, measurement: str) -> dict[int, dict[str, str]]:
    """The tags of every series of a measurement."""
    rows = connection.execute("SELECT id, tags FROM series WHERE measurement = ?", (measurement,)).fetchall()
    # One document is parsed several times faster than thousands of small ones.
    parsed = json.loads(f"[{','.join(tags for _, tags in rows)}]")
    return dict(zip((id_ for id_, _ in rows), parsed, strict=True))


def matches(own: Mapping[str, str], where: Sequence[Mapping[str, str]]) -> bool:
    """Whether the tags equal one of the combinations; a missing tag is the empty string."""
    return any(all(own.get(tag, "") == value for tag, value in wanted.items()) for wanted in where)
