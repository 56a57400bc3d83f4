"""Text for people: cleaned, cut between graphemes, with durations, times and numbers written out. Pure."""

import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from shared.model import Millis

ELLIPSIS = "…"
_ZWJ = "\u200d"
_LONGEST_CLUSTER = 32
_EXTENDS = "\u200c\uff9e\uff9f"


def clean(text: str) -> str:
    """One line without control characters, lone surrogates or marks that turn the direction of what follows."""
    safe = text.encode("utf-8", "replace").decode("utf-8")
    kept = (
        " " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char
        for char in safe
        if char not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
    )
    return " ".join("".join(kept).split())


def utf16(text: str) -> int:
    """The length in UTF-16 units: how chat services count, as far as they say."""
    return len(text) + sum(char > "\uffff" for char in text)


def utf8(text: str) -> int:
    """The length in bytes."""
    return len(text.encode())


def clusters(text: str) -> Iterator[str]:
    """What people see as single characters: a base with its marks, modifiers, joined emoji, or a flag."""
    start = 0
    for index in range(1, len(text) + 1):
        at_end = index == len(text)
        if at_end or index - start >= _LONGEST_CLUSTER or not _joins(text, start, index):
            yield text[start:index]
            start = index


def _joins(text: str, start: int, index: int) -> bool:
    char, before = text[index], text[index - 1]
    if unicodedata.category(char).startswith("M") or char == _ZWJ or before == _ZWJ:
        return True
    if "\U0001f3fb" <= char <= "\U0001f3ff" or "\U000e0020" <= char <= "\U000e007f" or char in _EXTENDS:
        return (
            True  # skin tones; the tags that end a region's flag; what Unicode calls Extend beside the marks
        )
    if "\u1160" <= char <= "\u11ff":
        return True  # the vowels and finals of a Korean syllable that is written in parts
    return _is_flag_half(char) and _is_flag_half(before) and index - start == 1


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def cut(
    text: str, limit: int, escape: Callable[[str], str] = str, measure: Callable[[str], int] = utf16
) -> str:
    """The escaped text, at most `limit` long as `measure` counts it; what is cut off ends in "…".

    Escapes one grapheme at a time, so that neither an entity nor an emoji is ever cut in half.
    """
    text = text[: limit + _LONGEST_CLUSTER]
    whole = escape(text)
    if measure(whole) <= limit:
        return whole
    room = limit - measure(ELLIPSIS)
    kept = []
    for cluster in clusters(text):
        piece = escape(cluster)
        room -= measure(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept).rstrip() + ELLIPSIS if limit >= measure(ELLIPSIS) else ""


def duration(milliseconds: Millis) -> str:
    """`45 s`, `7 min`, `1 h 5 min`, `2 d 3 h`: two units at the most."""
    seconds = max(0, milliseconds) // 1000
    if seconds < 60:
        return f"{seconds} s"
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    parts = []
    for name, size in units:
        count, seconds = divmod(seconds, size)
        parts.append((count, name))
    first = next(index for index, (count, _) in enumerate(parts) if count)
    shown = parts[first : first + 2]
    return " ".join(f"{count} {name}" for count, name in shown if count)


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def moment(at: Millis, zone: str) -> str:
    """`2026-03-01 10:02:30 +01:00` in the zone."""
    text = _local(at, zone).isoformat(sep=" ", timespec="seconds")
    return f"{text[:-6]} {text[-6:]}"


def span(start: Millis, end: Millis, zone: str) -> str:
    """`2026-03-01 10:02:30–10:09:00 +01:00`; both days when they differ."""
    first, last = moment(start, zone), moment(end, zone)
    if first[:10] == last[:10] and first[-6:] == last[-6:]:
        return f"{first[:19]}–{last[11:]}"
    return f"{first} – {last}"


def iso(at: Millis) -> str:
    """ISO 8601 in UTC, for machines."""
    return _local(at, "UTC").isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _local(at: Millis, zone: str) -> datetime:
    # Times outside the calendar come only from broken facts; they must not lose a message.
    bounded = min(max(at, 0), 253_000_000_000_000)
    return datetime.fromtimestamp(bounded / 1000, UTC).astimezone(_zone(zone))


def number(value: float) -> str:
    """As short as it is still right: `0`, `97.25`, `61234.57`, `1.5e-07`."""
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    if value == 0 or 1e-3 <= abs(value) < 1e15:
        digits = 4 if abs(value) >= 1 else 6
        return f"{value + 0.0:.{digits}f}".rstrip("0").rstrip(".")
    return f"{value:.6g}"


def web_link(url: str, limit: int = 1000) -> str:
    """The URL when it is an ordinary web link that is safe to put into a message, else an empty text."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > limit:
        return ""
    if (
        any(char.isspace() or ord(char) < 32 or char in "<>|\"'`\\" for char in clean(url))
        or clean(url) != url
    ):
        return ""
    return url
