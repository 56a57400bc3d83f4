"""InfluxQL: statements to text, and answers to columns. Pure; the transport is `influxql.py`.

Names stand in the text quoted and escaped, values are bound parameters; numbers are integers that we format.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from shared.columns import SampleQuery, Samples
from shared.errors import QueryFailed
from shared.metrics._columns import FieldBuilder, Growing, TagBuilder, empty_field, empty_tag

# InfluxDB gives this name to the timestamp; as a tag or field it does not exist.
_TIME = "time"


def identifier(name: str) -> str:
    """A quoted name. InfluxQL knows these escapes only (influxql's qiReplacer)."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    return f'"{escaped}"'


def source(measurement: str, policy: str) -> str:
    """A measurement for FROM; `policy` is the retention policy, empty for the database's default one."""
    return f"{identifier(policy)}.{identifier(measurement)}" if policy else identifier(measurement)


def select(query: SampleQuery, policy: str = "") -> tuple[str, dict[str, str]]:
    """The statement of one raw read, and its parameters.

    Tags are columns and there is no GROUP BY: the cheapest read, and one row per point. The columns answer in the
    order of `tags`, `fields`; without fields all of them are asked for, because a SELECT of tags alone is empty.
    """
    tags, fields = asked(query.tags), asked(query.fields)
    columns = [f"{identifier(tag)}::tag" for tag in tags]
    columns += [f"{identifier(name)}::field" for name in fields] or ["*::field"]
    narrowed, parameters = any_of(query.where)
    text = (
        f"SELECT {', '.join(columns)} FROM {source(query.measurement, policy)} "
        f"WHERE time >= {query.start:d}ms AND time < {query.stop:d}ms{narrowed}"
    )
    return text, parameters


def asked(names: Sequence[str]) -> list[str]:
    """The tags or fields that can exist, each once."""
    return [name for name in dict.fromkeys(names) if name != _TIME]


def any_of(where: Sequence[Mapping[str, str]]) -> tuple[str, dict[str, str]]:
    """More conditions for WHERE: the tags equal one of these combinations; and their parameters."""
    parameters: dict[str, str] = {}
    alternatives = []
    for tags in where:
        terms = []
        for tag, value in tags.items():
            name = f"p{len(parameters)}"
            parameters[name] = value
            terms.append(f"{identifier(tag)}::tag = ${name}")
        if not terms:
            return "", {}  # one alternative asks for everything
        alternatives.append(f"({' AND '.join(terms)})")
    return (f" AND ({' OR '.join(alternatives)})" if alternatives else ""), parameters


def bound(parameters: Mapping[str, str]) -> str:
    """Parameters as the server wants them."""
    return json.dumps(parameters)


def error_words(body: str) -> str:
    """The message in the body of an answer that is no success; the body itself when it is no JSON."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return body.strip()[:500]
    if isinstance(parsed, dict):
        return str(parsed.get("error") or parsed.get("message") or body)[:500]
    return body[:500]


def results(document: bytes, what: str) -> list[dict[str, Any]]:
    """The results of one JSON document, one per statement. Raises QueryFailed with the server's words."""
    try:
        parsed = _parsed(document)
    except (ValueError, RecursionError):
        raise QueryFailed(f"{what}: the metric store answered no JSON: {document[:120]!r}") from None
    if not isinstance(parsed, dict):
        raise QueryFailed(f"{what}: the metric store answered no JSON object: {document[:120]!r}")
    found: list[dict[str, Any]] = parsed.get("results") or []
    # An error may stand in an answer of status 200, behind good rows.
    for part in (parsed, *found, *(series for result in found for series in result.get("series", ()))):
        if part.get("error"):
            raise QueryFailed(f"{what}: the metric store says: {part['error']}")
    if not found:
        raise QueryFailed(f"{what}: the metric store answered no results: {document[:120]!r}")
    return found


def _parsed(document: bytes) -> Any:
    """One JSON document; NaN and Infinity, for which JSON has no word, are null. Raises ValueError or RecursionError.

    No InfluxDB writes them (1.6.7 refuses such points, and fails when a sum overflows), but what stands between may,
    and one value must not cost a whole measurement. Only a document that is no JSON pays for the slow parser, and the
    strict one has the last word on what that has read.
    """
    try:
        return orjson.loads(document)
    except ValueError:
        return orjson.loads(json.dumps(json.loads(document, parse_constant=lambda _: None)))


class Rows:
    """Collects the chunks of one SELECT. `partial` says that more must come: at first, and as each chunk says."""

    def __init__(self, query: SampleQuery) -> None:
        self._query = query
        self._tag_names, self._field_names = asked(query.tags), asked(query.fields)
        self._times = Growing(np.int64)
        self._tags = [TagBuilder() for _ in self._tag_names]
        self._fields = [FieldBuilder() for _ in self._field_names]
        self._beyond = 0
        self.partial = True

    def add(self, document: bytes) -> None:
        """Read one chunk. Raises QueryFailed for an error inside it."""
        for result in results(document, self._query.measurement):
            self.partial = bool(result.get("partial"))
            for series in result.get("series", ()):
                self._add_rows(series["columns"], series["values"])

    def _add_rows(self, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        wanted = 1 + len(self._tags) + len(self._fields)
        if len(names) < wanted or (self._fields and len(names) != wanted):
            raise QueryFailed(
                f"{self._query.measurement}: expected {wanted} columns, the metric store sent {names}"
            )
        if not rows:
            return
        times, columns = transposed(rows)
        inside = times < self._query.stop
        if not inside.all():
            # 1.8 answers the row at `stop` to some queries, though it was asked for rows before it.
            self._beyond += int(np.count_nonzero(~inside))
            self._add_rows(names, [row for row, keep in zip(rows, inside.tolist(), strict=True) if keep])
            return
        self._times.add(times)
        # By place, not by name: a tag and a field may share theirs, and then the server renames one.
        builders: list[TagBuilder | FieldBuilder] = [*self._tags, *self._fields]
        for builder, column in zip(builders, columns, strict=False):
            builder.add(column)

    def build(self, bytes_read: int) -> Samples:
        """All rows. Every tag and field that was asked for is there."""
        time = self._times.build()
        tags = {name: builder.build() for name, builder in zip(self._tag_names, self._tags, strict=True)}
        fields = {
            name: builder.build() for name, builder in zip(self._field_names, self._fields, strict=True)
        }
        for name in self._query.tags:
            tags.setdefault(name, empty_tag(len(time)))
        for name in self._query.fields:
            fields.setdefault(name, empty_field(len(time)))
        return Samples(time, tags, fields, self._beyond, bytes_read)


def transposed(rows: Sequence[Sequence[Any]]) -> tuple[NDArray[np.int64], list[tuple[Any, ...]]]:
    """The times of some rows, and their other columns."""
    times, *columns = zip(*rows, strict=True)
    return np.array(times, np.int64), columns
