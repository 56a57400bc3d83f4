"""What every kind of channel provides, and the kinds that exist: one file in this folder each, its name is the kind.

A kind renders and classifies; it never sends, reads a clock or sees the database. Files that begin with an
underscore are shared by the kinds.
"""

import importlib
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr

from shared.errors import InvalidInput, TocsinError
from shared.model import Channel, Millis, Outcome

if TYPE_CHECKING:
    from shared.channels._message import Message


class ChannelSettings(BaseModel):
    """Base of every kind's settings: unknown keys are an error, and nothing in it is secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


@dataclass(frozen=True, slots=True)
class Request:
    """One rendered message, without address and without secrets. `id` is the same however often it is sent.

    `edits`: the vendor's id of the earlier message that this one takes the place of; empty for a new message.
    `fill`: secrets that this vendor wants in the body, as fields of the same names; the sender puts them there.
    `hosts`: the only hosts that may be called with it, where a kind has several vendors; empty: `Kind.HOSTS`.
    `also`: further calls that belong to the message, made side by side with it; `then`: the one that must come after
    this one. Such a message is one delivery, whose outcome is the worst, and all of it is sent again; so only an
    IDEMPOTENT kind may have any.
    """

    id: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    edits: str = ""
    fill: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    also: tuple["Request", ...] = ()
    then: "Request | None" = None


@dataclass(frozen=True, slots=True)
class Call:
    """A request with its address: secret, so nothing of it is ever printed. `hosts`: see `Kind.HOSTS`."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    hosts: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, secrets already redacted. Header names are lower case; `at` is when, epoch milliseconds."""

    status: int
    headers: Mapping[str, str]
    text: str
    at: Millis


class Misconfigured(TocsinError):
    """The channel can't be used as it is set up; the text says what to set, and never shows a secret."""


class Kind(Protocol):
    """The contract of a kind's module.

    HUMAN: people read it. IDEMPOTENT: the receiver recognises a repeated message by its id. TOLD_ACKS:
    it is told that somebody acknowledged: programs are, and rooms where several people would otherwise look into the
    same alert; nobody's phone rings for that. ON_BY_DEFAULT: a channel of it is a default one unless
    the file says otherwise. SECRETS: names of all its secrets. HOSTS: the vendor's hosts (`*.` matches subdomains);
    empty: any public host. SPACING_MS: the shortest time between two messages to one channel. MAX_BYTES: the longest
    body. EDIT_METHOD: the HTTP method that puts a rendered message in the place of an earlier one, whose id is
    `Request.edits`; empty: the vendor can't.
    """

    HUMAN: bool
    IDEMPOTENT: bool
    TOLD_ACKS: bool
    ON_BY_DEFAULT: bool
    SECRETS: tuple[str, ...]
    HOSTS: tuple[str, ...]
    SPACING_MS: int
    MAX_BYTES: int
    EDIT_METHOD: str
    Settings: type[ChannelSettings]

    def recipients(self, settings: Any) -> tuple[str, ...]:
        """Who gets a message of their own: `("",)` for a channel that is one destination."""

    def render(self, message: "Message", channel: Channel, settings: Any, recipient: str) -> Request:
        """The message as this vendor wants it."""

    def plain(self, message: "Message", channel: Channel, settings: Any, recipient: str) -> Request | None:
        """The plainest form, sent once after the vendor refused the rendered one; None: there is none."""

    def address(
        self, request: Request, settings: Any, secrets: Mapping[str, SecretStr], now: Millis
    ) -> tuple[str, Mapping[str, str]]:
        """URL and headers of an attempt at `now`; raises Misconfigured when a secret is missing or unusable."""

    def classify(self, reply: Reply) -> Outcome:
        """What the reply means."""


@cache
def kinds() -> tuple[str, ...]:
    """The kinds that exist, in alphabetical order."""
    found = pkgutil.iter_modules([str(Path(__file__).parent)])
    return tuple(sorted(module.name for module in found if not module.name.startswith("_")))


def load_kind(name: str) -> Kind:
    """The module of a kind, imported when it is first asked for."""
    if name not in kinds():
        raise InvalidInput("kind", name, f"valid kinds are {', '.join(kinds())}")
    return cast("Kind", importlib.import_module(f"shared.channels.{name}"))


def needed(secrets: Mapping[str, SecretStr], key: str) -> str:
    """The text of a secret that a kind can't do without."""
    if key not in secrets or not secrets[key].get_secret_value():
        raise Misconfigured(f"its secret {key!r} is not set")
    return secrets[key].get_secret_value()


def needed_token(secrets: Mapping[str, SecretStr], key: str) -> str:
    """A secret that goes into a header: visible ASCII, because nothing else can be sent there."""
    token = needed(secrets, key)
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise Misconfigured(f"its secret {key!r} has characters that no header may have")
    return token


def needed_url(secrets: Mapping[str, SecretStr], key: str = "url") -> SplitResult:
    """The parts of a secret that is a URL."""
    try:
        return urlsplit(needed(secrets, key))
    except ValueError:
        raise Misconfigured(f"its secret {key!r} is not a valid URL") from None
