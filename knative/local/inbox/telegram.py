"""Telegram's Bot API, sendMessage and sendPhoto: answers as Telegram does, shows its HTML as a chat shows it.

Errors, tags and the limit of 4096 characters after parsing: core.telegram.org/bots/api ("sendMessage", "HTML style").
"""

from __future__ import annotations

import itertools
import json
from html.parser import HTMLParser
from typing import Any

from markupsafe import Markup, escape

from knative.local.inbox._messages import Incoming, Message, Receipt
from knative.local.inbox._multipart import is_multipart, parts

KIND = "telegram"
LABEL = "Telegram"
ROUTES = ("/bot{token}/sendMessage", "/bot{token}/sendPhoto")
LONGEST, LONGEST_CAPTION = 4096, 1024
_TAGS = frozenset({"b", "strong", "i", "em", "u", "s", "code", "pre", "blockquote"})
_numbers = itertools.count(1)


class _Parser(HTMLParser):
    """Telegram's HTML as safe HTML, and as the text that is counted. `problem`: the first thing it refuses."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.html: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.problem = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href") or ""
        if tag == "a" and href.startswith(("http://", "https://")):
            self.html.append(f'<a href="{escape(href)}" rel="noreferrer noopener" target="_blank">')
        elif tag in _TAGS:
            self.html.append(f"<{tag}>")
        else:
            self.problem = self.problem or f'Unsupported start tag "{tag}"'
            return
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.problem = self.problem or f'Unexpected end tag "{tag}"'
            return
        self.open.pop()
        self.html.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        self.html.append(str(escape(data)).replace("\n", "<br>"))


def _parsed(content: dict[str, Any]) -> tuple[Markup, str, str]:
    """(safe HTML, counted text, problem) of a message."""
    text = str(content.get("text") or content.get("caption") or "")
    if content.get("parse_mode") != "HTML":
        return Markup(str(escape(text)).replace("\n", "<br>")), text, ""
    parser = _Parser()
    parser.feed(text)
    parser.close()
    problem = parser.problem or (f'Can\'t find end tag of "{parser.open[-1]}"' if parser.open else "")
    closing = "".join(f"</{tag}>" for tag in reversed(parser.open))
    return Markup("".join(parser.html) + closing), "".join(parser.text), problem


def receive(request: Incoming) -> Receipt:
    """200 with the message's number; 400 in Telegram's words."""
    try:
        content = _content(request)
    except ValueError:
        return _refused("can't parse request body")
    if not isinstance(content, dict) or not content.get("chat_id"):
        return _refused("chat_id is empty")
    _, text, problem = _parsed(content)
    if problem:
        return _refused(f"can't parse entities: {problem}")
    if not text.strip():
        return _refused("message text is empty")
    units = len(text.encode("utf-16-le")) // 2
    if request.path.endswith("/sendPhoto"):
        if not content.get("photo"):
            return _refused("there is no photo in the request")
        if units > LONGEST_CAPTION:
            return _refused("message caption is too long")
    if units > LONGEST:
        return _refused("message is too long")
    number = next(_numbers)
    result = {"message_id": number, "date": request.now // 1000, "chat": {"id": content["chat_id"]}}
    body = json.dumps({"ok": True, "result": result}).encode()
    title = text.strip().splitlines()[0]
    return Receipt(200, body, {"content-type": "application/json"}, content, title, str(number))


def _content(request: Incoming) -> Any:
    """The JSON, or the fields of a form with a photo as a data URL."""
    if not is_multipart(request.headers):
        return json.loads(request.body)
    fields, pictures = parts(request.headers, request.body)
    return {**fields, "photo": next(iter(pictures.values()), "")}


def _refused(words: str) -> Receipt:
    body = {"ok": False, "error_code": 400, "description": f"Bad Request: {words}"}
    return Receipt(400, json.dumps(body).encode(), {"content-type": "application/json"})


def view(message: Message) -> dict[str, Any]:
    """The text, the chat it went to, and whether links are previewed."""
    content = message.content
    options = content.get("link_preview_options")
    return {
        "text": _parsed(content)[0],
        "photo": str(content.get("photo") or ""),
        "chat": str(content["chat_id"]),
        "topic": str(content.get("message_thread_id") or ""),
        "previews": "photo" not in content
        and not (isinstance(options, dict) and options.get("is_disabled") is True),
    }
