"""InfluxDB's HTTP: one server, its connections, its credentials, and every error of the transport as one of ours.

Both dialects go through it; what they say and what comes back is theirs.
"""

import ipaddress
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException

from shared.errors import InvalidInput, NotNow, QueryFailed, Unavailable
from shared.metrics import SETTING
from shared.metrics._influxql_text import error_words

CONNECT_SECONDS = 3.0

_FORM = "application/x-www-form-urlencoded"
_READ_BYTES = 1 << 16
_DOWN = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
_QUEUE_IS_FULL = "queue length exceeded"
_DENIED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class InfluxHttp:
    """`url` is shown in errors (redacted), `base` is where requests go; `secret` is a token, or `user:password`.

    Connects on first use; keeps its connections. `basic` sends user and password as HTTP has it, else as a token.
    """

    def __init__(self, url: str, base: str, secret: str, basic: bool = False, setting: str = SETTING) -> None:
        self._url, self._base, self._secret, self._setting = url, base, secret, setting
        # Without a time-out of its own: every request here brings one.
        self._client: Any = InfluxDBClient(base, token=secret, auth_basic=basic)
        self._headers = {"Accept": "application/json"}
        if secret:
            # 3 Core's tokens say what they are, and want another word before them.
            own = str(self._client.auth_header_value)
            self._headers["Authorization"] = f"Bearer {secret}" if secret.startswith("apiv3_") else own
        if not _is_loopback(base):
            self._headers["Accept-Encoding"] = "gzip"

    def documents(self, form: Mapping[str, str], what: str, timeout_seconds: float) -> Iterator[bytes]:
        """Ask /query (InfluxQL) and yield the JSON documents of the answer, one per line."""
        rest = b""
        for part in self._parts("/query", _FORM, what, timeout_seconds, post_params=form):
            *documents, rest = (rest + part).split(b"\n")
            yield from documents
        if rest:
            yield rest

    def csv(
        self, question: Mapping[str, Any], asked: Mapping[str, str], what: str, timeout_seconds: float
    ) -> Iterator[bytes]:
        """Ask /api/v2/query (Flux) and yield the answer in parts."""
        request = {"query_params": asked, "body": question, "accept": "application/csv"}
        return self._parts("/api/v2/query", "application/json", what, timeout_seconds, **request)

    def _parts(
        self, path: str, content_type: str, what: str, timeout_seconds: float, **request: Any
    ) -> Iterator[bytes]:
        """Post, and yield the answer in parts, complete within `timeout_seconds` of the clock.

        It is read to the end: else the connection can't be used again.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._errors(what, timeout_seconds):
            response = self._post(path, content_type, timeout_seconds, _preload_content=False, **request)
            complete = False
            try:
                for part in response.stream(_READ_BYTES, decode_content=True):
                    if time.monotonic() >= deadline:
                        raise NotNow(_too_late(what, timeout_seconds))
                    _bound_next_read(response, deadline - time.monotonic())
                    yield part
                complete = True
            except (urllib3.exceptions.ProtocolError, urllib3.exceptions.DecodeError) as error:
                raise QueryFailed(
                    f"{what}: the metric store's answer stopped before its end: {error}"
                ) from None
            finally:
                if not complete:
                    response.close()
                response.release_conn()

    def write(
        self, lines: bytes, asked: Mapping[str, str], timeout_seconds: float, path: str = "/write"
    ) -> None:
        """Post line protocol. Raises InvalidInput for points that the server refuses."""
        with self._errors("write", timeout_seconds):
            try:
                self._post(path, "text/plain; charset=utf-8", timeout_seconds, query_params=asked, body=lines)
            except ApiException as error:
                if error.status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
                    raise
                shown = lines[:80].decode(errors="replace")
                raise InvalidInput("points", shown, f"InfluxDB says: {self._words(error)}") from None

    def ping(self, timeout_seconds: float) -> None:
        """Raise Unavailable unless the server can be reached."""
        with self._errors("ping", timeout_seconds):
            self._client.api_client.rest_client.GET(
                f"{self._base}/ping", headers=dict(self._headers), _request_timeout=_timeouts(timeout_seconds)
            )

    def close(self) -> None:
        """Close the pooled connections."""
        self._client.close()

    def _post(
        self, path: str, content_type: str, timeout_seconds: float, accept: str = "", **request: Any
    ) -> Any:
        headers = {**self._headers, "Content-Type": content_type}
        return self._client.api_client.rest_client.POST(
            f"{self._base}{path}",
            headers={**headers, "Accept": accept} if accept else headers,
            _request_timeout=_timeouts(timeout_seconds),
            **request,
        )

    @contextmanager
    def _errors(self, what: str, timeout_seconds: float) -> Iterator[None]:
        """Every error of the transport as one of ours."""
        try:
            yield
        except ApiException as error:
            words = self._words(error)
            if not error.status or error.status in _DOWN:
                raise self._unavailable(words) from None
            if error.status in _DENIED:
                places = f"{SETTING} or TOCSIN_METRICS_TOKEN" if self._setting == SETTING else self._setting
                hint = f"{words}. Its user or token is set by {places}"
                raise NotNow(f"{what}: the metric store refused the credentials: {hint}") from None
            # 2.x says 400 when its queue is full, which is no fault of the query.
            busy = error.status == HTTPStatus.TOO_MANY_REQUESTS or _QUEUE_IS_FULL in words
            failed = NotNow if busy else QueryFailed
            raise failed(f"{what}: the metric store answered {error.status}: {words}") from None
        except urllib3.exceptions.ReadTimeoutError:
            raise NotNow(_too_late(what, timeout_seconds)) from None
        except urllib3.exceptions.HTTPError as error:
            raise self._unavailable(str(error)) from None

    def _unavailable(self, why: str) -> Unavailable:
        return Unavailable("the metric store", self._url, why, self._setting)

    def _words(self, error: ApiException) -> str:
        """What the server said, without the client's decoration, and without our secret if it repeats that."""
        body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else error.body
        words = error_words(body or "") or str(error.reason)
        return words.replace(self._secret, "***") if self._secret else words


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


def _is_loopback(base: str) -> bool:
    host = urlsplit(base).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
