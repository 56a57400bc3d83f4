"""Email through SendGrid: SendGrid's own builder makes the payload, our client sends it. One message per recipient.

SendGrid knows no idempotency key, so the Message-ID is the same on every attempt: mail programs may fold repeats.
SendGrid's library is imported when a message is rendered, never before.
"""

import base64
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator

from shared.channels._chart import NAME, Picture, picture
from shared.channels._classify import bounded, json_object
from shared.channels._classify import classify as by_status
from shared.channels._kind import ChannelSettings, Reply, Request, needed_token
from shared.channels._message import Message, headline, plain_text
from shared.channels._text import cut, utf8
from shared.model import Channel, Millis, Outcome, RejectionScope

if TYPE_CHECKING:
    from jinja2 import Template

HUMAN = True
IDEMPOTENT = False
TOLD_ACKS = False
ON_BY_DEFAULT = True
SECRETS = ("api_key",)
HOSTS = ("api.sendgrid.com", "api.eu.sendgrid.com")
SPACING_MS = 0
MAX_BYTES = 400_000
EDIT_METHOD = ""
_HTML_BYTES = 100_000
"""Gmail hides what comes after 102 KB."""
_SUBJECT = 180
_CHART_ID = "chart"
_LINES = 50
_ADDRESS = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"


class Settings(ChannelSettings):
    """`from` must be a sender that SendGrid verified; every address in `to` gets a message of its own.

    `unsubscribe`: who is asked to take an address off the list; empty: `from`.
    """

    sender: str = Field(alias="from", pattern=_ADDRESS, max_length=254, description="an email address")
    from_name: str = Field(
        "Tocsin",
        pattern=r"^[^;,<>\"\r\n]{1,60}$",
        description="1 to 60 characters, none of ; , < > and quotes",
    )
    to: tuple[str, ...] = Field(min_length=1, max_length=1000)
    unsubscribe: str = Field(
        "", pattern=rf"^$|{_ADDRESS}", max_length=254, description="an email address, or nothing"
    )
    base_url: str = Field(
        "https://api.sendgrid.com",
        pattern=r"^https?://[^/\s]+$",
        description="https:// and a host, without a path",
    )

    @field_validator("to")
    @classmethod
    def _addresses(cls, to: tuple[str, ...]) -> tuple[str, ...]:
        for one in to:
            if len(one) > 254 or not re.fullmatch(_ADDRESS, one):
                raise ValueError(f"{one!r} is no email address")
        if len({one.lower() for one in to}) < len(to):
            raise ValueError("an address stands there twice")
        return to


def recipients(settings: Settings) -> tuple[str, ...]:
    """Every address, so that nobody sees the others and one bad address doesn't fail them."""
    return settings.to


def render(message: Message, channel: Channel, settings: Settings, recipient: str) -> Request:
    """Text and HTML with a chart; fewer alerts are listed when the HTML would be cut by mail programs."""
    shown, chart = _LINES, picture(message, channel.timezone)
    html = _html(message, shown, chart)
    while utf8(html) > _HTML_BYTES and shown:
        shown //= 2
        html = _html(message, shown, chart)
    return _request(message, channel, settings, recipient, html, chart)


def plain(message: Message, channel: Channel, settings: Settings, recipient: str) -> Request:
    """The text part alone."""
    return _request(message, channel, settings, recipient, "")


def address(
    request: Request, settings: Settings, secrets: Mapping[str, SecretStr], now: Millis
) -> tuple[str, Mapping[str, str]]:
    """SendGrid's endpoint with the key as a bearer token."""
    key = needed_token(secrets, "api_key")
    return f"{settings.base_url}/v3/mail/send", {**request.headers, "authorization": f"Bearer {key}"}


def classify(reply: Reply) -> Outcome:
    """202 is accepted, not delivered. The field of an error says whether sender, recipient or message is wrong."""
    outcome = by_status(reply)
    if outcome.kind in ("delivered", "accepted"):
        return Outcome(
            "accepted", status=reply.status, provider_id=reply.headers.get("x-message-id", "")[:255]
        )
    if outcome.kind == "retry" and reply.status == 429 and outcome.retry_after is None:
        wait = _seconds_to(reply.headers.get("x-ratelimit-reset", ""), reply.at)
        return Outcome("retry", outcome.reason, "payload", wait, reply.status, excerpt=outcome.excerpt)
    if outcome.kind == "rejected" and reply.status == 400:
        field, words = _first_error(reply.text)
        return Outcome(
            "rejected",
            f"SendGrid says: {words}"[:300],
            _scope(field),
            None,
            400,
            field[:100],
            "",
            outcome.excerpt,
        )
    return outcome


