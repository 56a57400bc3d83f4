"""Hours that come back every week, as a wall clock in one zone shows them.

Pure: no clock, no I/O; zones come from the system or the tzdata package. Nothing here knows what the hours are for.

A window belongs to the weekday on which it begins, also when it goes on past midnight. Where the clock is put forward,
a time that does not exist is the first instant after it. Where it is put back, a window begins at the first
occurrence of its time and ends at the last.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from shared.model import Frozen, Millis

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Window = tuple[Millis, Millis]
"""`[begin, end)`; empty when the clock jumped over all of it."""

_DAY = 24 * 60


class Weekly(Frozen):
    """From `start` to `end` (`HH:MM`, `24:00` as an end) on these days; an end before the start is the next day's."""

    days: tuple[Weekday, ...] = Field(min_length=1)
    start: str
    end: str
    zone: str

    @field_validator("start", "end")
    @classmethod
    def _is_a_time(cls, text: str) -> str:
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d|24:00", text):
            raise ValueError("expected a time from 00:00 to 24:00")
        return text

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones, such as Europe
            raise ValueError("expected an IANA zone like Europe/Berlin or UTC") from None
        return name

    @model_validator(mode="after")
    def _has_a_length(self) -> "Weekly":
        if self.start == "24:00":
            raise ValueError("24:00 can only be an end; a window that begins at midnight begins at 00:00")
        if self.start == self.end:
            raise ValueError("start and end are the same; all day is 00:00 to 24:00")
        return self

    def window(self, day: date) -> Window:
        """The window that begins on this local day, whatever its weekday."""
        zone, start, end = ZoneInfo(self.zone), _minute(self.start), _minute(self.end)
        return _first(day, start, zone), _last(day, end if end > start else end + _DAY, zone)

    def windows(self, now: Millis) -> Iterator[Window]:
        """The windows of two weeks that are not over at `now`, in their order; the first may have begun."""
        today = datetime.fromtimestamp(now / 1000, ZoneInfo(self.zone)).date()
        for distance in range(-1, 16):
            day = today + timedelta(distance)
            if WEEKDAYS[day.weekday()] not in self.days:
                continue
            begin, end = self.window(day)
            if begin < end and now < end:
                yield begin, end


def _minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _first(day: date, minute: int, zone: ZoneInfo) -> Millis:
    """The instant at which the clock first shows this minute of the day, or has jumped over it."""
    return min(_instants(day, minute, zone))


def _last(day: date, minute: int, zone: ZoneInfo) -> Millis:
    return max(_instants(day, minute, zone))


def _instants(day: date, minute: int, zone: ZoneInfo) -> tuple[Millis, ...]:
    """Every instant at which the clock shows this: one or two, or the end of the gap that it lies in."""
    shown = datetime.combine(day, time()) + timedelta(minutes=minute)
    earlier, later = (shown.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    utc = int(shown.replace(tzinfo=UTC).timestamp())
    before, after = utc - int(earlier.total_seconds()), utc - int(later.total_seconds())
    if after >= before:
        return before * 1000, after * 1000
    # The offset grows in between: `after` lies before the jump and `before` behind it.
    seconds = range(after, before + 1)
    jump = bisect_left(seconds, True, key=lambda at: datetime.fromtimestamp(at, zone).utcoffset() == later)
    return (seconds[jump] * 1000,)
