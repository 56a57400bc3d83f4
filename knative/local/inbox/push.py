"""ntfy and Pushover: answer as they do, show a notification as a phone's lock screen would.

ntfy documentation, "Publish as JSON", and server/errors.go; pushover.net/api. Topics and keys are not kept.
"""

from __future__ import annotations

import json
import secrets
from typing import Any
from urllib.parse import parse_qs

from knative.local.inbox._messages import Incoming, Message, Receipt

KIND = "push"
LABEL = "Push"
ROUTES = ("/", "/1/messages.json")
LONGEST_NTFY = 4096
_LIMITS = {"message": 1024, "title": 250, "url": 512, "url_title": 100}
_JSON = {"content-type": "application/json"}
_EMOJI = {"warning": "⚠️", "rotating_light": "🚨", "white_check_mark": "✅"}
"""Those of ntfy's tags that it shows as pictures before the title; all others stand below the text."""
_SECRET = ("topic", "token", "user")


def receive(request: Incoming) -> Receipt:
    """200 with the message's id, or the provider's error."""
    return _ntfy(request) if request.path == "/" else _pushover(request)


def _ntfy(request: Incoming) -> Receipt:
    try:
        content = json.loads(request.body)
    except ValueError:
        return _ntfy_error(400, 40024, "invalid request: request body must be valid JSON")
    if not isinstance(content, dict) or not isinstance(content.get("topic"), str) or not content["topic"]:
        return _ntfy_error(400, 40009, "invalid request: topic invalid")
    if content.get("priority", 3) not in range(1, 6):
        return _ntfy_error(400, 40007, "invalid request: priority invalid")
    number = secrets.token_hex(6)
    text = str(content.get("message") or "triggered")
    answer = {"id": number, "time": request.now // 1000, "event": "message", "topic": content["topic"]}
    title = str(content.get("title") or text.splitlines()[0])
    body = json.dumps({**answer, "message": text}).encode()
    return Receipt(200, body, _JSON, {"provider": "ntfy", **_kept(content)}, title, number)


def _ntfy_error(status: int, code: int, words: str) -> Receipt:
    body = {"code": code, "http": status, "error": words, "link": "https://ntfy.sh/docs/publish/"}
    return Receipt(status, json.dumps(body).encode(), _JSON)


def _pushover(request: Incoming) -> Receipt:
    form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
    number = secrets.token_hex(16)
    for key in ("token", "user"):
        if len(form.get(key, "")) != 30:
            return _pushover_error(number, f"{key} identifier is invalid", key)
    problem = _problem(form)
    if problem:
        return _pushover_error(number, problem)
    title = form.get("title") or form["message"].splitlines()[0]
    body = json.dumps({"status": 1, "request": number}).encode()
    return Receipt(200, body, _JSON, {"provider": "Pushover", **_kept(form)}, title, number)


def _problem(form: dict[str, str]) -> str:
    """What Pushover refuses of a form, in its words; empty when there is nothing."""
    if not form.get("message", "").strip():
        return "message cannot be blank"
    for name, limit in _LIMITS.items():
        if len(form.get(name, "")) > limit:
            return f"{name} cannot be longer than {limit} characters"
    if form.get("priority", "0") not in ("-2", "-1", "0", "1", "2"):
        return "priority is invalid"
    if form.get("priority") == "2" and not (form.get("retry") and form.get("expire")):
        return "retry and expire must be supplied with priority=2"
    return ""


def _pushover_error(number: str, words: str, key: str = "") -> Receipt:
    body = {**({key: "invalid"} if key else {}), "errors": [words], "status": 0, "request": number}
    return Receipt(400, json.dumps(body).encode(), _JSON)


def _kept(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in _SECRET}


def view(message: Message) -> dict[str, Any]:
    """A notification: title, text, tags, how loud it rings, and what a tap opens."""
    content = message.content
    text = str(content.get("message") or "triggered")
    tags = [str(tag) for tag in content.get("tags") or [] if isinstance(tag, str)]
    priority = str(content.get("priority") or "")
    return {
        "provider": content["provider"],
        "title": str(content.get("title") or ""),
        "text": text,
        "picture": _picture(content),
        "attached": content["provider"] == "ntfy" and len(text.encode()) > LONGEST_NTFY,
        "pictures": " ".join(_EMOJI[tag] for tag in tags if tag in _EMOJI),
        "tags": ", ".join(tag for tag in tags if tag not in _EMOJI),
        "priority": priority,
        "repeats": f"again every {content['retry']} s for {content['expire']} s" if priority == "2" else "",
        "links": [(text, href) for text, href in _links(content) if href.startswith(("http://", "https://"))],
    }


def _picture(content: dict[str, Any]) -> str:
    """Pushover's image as a data URL, or the link by which ntfy's app fetches one."""
    encoded, link = str(content.get("attachment_base64") or ""), str(content.get("attach") or "")
    if encoded.replace("+", "").replace("/", "").rstrip("=").isalnum():
        return f"data:image/png;base64,{encoded}"
    return link if link.startswith(("http://", "https://")) else ""


def _links(content: dict[str, Any]) -> list[tuple[str, str]]:
    """ntfy's buttons, or what a tap opens."""
    actions = content.get("actions")
    if isinstance(actions, list):
        found = [one for one in actions if isinstance(one, dict) and one.get("action") == "view"]
        return [(str(one.get("label") or ""), str(one.get("url") or "")) for one in found]
    link = str(content.get("click") or content.get("url") or "")
    return [(str(content.get("url_title") or link), link)]
