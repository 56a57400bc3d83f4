"""CloudEvents 1.0 over HTTP: read binary and structured mode, write binary mode, validate as a Knative ingress does.

Must not know brokers or triggers, and must not change data: a binary body is passed on byte for byte.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.message import Message
from urllib.parse import quote, urlsplit

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_NAME = re.compile(r"[a-z0-9]+")
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(\s*;.*)?")
_REQUIRED = ("id", "source", "type")


class MalformedEventError(Exception):
    """It claims to be a CloudEvent and can't be read as one."""


@dataclass(frozen=True)
class Event:
    """Attributes (specversion, id, …, extensions; all as text, `datacontenttype` included) and the data's bytes."""

    attributes: Mapping[str, str]
    data: bytes

    def having(self, **attributes: str) -> Event:
        """The same event with these attributes set."""
        return replace(self, attributes={**self.attributes, **attributes})

    def without(self, *names: str) -> Event:
        """The same event without these attributes."""
        return replace(self, attributes={k: v for k, v in self.attributes.items() if k not in names})

    def headers(self) -> dict[str, str]:
        """The HTTP headers of binary mode; what a header can't carry is percent-encoded, as the HTTP binding says."""
        found = {
            f"ce-{k}": quote(v, safe=_PLAIN) for k, v in self.attributes.items() if k != "datacontenttype"
        }
        if "datacontenttype" in self.attributes:
            found["content-type"] = self.attributes["datacontenttype"]
        return found


_PLAIN = "".join(chr(c) for c in range(0x20, 0x7F))


def utc_text(seconds: float) -> str:
    """RFC 3339 in UTC with microseconds, from epoch seconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read(headers: Mapping[str, str], body: bytes) -> Event | None:
    """The CloudEvent in a request or response; None when it doesn't claim to be one.

    `headers` has lower-case names. Raises MalformedEventError for a batch, or for JSON that is no event.
    """
    content_type = headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == BATCH:
        raise MalformedEventError("batches are not accepted")
    if media_type == STRUCTURED:
        return _structured(content_type, body)
    if "ce-specversion" not in headers:
        return None
    attributes = {name[3:]: value for name, value in headers.items() if name.startswith("ce-")}
    if content_type:
        attributes["datacontenttype"] = content_type
    return Event(attributes, body)


def _structured(content_type: str, body: bytes) -> Event:
    try:
        document = json.loads(body.decode(_charset(content_type)))
    except (ValueError, LookupError) as error:
        raise MalformedEventError(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise MalformedEventError("not a JSON object")
    data = _data(document)
    attributes = {}
    for name, value in document.items():
        if value is None or name in ("data", "data_base64"):
            continue
        if isinstance(value, (dict, list)):
            raise MalformedEventError(f"attribute {name} must be a plain value")
        attributes[name] = value if isinstance(value, str) else json.dumps(value)
    if data and "datacontenttype" not in attributes:
        attributes["datacontenttype"] = "application/json"
    return Event(attributes, data)


def _charset(content_type: str) -> str:
    message = Message()
    message["content-type"] = content_type
    return message.get_content_charset("utf-8")


def _data(document: dict[str, object]) -> bytes:
    encoded = document.get("data_base64")
    if encoded is not None:
        try:
            return base64.b64decode(str(encoded), validate=True)
        except (binascii.Error, ValueError) as error:
            raise MalformedEventError(f"data_base64: {error}") from error
    if "data" not in document:
        return b""
    data, kind = document["data"], str(document.get("datacontenttype") or "application/json")
    if isinstance(data, str) and "json" not in kind:
        return data.encode()
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


def problems(event: Event) -> list[str]:
    """Why a Knative ingress would answer 400; empty when the event is valid."""
    found = [f"{name} is missing" for name in _REQUIRED if not event.attributes.get(name, "").strip()]
    if event.attributes.get("specversion") != "1.0":
        found.append("specversion must be 1.0")
    for name, value in event.attributes.items():
        if not _NAME.fullmatch(name):
            found.append(f"attribute name {name} has other characters than a-z and 0-9")
        elif name in _RULES and not _RULES[name](value):
            found.append(f"{name} is not valid: {value[:60]!r}")
    return found


_RULES = {
    "time": lambda value: _TIME.fullmatch(value) is not None,
    "subject": lambda value: bool(value.strip()),
    "dataschema": lambda value: bool(urlsplit(value).scheme),
    "datacontenttype": lambda value: _MEDIA_TYPE.fullmatch(value.strip()) is not None,
}