def _scope(field: str) -> RejectionScope:
    if field == "from" or field.startswith("from."):
        return "channel"
    return "recipient" if ".to" in field and field.startswith("personalizations") else "payload"


def _first_error(text: str) -> tuple[str, str]:
    try:
        first = json_object(text)["errors"][0]
        return str(first.get("field") or ""), str(first.get("message") or "nothing")
    except (KeyError, IndexError, TypeError, AttributeError):
        return "", "nothing that can be read"


def _seconds_to(epoch: str, now: Millis) -> float | None:
    """SendGrid's X-RateLimit-Reset is a moment in epoch seconds."""
    return bounded(int(epoch) - now / 1000) if epoch.isdecimal() and len(epoch) <= 12 else None


def _request(
    message: Message,
    channel: Channel,
    settings: Settings,
    recipient: str,
    html: str,
    chart: Picture | None = None,
) -> Request:
    from sendgrid.helpers.mail import (
        ClickTracking,
        Content,
        CustomArg,
        From,
        Header,
        Mail,
        OpenTracking,
        Subject,
        SubscriptionTracking,
        To,
        TrackingSettings,
    )

    domain = settings.sender.rpartition("@")[2]
    mail = Mail(
        from_email=From(settings.sender, settings.from_name),
        to_emails=To(recipient),
        subject=Subject(cut(f"{headline(message)} ({message.severity})", _SUBJECT)),
    )
    mail.add_content(Content("text/plain", plain_text(message, _LINES)))
    if html:
        mail.add_content(Content("text/html", html))
    if chart is not None:
        mail.add_attachment(_inline(chart))
    thread = f"<{message.thread}@{domain}>"
    mail.header = [
        Header("Message-ID", f"<{message.id}@{domain}>"),
        Header("References", thread),
        Header("In-Reply-To", thread),
        Header("Auto-Submitted", "auto-generated"),
        Header("List-Unsubscribe", _unsubscribe(channel, settings, recipient)),
    ]
    mail.custom_arg = CustomArg("delivery_id", message.id)
    tracking = TrackingSettings()
    # Rewritten links leak where people click, and break links that expire.
    tracking.click_tracking = ClickTracking(False, False)
    tracking.open_tracking = OpenTracking(False)
    # One click on SendGrid's own link would keep every later alert from this person, and tell nobody.
    tracking.subscription_tracking = SubscriptionTracking(enable=False)
    mail.tracking_settings = tracking
    payload: dict[str, Any] = mail.get()
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Request(message.id, body, {"content-type": "application/json"})


def _unsubscribe(channel: Channel, settings: Settings, recipient: str) -> str:
    """RFC 2369: a mail to somebody who keeps the list. Nobody is taken off it by a click of a scanner."""
    asked = quote(f"unsubscribe {recipient} from {channel.name}")
    return f"<mailto:{quote(settings.unsubscribe or settings.sender, safe='@')}?subject={asked}>"


def _inline(chart: Picture) -> Any:
    """The picture that the HTML shows by its content id."""
    from sendgrid.helpers.mail import Attachment, ContentId, Disposition, FileContent, FileName, FileType

    content = FileContent(base64.b64encode(chart.png).decode())
    return Attachment(
        content, FileName(NAME), FileType("image/png"), Disposition("inline"), ContentId(_CHART_ID)
    )


def _html(message: Message, shown: int, chart: Picture | None) -> str:
    hidden = max(0, len(message.lines) - shown) + message.more
    return _template().render(
        message=message,
        headline=headline(message),
        lines=message.lines[:shown],
        hidden=hidden,
        chart=chart,
        chart_id=_CHART_ID,
    )


@cache
def _template() -> "Template":
    from jinja2 import Environment

    source = Path(__file__).with_name("_email.html.jinja").read_text("utf-8")
    return Environment(autoescape=True, keep_trailing_newline=True).from_string(source)
