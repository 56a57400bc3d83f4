"""Faults that a test asks for: the next posts to a path fail, or are slow.

Must not touch a message: a fault with a status keeps nothing, one without only delays the vendor's answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_SHAPE: dict[str, tuple[type, ...]] = {
    "path": (str,),
    "status": (int,),
    "times": (int,),
    "headers": (dict,),
    "delay_seconds": (int, float),
    "body": (str,),
}


class FaultError(Exception):
    """The request for a fault can't be understood; the message says what would be."""


@dataclass
class Fault:
    """The next `times` posts to `path` (a trailing `*` matches what follows) get `status`, after a delay in seconds.

    Status 0 lets the vendor take the message and answer; with a delay, a sender that gives up has still been heard.
    """

    path: str
    status: int = 0
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    body: str = ""

    def matches(self, path: str) -> bool:
        """Whether a post to `path` meets this fault."""
        return path.startswith(self.path[:-1]) if self.path.endswith("*") else path == self.path


class Faults:
    """The faults that still have posts to meet."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def add(self, document: Any) -> Fault:
        """A fault from its JSON form; FaultError when it has other keys or types."""
        if not isinstance(document, dict) or "path" not in document:
            raise FaultError(
                f"a JSON object with path and any of {', '.join(sorted(set(_SHAPE) - {'path'}))}"
            )
        for key, value in document.items():
            if key not in _SHAPE or not isinstance(value, _SHAPE[key]):
                raise FaultError(f"{key} = {value!r} is not understood; known: {', '.join(sorted(_SHAPE))}")
        fault = Fault(**document)
        self.waiting.append(fault)
        return fault

    def meet(self, path: str) -> Fault | None:
        """The oldest fault for this path, counted down; None when there is none."""
        for fault in self.waiting:
            if fault.matches(path):
                fault.times -= 1
                if fault.times <= 0:
                    self.waiting.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        """Every post is well again."""
        self.waiting.clear()
