"""What the inbox holds, and what a vendor file is given and gives back.

Must not know any vendor.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

KEPT = 1000
_REDACTED = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})


@dataclass(frozen=True)
class Incoming:
    """One request as it came: `name` is what the route calls it, header names are lower-case."""

    path: str
    name: str
    headers: Mapping[str, str]
    body: bytes
    now: int
    """Epoch milliseconds UTC."""
    query: Mapping[str, str] = field(default_factory=dict)
    edits: str = ""
    """The vendor's id of the message that this one takes the place of; what the route calls `message`."""


@dataclass(frozen=True)
class Receipt:
    """What the vendor answers. A message is kept when `content` is given, however the answer reads.

    `id`: what the vendor calls the message, when it tells.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Any = None
    title: str = ""
    """One line of plain text: what a lock screen would show."""
    id: str = ""


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
    vendor_id: str = ""
    before: tuple[str, ...] = ()
    """Its titles before it was edited, oldest first."""

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
            "before": list(self.before),
        }


class Vendor(Protocol):
    """What every vendor file offers."""

    KIND: str
    LABEL: str
    ROUTES: tuple[str, ...]
    """Paths that are posted to; with a method in front, `PATCH /…/{message}`, what edits a message."""

    def receive(self, request: Incoming) -> Receipt:
        """Answer as the vendor would, and say what to keep."""

    def view(self, message: Message) -> dict[str, Any]:
        """What the vendor's template is given, next to `message`."""


class Messages:
    """The newest messages, each with a number that is never used again."""

    def __init__(self) -> None:
        self._kept: deque[Message] = deque(maxlen=KEPT)
        self.total = self.edits = 0

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
            receipt.id,
        )
        self._kept.append(message)
        return message

    def edit(self, vendor: str, vendor_id: str, receipt: Receipt) -> bool:
        """Put what a vendor took in the place of an earlier message; False when that is not kept."""
        for index, kept in enumerate(self._kept):
            if kept.vendor == vendor and kept.vendor_id == vendor_id:
                self.edits += 1
                self._kept[index] = replace(
                    kept, title=receipt.title, content=receipt.content, before=(*kept.before, kept.title)
                )
                return True
        return False

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
