"""Hours of the week against a minute-by-minute oracle, over years in which the clock is put forward and back."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from shared.weekly import WEEKDAYS, Weekly

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/St_Johns")
YEAR = 2006
"""St. John's put its clock at 00:01 then, from one day into the other."""
MINUTE = 60_000
DAY = 24 * 60
FIRST = int(datetime(YEAR, 1, 1, tzinfo=UTC).timestamp() * 1000)
MINUTES = 366 * DAY


@cache
def walls(zone: str) -> NDArray[np.int64]:
    """What the clock shows in every minute of the year: minutes since the first of January, 0001."""
    shown = (datetime.fromtimestamp(FIRST / 1000 + 60 * i, ZoneInfo(zone)) for i in range(MINUTES))
    return np.array([one.toordinal() * DAY + one.hour * 60 + one.minute for one in shown])


def silent_minutes(weekly: Weekly) -> NDArray[np.bool_]:
    """Whether each minute lies in a window: from the first minute that shows its start or later, up to and with the
    last one that shows less than its end."""
    wall = walls(weekly.zone)
    start, end = (int(text[:2]) * 60 + int(text[3:]) for text in (weekly.start, weekly.end))
    length = (end - start) % DAY or DAY
    silent = np.zeros(MINUTES, np.bool_)
    for day in range(date(YEAR, 1, 3).toordinal(), date(YEAR, 12, 30).toordinal()):
        if WEEKDAYS[date.fromordinal(day).weekday()] in weekly.days:
            begins = day * DAY + start
            near = slice((day - date(YEAR, 1, 3).toordinal()) * DAY, None)
            some = wall[near][: 6 * DAY]
            first = int(np.argmax(some >= begins))
            last = int(np.flatnonzero(some < begins + length)[-1])
            silent[near][first : last + 1] = True
    return silent


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@st.composite
def weeklies(draw: st.DrawFn, zone: str) -> Weekly:
    days = draw(st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=7, unique=True))
    # Around the hours in which clocks are put, more often than not.
    near = st.one_of(st.integers(0, 4 * 60), st.integers(0, DAY - 1))
    start = draw(near)
    end = draw(st.one_of(near, st.just(DAY)).filter(lambda end: end != start))
    return Weekly(days=tuple(days), start=clock(start), end=clock(end), zone=zone)


@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_the_windows_of_a_year_are_those_of_the_oracle(zone: str, data: st.DataObject) -> None:
    weekly = data.draw(weeklies(zone))
    expected = silent_minutes(weekly)

    found = np.zeros(MINUTES, np.bool_)
    for number in range(362 - 1):
        day = date(YEAR, 1, 3) + timedelta(number)
        if WEEKDAYS[day.weekday()] in weekly.days:
            begin, end = weekly.window(day)
            found[(begin - FIRST) // MINUTE : (end - FIRST) // MINUTE] = True

    assert np.array_equal(found, expected)
    edges = np.flatnonzero(np.diff(expected)) + 1
    for edge in edges[(edges > 7 * DAY) & (edges < 358 * DAY)]:
        for minute in (int(edge) - 1, int(edge)):
            now = FIRST + minute * MINUTE
            assert any(begin <= now < end for begin, end in weekly.windows(now)) == expected[minute]


def at(zone: str, text: str, fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp() * 1000)


@pytest.mark.parametrize(
    ("what", "start", "end", "day", "begins", "ends"),
    [
        ("an ordinary night", "22:00", "06:00", "2026-07-03", "2026-07-03T20:00Z", "2026-07-04T04:00Z"),
        ("a whole day", "00:00", "24:00", "2026-07-04", "2026-07-03T22:00Z", "2026-07-04T22:00Z"),
        ("forward: an hour less", "22:00", "06:00", "2026-03-28", "2026-03-28T21:00Z", "2026-03-29T04:00Z"),
        ("back: an hour more", "22:00", "06:00", "2026-10-24", "2026-10-24T20:00Z", "2026-10-25T05:00Z"),
        ("a start that is skipped", "02:30", "05:00", "2026-03-29", "2026-03-29T01:00Z", "2026-03-29T03:00Z"),
        ("an end that is skipped", "01:00", "02:30", "2026-03-29", "2026-03-29T00:00Z", "2026-03-29T01:00Z"),
        ("all of it is skipped", "02:10", "02:50", "2026-03-29", "2026-03-29T01:00Z", "2026-03-29T01:00Z"),
        (
            "a start that comes twice",
            "02:30",
            "05:00",
            "2026-10-25",
            "2026-10-25T00:30Z",
            "2026-10-25T04:00Z",
        ),
        ("an end that comes twice", "01:00", "02:30", "2026-10-25", "2026-10-24T23:00Z", "2026-10-25T01:30Z"),
        ("both come twice", "02:15", "02:45", "2026-10-25", "2026-10-25T00:15Z", "2026-10-25T01:45Z"),
    ],
)
def test_a_window_in_berlin(what: str, start: str, end: str, day: str, begins: str, ends: str) -> None:
    weekly = Weekly(days=WEEKDAYS, start=start, end=end, zone="Europe/Berlin")
    stamps = tuple(int(datetime.fromisoformat(text).timestamp() * 1000) for text in (begins, ends))
    assert weekly.window(date.fromisoformat(day)) == stamps, what


def test_a_window_over_midnight_is_of_the_day_on_which_it_begins() -> None:
    friday = Weekly(days=("fri",), start="22:00", end="06:00", zone="Europe/Berlin")
    inside = [at("Europe/Berlin", f"2026-07-{text}") for text in ("03T22:00", "04T05:59")]
    outside = [
        at("Europe/Berlin", f"2026-07-{text}") for text in ("03T05:00", "03T21:59", "04T06:00", "04T23:00")
    ]

    def silent(now: int) -> bool:
        begin, _end = next(friday.windows(now))
        return begin <= now

    assert [silent(now) for now in inside + outside] == [True, True, False, False, False, False]


def test_the_next_window_is_found_although_this_weeks_is_skipped_by_the_clock() -> None:
    weekly = Weekly(days=("sun",), start="02:10", end="02:50", zone="Europe/Berlin")
    begin, _end = next(weekly.windows(at("Europe/Berlin", "2026-03-24T12:00")))
    assert begin == at("Europe/Berlin", "2026-04-05T02:10")


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"zone": "Europe/Berln"}, "expected an IANA zone"),
        ({"zone": "Europe"}, "expected an IANA zone"),
        ({"zone": "../../etc/passwd"}, "expected an IANA zone"),
        ({"zone": ""}, "expected an IANA zone"),
        ({"start": "7:00"}, "expected a time from 00:00"),
        ({"end": "24:01"}, "expected a time from 00:00"),
        ({"start": "24:00"}, "can only be an end"),
        ({"end": "22:00"}, "all day is 00:00 to 24:00"),
        ({"days": ()}, "at least 1"),
        ({"days": ("friday",)}, "'mon', 'tue'"),
        ({"hours": 3}, "not permitted"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value),
)
def test_hours_that_can_not_be_are_refused(given_: dict[str, object], words: str) -> None:
    right: dict[str, object] = {"days": ("fri",), "start": "22:00", "end": "06:00", "zone": "Europe/Berlin"}
    with pytest.raises(ValidationError, match=words):
        Weekly.model_validate({**right, **given_})
