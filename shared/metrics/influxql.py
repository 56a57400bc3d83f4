"""Metrics in InfluxDB over InfluxQL: 1.x, 2.x and 3 Core (2.x and 3 by their documents only; tests run 1.6.7).

It reads rows and aggregates, and decides nothing. `_influxql_text.py` and `_influxql_aggregates.py` have the
statements and the parsing, `_influx_http.py` the transport.
"""

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from shared.columns import AggregateQuery, Discovered, Partials, SampleQuery, Samples
from shared.errors import InvalidInput, QueryFailed, redact_url
from shared.metrics import SETTING, VALID_URLS, _line_protocol
from shared.metrics import _influxql_aggregates as aggregates
from shared.metrics import _influxql_text as influxql
from shared.metrics._influx_http import InfluxHttp

CHUNK_ROWS = 10_000
DISCOVER_SECONDS = 20.0
WRITE_SECONDS = 20.0
SAMPLE_VALUES = 20
"""How many values of each tag `discover` tells."""

_STATEMENTS_AT_ONCE = 50
# Not bounded by the server's max-row-limit, and parsed while the rest is on its way.
_IN_CHUNKS = {"epoch": "ms", "chunked": "true", "chunk_size": str(CHUNK_ROWS)}


class _Collecting(Protocol):
    """What takes the documents of an answer."""

    @property
    def partial(self) -> bool:
        """Whether more must come."""

    def add(self, document: bytes) -> None:
        """Read one document."""


class InfluxqlStore:
    """One database of one InfluxDB. Connects on first use; keeps its connections."""

    reduces = True

    def __init__(self, http: InfluxHttp, database: str, policy: str) -> None:
        self._http, self._database, self._policy = http, database, policy

    @classmethod
    def of_url(cls, url: str, token: str, setting: str = SETTING) -> "InfluxqlStore":
        """`influxql+http[s]://[user:password@]host[:port]/database[?rp=policy]`."""
        parts = urlsplit(url)
        database, options = unquote(parts.path.strip("/")), parse_qs(parts.query)
        unknown = sorted(set(options) - {"rp"})
        if not parts.hostname or not database or unknown:
            missing = f"{unknown[0]} is no option" if unknown else "it needs a host and a database"
            raise InvalidInput(setting, redact_url(url), f"{missing}; {VALID_URLS}")
        place = parts.netloc.rpartition("@")[2]
        base = f"{parts.scheme.removeprefix('influxql+')}://{place}"
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
        http = InfluxHttp(url, base, user or token, bool(user), setting)
        return cls(http, database, options.get("rp", [""])[0])

    def read(self, query: SampleQuery, timeout_seconds: float) -> Samples:
        """See `MetricStore.read`. `dropped_future` counts rows that the server sent though they were not asked for."""
        statement, parameters = influxql.select(query, self._policy)
        form = self._form(statement, query.database, parameters) | _IN_CHUNKS
        rows = influxql.Rows(query)
        return rows.build(self._collected(rows, form, query.measurement, timeout_seconds))

    def aggregate(self, query: AggregateQuery, timeout_seconds: float) -> Partials:
        """See `MetricStore.aggregate`: one request with a statement for each part."""
        statements, parameters = aggregates.statements(query, self._policy)
        form = self._form(statements, query.database, parameters) | _IN_CHUNKS
        rows = aggregates.PartRows(query)
        return rows.build(self._collected(rows, form, query.measurement, timeout_seconds))

    def _collected(
        self, rows: _Collecting, form: Mapping[str, str], what: str, timeout_seconds: float
    ) -> int:
        """Read the whole answer into the rows, and return its size. Raises QueryFailed when its end is missing."""
        size = 0
        for document in self._http.documents(form, what, timeout_seconds):
            size += len(document)
            rows.add(document)
        if rows.partial:
            raise QueryFailed(f"{what}: the metric store's answer stopped before its end")
        return size

    def discover(self, database: str = "", measurement: str | None = None) -> list[Discovered]:
        """See `MetricStore.discover`; of this database, or of another of the same server."""
        only = f" FROM {influxql.source(measurement, self._policy)}" if measurement is not None else ""
        fields, tags = self._ask([f"SHOW FIELD KEYS{only}", f"SHOW TAG KEYS{only}"], database)
        types = {name: {str(row[0]): str(row[1]) for row in rows} for name, rows in fields.items()}
        keys = [(name, str(row[0])) for name, rows in tags.items() for row in rows]
        values = self._tag_values(keys, database)
        return [
            Discovered(
                name, {tag: values[owner, tag] for owner, tag in keys if owner == name}, found, database
            )
            for name, found in sorted(types.items())
        ]

    def write(self, lines: bytes, database: str = "", precision: str = "ns") -> int:
        """See `MetricStore.write`. InfluxDB keeps the good lines of a batch of which it refuses others."""
        count = sum(1 for _ in _line_protocol.split(_line_protocol.decode(lines)))
        _line_protocol.unit_of(precision)
        unit = {"ns": "n", "us": "u", "": "n"}.get(precision, precision)
        asked = {"db": database or self._database, "precision": unit}
        if self._policy:
            asked["rp"] = self._policy
        self._http.write(lines, asked, WRITE_SECONDS)
        return count

    def ping(self, timeout_seconds: float) -> None:
        """See `MetricStore.ping`."""
        self._http.ping(timeout_seconds)

    def close(self) -> None:
        """Close the pooled connections."""
        self._http.close()

    def _tag_values(
        self, keys: list[tuple[str, str]], database: str
    ) -> dict[tuple[str, str], tuple[str, ...]]:
        """A few values of each tag: a statement each, because LIMIT counts over all tags of one statement."""
        values: dict[tuple[str, str], tuple[str, ...]] = {}
        for first in range(0, len(keys), _STATEMENTS_AT_ONCE):
            some = keys[first : first + _STATEMENTS_AT_ONCE]
            statements = [
                f"SHOW TAG VALUES FROM {influxql.source(name, self._policy)} "
                f"WITH KEY = {influxql.identifier(tag)} LIMIT {SAMPLE_VALUES}"
                for name, tag in some
            ]
            for key, answer in zip(some, self._ask(statements, database), strict=True):
                values[key] = tuple(str(row[1]) for rows in answer.values() for row in rows)
        return values

    def _ask(self, statements: list[str], database: str) -> list[dict[str, list[list[Any]]]]:
        """The rows of each statement by measurement."""
        form = self._form(";".join(statements), database, {})
        body = b"".join(self._http.documents(form, "discover", DISCOVER_SECONDS))
        found = influxql.results(body, "discover")
        if len(found) != len(statements):
            raise QueryFailed(f"discover: asked {len(statements)} questions, got {len(found)} answers")
        return [{s["name"]: s["values"] for s in result.get("series", ())} for result in found]

    def _form(self, statement: str, database: str, parameters: Mapping[str, str]) -> dict[str, str]:
        return {"db": database or self._database, "q": statement, "params": influxql.bound(parameters)}
