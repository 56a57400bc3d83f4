"""A Teams Workflow's webhook: answers as a Workflow does, shows Adaptive Cards and MessageCards.

Elements: Adaptive Cards schema 1.4 (adaptivecards.io), legacy message card reference. The limit of 28 KB is that of
Teams messages.
"""

from __future__ import annotations

import json
from typing import Any

from knative.local.inbox._markdown import markdown
from knative.local.inbox._messages import Incoming, Message, Receipt

KIND = "teams"
LABEL = "Teams"
ROUTES = ("/workflows/{name}/triggers/manual/paths/invoke",)
LONGEST = 28 * 1024
_ADAPTIVE = "application/vnd.microsoft.card.adaptive"
_STYLES = frozenset({"default", "emphasis", "good", "attention", "warning", "accent"})
_SIZES = frozenset({"small", "default", "medium", "large", "extraLarge"})


def receive(request: Incoming) -> Receipt:
    """202 with an empty body; 401 without a signature; 400 for what no card can be made of; 413 beyond 28 KB."""
    if not request.query.get("sig"):
        return _refused(401, "DirectApiAuthorizationRequired", "The request must be authenticated.")
    if len(request.body) > LONGEST:
        return _refused(413, "RequestEntityTooLarge", "Message size is too large.")
    try:
        content = json.loads(request.body)
    except ValueError:
        return _refused(400, "InvalidRequestContent", "The request content is not valid JSON.")
    if not isinstance(content, dict) or not (_card(content) or content.get("@type") == "MessageCard"):
        words = "The input body for trigger 'manual' does not match its schema definition."
        return _refused(400, "TriggerInputSchemaMismatch", words)
    title = content.get("summary") or (_card(content) or {}).get("fallbackText") or "(no summary)"
    return Receipt(202, content=content, title=str(title))


def _refused(status: int, code: str, words: str) -> Receipt:
    body = {"error": {"code": code, "message": words}}
    return Receipt(status, json.dumps(body).encode(), {"content-type": "application/json"})


def _card(content: dict[str, Any]) -> dict[str, Any] | None:
    """The Adaptive Card in a Workflow's envelope."""
    attached = content.get("attachments")
    if content.get("type") != "message" or not isinstance(attached, list):
        return None
    for item in attached:
        if isinstance(item, dict) and item.get("contentType") == _ADAPTIVE:
            card = item.get("content")
            if isinstance(card, dict) and card.get("type") == "AdaptiveCard":
                return card
    return None


def view(message: Message) -> dict[str, Any]:
    """A list of elements to draw, and the links below them."""
    card = _card(message.content)
    if card is None:
        return _old(message.content)
    body = [_element(e) for e in card.get("body") or [] if isinstance(e, dict)]
    actions = [a for a in card.get("actions") or [] if isinstance(a, dict)]
    return {
        "elements": body,
        "actions": [(str(a.get("title")), _web(a.get("url"))) for a in actions],
        "colour": "",
    }


def _element(item: dict[str, Any]) -> dict[str, Any]:
    kind = str(item.get("type"))
    if kind == "TextBlock":
        size = str(item.get("size") or "default")
        return {
            "type": kind,
            "text": markdown(str(item.get("text") or ""), mentions=False),
            "size": size if size in _SIZES else "default",
            "bold": item.get("weight") == "bolder",
            "subtle": item.get("isSubtle") is True,
        }
    if kind == "FactSet":
        facts = [f for f in item.get("facts") or [] if isinstance(f, dict)]
        return {"type": kind, "facts": [_fact(f.get("title"), f.get("value")) for f in facts]}
    if kind == "Container":
        style = str(item.get("style") or "default")
        inner = [_element(e) for e in item.get("items") or [] if isinstance(e, dict)]
        return {"type": kind, "style": style if style in _STYLES else "default", "items": inner}
    if kind == "Image":
        return {"type": kind, "url": _web(item.get("url")), "alt": str(item.get("altText") or "image")}
    return {"type": "other", "name": kind, "json": json.dumps(item, indent=2, ensure_ascii=False)}


def _fact(name: object, value: object) -> tuple[Any, Any]:
    return markdown(str(name or ""), mentions=False), markdown(str(value or ""), mentions=False)


def _old(content: dict[str, Any]) -> dict[str, Any]:
    """A MessageCard as the same elements, in its colour."""

    def text(value: object, *, bold: bool = False) -> list[dict[str, Any]]:
        item = {"type": "TextBlock", "text": value, "weight": "bolder" if bold else "default"}
        return [_element(item)] if value else []

    elements = text(_unescaped(content.get("title")), bold=True) + text(_unescaped(content.get("text")))
    for section in content.get("sections") or []:
        facts = [_fact(f.get("name"), _unescaped(f.get("value"))) for f in section.get("facts") or []]
        elements += [{"type": "FactSet", "facts": facts}] if facts else []
        elements += text(_unescaped(section.get("text")))
    colour = str(content.get("themeColor") or "")
    safe = len(colour) == 6 and all(char in "0123456789abcdefABCDEF" for char in colour)
    return {"elements": elements, "actions": [], "colour": f"#{colour}" if safe else ""}


def _unescaped(text: object) -> str:
    return str(text or "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _web(url: object) -> str:
    return url if isinstance(url, str) and url.startswith(("http://", "https://")) else ""
