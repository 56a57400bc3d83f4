"""Metrics in InfluxDB over Flux: 2.x, and 1.8 with Flux enabled. It reads rows and decides nothing.

No server that speaks Flux runs in the tests: they replay its dialect, as its documents and sources say. What a
statement looks like is `_flux_text.py`; answers are read by `_annotated_csv.py`, `_flux_rows.py` and `_flux_parts.py`.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from shared.columns import AggregateQuery, Discovered, Partials, SampleQuery, Samples
from shared.errors import InvalidInput, QueryFailed, redact_url
from shared.metrics import SETTING, VALID_URLS, _line_protocol
from shared.metrics import _flux_text as flux
from shared.metrics._annotated_csv import Chunk, chunks
from shared.metrics._flux_parts import PartRows
from shared.metrics._flux_rows import LongRows
from shared.metrics._influx_http import InfluxHttp

DISCOVER_SECONDS = 20.0
WRITE_SECONDS = 20.0
SAMPLE_VALUES = 20
"""How many values of each tag `discover` tells."""

_AT_ONCE = 50
_DIALECT = {
    "header": True,
    "delimiter": ",",
    "annotations": ["datatype", "group", "default"],
    "commentPrefix": "#",
    "dateTimeFormat": "RFC3339",
}
# The API's own units are ns, us, ms and s; v1's short names mean the same.
_PRECISIONS = {"": "ns", "n": "ns", "ns": "ns", "u": "us", "us": "us", "ms": "ms", "s": "s"}
T = TypeVar("T")
_TYPES = {"double": "float", "long": "integer", "unsignedLong": "integer"}


class _Collecting(Protocol):
    """What takes the rows of an answer."""

    def add(self, chunk: Chunk) -> None:
        """Read some rows. Raises KeyError and ValueError for what can't be part of the answer."""


