"""Telegram by a bot: one message per chat, in Telegram's HTML. The bot's token is a part of the URL.

Limits and errors: Bot API, "sendMessage", "HTML style", "ResponseParameters". Text is measured as Telegram does,
after its markup has been taken away, in UTF-16 units.
"""

import html
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field, SecretStr, field_validator, model_validator

from shared.channels._chart import NAME, captioned, picture
from shared.channels._classify import bounded, json_object
from shared.channels._classify import classify as by_status
from shared.channels._kind import ChannelSettings, Misconfigured, Reply, Request, needed
from shared.channels._message import Line, Message, headline, plain_text
from shared.channels._multipart import multipart
from shared.channels._shorter import fitted
from shared.channels._text import cut, utf16
from shared.model import Channel, Millis, Outcome, RejectionScope

HUMAN = True
IDEMPOTENT = False
TOLD_ACKS = True
ON_BY_DEFAULT = False
SECRETS = ("token",)
HOSTS = ("api.telegram.org",)
SPACING_MS = 1000
"""Telegram asks bots to send no more than one message per second to one chat."""
MAX_BYTES = 300_000
"""Of which a chart is most; Telegram takes photos of 10 MB."""
EDIT_METHOD = ""

_TEXT, _CAPTION = 4096, 1024
_LINES = 20
_CHAT = re.compile(r"-?\d{1,20}|@[A-Za-z][A-Za-z0-9_]{3,31}")
_TOKEN = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{10,100}")
_TAG = re.compile(r"<[^>]*>")
_UNMENTIONED = "@\u2060"
"""An invisible joiner keeps `@name` from becoming a mention, which would ring somebody's phone."""
_NO_PHOTO = (
    "send photos",
    "CHAT_SEND_PHOTOS_FORBIDDEN",
    "CHAT_SEND_MEDIA_FORBIDDEN",
    "PHOTO_",
    "IMAGE_PROCESS_FAILED",
)
_NO_SUCH_TOPIC = ("message thread not found", "TOPIC_DELETED", "TOPIC_CLOSED")
_NO_SUCH_CHAT = (
    "chat not found",
    "user not found",
    "PEER_ID_INVALID",
    "not enough rights",
    "have no rights to send",
    "CHAT_WRITE_FORBIDDEN",
    "need administrator rights",
    "CHAT_RESTRICTED",
)


class Settings(ChannelSettings):
    """Every chat in `chat_ids` gets a message of its own. `message_thread_id`: a topic of the one chat."""

    chat_ids: tuple[str, ...] = Field(min_length=1, max_length=100)
    message_thread_id: int | None = Field(None, ge=1)
    base_url: str = Field(
        "https://api.telegram.org",
        pattern=r"^https?://[^/\s]+$",
        description="https:// and a host, without a path",
    )

    @field_validator("chat_ids", mode="before")
    @classmethod
    def _chats(cls, chats: object) -> object:
        if not isinstance(chats, list | tuple):
            return chats
        found = tuple(str(one) for one in chats)
        for one in found:
            if not _CHAT.fullmatch(one):
                raise ValueError(
                    f"{one!r} is no chat: a number like -1001234567890, or the @name of a channel"
                )
        if len(set(found)) < len(found):
            raise ValueError("a chat stands there twice")
        return found

    @model_validator(mode="after")
    def _topic(self) -> "Settings":
        if self.message_thread_id is not None and len(self.chat_ids) > 1:
            raise ValueError("message_thread_id is a topic of one chat, so chat_ids must name just that one")
        return self


def recipients(settings: Settings) -> tuple[str, ...]:
    """Every chat, so that one which blocked the bot doesn't fail the others."""
    return settings.chat_ids


def escape(text: str) -> str:
    """The three characters of Telegram's HTML, and mentions."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("@", _UNMENTIONED)


def render(message: Message, channel: Channel, settings: Settings, recipient: str) -> Request:
    """One text in HTML, with fewer alerts and texts when it would be too long; below a chart when it is short."""
    text = _text(message)
    # A chart has room for a short text only, and two calls could tell the half: what is longer goes without one.
    chart = picture(message, channel.timezone) if utf16(visible(text)) <= _CAPTION else None
    caption = _text(captioned(message, chart))
    if chart is None or utf16(visible(caption)) > _CAPTION:
        return _request(message, settings, recipient, {"text": text, "parse_mode": "HTML"})
    fields = {"chat_id": recipient, "caption": caption, "parse_mode": "HTML"}
    if settings.message_thread_id is not None:
        fields["message_thread_id"] = str(settings.message_thread_id)
    body, kind = multipart(fields, "photo", NAME, chart.png)
    return Request(message.id, body, {"content-type": kind})


def _text(message: Message) -> str:
    return fitted(message, _html, lambda made: utf16(visible(made)) <= _TEXT, _LINES)


def plain(message: Message, channel: Channel, settings: Settings, recipient: str) -> Request:
    """The text without markup."""
    text = cut(plain_text(message, _LINES), _TEXT, lambda part: part.replace("@", _UNMENTIONED))
    return _request(message, settings, recipient, {"text": text})


def address(
    request: Request, settings: Settings, secrets: Mapping[str, SecretStr], now: Millis
) -> tuple[str, Mapping[str, str]]:
    """The Bot API's sendMessage, or sendPhoto for a body with a chart, with the token in the path."""
    token = needed(secrets, "token")
    if not _TOKEN.fullmatch(token):
        raise Misconfigured(
            "its secret 'token' is not that of a bot: digits, a colon, and what @BotFather gave with it"
        )
    method = (
        "sendPhoto" if request.headers.get("content-type", "").startswith("multipart/") else "sendMessage"
    )
    return f"{settings.base_url}/bot{token}/{method}", request.headers


