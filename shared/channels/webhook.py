"""A generic webhook, signed as Standard Webhooks says: any program can receive alerts and prove where they are from.

The receiver sees the same `webhook-id` on every repetition, so repeating is always safe.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from shared.channels._chart import drawable
from shared.channels._classify import classify as by_status
from shared.channels._kind import ChannelSettings, Misconfigured, Reply, Request, needed
from shared.channels._message import Item, Message
from shared.channels._text import clean, iso
from shared.model import Channel, Millis, Outcome

HUMAN = False
IDEMPOTENT = True
TOLD_ACKS = True
ON_BY_DEFAULT = False
SECRETS = ("signing_key", "url")
HOSTS: tuple[str, ...] = ()
SPACING_MS = 0
MAX_BYTES = 64 * 1024
EDIT_METHOD = ""

_LABELS_BYTES = 16 * 1024
_HEADERS = {"content-type": "application/json"}
_Alert = dict[str, Any]


class Settings(ChannelSettings):
    """`url` may stand here, or be the secret `url` when it carries a token."""

    url: str = ""


def recipients(settings: Settings) -> tuple[str, ...]:
    """One address."""
    return ("",)


def render(message: Message, channel: Channel, settings: Settings, recipient: str) -> Request:
    """`{"type","timestamp","data"}` without blanks; a call of its own for every further 64 KiB of alerts."""
    first, *others = _pages(message)
    count = 1 + len(others)
    return Request(
        message.id,
        _body(message, first, 1, count),
        _HEADERS,
        also=tuple(
            Request(f"{message.id}_{number}", _body(message, items, number, count), _HEADERS)
            for number, items in enumerate(others, start=2)
        ),
    )


def _pages(message: Message) -> list[list[_Alert]]:
    """The alerts, as many to a page as fit; at least one page."""
    room = MAX_BYTES - len(_body(message, [], 9999, 9999))
    pages: list[list[_Alert]] = [[]]
    left = room
    # Oldest first, so that whoever reads them in order ends with what is so now: a series may be over and fire again.
    for item in sorted(message.telling.items, key=lambda item: item.alert.started_at or 0):
        alert = _alert(item)
        size = len(_encoded(alert)) + 1
        if size > room:  # its labels alone are longer than a page
            alert = {**alert, "labels": {}}
            size = len(_encoded(alert)) + 1
        if size > left and pages[-1]:
            pages.append([])
            left = room
        pages[-1].append(alert)
        left -= size
    return pages


def plain(message: Message, channel: Channel, settings: Settings, recipient: str) -> None:
    """None: a program that refuses the data has no use for prose."""


def address(
    request: Request, settings: Settings, secrets: Mapping[str, SecretStr], now: Millis
) -> tuple[str, Mapping[str, str]]:
    """URL and signature headers. The secret `signing_key` may hold two keys, separated by a blank, while it changes."""
    from standardwebhooks.webhooks import Webhook

    url = secrets["url"].get_secret_value() if "url" in secrets else settings.url
    if not url:
        raise Misconfigured("it has no URL: give it the setting or the secret 'url'")
    # The library labels the time as UTC whatever its zone; only an aware UTC time is signed as it is.
    at = datetime.fromtimestamp(now // 1000, UTC)
    signatures = []
    for key in needed(secrets, "signing_key").split():
        try:
            signatures.append(Webhook(key).sign(request.id, at, request.body.decode()))
        except (ValueError, RuntimeError):
            raise Misconfigured("its secret 'signing_key' is not whsec_ followed by base64") from None
    signed = {
        "webhook-id": request.id,
        "webhook-timestamp": str(now // 1000),
        "webhook-signature": " ".join(signatures),
    }
    return url, {**request.headers, **signed}


def classify(reply: Reply) -> Outcome:
    """Any 2xx is a success. 410 says that the address is gone for good."""
    outcome = by_status(reply)
    if outcome.kind == "accepted":
        return Outcome("delivered", status=reply.status)
    return outcome


def _body(message: Message, alerts: Sequence[_Alert], page: int, pages: int) -> bytes:
    told = message.telling.facts
    data = {
        "id": told.id,
        "sequence": told.seq,
        "tenant": told.tenant,
        "event": message.event.value,
        "severity": message.severity,
        "title": message.title,
        "summary": message.summary,
        "rule": {
            "id": told.rule.id,
            "title": message.title,
            "description": message.description,
            "condition": _bounded(told.rule.condition),
            "condition_text": clean(told.rule.condition_text)[:1000],
            "threshold": _finite(told.rule.threshold),
            "runbook_url": message.runbook,
            "labels": _labels(told.rule.labels),
        },
        "monitor": {
            "id": told.monitor.id,
            "name": clean(told.monitor.name)[:200],
            "measurement": clean(told.monitor.measurement)[:200],
            "labels": _labels(told.monitor.labels),
        },
        **({"acknowledge_url": message.ack_url} if message.ack_url else {}),
        "alerts": alerts,
        "page": page,
        "pages": pages,
        "more": message.telling.more,
        "notes": list(message.notes),
    }
    document = {"type": f"alert.{message.event.value}", "timestamp": iso(message.at), "data": data}
    return _encoded(document)


def _encoded(document: Mapping[str, Any]) -> bytes:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


def _alert(item: Item) -> _Alert:
    alert = item.alert
    return {
        "id": alert.id,
        "series": clean(alert.series)[:500],
        "event": alert.event.value,
        "severity": alert.severity.word,
        "value": _finite(alert.value),
        "text": clean(alert.text)[:500],
        "started_at": iso(alert.started_at) if alert.started_at else None,
        "fired_at": iso(alert.fired_at) if alert.fired_at else None,
        "resolved_at": iso(alert.resolved_at) if alert.resolved_at else None,
        "reason": clean(alert.reason)[:200],
        "labels": _labels(alert.labels),
        **({"points": drawable(alert)} if alert.points else {}),
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) != float("inf") and value == value else None


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    found = {clean(name)[:100]: clean(text)[:300] for name, text in sorted(labels.items())[:50]}
    return found if len(_encoded(found)) <= _LABELS_BYTES else {}


def _bounded(condition: Mapping[str, Any]) -> dict[str, Any]:
    """The condition, unless it is absurdly long: its text in words is there as well."""
    try:
        text = json.dumps(condition, allow_nan=False)
    except ValueError:
        return {}
    return dict(condition) if len(text) <= 8000 else {}
