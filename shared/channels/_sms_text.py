"""What a text message says: as much as its segments hold, most important first. Pure.

Must not exceed the segments it is given, whatever the facts are: every one costs money.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from shared.channels._gsm import ONE, ONE_WIDE, PART, PART_WIDE, cut_gsm, is_foreign, septets, to_gsm
from shared.channels._message import Message
from shared.channels._text import cut, utf16

_LINES = 20
_SHORTEST = 12
"""A row that has less room than this is left out: it would say nothing."""
_MAY_REPEAT = "(may repeat)"


@dataclass(frozen=True, slots=True)
class _Paper:
    """What a text is written on: how it is spelled, cut and counted, and how much of it there is."""

    spell: Callable[[str], str]
    cut: Callable[[str, int], str]
    cost: Callable[[str], int]
    room: int


class _Row(NamedTuple):
    """A line of the text: where it stands, and how many percent of the room it may have."""

    place: int
    share: int
    text: str


def sms_text(message: Message, segments: int) -> str:
    """The message in `segments` at the most: title and value first, then the link, when, where, why."""
    paper = _paper(message, segments)
    links = (message.ack_url, message.runbook)
    link = next((one for one in links if one and paper.cost(one) * 3 <= paper.room), "")
    left = paper.room - (paper.cost(link) + 1 if link else 0)
    kept: dict[int, str] = {}
    for row in _rows(message):
        text, between = paper.spell(row.text), 1 if kept else 0
        room = min(left - between, paper.room * row.share // 100)
        if text and room >= min(_SHORTEST, paper.cost(text)):
            kept[row.place] = paper.cut(text, room)
            left -= paper.cost(kept[row.place]) + between
    return "\n".join([*(kept[place] for place in sorted(kept)), *([link] if link else [])])


def _paper(message: Message, segments: int) -> _Paper:
    """GSM-7, unless it can't spell the title: then fewer letters that can be read are worth more."""
    if is_foreign(message.title):
        return _Paper(str, cut, utf16, ONE_WIDE if segments == 1 else segments * PART_WIDE)
    return _Paper(to_gsm, cut_gsm, septets, ONE if segments == 1 else segments * PART)


def _rows(message: Message) -> Iterator[_Row]:
    """What matters most first; `place` is its place in the text."""
    facts = dict(message.facts)
    word = message.word if message.word.startswith("[") else f"[{message.word}]"
    repeats = f" {_MAY_REPEAT}" if any(_MAY_REPEAT in note for note in message.notes) else ""
    yield _Row(0, 36, f"{word}{repeats} {message.title}")
    yield _Row(1, 25, ", ".join(part for part in (message.severity, facts.get("Value", "")) if part))
    yield _Row(3, 30, message.summary if message.lines or message.more else _when(facts))
    yield _Row(2, 30, facts.get("Where", ""))
    yield _Row(39, 20, f"All: {facts['To see all']}" if "To see all" in facts else "")
    for number, line in enumerate(message.lines[:_LINES]):
        yield _Row(
            10 + number, 30, " ".join(part for part in ("-", line.word, line.series, line.value) if part)
        )
    yield _Row(4, 20, facts.get("Reason", ""))
    yield _Row(5, 30, facts.get("Condition", ""))
    yield _Row(40, 60, " ".join(note for note in message.notes if _MAY_REPEAT not in note))


def _when(facts: dict[str, str]) -> str:
    if "Was firing" in facts:
        return f"was firing {facts['Was firing']}"
    parts = (("since", facts.get("Since", "")), ("lasted", facts.get("Lasted", "")))
    return ", ".join(f"{word} {text}" for word, text in parts if text)
