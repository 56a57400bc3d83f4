"""Aggregate queries of the embedded store: SQLite reduces, series by series. It opens and commits nothing."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shared.columns import LATEST, AggregateQuery, Part, Partials
from shared.metrics._columns import PartialsBuilder
from shared.metrics._embedded_rows import MS, matches, tags_by_id

# SQLite promises that columns beside a lone max() are those of the row that has it.
_NEWEST = "max(time), value"
# total() is sum() in floats: sum() fails when integers overflow.
_CALLS: Mapping[str, str] = {
    "count": "count(*)",
    "sum": "total(value)",
    "min": "min(value)",
    "max": "max(value)",
}


def aggregate(connection: sqlite3.Connection, query: AggregateQuery) -> Partials:
    """One row per part and series: series that differ in other tags are merged by whoever reads the rows."""
    known = connection.execute(
        "SELECT name, id, type FROM fields WHERE measurement = ?", (query.measurement,)
    )
    types = {name: (id_, type_) for name, id_, type_ in known}
    tags = tags_by_id(connection, query.measurement)
    chosen = {id_: own for id_, own in tags.items() if not query.where or matches(own, query.where)}
    builder = PartialsBuilder(query)
    for number, part in enumerate(query.parts):
        if part.field not in types:
            continue
        id_, type_ = types[part.field]
        if part.functions == (LATEST,):
            rows = [row for row in _rows(connection, id_, part, _NEWEST) if row[0] in chosen]
            times = [row[1] // MS for row in rows]
            found = [bool(row[2]) for row in rows] if type_ == "boolean" else [row[2] for row in rows]
            values: dict[str, Sequence[Any]] = {LATEST: found}
        elif type_ == "string":
            continue
        else:
            calls = ", ".join(_CALLS[function] for function in part.functions)
            rows = [row for row in _rows(connection, id_, part, calls) if row[0] in chosen]
            times = [part.start] * len(rows)
            columns = list(zip(*rows, strict=True))[1:] or [()] * len(part.functions)
            values = dict(zip(part.functions, columns, strict=True))
        wanted = {name: [chosen[row[0]].get(name) for row in rows] for name in query.tags}
        builder.add(number, np.array(times, np.int64), wanted, values)
    return builder.build()


def _rows(connection: sqlite3.Connection, field: int, part: Part, calls: str) -> list[tuple[Any, ...]]:
    return connection.execute(
        f"SELECT series, {calls} FROM points WHERE field = ? AND time >= ? AND time < ? GROUP BY series",
        (field, part.start * MS, part.stop * MS),
    ).fetchall()
