"""Discord by webhook: one coloured embed with fields; the firing message is edited once all its alerts are over.

Limits are those of Discord's API documentation (Channel resource, "Embed Limits"; Webhook resource, "Execute
Webhook"); lengths are counted in UTF-16 units because Discord doesn't say. Mentions are always switched off.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlunsplit

from pydantic import Field, SecretStr, field_validator

from shared.channels._chart import NAME, captioned, picture
from shared.channels._classify import bounded, json_object, retry_after
from shared.channels._classify import classify as by_status
from shared.channels._kind import ChannelSettings, Misconfigured, Reply, Request, needed_url
from shared.channels._message import Line, Message, headline, plain_text
from shared.channels._multipart import multipart
from shared.channels._shorter import fitted
from shared.channels._text import cut, utf16
from shared.model import Channel, Millis, Outcome, RejectionScope

HUMAN = True
IDEMPOTENT = False
TOLD_ACKS = True
ON_BY_DEFAULT = False
SECRETS = ("url",)
HOSTS = ("discord.com", "ptb.discord.com", "canary.discord.com", "discordapp.com")
SPACING_MS = 500
"""A webhook may post five messages in two seconds; Discord's headers say when it must pause for longer."""
MAX_BYTES = 300_000
"""Of which a chart is most; Discord takes files of 10 MB."""
EDIT_METHOD = "PATCH"

_CONTENT, _TITLE, _DESCRIPTION, _NAME, _VALUE, _FOOTER, _FIELDS = 2000, 256, 4096, 256, 1024, 2048, 25
_EMBED = 6000
"""The sum of all texts of all embeds."""
_ALT = 1024
"""An attachment's description, which screen readers read out."""
_LINES = 20
_SHORT = 60
"""Fields up to this length stand side by side."""
_SUPPRESS_EMBEDS = 1 << 2
_ESCAPED = re.compile(r"([\\*_~`>|\[\]#<@/])")
_PATH = re.compile(r"/api(/v\d+)?/webhooks/\d+/[\w-]+")
_SCOPES: Mapping[int, tuple[RejectionScope, str]] = {
    10003: ("channel", "its Discord channel is gone"),
    10015: ("channel", "the webhook was deleted: make a new one and change the secret 'url'"),
    50013: ("channel", "it may not post there"),
    50027: ("channel", "the webhook's token is not valid: copy its URL again into the secret 'url'"),
    50083: ("channel", "the thread is archived"),
    160005: ("channel", "the thread is locked"),
    220001: ("channel", "it posts to a forum: set thread_id to one of the forum's posts"),
}


class Settings(ChannelSettings):
    """The webhook's URL is the secret `url`. `thread_id`: a thread, or a forum's post, of its channel."""

    thread_id: str = Field(
        "", pattern=r"^(\d{15,20})?$", description="15 to 20 digits, as Discord's 'Copy Thread ID' gives them"
    )

    @field_validator("thread_id", mode="before")
    @classmethod
    def _unquoted(cls, thread_id: object) -> object:
        return str(thread_id) if isinstance(thread_id, int) else thread_id


def recipients(settings: Settings) -> tuple[str, ...]:
    """A webhook posts to one Discord channel."""
    return ("",)


def escape(text: str) -> str:
    """Text without markdown, mentions or time stamps, nor links: `https:\\/\\/` doesn't become one."""
    return _ESCAPED.sub(r"\\\1", text)


def render(message: Message, channel: Channel, settings: Settings, recipient: str) -> Request:
    """One embed, with fewer texts when the sum of them would be too long."""
    chart = picture(message, channel.timezone)
    words = captioned(message, chart)
    embed = fitted(words, _embed, lambda made: _total(made) <= _EMBED, _LINES)
    if chart is None:
        return _request(message, {"embeds": [embed]})
    # The same of an edit: the attachments that are named are kept, so the new chart takes the old one's place.
    named = [{"id": 0, "filename": NAME, "description": cut(chart.alt, _ALT)}]
    embed["image"] = {"url": f"attachment://{NAME}"}
    bare = _request(message, {"embeds": [embed], "attachments": named})
    body, kind = multipart({"payload_json": bare.body.decode()}, "files[0]", NAME, chart.png)
    return replace(bare, body=body, headers={"content-type": kind})


