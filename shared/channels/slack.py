"""Slack by incoming webhook: Block Kit in a coloured attachment, with a plain text for previews and screen readers.

Limits are those of Slack's block reference; lengths are counted in UTF-16 units because Slack doesn't say.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from shared.channels._chart import in_words
from shared.channels._classify import classify as by_status
from shared.channels._classify import json_object
from shared.channels._kind import ChannelSettings, Misconfigured, Reply, Request, needed, needed_url
from shared.channels._message import Line, Message, headline, plain_text
from shared.channels._text import cut
from shared.model import Channel, Millis, Outcome, RejectionScope

HUMAN = True
IDEMPOTENT = False
TOLD_ACKS = True
ON_BY_DEFAULT = False
SECRETS = ("url",)
HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")
SPACING_MS = 1000
"""Slack allows one message per second and webhook."""
MAX_BYTES = 200_000
EDIT_METHOD = ""
"""A webhook never learns the id of its message."""

_HEADER, _SECTION, _FIELD, _FIELDS, _TEXT, _ALT = 150, 3000, 2000, 10, 4000, 2000
_LINES = 20
_DEAD = frozenset(
    {
        *(
            "channel_not_found",
            "channel_is_archived",
            "action_prohibited",
            "posting_to_general_channel_denied",
        ),
        *("no_service", "no_team", "no_active_hooks", "team_disabled", "account_inactive"),
        *("invalid_token", "token_revoked", "user_not_found"),
    }
)


class Settings(ChannelSettings):
    """The webhook's URL is the secret `url`. `charts`: Slack can fetch pictures from Tocsin's public address."""

    charts: bool = False


def recipients(settings: Settings) -> tuple[str, ...]:
    """A webhook posts to one Slack channel."""
    return ("",)


def escape(text: str) -> str:
    """The three characters that are control characters in Slack's mrkdwn."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(text: str) -> str:
    """Text for a code span, where no formatting applies."""
    return escape(text.replace("`", "ˋ"))


def render(message: Message, channel: Channel, settings: Settings, recipient: str) -> Request:
    """A header above one coloured attachment."""
    top = cut(f"{headline(message)}. {message.summary}", _TEXT, escape)
    header = {"type": "plain_text", "text": cut(headline(message), _HEADER, escape), "emoji": True}
    pictures = _pictures(message, channel.timezone) if settings.charts else []
    attachment = {"color": message.colour, "blocks": _blocks(message, pictures)}
    return _request(
        message, {"text": top, "blocks": [{"type": "header", "text": header}], "attachments": [attachment]}
    )


def plain(message: Message, channel: Channel, settings: Settings, recipient: str) -> Request:
    """Only text, for when Slack refused the blocks."""
    return _request(message, {"text": cut(plain_text(message, _LINES), _TEXT, escape)})


def address(
    request: Request, settings: Settings, secrets: Mapping[str, SecretStr], now: Millis
) -> tuple[str, Mapping[str, str]]:
    """The webhook's URL; workflow URLs take other payloads and are refused."""
    if needed_url(secrets).path.startswith(("/triggers/", "/workflows/")):
        raise Misconfigured(
            "its URL is a Slack workflow's; make an incoming webhook, whose path begins with /services/"
        )
    return needed(secrets, "url"), request.headers


def classify(reply: Reply) -> Outcome:
    """Slack answers in words: some blame the message, others say that the webhook or its channel is gone."""
    word = _word(reply.text)
    scopes: dict[int, RejectionScope] = {400: "channel" if word in _DEAD else "payload"}
    outcome = by_status(reply, scopes)
    if outcome.kind == "delivered" and '"ok":false' in reply.text.replace(" ", ""):
        scope: RejectionScope = "channel" if word in _DEAD else "payload"
        return Outcome("rejected", f"Slack says {word}", scope, status=reply.status, provider_code=word)
    if outcome.kind != "rejected" or not word:
        return outcome
    return Outcome(
        "rejected", f"Slack says {word}", outcome.scope, None, reply.status, word, "", outcome.excerpt
    )


def _word(text: str) -> str:
    """The error's name: the body itself, or `error` of a JSON body."""
    word = text.strip()
    if word.startswith("{"):
        word = str(json_object(word).get("error", ""))
    return word if word.replace("_", "").isalnum() and len(word) <= 64 and word != "ok" else ""


def _pictures(message: Message, zone: str) -> list[dict[str, Any]]:
    """Slack takes pictures by their address only, fetches them at once, and refuses the message when it can't."""
    if not message.chart_url:
        return []
    words = cut(in_words(message, zone), _ALT)
    return [{"type": "image", "image_url": message.chart_url, "alt_text": words}] if words else []


def _blocks(message: Message, pictures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # Of one alert the fields say it all; the summary is for the preview then.
    blocks = [_section(cut(message.summary, _SECTION, escape))] if message.lines else []
    if message.description:
        blocks.append(_section(cut(message.description, _SECTION, escape)))
    fields = [
        _mrkdwn(f"*{name}*\n{cut(text, _FIELD - 40, escape)}")
        for name, text in message.facts[:_FIELDS]
        if text
    ]
    if fields:
        blocks.append({"type": "section", "fields": fields})
    blocks += pictures
    if message.lines:
        blocks.append(_section(_listing(message)))
    # A link, not a button: Slack asks an app about every button that is pressed, and a webhook has none.
    if message.ack_url:
        blocks.append(_section(f":white_check_mark: <{escape(message.ack_url)}|Acknowledge>"))
    if message.runbook:
        link = escape(message.runbook)
        short = len(link) < _SECTION - 30
        blocks.append(
            _section(f":book: <{link}|Runbook>" if short else cut(message.runbook, _SECTION, escape))
        )
    blocks += [
        {"type": "context", "elements": [_mrkdwn(cut(note, _FIELD, escape))]} for note in message.notes[:5]
    ]
    return blocks


def _listing(message: Message) -> str:
    rows: list[str] = []
    room = _SECTION - 100
    for line in message.lines[:_LINES]:
        row = _row(line)
        room -= len(row) * 2 + 1
        if room < 0:
            break
        rows.append(row)
    hidden = len(message.lines) - len(rows) + message.more
    return "\n".join([*rows, *([f"… and {hidden} more alerts"] if hidden else [])]) or "–"


def _row(line: Line) -> str:
    details = ", ".join(part for part in (line.value, line.severity, line.when, line.reason) if part)
    return f"{line.symbol} {line.word} `{cut(line.series, 300, code)}` {cut(details, 500, escape)}"


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _mrkdwn(text or "–")}


def _mrkdwn(text: str) -> dict[str, Any]:
    # Verbatim: else Slack looks for addresses, channels and mentions in what came from outside.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _request(message: Message, payload: dict[str, Any]) -> Request:
    quiet = {"unfurl_links": False, "unfurl_media": False}
    body = json.dumps({**payload, **quiet}, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "replace"
    )
    return Request(message.id, body, {"content-type": "application/json; charset=utf-8"})
