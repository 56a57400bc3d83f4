"""What the inbox holds, and what a vendor file is given and gives back.

Must not know any vendor.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

KEPT = 1000
_REDACTED = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})


@dataclass(frozen=True)
class Incoming:
    """One POST as it came: `name` is what the route calls it, header names are lower-case."""

    path: str
    name: str
    headers: Mapping[str, str]
    body: bytes
    now: int
    """Epoch milliseconds UTC."""


@dataclass(frozen=True)
class Receipt:
    """What the vendor answers. A message is kept when `content` is given, however the answer reads."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Any = None
    title: str = ""
    """One line of plain text: what a lock screen would show."""


@dataclass(frozen=True)
class Message:
    """One message that a vendor took; `content` is its parsed body."""

    id: int
    kind: str
    vendor: str
    name: str
    path: str
    title: str
    received_at: int
    """Epoch milliseconds UTC."""
    headers: Mapping[str, str]
    content: Any

    def as_json(self) -> dict[str, Any]:
        """The public form; headers that carry credentials show stars."""
        return {
            "id": self.id,
            "kind": self.kind,
            "vendor": self.vendor,
            "name": self.name,
            "path": self.path,
            "title": self.title,
            "received_at": self.received_at,
            "headers": {k: "***" if k in _REDACTED else v for k, v in self.headers.items()},
            "content": self.content,
        }


class Vendor(Protocol):
    """What every vendor file offers."""

    KIND: str
    LABEL: str
    ROUTES: tuple[str, ...]

    def receive(self, request: Incoming) -> Receipt:
        """Answer as the vendor would, and say what to keep."""

    def view(self, message: Message) -> dict[str, Any]:
        """What the vendor's template is given, next to `message`."""


class Messages:
    """The newest messages, each with a number that is never used again."""

    def __init__(self) -> None:
        self._kept: deque[Message] = deque(maxlen=KEPT)
        self.total = 0

    def add(self, vendor: str, kind: str, request: Incoming, receipt: Receipt) -> Message:
        """Keep what a vendor took."""
        self.total += 1
        message = Message(
            self.total,
            kind,
            vendor,
            request.name,
            request.path,
            receipt.title,
            request.now,
            dict(request.headers),
            receipt.content,
        )
        self._kept.append(message)
        return message

    def find(self, *, kind: str = "", name: str = "", since: int = 0) -> list[Message]:
        """Messages in order of arrival, narrowed by kind, by name and to those after number `since`."""
        return [
            m
            for m in list(self._kept)  # a copy: other threads ask while messages arrive
            if (not kind or m.kind == kind) and (not name or m.name == name) and m.id > since
        ]

    def get(self, number: int) -> Message | None:
        """One message, if it is still kept."""
        return next((m for m in self._kept if m.id == number), None)

    def clear(self) -> None:
        """Forget all messages; numbers go on."""
        self._kept.clear()