def classify(reply: Reply) -> Outcome:
    """The body says what happened, whatever the status: `ok`, or an error's code, words and parameters."""
    said = json_object(reply.text)
    if not said:
        return by_status(reply)
    status, code = reply.status, said.get("error_code")
    if said.get("ok") is False and status < 400:
        status = code if isinstance(code, int) else 400
    outcome = by_status(Reply(status, reply.headers, reply.text, reply.at))
    if outcome.kind in ("delivered", "accepted"):
        result = said.get("result")
        number = result.get("message_id") if isinstance(result, dict) else None
        return Outcome(
            "delivered", status=reply.status, provider_id=str(number) if isinstance(number, int) else ""
        )
    words = str(said.get("description") or "nothing")[:200]
    parameters = said.get("parameters")
    given = parameters if isinstance(parameters, dict) else {}
    if outcome.kind == "retry":
        wait = given.get("retry_after")
        seconds = bounded(wait) if isinstance(wait, int | float) else outcome.retry_after
        return Outcome("retry", f"HTTP {status}", "payload", seconds, reply.status, "", "", outcome.excerpt)
    moved = given.get("migrate_to_chat_id")
    if isinstance(moved, int) and _CHAT.fullmatch(str(moved)):
        reason = f"the group became a supergroup: put {moved} into chat_ids in its place"
        return replace(
            outcome, reason=reason, scope="recipient", provider_code=str(status), moved_to=str(moved)
        )
    scope, reason = _blame(status, words, outcome.scope)
    return Outcome("rejected", reason, scope, None, reply.status, str(status), "", outcome.excerpt)


def _blame(status: int, words: str, otherwise: RejectionScope) -> tuple[RejectionScope, str]:
    reason = f"Telegram says: {words}"
    if any(part in words for part in _NO_PHOTO):
        return "payload", reason  # without the chart it may be told
    if any(part in words for part in _NO_SUCH_TOPIC):
        return "channel", f"{reason}; correct message_thread_id"
    if status == 403 or any(part in words for part in _NO_SUCH_CHAT):
        return "recipient", reason
    if status in (401, 404):
        return "channel", f"{reason}; the secret 'token' is no bot's (any more)"
    return otherwise, reason


def visible(text: str) -> str:
    """What is left of the HTML when Telegram has parsed it: everything from outside is escaped, so tags are ours."""
    return html.unescape(_TAG.sub("", text))


def _html(message: Message) -> str:
    # Of one alert the facts say it all; a summary is for many.
    several = bool(message.lines or message.more)
    rows = [f"<b>{_cut(headline(message), 300)}</b>"]
    rows += [_cut(message.summary, 700)] if several else []
    rows += [_cut(message.description, 1500)] if message.description else []
    rows += [""] + [f"<b>{name}:</b> {_cut(text, 1000)}" for name, text in message.facts if text]
    rows += ["", *(_row(line) for line in message.lines)] if message.lines else []
    rows += [f"… and {message.more} more alerts"] if message.more else []
    links = (("✅", message.ack_url, "Acknowledge"), ("📖", message.runbook, "Runbook"))
    shown = [f'{mark} <a href="{html.escape(url)}">{name}</a>' for mark, url, name in links if url]
    rows += ["", *shown] if shown else []
    rows += ["", *(f"<i>{_cut(note, 700)}</i>" for note in message.notes)] if message.notes else []
    return "\n".join(rows)


def _cut(text: str, limit: int) -> str:
    """The escaped text, cut where Telegram counts: behind the escapes."""
    return cut(text, limit, escape, lambda piece: utf16(html.unescape(piece)))


def _row(line: Line) -> str:
    details = ", ".join(part for part in (line.value, line.severity, line.when, line.reason) if part)
    return f"{line.symbol} {line.word} <code>{_cut(line.series, 300)}</code> {_cut(details, 500)}"


def _request(message: Message, settings: Settings, recipient: str, content: dict[str, Any]) -> Request:
    payload = {"chat_id": recipient, **content, "link_preview_options": {"is_disabled": True}}
    if settings.message_thread_id is not None:
        payload["message_thread_id"] = settings.message_thread_id
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Request(message.id, body, {"content-type": "application/json"})
