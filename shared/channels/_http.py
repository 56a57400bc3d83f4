"""Sends one call to one vendor: no redirects, no proxy from the environment, no retries, one deadline for all of it.

Says whether anything can have left the machine, because only then a repetition may be a second message. Errors name
the host and a fingerprint of the URL, never the URL: for many vendors it is the secret.
"""

import hashlib
import logging
import ssl
import time
from collections.abc import Callable
from functools import cache
from urllib.parse import parse_qsl, unquote, urlsplit

import httpcore
import httpx

from shared.channels._guard import GuardedBackend, Refused, check_address, is_host
from shared.channels._kind import Call, Reply
from shared.errors import TocsinError
from shared.model import Millis

CONNECT_SECONDS = 3.0
MAX_REPLY_BYTES = 64 * 1024
_SHORTEST_SECRET = 6
_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class NotSent(TocsinError):
    """Nothing left this machine: trying again can't make a second message."""


class MaybeSent(TocsinError):
    """The vendor may have got the message, but did not say so."""


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


class _Transport(httpx.HTTPTransport):
    """httpx's transport over our own network backend, which its constructor has no argument for."""

    def __init__(self, backend: GuardedBackend) -> None:
        super().__init__(verify=_tls(), trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=_tls(), network_backend=backend, max_connections=1, max_keepalive_connections=0
        )


def send(call: Call, *, seconds: float, allowed: frozenset[str], clock: Callable[[], Millis]) -> Reply:
    """POST the call, in `seconds` altogether. Raises Refused, NotSent or MaybeSent."""
    for name in ("httpx", "httpcore"):  # they log whole URLs
        logging.getLogger(name).setLevel(logging.WARNING)
    url = _checked(call, allowed)
    exempt = bool(call.hosts) or is_host(url.host, allowed)
    deadline = time.monotonic() + seconds
    transport = _Transport(GuardedBackend(deadline, free=exempt))
    timeout = httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))
    headers = {"accept-encoding": "identity", "user-agent": "Tocsin", "connection": "close", **call.headers}
    place = f"{url.host} (URL {hashlib.sha256(call.url.encode()).hexdigest()[:8]})"
    with httpx.Client(
        transport=transport, timeout=timeout, trust_env=False, follow_redirects=False
    ) as client:
        try:
            with client.stream("POST", url, content=call.body, headers=headers) as response:
                body = _read(response)
        except _NOTHING_SENT as error:
            raise NotSent(f"{type(error).__name__} at {place}") from None
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, UnicodeError):
            raise Refused(f"its URL or a header can't be sent to {place}") from None
        except httpx.TransportError as error:
            raise MaybeSent(f"{type(error).__name__} at {place}") from None
    names = {name.lower(): redacted(value, call) for name, value in response.headers.items()}
    return Reply(response.status_code, names, redacted(body.decode("utf-8", "replace"), call), clock())


def _checked(call: Call, allowed: frozenset[str]) -> httpx.URL:
    try:
        url = httpx.URL(call.url)
        port = url.port or (443 if url.scheme == "https" else 80)
    except (httpx.InvalidURL, ValueError):
        raise Refused("its URL is not valid") from None
    if not url.host or url.userinfo:
        raise Refused("its URL must name a host, and no user")
    check_address(url.scheme, url.host, port, call.hosts, allowed)
    return url


def _read(response: httpx.Response) -> bytes:
    """The first 64 KiB of the reply. The status is known by now, so a body that breaks off takes nothing away."""
    kept = bytearray()
    try:
        for chunk in response.iter_raw():
            kept += chunk
            if len(kept) >= MAX_REPLY_BYTES:
                break
    except httpx.TransportError as error:
        kept += f" [the reply broke off: {type(error).__name__}]".encode()
    return bytes(kept[:MAX_REPLY_BYTES])


def redacted(text: str, call: Call) -> str:
    """The text without any of the call's secrets, nor the path and query of its URL."""
    parts = urlsplit(call.url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    values = [value for _, value in parse_qsl(parts.query)]
    pieces = {call.url, path, parts.path, parts.query, *parts.path.split("/"), *values, *call.secrets}
    pieces |= {unquote(piece) for piece in pieces}
    for secret in sorted(pieces, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET and secret not in _PUBLIC:
            text = text.replace(secret, "***")
    return text


_PUBLIC = frozenset({"services", "/v3/mail/send"})
