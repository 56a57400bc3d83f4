"""Metrics in InfluxDB over InfluxQL: 1.x, 2.x and 3 Core (2.x and 3 by their documents only; tests run 1.6.7).

Through influxdb-client's own connection pool. It reads raw rows and decides nothing. `_influxql_text.py` has the
statements and the parsing.
"""

import ipaddress
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException

from shared.columns import Discovered, SampleQuery, Samples
from shared.errors import InvalidInput, QueryFailed, Unavailable, redact_url
from shared.metrics import SETTING, VALID_URLS, _line_protocol
from shared.metrics import _influxql_text as influxql

CHUNK_ROWS = 10_000
CONNECT_SECONDS = 3.0
DISCOVER_SECONDS = 20.0
WRITE_SECONDS = 20.0
SAMPLE_VALUES = 20
"""How many values of each tag `discover` tells."""

_FORM = "application/x-www-form-urlencoded"
_READ_BYTES = 1 << 16
_STATEMENTS_AT_ONCE = 50
_DOWN = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
_DENIED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class InfluxqlStore:
    """One database of one InfluxDB. Connects on first use; keeps its connections."""

    def __init__(self, url: str, base: str, database: str, policy: str, token: str, basic: bool) -> None:
        self._url, self._base, self._database, self._policy = url, base, database, policy
        # Without a time-out of its own: every request here brings one.
        self._client: Any = InfluxDBClient(base, token=token, auth_basic=basic)
        self._headers = {"Accept": "application/json"}
        if token:
            # 3 Core's tokens say what they are, and want another word before them.
            own = str(self._client.auth_header_value)
            self._headers["Authorization"] = f"Bearer {token}" if token.startswith("apiv3_") else own
        if not _is_loopback(base):
            self._headers["Accept-Encoding"] = "gzip"

    @classmethod
    def of_url(cls, url: str, token: str) -> "InfluxqlStore":
        """`influxql+http[s]://[user:password@]host[:port]/database[?rp=policy]`."""
        parts = urlsplit(url)
        database, options = unquote(parts.path.strip("/")), parse_qs(parts.query)
        unknown = sorted(set(options) - {"rp"})
        if not parts.hostname or not database or unknown:
            missing = f"{unknown[0]} is no option" if unknown else "it needs a host and a database"
            raise InvalidInput(SETTING, redact_url(url), f"{missing}; {VALID_URLS}")
        place = parts.netloc.rpartition("@")[2]
        base = f"{parts.scheme.removeprefix('influxql+')}://{place}"
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
        return cls(url, base, database, options.get("rp", [""])[0], user or token, bool(user))

    def read(self, query: SampleQuery, timeout_seconds: float) -> Samples:
        """See `MetricStore.read`. `dropped_future` counts rows that the server sent though they were not asked for."""
        statement, parameters = influxql.select(query, self._policy)
        form = {
            **self._form(statement, query.database, parameters),
            "epoch": "ms",
            # Not bounded by the server's max-row-limit, and parsed while the rest is on its way.
            "chunked": "true",
            "chunk_size": str(CHUNK_ROWS),
        }
        rows, size = influxql.Rows(query), 0
        for document in self._documents(form, query.measurement, timeout_seconds):
            size += len(document)
            rows.add(document)
        if rows.partial:
            raise QueryFailed(f"{query.measurement}: the metric store's answer stopped before its end")
        return rows.build(size)

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
        with self._errors("write", WRITE_SECONDS):
            try:
                self._send(
                    "/write", "text/plain; charset=utf-8", WRITE_SECONDS, query_params=asked, body=lines
                )
            except ApiException as error:
                if error.status != HTTPStatus.BAD_REQUEST:
                    raise
                raise InvalidInput("points", _start(lines), f"InfluxDB says: {_words(error)}") from None
        return count

    def ping(self, timeout_seconds: float) -> None:
        """See `MetricStore.ping`."""
        with self._errors("ping", timeout_seconds):
            self._rest().GET(
                f"{self._base}/ping", headers=dict(self._headers), _request_timeout=_timeouts(timeout_seconds)
            )

    def close(self) -> None:
        """Close the pooled connections."""
        self._client.close()

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
        body = b"".join(self._documents(form, "discover", DISCOVER_SECONDS))
        found = influxql.results(body, "discover")
        if len(found) != len(statements):
            raise QueryFailed(f"discover: asked {len(statements)} questions, got {len(found)} answers")
        return [{s["name"]: s["values"] for s in result.get("series", ())} for result in found]

    def _form(self, statement: str, database: str, parameters: Mapping[str, str]) -> dict[str, str]:
        return {"db": database or self._database, "q": statement, "params": influxql.bound(parameters)}

    def _documents(self, form: Mapping[str, str], what: str, timeout_seconds: float) -> Iterator[bytes]:
        """The JSON documents of an answer, one per line, read to the end: else the connection can't be used again."""
        deadline = time.monotonic() + timeout_seconds
        with self._errors(what, timeout_seconds):
            response = self._send("/query", _FORM, timeout_seconds, post_params=form, _preload_content=False)
            complete = False
            try:
                rest = b""
                for part in response.stream(_READ_BYTES, decode_content=True):
                    if time.monotonic() >= deadline:
                        raise QueryFailed(_too_late(what, timeout_seconds))
                    _bound_next_read(response, deadline - time.monotonic())
                    *documents, rest = (rest + part).split(b"\n")
                    yield from documents
                if rest:
                    yield rest
                complete = True
            except urllib3.exceptions.ProtocolError as error:
                raise QueryFailed(
                    f"{what}: the metric store's answer stopped before its end: {error}"
                ) from None
            finally:
                if not complete:
                    response.close()
                response.release_conn()

    def _send(self, path: str, content_type: str, timeout_seconds: float, **request: Any) -> Any:
        headers = {**self._headers, "Content-Type": content_type}
        timeouts = _timeouts(timeout_seconds)
        return self._rest().POST(f"{self._base}{path}", headers=headers, _request_timeout=timeouts, **request)

    def _rest(self) -> Any:
        return self._client.api_client.rest_client

    @contextmanager
    def _errors(self, what: str, timeout_seconds: float) -> Iterator[None]:
        """Every error of the transport as one of ours."""
        try:
            yield
        except ApiException as error:
            words = _words(error)
            if not error.status or error.status in _DOWN:
                raise self._unavailable(words) from None
            if error.status in _DENIED:
                hint = f"{words}. Its user or token is set by {SETTING} or TOCSIN_METRICS_TOKEN"
                raise QueryFailed(f"{what}: the metric store refused the credentials: {hint}") from None
            raise QueryFailed(f"{what}: the metric store answered {error.status}: {words}") from None
        except urllib3.exceptions.ReadTimeoutError:
            raise QueryFailed(_too_late(what, timeout_seconds)) from None
        except urllib3.exceptions.HTTPError as error:
            raise self._unavailable(str(error)) from None

    def _unavailable(self, why: str) -> Unavailable:
        return Unavailable("the metric store", self._url, why, SETTING)


def _timeouts(seconds: float) -> tuple[float, float]:
    """Connect and read, in milliseconds as influxdb-client wants them."""
    return min(CONNECT_SECONDS, seconds) * 1000, seconds * 1000


def _bound_next_read(response: Any, seconds: float) -> None:
    """urllib3's read time-out starts anew with every read; an answer that stalls must not get it twice."""
    sock = getattr(response.connection, "sock", None)
    if sock is not None:
        sock.settimeout(max(seconds, 0.001))


def _too_late(what: str, seconds: float) -> str:
    return f"{what}: the metric store gave no complete answer within {seconds:g} seconds"


def _words(error: ApiException) -> str:
    """What the server said, without the client's decoration."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else error.body
    return influxql.error_words(body or "") or str(error.reason)


def _start(lines: bytes) -> str:
    return lines[:80].decode(errors="replace")


def _is_loopback(base: str) -> bool:
    host = urlsplit(base).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
