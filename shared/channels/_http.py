"""Sends one call to one vendor: no redirects, no proxy from the environment, no retries, one deadline for all of it.

Says whether anything can have left the machine, because only then a repetition may be a second message. Errors name
the host and a fingerprint of the URL, never the URL: for many vendors it is the secret.

Over httpcore itself: httpx above it would load its command line into every notify function, a tenth of their start.
"""

import hashlib
import logging
import ssl
import time
from collections.abc import Callable
from functools import cache
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import httpcore

from shared.channels._guard import GuardedBackend, Refused, check_address, is_host
from shared.channels._kind import Call, Reply
from shared.errors import TocsinError
from shared.model import Millis

CONNECT_SECONDS = 3.0
MAX_REPLY_BYTES = 64 * 1024
_SHORTEST_SECRET = 6
_NOTHING_SENT = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout)
_MAYBE_SENT = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)
_AS_IT_IS = "!#$%&'()*+,/:;=?@[]~"
"""What stays in a URL: a secret in it may be signed, so that it must not be encoded anew."""


class NotSent(TocsinError):
    """Nothing left this machine: trying again can't make a second message."""


class MaybeSent(TocsinError):
    """The vendor may have got the message, but did not say so."""


@cache
def _tls() -> ssl.SSLContext:
    return httpcore.default_ssl_context()


def send(call: Call, *, seconds: float, allowed: frozenset[str], clock: Callable[[], Millis]) -> Reply:
    """Make the call, in `seconds` altogether. Raises Refused, NotSent or MaybeSent."""
    _silence()
    url = checked(call.url, call.hosts, allowed)
    host = url.host.decode("ascii")
    exempt = bool(call.hosts) or is_host(host, allowed)
    deadline = time.monotonic() + seconds
    timeout = {"connect": min(CONNECT_SECONDS, seconds), "read": seconds, "write": seconds, "pool": seconds}
    headers = {"accept-encoding": "identity", "user-agent": "Tocsin", "connection": "close", **call.headers}
    if ":" in host:
        headers["host"] = f"[{host}]" if url.port is None else f"[{host}]:{url.port}"
    place = f"{host} (URL {hashlib.sha256(call.url.encode()).hexdigest()[:8]})"
    pool = httpcore.ConnectionPool(
        ssl_context=_tls() if url.scheme == b"https" else None,
        network_backend=GuardedBackend(deadline, free=exempt),
        max_connections=1,
        max_keepalive_connections=0,
    )
    try:
        with (
            pool,
            pool.stream(
                call.method,
                url,
                headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()],
                content=call.body,
                extensions={"timeout": timeout},
            ) as response,
        ):
            body = _read(response)
    except _NOTHING_SENT as error:
        raise NotSent(f"{type(error).__name__} at {place}") from None
    except (httpcore.LocalProtocolError, httpcore.UnsupportedProtocol, UnicodeError):
        raise Refused(f"its URL or a header can't be sent to {place}") from None
    except _MAYBE_SENT as error:
        raise MaybeSent(f"{type(error).__name__} at {place}") from None
    names = {
        name.decode("latin-1").lower(): redacted(value.decode("latin-1"), call)
        for name, value in response.headers
    }
    return Reply(response.status, names, redacted(body.decode("utf-8", "replace"), call), clock())


def _silence() -> None:
    """Keep the libraries from logging whole URLs, whatever set their level meanwhile."""
    for name in ("httpx", "httpcore"):
        if (
            logger := logging.getLogger(name)
        ).level != logging.WARNING:  # setting it empties every logger's cache
            logger.setLevel(logging.WARNING)


def checked(address: str, hosts: tuple[str, ...], allowed: frozenset[str]) -> httpcore.URL:
    """The URL of a call to one of the vendor's `hosts` (empty: any public one), or to one that is `allowed`.

    Raises Refused, without a look-up: what a name resolves to is checked when it is called.
    """
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").encode("idna").decode("ascii")
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except (ValueError, UnicodeError):
        raise Refused("its URL is not valid") from None
    if not host or parts.username is not None:
        raise Refused("its URL must name a host, and no user")
    check_address(parts.scheme, host, port, hosts, allowed)
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_AS_IT_IS)
    return httpcore.URL(scheme=parts.scheme, host=host, port=parts.port, target=target)


def _read(response: httpcore.Response) -> bytes:
    """The first 64 KiB of the reply. The status is known by now, so a body that breaks off takes nothing away."""
    kept = bytearray()
    try:
        for chunk in response.iter_stream():
            kept += chunk
            if len(kept) >= MAX_REPLY_BYTES:
                break
    except _MAYBE_SENT as error:
        kept += f" [the reply broke off: {type(error).__name__}]".encode()
    return bytes(kept[:MAX_REPLY_BYTES])


def redacted(text: str, call: Call) -> str:
    """The text without any of the call's secrets, nor the path and query of its URL."""
    parts = urlsplit(call.url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    values = [value for _, value in parse_qsl(parts.query)]
    pieces = {call.url, path, parts.path, parts.query, *parts.path.split("/"), *values, *call.secrets}
    pieces.add(
        call.headers.get("authorization", "").rpartition(" ")[2]
    )  # of Basic, it is no secret's own text
    # Of `user:password` and `number:token` what comes first is no secret: a bot's number may be a part of a chat's.
    pieces |= {secret.partition(":")[2] for secret in call.secrets}
    pieces |= {unquote(piece) for piece in pieces}
    for secret in sorted(pieces, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET and secret not in _PUBLIC:
            text = text.replace(secret, "***")
    return text


_PUBLIC = frozenset(
    {
        *("services", "/v3/mail/send", "webhooks", "messages", "sendMessage", "sendPhoto"),
        *("workflows", "triggers", "manual", "invoke"),
        *("enqueue", "/v2/enqueue", "messages.json", "/1/messages.json"),
        *("2010-04-01", "Accounts", "Messages.json"),
    }
)
