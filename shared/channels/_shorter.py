"""Ever shorter versions of a message, for a limit on the whole of it. Pure.

What is lost first is what people miss least; title, severity, value, condition and runbook link stay to the end.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from shared.channels._message import Line, Message
from shared.channels._text import cut

T = TypeVar("T")


def fitted(message: Message, render: Callable[[Message], T], fits: Callable[[T], bool], shown: int) -> T:
    """The first rendering that fits, with `shown` alerts listed at the most; the shortest one if none does."""
    rendered = None
    for version in versions(message, shown):
        rendered = render(version)
        if fits(rendered):
            return rendered
    assert rendered is not None
    return rendered


def versions(message: Message, shown: int) -> Iterator[Message]:
    """The message, then without labels, with fewer alerts, without description, in shorter texts, bare."""
    message = listing(message, shown)
    yield message
    message = without(message, "Labels")
    yield message
    for fewer in (shown // 2, shown // 4):
        message = listing(message, fewer)
        yield message
    message = replace(message, description=cut(message.description, 200))
    yield message
    message = replace(message, description="", notes=tuple(cut(note, 200) for note in message.notes[:2]))
    yield message
    for fewer, length in ((3, 150), (1, 100), (0, 60)):
        message = _texts(listing(message, fewer), length)
        yield message
    yield replace(message, notes=())


def listing(message: Message, shown: int) -> Message:
    """The message with `shown` alerts at the most; the others are counted."""
    hidden = max(0, len(message.lines) - shown)
    return replace(message, lines=message.lines[:shown], more=message.more + hidden) if hidden else message


def without(message: Message, name: str) -> Message:
    """The message without one of its facts."""
    return replace(message, facts=tuple(fact for fact in message.facts if fact[0] != name))


def _texts(message: Message, length: int) -> Message:
    return replace(
        message,
        title=cut(message.title, length),
        summary=cut(message.summary, 2 * length),
        facts=tuple((name, cut(text, length)) for name, text in message.facts),
        lines=tuple(_line(line, length) for line in message.lines),
    )


def _line(line: Line, length: int) -> Line:
    return replace(
        line,
        series=cut(line.series, length),
        value=cut(line.value, length),
        when=cut(line.when, length),
        reason=cut(line.reason, length),
    )
