"""Pushover's messages and answers, for the kind `push`. Pure.

pushover.net/api: "Limitations", "Message Priority", "Being Friendly to our API", "Attachments" (one
image of 5 MB at the most). Texts are sent without HTML.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr

from shared.channels._chart import captioned, picture
from shared.channels._classify import bounded
from shared.channels._filled import FORM
from shared.channels._kind import Misconfigured, Reply, Request, needed
from shared.channels._message import Message, headline, plain_text
from shared.channels._push_text import push_text
from shared.channels._shorter import fitted
from shared.channels._text import cut, utf16
from shared.model import EventKind, Outcome, RejectionScope, Severity

HOSTS = ("api.pushover.net",)
_MESSAGE, _TITLE, _URL = 1024, 250, 512
_LINES = 10
_KEY = re.compile(r"[A-Za-z0-9]{30}")
_PRIORITIES: Mapping[Severity, int] = {
    Severity.CRITICAL: 1,
    Severity.HIGH: 1,
    Severity.WARNING: 0,
    Severity.INFO: -1,
}
_CALM: Mapping[EventKind, int] = {
    EventKind.RESOLVED: 0,
    EventKind.ACKNOWLEDGED: -1,
    EventKind.FLAPPING: 0,
    EventKind.TEST: 0,
}
_EMERGENCY = 2


def render(message: Message, repeat: tuple[int, int] | None, zone: str) -> Request:
    """The message as a form, with its chart's times in `zone`.

    `repeat`: seconds between rings, and until it gives up; then critical is an emergency.
    """
    chart = picture(message, zone)
    message = captioned(message, chart)
    priority = _CALM.get(message.event, _PRIORITIES[message.telling.severity])
    form = {
        "title": cut(headline(message), _TITLE),
        "message": fitted(message, push_text, lambda made: utf16(made) <= _MESSAGE, _LINES),
        "priority": str(priority),
        "timestamp": str(min(max(message.at, 0) // 1000, 2**31 - 1)),
    }
    if repeat and message.event not in _CALM and message.telling.severity is Severity.CRITICAL:
        form |= {"priority": str(_EMERGENCY), "retry": str(repeat[0]), "expire": str(repeat[1])}
    links = (("Acknowledge", message.ack_url), ("Open the runbook", message.runbook))
    for name, url in links:
        if 0 < len(url) <= _URL and "url" not in form:
            form |= {"url": url, "url_title": name}
    if chart is not None:
        form |= {"attachment_base64": base64.b64encode(chart.png).decode(), "attachment_type": "image/png"}
    return _request(message, form)


def plain(message: Message) -> Request:
    """Text alone."""
    return _request(message, {"message": cut(plain_text(message, _LINES), _MESSAGE)})


def check(secrets: Mapping[str, SecretStr]) -> None:
    """Raise Misconfigured for keys that Pushover can't have given."""
    for name, what in (("token", "an application's API token"), ("user", "a user or group key")):
        if not _KEY.fullmatch(needed(secrets, name)):
            raise Misconfigured(f"its secret {name!r} is not {what}: 30 letters and digits")


def read(said: Mapping[str, Any], outcome: Outcome, reply: Reply) -> Outcome:
    """`status` 1: queued for the phones. 429 is the month's quota, which ends at X-Limit-App-Reset (epoch seconds)."""
    if outcome.kind in ("delivered", "accepted") and said.get("status") == 1:
        found = said.get("receipt") or said.get("request")
        return Outcome("accepted", status=reply.status, provider_id=str(found or "")[:64])
    errors = said.get("errors")
    words = "; ".join(str(one) for one in errors)[:250] if isinstance(errors, list) else "nothing"
    if outcome.kind == "retry":
        reset = reply.headers.get("x-limit-app-reset", "")
        quota = reply.status == 429 and outcome.retry_after is None and reset.isdecimal() and len(reset) <= 12
        wait = bounded(int(reset) - reply.at / 1000) if quota else outcome.retry_after
        return replace(outcome, reason=f"{outcome.reason}, Pushover says: {words}", retry_after=wait)
    # A refused key names itself as a field of the answer, and in words.
    named = next((name for name in ("token", "user") if said.get(name) == "invalid"), "")
    scope: RejectionScope = "channel" if named or outcome.scope == "channel" else "payload"
    reason = f"Pushover says: {words}" + (f"; correct the secret {named!r}" if named else "")
    return replace(outcome, kind="rejected", reason=reason, scope=scope)


def _request(message: Message, form: dict[str, str]) -> Request:
    return Request(
        message.id, urlencode(form).encode(), {"content-type": FORM}, fill=("token", "user"), hosts=HOSTS
    )
