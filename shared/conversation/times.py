"""Times in a conversation: in as RFC 3339 with a zone or as a duration from now, out as RFC 3339 in UTC."""

import re
from datetime import UTC, datetime, timedelta

from shared.errors import InvalidInput
from shared.manage.words import seconds_of
from shared.model import Millis

_VALID = "expected a time with a zone, such as 2030-01-31T18:00:00Z, or a duration such as 90s, 30m, 2h or 7d"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def shown(time: Millis | None) -> str | None:
    """`2030-01-31T18:00:00Z`, with milliseconds only where there are some; None stays None, and so does 0."""
    if not time:
        return None
    moment = _EPOCH + timedelta(milliseconds=time)
    return moment.isoformat(timespec="milliseconds" if time % 1000 else "seconds").replace("+00:00", "Z")


def moment(field: str, text: str | None, now: Millis, direction: int) -> Millis | None:
    """The time that is meant: a duration counts from `now`, back (-1) or on (1). Raises InvalidInput.

    A time without a zone is refused: whose clock would it be?
    """
    if text is None:
        return None
    words = text.strip()
    if words == "now":
        return now
    if re.fullmatch(r"[+-]?\d+(\.\d+)?\s*[smhd]", words):
        return _within(field, text, now + direction * seconds_of(field, words.lstrip("+-")) * 1000)
    try:
        found = datetime.fromisoformat(words)
    except ValueError:
        raise InvalidInput(field, text, _VALID) from None
    if found.tzinfo is None:
        raise InvalidInput(field, text, "it has no zone", f"Write {words}Z for UTC, or {words}+02:00")
    return _within(field, text, (found - _EPOCH) // timedelta(milliseconds=1))


def _within(field: str, text: str, time: Millis) -> Millis:
    if not 0 <= time < 253_402_300_800_000:
        raise InvalidInput(field, text, "expected a time between the years 1970 and 9999")
    return time
