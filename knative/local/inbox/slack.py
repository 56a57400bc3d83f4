"""Slack's incoming webhook: answers as Slack does, shows Block Kit, mrkdwn and coloured attachments.

Reply texts and limits: docs.slack.dev (incoming webhooks; Block Kit reference; changelog 2016-05-17).
"""

from __future__ import annotations

import json
import re
from typing import Any

from markupsafe import Markup

from knative.local.inbox._messages import Incoming, Message, Receipt
from knative.local.inbox._mrkdwn import emoji, mrkdwn, plain_text, unescape

KIND = "slack"
LABEL = "Slack"
ROUTES = ("/slack/{name}",)
BLOCK_LIMIT = 50
ATTACHMENT_LIMIT = 100
_COLOUR = re.compile(r"#?[0-9a-fA-F]{6}")
_NAMED_COLOURS = {"good": "#2eb886", "warning": "#daa038", "danger": "#a30200"}
_NO_COLOUR = "#dddddd"


def receive(request: Incoming) -> Receipt:
    """200 `ok`; 400 with Slack's own word for what is wrong."""
    try:
        content = json.loads(request.body)
    except ValueError:
        return _refused("invalid_payload")
    if not isinstance(content, dict):
        return _refused("invalid_payload")
    blocks, attachments = content.get("blocks") or [], content.get("attachments") or []
    if not isinstance(blocks, list) or len(blocks) > BLOCK_LIMIT or not _typed(blocks):
        return _refused("invalid_blocks")
    if not isinstance(attachments, list) or not all(isinstance(a, dict) for a in attachments):
        return _refused("invalid_attachments")
    if len(attachments) > ATTACHMENT_LIMIT:
        return _refused("too_many_attachments")
    if not content.get("text") and not blocks and not attachments:
        return _refused("no_text")
    title = emoji(unescape(str(content.get("text") or _first_text(blocks) or "(no text)")))
    return Receipt(200, b"ok", {"content-type": "text/html"}, content, title)


def _refused(word: str) -> Receipt:
    return Receipt(400, word.encode(), {"content-type": "text/html"})


def _typed(blocks: list[Any]) -> bool:
    return all(isinstance(block, dict) and isinstance(block.get("type"), str) for block in blocks)


def _first_text(blocks: list[Any]) -> str:
    for block in blocks:
        text = block.get("text")
        if isinstance(text, dict) and text.get("text"):
            return str(text["text"])
    return ""


def view(message: Message) -> dict[str, Any]:
    """Blocks, then attachments; the top-level text only where Slack shows it: when there are no blocks."""
    content = message.content
    blocks = [_block(block) for block in content.get("blocks") or []]
    return {
        "text": None if blocks else mrkdwn(str(content.get("text") or "")),
        "blocks": blocks,
        "attachments": [_attachment(a) for a in content.get("attachments") or []],
    }


def _text(item: Any) -> Markup:
    """A text object, or the bare string that some elements allow."""
    if not isinstance(item, dict):
        return mrkdwn(str(item or ""))
    text = str(item.get("text") or "")
    return mrkdwn(text) if item.get("type") == "mrkdwn" else plain_text(text)


def _block(block: dict[str, Any]) -> dict[str, Any]:
    """What the template shows of one block; a type that it can't draw is shown as JSON."""
    kind = block["type"]
    if kind in ("header", "markdown"):
        return {"type": kind, "text": _text(block.get("text"))}
    if kind == "divider":
        return {"type": kind}
    if kind == "section":
        accessory = block.get("accessory")
        return {
            "type": kind,
            "text": _text(block["text"]) if block.get("text") else None,
            "fields": [_text(field) for field in block.get("fields") or []],
            "accessory": _element(accessory) if isinstance(accessory, dict) else None,
        }
    if kind in ("context", "actions"):
        elements = [e for e in block.get("elements") or [] if isinstance(e, dict)]
        return {"type": kind, "elements": [_element(e) for e in elements]}
    if kind == "image":
        return _element(block)
    return {"type": "other", "name": kind, "json": json.dumps(block, indent=2, ensure_ascii=False)}


def _element(element: dict[str, Any]) -> dict[str, Any]:
    kind = str(element.get("type"))
    if kind == "image":
        url = str(element.get("image_url") or "")
        return {"type": kind, "url": url if _web(url) else "", "alt": str(element.get("alt_text") or "image")}
    if kind == "button":
        url, style = str(element.get("url") or ""), str(element.get("style") or "")
        shown = style if style in ("primary", "danger") else ""
        return {
            "type": kind,
            "text": _text(element.get("text")),
            "url": url if _web(url) else "",
            "style": shown,
        }
    return {"type": "text", "text": _text(element)}


def _web(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _attachment(item: dict[str, Any]) -> dict[str, Any]:
    colour = str(item.get("color") or "")
    if _COLOUR.fullmatch(colour):
        colour = "#" + colour.lstrip("#")
    fields = [f for f in item.get("fields") or [] if isinstance(f, dict)]
    link = str(item.get("title_link") or "")
    blocks = item.get("blocks") or []
    return {
        "colour": _NAMED_COLOURS.get(colour, colour if _COLOUR.fullmatch(colour) else _NO_COLOUR),
        "pretext": mrkdwn(str(item.get("pretext") or "")),
        "title": plain_text(str(item.get("title") or "")),
        "link": link if _web(link) else "",
        "text": mrkdwn(str(item.get("text") or "")),
        "fields": [
            (plain_text(str(f.get("title") or "")), mrkdwn(str(f.get("value") or ""))) for f in fields
        ],
        "blocks": [_block(block) for block in blocks] if isinstance(blocks, list) and _typed(blocks) else [],
        "footer": plain_text(str(item.get("footer") or "")),
    }
