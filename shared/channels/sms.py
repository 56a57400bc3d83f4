"""Text messages through Twilio: one for each number, one or two segments long, because every segment costs money.

Limits, parameters and error codes: Twilio's API reference, "Message resource", and its "Error and Warning
Dictionary". Twilio knows no idempotency key.
"""

import base64
import re
from collections.abc import Mapping
from urllib.parse import urlencode

from pydantic import Field, SecretStr, field_validator, model_validator

from shared.channels._classify import classify as by_status
from shared.channels._classify import json_object
from shared.channels._filled import FORM
from shared.channels._kind import ChannelSettings, Misconfigured, Reply, Request, needed
from shared.channels._message import Message
from shared.channels._sms_text import sms_text
from shared.channels._twilio_codes import CODES, WAIT
from shared.model import Channel, Millis, Outcome, RejectionScope

HUMAN = True
IDEMPOTENT = False
TOLD_ACKS = False
ON_BY_DEFAULT = False
SECRETS = ("account_sid", "api_key", "api_secret", "auth_token")
HOSTS = ("api.twilio.com", "*.twilio.com")
SPACING_MS = 1000
"""A long code in the US sends one message per second."""
MAX_BYTES = 8 * 1024
EDIT_METHOD = ""

_VALID_SECONDS = 300
"""A text message that the network holds for longer than this says nothing that is still true."""
_NUMBER = re.compile(r"\+[1-9]\d{6,14}")
_SENDER = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")
_SID = re.compile(r"AC[0-9a-fA-F]{32}")


class Settings(ChannelSettings):
    """Every number in `to` gets a message of its own, from the number `from` or from a messaging service."""

    to: tuple[str, ...] = Field(min_length=1, max_length=100)
    sender: str = Field("", alias="from")
    messaging_service_sid: str = Field(
        "", pattern=r"^(MG[0-9a-fA-F]{32})?$", description="MG and 32 hexadecimal digits"
    )
    base_url: str = Field(
        "https://api.twilio.com",
        pattern=r"^https?://[^/\s]+$",
        description="https:// and a host, without a path",
    )

    @field_validator("to", mode="before")
    @classmethod
    def _numbers(cls, to: object) -> object:
        if not isinstance(to, list | tuple):
            return to
        for one in to:
            if not isinstance(one, str) or not _NUMBER.fullmatch(one):
                raise ValueError(f'{one!r} is no number in E.164 form, in quotes, like "+4915112345678"')
        if len(set(to)) < len(to):
            raise ValueError("a number stands there twice")
        return to

    @field_validator("sender")
    @classmethod
    def _from(cls, sender: str) -> str:
        if sender and not _SENDER.fullmatch(sender):
            raise ValueError(
                f'{sender!r} is no sender: a number like "+4915112345678", a short code, or 1 to 11 letters and digits'
            )
        return sender

    @model_validator(mode="after")
    def _one_sender(self) -> "Settings":
        if bool(self.sender) == bool(self.messaging_service_sid):
            raise ValueError("give it either 'from' or 'messaging_service_sid'")
        return self


def recipients(settings: Settings) -> tuple[str, ...]:
    """Every number, so that one which opted out doesn't fail the others."""
    return settings.to


def render(message: Message, channel: Channel, settings: Settings, recipient: str) -> Request:
    """What matters most, in two segments at the most."""
    return _request(message, settings, recipient, sms_text(message, 2))


def plain(message: Message, channel: Channel, settings: Settings, recipient: str) -> Request:
    """One segment."""
    return _request(message, settings, recipient, sms_text(message, 1))


def address(
    request: Request, settings: Settings, secrets: Mapping[str, SecretStr], now: Millis
) -> tuple[str, Mapping[str, str]]:
    """The account's messages; signed in with an API key, or else with the account's own token."""
    account = needed(secrets, "account_sid")
    if not _SID.fullmatch(account):
        raise Misconfigured("its secret 'account_sid' is not AC and 32 hexadecimal digits")
    if "api_key" in secrets:
        user, password = needed(secrets, "api_key"), needed(secrets, "api_secret")
    elif "auth_token" in secrets:
        user, password = account, needed(secrets, "auth_token")
    else:
        raise Misconfigured("it needs the secrets 'api_key' and 'api_secret', or 'auth_token'")
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    url = f"{settings.base_url}/2010-04-01/Accounts/{account}/Messages.json"
    return url, {**request.headers, "authorization": f"Basic {credentials}"}


def classify(reply: Reply) -> Outcome:
    """201 means queued: whether it arrives, only Twilio's log says. Its codes say what to blame."""
    said = json_object(reply.text)
    outcome = by_status(reply)
    found = said.get("error_code") or said.get("code")
    code = found if isinstance(found, int) else 0
    sid = said.get("sid")
    if outcome.kind in ("delivered", "accepted") and said.get("status") not in ("failed", "undelivered"):
        return Outcome("accepted", status=reply.status, provider_id=sid[:64] if isinstance(sid, str) else "")
    if outcome.kind == "retry" or code in WAIT:
        words = f"HTTP {reply.status}" + (f", Twilio's code {code}" if code else "")
        return Outcome(
            "retry", words, "payload", outcome.retry_after, reply.status, str(code or ""), "", outcome.excerpt
        )
    scope: RejectionScope = "recipient" if reply.status < 300 else outcome.scope
    words = str(said.get("message") or said.get("error_message") or "nothing")[:200]
    scope, advice = CODES.get(code, (scope, ""))
    reason = f"Twilio says: {words}" + (f"; {advice}" if advice else "") if said else outcome.reason
    return Outcome("rejected", reason, scope, None, reply.status, str(code or ""), "", outcome.excerpt)


def _request(message: Message, settings: Settings, recipient: str, text: str) -> Request:
    sender = {"From": settings.sender} if settings.sender else {}
    service = {"MessagingServiceSid": settings.messaging_service_sid} if not sender else {}
    form = {
        "To": recipient,
        **sender,
        **service,
        "Body": text,
        "ValidityPeriod": str(_VALID_SECONDS),
        "SmartEncoded": "true",
    }
    return Request(message.id, urlencode(form).encode(), {"content-type": FORM})