def plain(message: Message, channel: Channel, settings: Settings, recipient: str) -> Request:
    """Only text, without previews of links, for when Discord refused the embed."""
    # The links that are ours stay links; without room for one, it is text like all the rest.
    ours = (("Acknowledge", message.ack_url), ("Runbook", message.runbook))
    links = "".join(f"\n{name}: {url}" for name, url in ours if 0 < len(url) <= _CONTENT // 4)
    long = message.runbook if message.runbook not in links else ""
    text = plain_text(replace(message, ack_url="", runbook=long), _LINES)
    content = cut(text, _CONTENT - len(links), escape) + links
    return _request(message, {"content": content, "flags": _SUPPRESS_EMBEDS})


def address(
    request: Request, settings: Settings, secrets: Mapping[str, SecretStr], now: Millis
) -> tuple[str, Mapping[str, str]]:
    """The webhook's URL with `wait`, without which Discord drops messages silently; that of a message to edit."""
    parts = needed_url(secrets)
    if not _PATH.fullmatch(parts.path.rstrip("/")):
        raise Misconfigured(
            "its URL is not that of a Discord webhook, https://discord.com/api/webhooks/…/… without anything behind it"
        )
    asked = dict(parse_qsl(parts.query)) | {"wait": "true"}
    if settings.thread_id:
        asked["thread_id"] = settings.thread_id
    path = parts.path.rstrip("/") + (f"/messages/{request.edits}" if request.edits else "")
    return urlunsplit((parts.scheme, parts.netloc, path, urlencode(asked), "")), request.headers


def classify(reply: Reply) -> Outcome:
    """The id of the message proves that it was saved. Discord's codes say what to blame; it asks for pauses itself."""
    said = json_object(reply.text)
    outcome = by_status(reply)
    code = said.get("code")
    number = code if isinstance(code, int) else 0
    if outcome.kind == "delivered":
        return Outcome(
            "delivered",
            retry_after=_pause(reply),
            status=reply.status,
            provider_id=_digits(said.get("id")),
        )
    if outcome.kind == "retry" or number == 40333:  # a block by Discord's own proxy passes
        wait = _asked(said, reply)
        return Outcome(
            "retry",
            f"HTTP {reply.status}",
            "payload",
            wait,
            reply.status,
            str(number or ""),
            "",
            outcome.excerpt,
        )
    if not number:
        return outcome
    scope, words = _SCOPES.get(number, (outcome.scope, f"Discord says {said.get('message')}"))
    return Outcome("rejected", words[:300], scope, None, reply.status, str(number), "", outcome.excerpt)


def _digits(value: object) -> str:
    """A message's id, checked, because it becomes a part of a URL."""
    return value if isinstance(value, str) and re.fullmatch(r"[0-9]{1,20}", value) else ""


def _asked(said: Mapping[str, Any], reply: Reply) -> float | None:
    """Seconds to wait: `retry_after` of the body is the most exact, then Retry-After, then the bucket's reset."""
    exact = said.get("retry_after")
    if isinstance(exact, int | float):
        return bounded(exact)
    return retry_after(reply.headers.get("retry-after", ""), reply.at) or _reset(reply)


def _reset(reply: Reply) -> float | None:
    return retry_after(reply.headers.get("x-ratelimit-reset-after", ""), reply.at)


def _pause(reply: Reply) -> float | None:
    """How long the next message must wait when this one was the last that the webhook may send for now."""
    return _reset(reply) if reply.headers.get("x-ratelimit-remaining") == "0" else None


def _embed(message: Message) -> dict[str, Any]:
    embed: dict[str, Any] = {
        "title": cut(headline(message), _TITLE, escape),
        "color": int(message.colour.lstrip("#"), 16),
    }
    description = "\n\n".join(part for part in _paragraphs(message) if part)
    fields = [_field(name, text) for name, text in message.facts[: _FIELDS - 2] if text]
    links = (("Acknowledge", _linked("Acknowledge", message.ack_url)), ("Runbook", _link(message)))
    fields += [
        {"name": name, "value": link, "inline": True} for name, link in links if 0 < len(link) <= _VALUE
    ]
    footer = cut(" · ".join(message.notes), _FOOTER)
    return {
        **embed,
        **({"description": description} if description else {}),
        **({"fields": fields} if fields else {}),
        **({"footer": {"text": footer}} if footer else {}),
    }


def _paragraphs(message: Message) -> list[str]:
    # Of one alert the fields say it all; a summary is for many.
    several = bool(message.lines or message.more)
    link = _link(message)
    room = _DESCRIPTION - len(link) - 100
    summary = cut(message.summary, 600, escape) if several else ""
    about = cut(message.description, 1000, escape)
    return [
        summary,
        about,
        _listing(message, room - utf16(summary) - utf16(about)),
        link if len(link) > _VALUE else "",
    ]


def _link(message: Message) -> str:
    return _linked("Open the runbook", message.runbook)


def _linked(words: str, url: str) -> str:
    target = url.replace("(", "%28").replace(")", "%29")
    return f"[{words}]({target})" if target else ""


def _listing(message: Message, room: int) -> str:
    rows: list[str] = []
    room -= 60
    for line in message.lines:
        row = _row(line)
        room -= utf16(row) + 1
        if room < 0:
            break
        rows.append(row)
    hidden = len(message.lines) - len(rows) + message.more
    return "\n".join([*rows, *([f"… and {hidden} more alerts"] if hidden else [])])


def _row(line: Line) -> str:
    details = ", ".join(part for part in (line.value, line.severity, line.when, line.reason) if part)
    return f"{line.symbol} {line.word} **{cut(line.series, 300, escape)}** {cut(details, 500, escape)}"


def _field(name: str, text: str) -> dict[str, Any]:
    return {"name": cut(name, _NAME), "value": cut(text, _VALUE, escape), "inline": len(text) <= _SHORT}


def _total(embed: Mapping[str, Any]) -> int:
    texts = [embed["title"], embed.get("description", ""), embed.get("footer", {}).get("text", "")]
    texts += [part for one in embed.get("fields", []) for part in (one["name"], one["value"])]
    return sum(utf16(text) for text in texts)


def _request(message: Message, payload: dict[str, Any]) -> Request:
    closed: dict[str, Any] = {"allowed_mentions": {"parse": []}}  # an edit without it would parse them again
    body = json.dumps({**payload, **closed}, ensure_ascii=False, separators=(",", ":"))
    return Request(message.id, body.encode("utf-8", "replace"), {"content-type": "application/json"})
