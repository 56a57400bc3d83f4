"""Microsoft Teams by a Workflow's webhook: an Adaptive Card, or the older MessageCard.

The connectors that took MessageCards were switched off in May 2026; their URLs are refused with what to do. The
Workflow queues a message and answers before Teams has it, so the best outcome there is "accepted".
Limits: "Create and send messages" and "Webhooks and connectors" of Microsoft's Teams documentation.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from shared.channels._chart import in_words
from shared.channels._classify import classify as by_status
from shared.channels._classify import json_object, retry_after
from shared.channels._kind import ChannelSettings, Misconfigured, Reply, Request, needed
from shared.channels._message import Message
from shared.channels._shorter import fitted
from shared.channels._teams_cards import adaptive_card, message_card, plain_adaptive_card, plain_message_card
from shared.model import Channel, Millis, Outcome, OutcomeKind, RejectionScope

HUMAN = True
IDEMPOTENT = False
TOLD_ACKS = True
ON_BY_DEFAULT = False
SECRETS = ("url",)
HOSTS = ("*.logic.azure.com", "*.api.powerplatform.com")
SPACING_MS = 1000
"""Teams throttles above four requests per second, and a Workflow's connection above about 25 in five minutes."""
MAX_BYTES = 28 * 1024
EDIT_METHOD = ""
"""A Workflow never tells the id of its message."""

_BUDGET = 20_000
"""Bytes: Teams documents 28 KB, but wraps the card itself; a client measured refusals from 21 KB on."""
_LINES = 20
_RETIRED = (".webhook.office.com", "outlook.office.com", "outlook.office365.com")
_DEAD = frozenset(
    {
        *("WorkflowNotFound", "WorkflowTriggerNotFound", "WorkflowTriggerIsNotEnabled", "WorkflowDisabled"),
        *("DirectApiAuthorizationRequired", "DirectApiInvalidAuthorizationScheme", "AuthorizationFailed"),
    }
)
_HIDDEN = re.compile(r"returned HTTP error (\d{3})")


class Settings(ChannelSettings):
    """The Workflow's URL is the secret `url`. `format`: what the receiver understands.

    `charts`: Teams can fetch pictures from Tocsin's public address; only an Adaptive Card shows them.
    """

    format: Literal["adaptive_card", "message_card"] = "adaptive_card"
    charts: bool = False


def recipients(settings: Settings) -> tuple[str, ...]:
    """A Workflow posts to one chat or channel."""
    return ("",)


def render(message: Message, channel: Channel, settings: Settings, recipient: str) -> Request:
    """One card, with fewer texts when it would be too long."""
    words = in_words(message, channel.timezone) if settings.charts and message.chart_url else ""

    def draw(shorter: Message) -> bytes:
        old = settings.format == "message_card"
        return _bytes(message_card(shorter) if old else adaptive_card(shorter, words))

    return _request(message, fitted(message, draw, lambda made: len(made) <= _BUDGET, _LINES))


def plain(message: Message, channel: Channel, settings: Settings, recipient: str) -> Request:
    """A card that holds one text, for when the other one was refused."""
    draw = plain_adaptive_card if settings.format == "adaptive_card" else plain_message_card
    return _request(message, _bytes(draw(message, _LINES)))


def address(
    request: Request, settings: Settings, secrets: Mapping[str, SecretStr], now: Millis
) -> tuple[str, Mapping[str, str]]:
    """The Workflow's URL, unchanged: its query is signed. URLs of the retired connectors are refused."""
    url = needed(secrets, "url")
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        raise Misconfigured("its URL is not valid") from None
    if f".{host}".endswith(_RETIRED):
        raise Misconfigured(
            "its URL is that of an Office 365 connector, which Microsoft switched off in May 2026: in Teams make the "
            "Workflow \"Send webhook alerts to a channel\", and put its URL into the secret 'url'"
        )
    return url, request.headers


def classify(reply: Reply) -> Outcome:
    """202 is queued, and any other 2xx no more than that. A body may hide what Teams itself answered."""
    outcome = by_status(reply)
    if outcome.kind in ("delivered", "accepted"):
        return _hidden(reply) or Outcome("accepted", status=reply.status)
    code, words = _error(reply.text)
    if outcome.kind != "rejected" or not code:
        return outcome
    scope: RejectionScope = "channel" if code in _DEAD else outcome.scope
    reason = f"Teams says {code}: {words}"[:300]
    return Outcome("rejected", reason, scope, None, reply.status, code[:100], "", outcome.excerpt)


def _hidden(reply: Reply) -> Outcome | None:
    """What Teams answered behind a gateway that says 200: `… endpoint returned HTTP error 429 …`."""
    found = _HIDDEN.search(reply.text)
    if found is None:
        return None
    inner = by_status(Reply(int(found[1]), reply.headers, reply.text, reply.at))
    wait = retry_after(reply.headers.get("retry-after", ""), reply.at)
    kind: OutcomeKind = "rejected" if inner.kind == "rejected" else "retry"
    reason = f"HTTP {reply.status}, but Teams itself answered {found[1]}"
    return Outcome(kind, reason, inner.scope, wait, reply.status, found[1], "", inner.excerpt)


def _error(text: str) -> tuple[str, str]:
    try:
        error = json_object(text)["error"]
        return str(error.get("code") or ""), str(error.get("message") or "nothing")
    except (KeyError, TypeError, AttributeError):
        return "", ""


def _bytes(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _request(message: Message, body: bytes) -> Request:
    return Request(message.id, body, {"content-type": "application/json"})
