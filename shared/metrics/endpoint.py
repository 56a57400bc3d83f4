"""InfluxDB's write endpoints without a web framework: paths, parameters, compression and error bodies.

Writing only: whoever wants to query uses an InfluxDB. A batch is kept whole or, when a line of it is bad, not at all.
"""

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO, Any

from shared.errors import InvalidInput, QueryFailed, Unavailable
from shared.metrics import MetricStore

MAX_BODY_BYTES = 5 * 1024 * 1024
"""Before and after decompression. Telegraf sends 1,000 metrics at a time by default, some 250 KiB."""

_V2_CODES = {
    HTTPStatus.BAD_REQUEST: "invalid",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request too large",
    HTTPStatus.NOT_FOUND: "not found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method not allowed",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
}
_GZIP = zlib.MAX_WBITS | 16
_VERSION = {"X-Influxdb-Version": "tocsin", "X-Influxdb-Build": "tocsin"}
_VALID_PATHS = "valid are POST /write, POST /api/v2/write, GET /ping and GET /health"


@dataclass(frozen=True, slots=True)
class Request:
    """What a writer sent. Header names are lower case; `values` are the query's and a form's parameters."""

    method: str
    path: str
    values: Mapping[str, str]
    headers: Mapping[str, str]
    length: int | None
    stream: IO[bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say: a JSON body, or none."""

    status: HTTPStatus
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: _VERSION)


class _Refused(Exception):
    """The request ends here, with this status."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        self.status, self.message = status, message
        super().__init__(message)


def answer(request: Request, metrics: Callable[[], MetricStore]) -> Answer:
    """The answer to any request; errors in the form that the caller's version knows."""
    try:
        return _answer(request, metrics)
    except _Refused as error:
        return _error(request, error.status, error.message)
    except InvalidInput as error:
        # Telegraf drops a batch that it is told can't be parsed; anything else it sends again for ever.
        return _error(
            request, HTTPStatus.BAD_REQUEST, f"unable to parse: {error}. Nothing of the batch was kept"
        )
    except (Unavailable, QueryFailed) as error:
        return _error(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error))


def _answer(request: Request, metrics: Callable[[], MetricStore]) -> Answer:
    given = request.values
    match request.method, request.path:
        case "POST", "/write":
            metrics().write(_body(request), given.get("db", ""), given.get("precision", "ns"))
        case "POST", "/api/v2/write":
            metrics().write(_body(request), given.get("bucket", ""), given.get("precision", "ns"))
        case "GET" | "HEAD", "/ping":
            pass
        case "GET" | "HEAD", "/health":
            return Answer(HTTPStatus.OK, {"name": "tocsin", "status": "pass", "message": "ready for writes"})
        case "POST" | "GET", "/query" if request.values.get("q", "").upper().startswith("CREATE DATABASE"):
            # Telegraf asks before it writes; here every database is there.
            return Answer(HTTPStatus.OK, {"results": [{"statement_id": 0}]})
        case _, "/write" | "/api/v2/write":
            raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.method} is not offered; {_VALID_PATHS}")
        case _:
            raise _Refused(HTTPStatus.NOT_FOUND, f"{request.path} is not offered; {_VALID_PATHS}")
    return Answer(HTTPStatus.NO_CONTENT)


def _body(request: Request) -> bytes:
    if (request.length or 0) > MAX_BODY_BYTES:
        raise _too_large()
    body = _read(request.stream, MAX_BODY_BYTES + 1)
    if len(body) < min(request.length or 0, MAX_BODY_BYTES):
        raise _Refused(HTTPStatus.BAD_REQUEST, "the body ends before its Content-Length")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "gzip":
        body = _unpacked(body)
    elif encoding != "identity":
        raise _Refused(
            HTTPStatus.BAD_REQUEST, f"Content-Encoding {encoding!r} is unknown; valid are gzip and identity"
        )
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    return body


def _read(stream: IO[bytes], limit: int) -> bytes:
    """Up to `limit` bytes: one read may return less than is there."""
    parts, missing = list[bytes](), limit
    while missing and (part := stream.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _unpacked(body: bytes) -> bytes:
    """Never more than the limit and a byte, whatever the body claims to hold."""
    unpacking = zlib.decompressobj(_GZIP)
    try:
        plain = unpacking.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise _Refused(HTTPStatus.BAD_REQUEST, f"the body is not gzip: {error}") from None
    if not unpacking.eof and len(plain) <= MAX_BODY_BYTES:
        raise _Refused(HTTPStatus.BAD_REQUEST, "the gzip body ends too early")
    return plain


def _too_large() -> _Refused:
    limit = f"{MAX_BODY_BYTES // 1024**2} MiB"
    return _Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a batch may have {limit} of line protocol; send smaller ones"
    )


def _error(request: Request, status: HTTPStatus, message: str) -> Answer:
    if request.path.startswith("/api/v2/"):
        return Answer(status, {"code": _V2_CODES.get(status, "internal error"), "message": message})
    header = re.sub(r"[^ -~]+", "?", message)[:500]  # a header holds ASCII, and no line ends
    return Answer(status, {"error": message}, _VERSION | {"X-Influxdb-Error": header})
