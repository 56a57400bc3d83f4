"""SendGrid's v3 mail send: answers as SendGrid does, shows subject, recipients, the HTML part and the text part.

Statuses and error shape: SendGrid API reference, "Mail Send" and "Errors". The HTML part is shown in a sandboxed frame
from an address of its own; an inline attachment (`cid:`) becomes a data URL there.
"""

from __future__ import annotations

import json
import uuid
from email.utils import formataddr
from typing import Any

from knative.local.inbox._messages import Incoming, Message, Receipt

KIND = "email"
LABEL = "Email"
ROUTES = ("/v3/mail/send",)
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif"})


def receive(request: Incoming) -> Receipt:
    """202 with X-Message-Id; 401 without a bearer key; 400 naming the field that is missing."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        text = "The provided authorization grant is invalid, expired, or revoked"
        return _refused(401, text, None)
    try:
        content = json.loads(request.body)
    except ValueError:
        return _refused(400, "Bad Request", None)
    problem = _problem(content)
    if problem is not None:
        return _refused(400, f"The {problem} field is required and must not be empty.", problem)
    return Receipt(202, b"", {"x-message-id": uuid.uuid4().hex[:22]}, content, _subject(content))


def _refused(status: int, text: str, field: str | None) -> Receipt:
    body = {"errors": [{"message": text, "field": field, "help": None}]}
    return Receipt(status, json.dumps(body).encode(), {"content-type": "application/json"})


def _problem(content: Any) -> str | None:
    if not isinstance(content, dict) or not _dicts(content.get("personalizations")):
        return "personalizations"
    for index, person in enumerate(_dicts(content["personalizations"])):
        recipients = _dicts(person.get("to"))
        if not recipients or not all(r.get("email") for r in recipients):
            return f"personalizations.{index}.to"
    sender = content.get("from")
    if not isinstance(sender, dict) or not sender.get("email"):
        return "from.email"
    if not _subject(content):
        return "subject"
    parts = _dicts(content.get("content"))
    return None if parts and all(p.get("type") and p.get("value") for p in parts) else "content"


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _subject(content: dict[str, Any]) -> str:
    own = [str(p["subject"]) for p in _dicts(content["personalizations"]) if p.get("subject")]
    return own[0] if own else str(content.get("subject") or "")


def _address(item: dict[str, Any]) -> str:
    return formataddr((str(item.get("name") or ""), str(item.get("email") or "")))


def view(message: Message) -> dict[str, Any]:
    """Subject, sender, recipients (one list per personalization), the two parts, and headers set by the sender."""
    content = message.content
    parts = {str(p.get("type")): str(p.get("value")) for p in _dicts(content.get("content"))}
    people = _dicts(content["personalizations"])
    return {
        "subject": _subject(content),
        "sender": _address(content["from"]),
        "recipients": [", ".join(_address(to) for to in _dicts(person.get("to"))) for person in people],
        "html": _with_inline(parts.get("text/html", ""), _dicts(content.get("attachments"))),
        "text": parts.get("text/plain", ""),
        "headers": {str(k): str(v) for k, v in (content.get("headers") or {}).items()},
    }


def _with_inline(html: str, attachments: list[dict[str, Any]]) -> str:
    for item in attachments:
        name, kind = str(item.get("content_id") or ""), str(item.get("type") or "")
        encoded = str(item.get("content") or "")
        if name and kind in _IMAGES and encoded.replace("+", "").replace("/", "").rstrip("=").isalnum():
            html = html.replace(f"cid:{name}", f"data:{kind};base64,{encoded}")
    return html
