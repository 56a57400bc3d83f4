"""What people give for a silence, and what it means: matchers, beginning and end, hours of the week."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from shared.errors import InvalidInput
from shared.manage import checks
from shared.model import Frozen, Millis
from shared.silences import FOREVER, Matcher
from shared.store import monitors, rules
from shared.store.engine import Tx
from shared.weekly import WEEKDAYS, Weekly

_LONGEST_MS = 5 * 366 * 86_400_000
_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MATCHERS = "give at least one of rules, monitors, severity, at_least and labels"


class SilenceDraft(Frozen):
    """A silence as people describe it. All matchers that are given must match; of `rules` and `monitors` (ids or
    names) any one.

    It begins at `starts_at` (now, if left out) and ends at `ends_at` or after `duration_seconds`. One with `weekly`
    may go on until somebody ends it.
    """

    rules: tuple[str, ...] = ()
    monitors: tuple[str, ...] = ()
    severity: str | None = None
    at_least: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    starts_at: Millis | None = None
    ends_at: Millis | None = None
    duration_seconds: int | None = None
    weekly: Weekly | None = None
    reason: str = ""


def draft_silence(given: Mapping[str, Any]) -> SilenceDraft:
    """A draft from loose values, such as options or JSON. Raises InvalidInput."""
    return checks.checked(SilenceDraft, given)


def weekly_of(words: str, zone: str) -> dict[str, Any]:
    """The hours that `mon-fri 22:00-06:00`, `sat,sun 00:00-24:00` or `daily 12:00-13:00` mean. Not validated yet."""
    found = re.fullmatch(r"\s*(\S+)\s+(\d{1,2}:\d\d)\s*-\s*(\d{1,2}:\d\d)\s*", words)
    if found is None:
        raise InvalidInput(
            "weekly", words, "expected DAYS START-END, such as 'mon-fri 22:00-06:00' or 'daily 12:00-13:00'"
        )
    if not zone:
        raise InvalidInput(
            "zone", None, "say whose clock the hours are read on: an IANA zone like Europe/Berlin or UTC"
        )
    start, end = (text.zfill(5) for text in found.groups()[1:])
    return {"days": _days(found[1]), "start": start, "end": end, "zone": zone}


def span_of(draft: SilenceDraft, now: Millis) -> tuple[Millis, Millis]:
    """When it begins and ends. Raises InvalidInput."""
    starts_at = now if draft.starts_at is None else draft.starts_at
    if draft.ends_at is not None and draft.duration_seconds is not None:
        raise InvalidInput("duration", draft.duration_seconds, "give a duration or an end, not both")
    if draft.duration_seconds is not None:
        ends_at = starts_at + draft.duration_seconds * 1000
    elif draft.ends_at is not None:
        ends_at = draft.ends_at
    elif draft.weekly is not None:
        return starts_at, FOREVER
    else:
        raise InvalidInput("end", None, "say how long it lasts: a duration or an end")
    if ends_at <= max(starts_at, now):
        raise InvalidInput("end", _utc(ends_at), "it must be in the future, and after the beginning")
    if ends_at - now > _LONGEST_MS:
        raise InvalidInput("end", _utc(ends_at), "a silence may last five years at most")
    return starts_at, ends_at


def matcher_of(tx: Tx, draft: SilenceDraft) -> Matcher:
    """What it is about, with ids for names. Raises InvalidInput and NotFound."""
    if draft.severity is not None and draft.at_least is not None:
        raise InvalidInput("at_least", draft.at_least, "give severity or at_least, not both")
    if not (draft.rules or draft.monitors or draft.severity or draft.at_least or draft.labels):
        raise InvalidInput("matchers", None, _MATCHERS, "A silence over everything is at_least info")
    return Matcher(
        rules=tuple(dict.fromkeys(rules.find(tx, wanted).id for wanted in draft.rules)),
        monitors=tuple(dict.fromkeys(monitors.find(tx, wanted).id for wanted in draft.monitors)),
        severity=None if draft.severity is None else checks.severity_of(draft.severity),
        at_least=None if draft.at_least is None else checks.severity_of(draft.at_least),
        labels=checks.labels_of(draft.labels),
    )


def _utc(time: Millis) -> str:
    try:
        return datetime.fromtimestamp(time / 1000, UTC).isoformat(sep=" ", timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return str(time)


def _days(words: str) -> list[str]:
    """`daily`, or weekdays and ranges of them: `fri-mon,wed`. Whole English names are right too."""
    if words.lower() in ("daily", "every-day"):
        return list(WEEKDAYS)
    found: set[int] = set()
    for part in words.lower().split(","):
        first, dash, last = part.partition("-")
        begin, end = _day(first), _day(last if dash else first)
        found.update((begin + step) % 7 for step in range((end - begin) % 7 + 1))
    return [WEEKDAYS[number] for number in sorted(found)]


def _day(word: str) -> int:
    for number, name in enumerate(_NAMES):
        if len(word) >= 3 and name.startswith(word):
            return number
    raise InvalidInput("weekly", word, f"valid are {', '.join(WEEKDAYS)}, ranges like mon-fri, and daily")