class FluxStore:
    """One bucket of one InfluxDB; another bucket of the same server where a query names one."""

    reduces = True

    def __init__(self, http: InfluxHttp, bucket: str, org: str) -> None:
        self._http, self._bucket = http, bucket
        self._org = {"org": org} if org else {}

    @classmethod
    def of_url(cls, url: str, token: str, setting: str = SETTING) -> "FluxStore":
        """`flux+http[s]://[user:password@]host[:port]/bucket?org=org`; 1.8 has no org, and buckets `db` or `db/rp`."""
        parts = urlsplit(url)
        bucket, options = unquote(parts.path.strip("/")), parse_qs(parts.query)
        unknown = sorted(set(options) - {"org"})
        if not parts.hostname or not bucket or unknown:
            missing = f"{unknown[0]} is no option" if unknown else "it needs a host and a bucket"
            raise InvalidInput(setting, redact_url(url), f"{missing}; {VALID_URLS}")
        base = f"{parts.scheme.removeprefix('flux+')}://{parts.netloc.rpartition('@')[2]}"
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
        http = InfluxHttp(url, base, user or token, setting=setting)
        return cls(http, bucket, options.get("org", [""])[0])

    def read(self, query: SampleQuery, timeout_seconds: float) -> Samples:
        """See `MetricStore.read`. `dropped_future` counts rows that the server sent though they were not asked for."""
        rows, statement = LongRows(query), flux.select(query, query.database or self._bucket)
        return rows.build(self._collected(rows, statement, query.measurement, timeout_seconds))

    def aggregate(self, query: AggregateQuery, timeout_seconds: float) -> Partials:
        """See `MetricStore.aggregate`: one request with a result for each function of each part."""
        rows, statement = PartRows(query), flux.aggregate(query, query.database or self._bucket)
        return rows.build(self._collected(rows, statement, query.measurement, timeout_seconds))

    def _collected(self, rows: _Collecting, statement: str, what: str, timeout_seconds: float) -> int:
        """Read the whole answer into the rows, and return its size. Raises QueryFailed when some of it is missing."""
        came, counted, size = 0, -1, _Size()
        for chunk in self._chunks(statement, what, timeout_seconds, size):
            try:
                if chunk.result == flux.COUNT:
                    (counted,) = map(int, chunk.columns["_value"])
                else:
                    rows.add(chunk)
                    came += chunk.rows
            except KeyError as error:
                raise QueryFailed(f"{what}: in the metric store's answer is no {error}") from None
            except ValueError as error:
                raise QueryFailed(f"{what}: the metric store sent a bad value: {error}") from None
        if came != counted:
            raise QueryFailed(f"{what}: the metric store's answer stopped before its end")
        return size.bytes

    def discover(self, database: str = "", measurement: str | None = None) -> list[Discovered]:
        """See `MetricStore.discover`; what had points in the last seven days."""
        bucket = database or self._bucket
        types = self._field_types(bucket, measurement)
        names = sorted(types)
        keys: list[tuple[str, str]] = []
        for some in _portions(names):
            found = self._ask(flux.tag_keys(bucket, some))
            keys += [
                (name, tag) for place, name in enumerate(some) for tag in flux.tags_of(found.get(place, ()))
            ]
        values: dict[str, dict[str, tuple[str, ...]]] = {name: {} for name in names}
        for pairs in _portions(keys):
            found = self._ask(flux.tag_values(bucket, pairs, SAMPLE_VALUES))
            for place, (name, tag) in enumerate(pairs):
                values[name][tag] = tuple(value for value in found.get(place, ()) if value)
        return [Discovered(name, values[name], types[name], database) for name in names]

    def write(self, lines: bytes, database: str = "", precision: str = "ns") -> int:
        """See `MetricStore.write`. InfluxDB keeps the good lines of a batch of which it refuses others."""
        count = sum(1 for _ in _line_protocol.split(_line_protocol.decode(lines)))
        if precision not in _PRECISIONS:
            raise InvalidInput("precision", precision, "valid are ns, us, ms, s")
        bucket, unit = database or self._bucket, _PRECISIONS[precision]
        asked = {**self._org, "bucket": bucket, "precision": unit}
        self._http.write(lines, asked, WRITE_SECONDS, "/api/v2/write")
        return count

    def ping(self, timeout_seconds: float) -> None:
        """See `MetricStore.ping`."""
        self._http.ping(timeout_seconds)

    def close(self) -> None:
        """Close the pooled connections."""
        self._http.close()

    def _field_types(self, bucket: str, measurement: str | None) -> dict[str, dict[str, str]]:
        """Measurement → field → its type."""
        types: dict[str, dict[str, str]] = {}
        statement = flux.field_types(bucket, measurement)
        for chunk in self._chunks(statement, "discover", DISCOVER_SECONDS):
            kind = chunk.types.get("_value", "")
            for name, field in zip(chunk.columns["_measurement"], chunk.columns["_field"], strict=True):
                types.setdefault(name, {})[field] = _TYPES.get(kind, kind)
        return types

    def _ask(self, statement: str) -> dict[int, list[str]]:
        """The values of each result by its place; nothing of one that is empty."""
        found: dict[int, list[str]] = {}
        for chunk in self._chunks(statement, "discover", DISCOVER_SECONDS):
            found.setdefault(int(chunk.result), []).extend(chunk.columns["_value"])
        return found

    def _chunks(
        self, statement: str, what: str, timeout_seconds: float, size: "_Size | None" = None
    ) -> Iterator[Chunk]:
        question = {"query": statement, "type": "flux", "dialect": _DIALECT}
        parts = self._http.csv(question, self._org, what, timeout_seconds)
        return chunks(size.of(parts) if size else parts, what)


class _Size:
    """How large an answer is, once it was read."""

    def __init__(self) -> None:
        self.bytes = 0

    def of(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        """The same parts."""
        for part in parts:
            self.bytes += len(part)
            yield part


def _portions(items: list[T]) -> Iterator[list[T]]:
    for first in range(0, len(items), _AT_ONCE):
        yield items[first : first + _AT_ONCE]
