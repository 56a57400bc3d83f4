"""Push messages to phones, through ntfy (ntfy.sh or a server of one's own) or Pushover.

Limits and answers: ntfy documentation, "Publishing" and "Limitations"; Pushover, "API", "Limitations". Neither knows
an idempotency key. ntfy's topic and Pushover's keys are secrets, and go into the body.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from shared.channels import _ntfy, _pushover
from shared.channels._classify import classify as by_status
from shared.channels._classify import json_object
from shared.channels._kind import ChannelSettings, Reply, Request
from shared.channels._message import Message
from shared.model import Channel, Millis, Outcome

HUMAN = True
IDEMPOTENT = False
TOLD_ACKS = False
ON_BY_DEFAULT = False
SECRETS = ("token", "topic", "user")
HOSTS: tuple[str, ...] = ()
"""An ntfy server may be anywhere; Pushover's messages name their one host themselves."""
SPACING_MS = 1000
MAX_BYTES = 300_000
"""Of which a chart is most; Pushover takes images of 5 MB."""
EDIT_METHOD = ""

_SERVERS = {"ntfy": "https://ntfy.sh", "pushover": "https://api.pushover.net"}


class Settings(ChannelSettings):
    """`provider` says whose app is on the phones. The emergency settings are Pushover's alone.

    `charts`: ntfy's phones can fetch pictures from Tocsin's public address; Pushover gets them with the message.
    """

    provider: Literal["ntfy", "pushover"] = "ntfy"
    server: str = Field(
        "", pattern=r"^(https?://[^/\s]+)?$", description="https:// and a host, without a path"
    )
    charts: bool = False
    emergency: bool = False
    retry_seconds: int = Field(60, ge=30, le=10_800)
    expire_seconds: int = Field(1800, ge=30, le=10_800)

    @model_validator(mode="after")
    def _pushovers(self) -> "Settings":
        if self.provider != "pushover" and self.emergency:
            raise ValueError("emergency is for provider 'pushover'; ntfy has no messages to be confirmed")
        return self


def recipients(settings: Settings) -> tuple[str, ...]:
    """A topic, a user or a group: who they are is the provider's to know."""
    return ("",)


def render(message: Message, channel: Channel, settings: Settings, recipient: str) -> Request:
    """Title, text, how loud it rings, and the link that a tap opens."""
    if settings.provider == "ntfy":
        return _ntfy.render(message, charts=settings.charts)
    repeat = (settings.retry_seconds, settings.expire_seconds) if settings.emergency else None
    return _pushover.render(message, repeat, channel.timezone)


def plain(message: Message, channel: Channel, settings: Settings, recipient: str) -> Request:
    """Title and text alone."""
    return _ntfy.plain(message) if settings.provider == "ntfy" else _pushover.plain(message)


def address(
    request: Request, settings: Settings, secrets: Mapping[str, SecretStr], now: Millis
) -> tuple[str, Mapping[str, str]]:
    """The provider's endpoint; of the secrets, only ntfy's token is a header."""
    server = settings.server or _SERVERS[settings.provider]
    if settings.provider == "ntfy":
        return f"{server}/", {**request.headers, **_ntfy.credentials(secrets)}
    _pushover.check(secrets)
    return f"{server}/1/messages.json", request.headers


def classify(reply: Reply) -> Outcome:
    """Pushover's answers have a `status` of their own, ntfy's an `id` or a `code`."""
    said = json_object(reply.text)
    outcome = by_status(reply)
    if "status" in said:
        return _pushover.read(said, outcome, reply)
    return _ntfy.read(said, outcome, reply)
