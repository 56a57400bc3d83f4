"""Acknowledge links: how they are made and what they say. Pure.

A link is a capability: whoever has it may acknowledge the alerts of one notification, until it ends. So it is made
where a message is rendered, never earlier, and is never stored. It names a tenant, a notification and its
end, and nothing else; who sees it learns no title and no value.
"""

import base64
import hashlib
import hmac
import struct
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from shared.errors import TocsinError
from shared.model import Millis

PATH = "/a/"
CHART_PATH = "/c/"
LONGEST_TOKEN = 250
_LABEL = b"tocsin acknowledge links v1"
_HEAD = struct.Struct(">BIB")
_PACKED, _PLAIN = 1, 2
"""An id that is a UUID takes 16 bytes in place of 36: a link has to fit into a short message."""
_MAC_BYTES = 16
_ACK, _CHART = b"", b"chart"
"""What is signed besides: who has the link of a chart, which vendors fetch, can't acknowledge with it."""


class BadLink(TocsinError):
    """No link of ours, or one that was changed on the way."""


class OldLink(TocsinError):
    """A link of ours whose time is over."""


@dataclass(frozen=True, slots=True)
class Named:
    """What a link names, and when it ends."""

    tenant: str
    notification_id: str
    until: Millis


def keys(own: Mapping[str, bytes], event_keys: Mapping[str, bytes]) -> dict[str, bytes]:
    """The keys of links: the first makes them, all are accepted. Without `own` they follow from the event keys.

    A derived key is another secret than the one it comes from: who finds one can't forge an event.
    """
    return dict(own) or {name: _mac(key, _LABEL, 32) for name, key in event_keys.items()}


def url(public_url: str, keys: Mapping[str, bytes], named: Named) -> str:
    """The link; empty without an address where people reach it or without a key."""
    token = _first_token(public_url, keys, named, _ACK)
    return f"{public_url.rstrip('/')}{PATH}{token}" if token else ""


def chart_url(public_url: str, keys: Mapping[str, bytes], named: Named, zone: str) -> str:
    """Where a notification's chart can be fetched, with times in `zone`; empty as `url` is."""
    token = _first_token(public_url, keys, named, _CHART)
    return f"{public_url.rstrip('/')}{CHART_PATH}{zone}/{token}.png" if token else ""


def _first_token(public_url: str, keys: Mapping[str, bytes], named: Named, purpose: bytes) -> str:
    key = next(iter(keys.values()), None)
    return _token(key, named, purpose) if public_url and key is not None else ""


def read(token: str, keys: Mapping[str, bytes], now: Millis, *, chart: bool = False) -> Named:
    """What a token names, of a chart's link or of one to acknowledge.

    Raises BadLink, or OldLink for one that was good once; neither repeats it.
    """
    raw = _bytes(token)
    body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    # Every key is tried, in the same time, so that a link need not say which one made it.
    signed = (_CHART if chart else _ACK) + body
    if not sum(hmac.compare_digest(mac, _mac(key, signed)) for key in keys.values()):
        raise BadLink("the signature of this link is wrong")
    named = _unpacked(body)
    if now >= named.until:
        raise OldLink("the time of this link is over")
    return named


def _token(key: bytes, named: Named, purpose: bytes) -> str:
    tenant = named.tenant.encode()
    try:
        packed = uuid.UUID(named.notification_id)
        form = _PACKED if str(packed) == named.notification_id else _PLAIN
    except ValueError:
        form, packed = _PLAIN, uuid.UUID(int=0)
    about = packed.bytes if form == _PACKED else named.notification_id.encode()
    body = _HEAD.pack(form, named.until // 1000, len(tenant)) + tenant + about
    return base64.urlsafe_b64encode(body + _mac(key, purpose + body)).decode().rstrip("=")


def _bytes(token: str) -> bytes:
    try:
        if len(token) > LONGEST_TOKEN:
            raise ValueError
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise BadLink("this is no link of ours") from None
    # What is cut off or added by a mail program may decode to the same bytes; only the exact text is a link.
    if len(raw) <= _HEAD.size + _MAC_BYTES or base64.urlsafe_b64encode(raw).decode().rstrip("=") != token:
        raise BadLink("this is no link of ours")
    return raw


def _unpacked(body: bytes) -> Named:
    form, seconds, length = _HEAD.unpack_from(body)
    tenant, about = body[_HEAD.size : _HEAD.size + length], body[_HEAD.size + length :]
    name = str(uuid.UUID(bytes=about)) if form == _PACKED else about.decode()
    return Named(tenant.decode(), name, seconds * 1000)


def _mac(key: bytes, text: bytes, length: int = _MAC_BYTES) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()[:length]
