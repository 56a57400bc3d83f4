"""Discord's webhook: answers as Discord does, shows content, embeds and edits.

Limits, codes and headers: Discord's API documentation, Channel ("Embed Limits"), Webhook, "Rate Limits".
"""

from __future__ import annotations

import itertools
import json
from typing import Any

from knative.local.inbox._markdown import markdown
from knative.local.inbox._messages import Incoming, Message, Receipt
from knative.local.inbox._multipart import is_multipart, parts

KIND = "discord"
LABEL = "Discord"
ROUTES = ("/api/webhooks/1/{name}", "PATCH /api/webhooks/1/{name}/messages/{message}")
EMBEDS, FIELDS, ALL_TEXTS = 10, 25, 6000
_LIMITS = {"title": 256, "description": 4096}
_EPOCH = 1_420_070_400_000
_numbers = itertools.count()


def receive(request: Incoming) -> Receipt:
    """204, or 200 with the message when `wait` asks for it; 400 with Discord's code for what is wrong."""
    try:
        content = _content(request)
    except ValueError:
        return _refused(50109, "The request body contains invalid JSON.")
    if not isinstance(content, dict):
        return _refused(50035, "Invalid Form Body")
    text, embeds = content.get("content") or "", content.get("embeds") or []
    if not text and not embeds:
        return _refused(50006, "Cannot send an empty message")
    problem = _problem(text, embeds)
    if problem:
        errors = {problem: {"_errors": [{"code": "BASE_TYPE_BAD_LENGTH", "message": "It is too long."}]}}
        return _refused(50035, "Invalid Form Body", errors)
    number = request.edits or str(((request.now - _EPOCH) << 22) + next(_numbers) % 4096)
    title = str(text or embeds[0].get("title") or embeds[0].get("description") or "(no text)")
    shown = str(markdown(title, mentions=False).striptags())
    if request.query.get("wait") != "true" and not request.edits:
        return Receipt(204, content=content, title=shown, id=number)
    reply = json.dumps({"id": number, "type": 0, "content": text, "embeds": embeds}).encode()
    return Receipt(200, reply, {"content-type": "application/json"}, content, shown, number)


def _content(request: Incoming) -> Any:
    """The JSON: the body, or one of its parts, which then has the pictures beside it as `files`."""
    if not is_multipart(request.headers):
        return json.loads(request.body)
    fields, pictures = parts(request.headers, request.body)
    content = json.loads(fields.get("payload_json", ""))
    return {**content, "files": pictures} if isinstance(content, dict) else content


def _refused(code: int, words: str, errors: dict[str, Any] | None = None) -> Receipt:
    body = {"message": words, "code": code, **({"errors": errors} if errors else {})}
    return Receipt(400, json.dumps(body).encode(), {"content-type": "application/json"})


def _problem(text: object, embeds: object) -> str:
    """The name of what breaks a limit; empty when nothing does."""
    if not isinstance(text, str) or len(text) > 2000:
        return "content"
    if not isinstance(embeds, list) or len(embeds) > EMBEDS or not all(isinstance(e, dict) for e in embeds):
        return "embeds"
    total = 0
    for embed in embeds:
        fields = embed.get("fields") or []
        if len(fields) > FIELDS or not all(0 < len(f["name"]) <= 256 for f in fields):
            return "fields"
        if not all(0 < len(f["value"]) <= 1024 for f in fields):
            return "fields"
        if any(len(embed.get(name) or "") > limit for name, limit in _LIMITS.items()):
            return "embeds"
        footer = (embed.get("footer") or {}).get("text") or ""
        total += sum(len(f["name"]) + len(f["value"]) for f in fields) + len(footer)
        total += sum(len(embed.get(name) or "") for name in _LIMITS)
    return "embeds" if total > ALL_TEXTS else ""


def view(message: Message) -> dict[str, Any]:
    """The content and the embeds; a mention only where the message lets it ring."""
    content = message.content
    allowed = content.get("allowed_mentions")
    live = not isinstance(allowed, dict) or bool(allowed.get("parse") or allowed.get("users"))
    return {
        "text": markdown(str(content.get("content") or ""), mentions=live),
        "embeds": [
            _embed(embed) | {"image": _image(embed, content)} for embed in content.get("embeds") or []
        ],
    }


def _image(embed: dict[str, Any], content: dict[str, Any]) -> dict[str, str]:
    """The attached picture that the embed shows; pictures of other places are not fetched."""
    name = str((embed.get("image") or {}).get("url") or "").removeprefix("attachment://")
    url = (content.get("files") or {}).get(name, "")
    named = [one for one in content.get("attachments") or [] if one.get("filename") == name]
    return {"url": url, "alt": str(named[0].get("description") or "")} if url and named else {}


def _embed(embed: dict[str, Any]) -> dict[str, Any]:
    # A mention in an embed is drawn, but never rings.
    colour = embed.get("color")
    fields = embed.get("fields") or []
    return {
        "colour": f"#{colour:06x}" if isinstance(colour, int) and 0 <= colour <= 0xFFFFFF else "#202225",
        "title": markdown(str(embed.get("title") or "")),
        "text": markdown(str(embed.get("description") or "")),
        "fields": [(markdown(f["name"]), markdown(f["value"]), f.get("inline") is True) for f in fields],
        "footer": str((embed.get("footer") or {}).get("text") or ""),
    }
