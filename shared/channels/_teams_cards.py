"""The two forms of a message for Microsoft Teams, as JSON documents: Adaptive Card and MessageCard. Pure.

Texts are markdown there, and every text from outside is escaped. Sizes are the caller's concern.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from shared.channels._message import Line, Message, headline, plain_text
from shared.channels._text import cut
from shared.model import EventKind

_ESCAPED = re.compile(r"([\\*_\[\]`~#])")
_STYLES: Mapping[str, str] = {
    "critical": "attention",
    "high": "attention",
    "warning": "warning",
    "info": "accent",
}
_QUIET_STYLES: Mapping[EventKind, str] = {
    EventKind.RESOLVED: "good",
    EventKind.ACKNOWLEDGED: "emphasis",
    EventKind.FLAPPING: "emphasis",
    EventKind.TEST: "emphasis",
}


def escape(text: str) -> str:
    """Text without the markdown that cards understand."""
    return _ESCAPED.sub(r"\\\1", text)


def escape_html(text: str) -> str:
    """The same for a MessageCard, whose texts may hold HTML as well."""
    return escape(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def adaptive_card(message: Message, chart: str = "") -> dict[str, Any]:
    """The message as a Workflow takes it: an envelope around one Adaptive Card.

    `chart`: what its chart shows, in words; empty: the card shows none.
    """
    style = _QUIET_STYLES.get(message.event) or _STYLES[message.severity]
    title = _text(cut(headline(message), 250, escape), size="large", weight="bolder")
    top = {"type": "Container", "style": style, "bleed": True, "items": [title]}
    # Of one alert the facts say it all; a summary is for many.
    several = bool(message.lines or message.more)
    texts = [cut(message.summary, 600, escape)] if several else []
    texts += [cut(message.description, 1000, escape)] if message.description else []
    facts = [{"title": name, "value": cut(text, 1000, escape)} for name, text in message.facts if text]
    items = [_text(text) for text in texts if text]
    items += [{"type": "FactSet", "facts": facts}] if facts else []
    picture = {"type": "Image", "url": message.chart_url, "altText": cut(chart, 500), "size": "stretch"}
    items += [picture] if chart else []
    items += [_text(row, spacing="small") for row in _rows(message, escape)]
    items += [
        _text(cut(note, 500, escape), isSubtle=True, size="small", spacing="small") for note in message.notes
    ]
    links = (("Acknowledge", message.ack_url), ("Runbook", message.runbook))
    actions = [{"type": "Action.OpenUrl", "title": name, "url": url} for name, url in links if url]
    return _envelope(message, [top, *items], actions)


def _rows(message: Message, escape: Callable[[str], str]) -> list[str]:
    rows = [_row(line, escape) for line in message.lines]
    return rows + ([f"… and {message.more} more alerts"] if message.more else [])


def _row(line: Line, escape: Callable[[str], str]) -> str:
    details = ", ".join(part for part in (line.value, line.severity, line.when, line.reason) if part)
    return f"{line.symbol} {line.word} **{cut(line.series, 300, escape)}** {cut(details, 500, escape)}"


def _text(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text or "–", "wrap": True, **more}


def _envelope(message: Message, body: list[dict[str, Any]], actions: list[dict[str, Any]]) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",  # the newest that every Teams client draws
        "msteams": {"width": "full"},
        "fallbackText": cut(headline(message), 250),
        "body": body,
        **({"actions": actions} if actions else {}),
    }
    return {
        "type": "message",
        "summary": cut(f"{headline(message)}. {message.summary}", 500),
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": card,
            }
        ],
    }


def plain_adaptive_card(message: Message, shown: int) -> dict[str, Any]:
    """A card of one text, with `shown` alerts at the most."""
    return _envelope(message, [_text(_lines(message, shown, escape))], [])


def message_card(message: Message) -> dict[str, Any]:
    """The message as a MessageCard."""
    several = bool(message.lines or message.more)
    texts = [message.summary if several else "", message.description]
    facts = [{"name": name, "value": cut(text, 1000, escape_html)} for name, text in message.facts if text]
    rows = _rows(message, escape_html)
    rows += [cut(note, 500, escape_html) for note in message.notes]
    # A link in the text: through a Workflow a MessageCard has no buttons.
    rows += _links(message)
    about = "\n\n".join(cut(text, 1000, escape_html) for text in texts if text)
    section = {"facts": facts, "text": "\n\n".join(rows), "markdown": True}
    return _old_card(message, {"text": about or "–", "sections": [section]})


def plain_message_card(message: Message, shown: int) -> dict[str, Any]:
    """A MessageCard of one text, with `shown` alerts at the most."""
    return _old_card(message, {"text": _lines(message, shown, escape_html)})


def _lines(message: Message, shown: int, escape: Callable[[str], str]) -> str:
    """The whole message as one text; a line break is an empty line in a card's markdown."""
    text = cut(plain_text(replace(message, runbook="", ack_url=""), shown), 3000, escape)
    return "\n\n".join([text.replace("\n", "\n\n"), *_links(message)])


def _links(message: Message) -> list[str]:
    links = (("Acknowledge", message.ack_url), ("Runbook", message.runbook))
    return [f"[{name}]({url.replace('(', '%28').replace(')', '%29')})" for name, url in links if url]


def _old_card(message: Message, content: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": "MessageCard",
        "@context": "https://schema.org/extensions",
        "themeColor": message.colour.lstrip("#"),
        "summary": cut(f"{headline(message)}. {message.summary}", 500),
        "title": cut(headline(message), 250, escape_html),
        **content,
    }
