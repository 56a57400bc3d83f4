"""ntfy's messages and answers, for the kind `push`. Pure.

ntfy.sh documentation: "Publish as JSON", "Message priority", "Limitations"; error codes: server/errors.go.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from shared.channels._chart import NAME
from shared.channels._kind import Misconfigured, Reply, Request, needed, needed_token
from shared.channels._message import Message, headline, plain_text
from shared.channels._push_text import push_text
from shared.channels._shorter import fitted
from shared.channels._text import cut, utf8
from shared.model import EventKind, Outcome, Severity

_MESSAGE, _TITLE = 4096, 250
"""In bytes. A longer message would become an attachment."""
_LINES = 20
_TOPIC = re.compile(r"[A-Za-z0-9_-]{6,64}")
_PRIORITIES: Mapping[Severity, int] = {
    Severity.CRITICAL: 5,
    Severity.HIGH: 4,
    Severity.WARNING: 4,
    Severity.INFO: 3,
}
_CALM: Mapping[EventKind, int] = {
    EventKind.RESOLVED: 3,
    EventKind.ACKNOWLEDGED: 2,
    EventKind.FLAPPING: 3,
    EventKind.TEST: 3,
}
_QUOTA = frozenset({42901, 42903, 42904, 42905, 42906, 42908, 42909})
_LATER = 900.0
"""ntfy gives no Retry-After: its limits by the day fill up again slowly."""


def render(message: Message, *, charts: bool = False) -> Request:
    """The message as JSON, without its topic. `charts`: phones fetch its picture by its link."""
    text = fitted(message, push_text, lambda made: utf8(made) <= _MESSAGE, _LINES)
    content: dict[str, Any] = {
        "title": cut(headline(message), _TITLE, measure=utf8),
        "message": text,
        "priority": _CALM.get(message.event, _PRIORITIES[message.telling.severity]),
        "tags": [message.severity, message.event.value],
    }
    if link := message.ack_url or message.runbook:
        content["click"] = link
    if message.ack_url:  # a tap opens one link only
        links = (("Acknowledge", message.ack_url), ("Runbook", message.runbook))
        content["actions"] = [{"action": "view", "label": name, "url": url} for name, url in links if url]
    if charts and message.chart_url:
        content |= {"attach": message.chart_url, "filename": NAME}
    return _request(message, content)


def plain(message: Message) -> Request:
    """Text alone."""
    return _request(message, {"message": cut(plain_text(message, _LINES), _MESSAGE, measure=utf8)})


def credentials(secrets: Mapping[str, SecretStr]) -> dict[str, str]:
    """The header for a protected topic; raises Misconfigured for a topic that ntfy can't have."""
    if not _TOPIC.fullmatch(needed(secrets, "topic")):
        raise Misconfigured("its secret 'topic' is not 6 to 64 letters, digits, - and _")
    if "token" not in secrets or not secrets["token"].get_secret_value():
        return {}
    return {"authorization": f"Bearer {needed_token(secrets, 'token')}"}


def read(said: Mapping[str, Any], outcome: Outcome, reply: Reply) -> Outcome:
    """200 has the message's id; the first three digits of an error's code are its status."""
    if outcome.kind in ("delivered", "accepted"):
        number = said.get("id")
        return Outcome(
            "delivered", status=reply.status, provider_id=number[:64] if isinstance(number, str) else ""
        )
    code = said.get("code")
    if not isinstance(code, int):
        return outcome
    if outcome.kind == "retry":
        wait = _LATER if outcome.retry_after is None and code in _QUOTA else outcome.retry_after
        return replace(outcome, provider_code=str(code), retry_after=wait)
    reason = f"ntfy says: {str(said.get('error') or 'nothing')[:200]}"
    if outcome.scope == "channel":
        reason += "; check the secrets 'topic' and 'token'"
    return replace(outcome, reason=reason, provider_code=str(code))


def _request(message: Message, content: dict[str, Any]) -> Request:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Request(message.id, body, {"content-type": "application/json"}, fill=("topic",))
