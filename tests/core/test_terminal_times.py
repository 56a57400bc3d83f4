"""Times as the terminal shows them: with their zone, and a day that all share said once."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import terminal

MOMENT = 1_700_000_000_000  # 2023-11-14 22:13:20 UTC
HOUR = 3_600_000


@pytest.fixture(autouse=True)
def kolkata(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process lives in a zone of half an hour."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


def test_a_day_that_all_times_share_is_said_once() -> None:
    heading, cells = terminal.times("Slot", [MOMENT, None, MOMENT + HOUR])

    assert heading == "Slot\n2023-11-15 +05:30"
    assert cells == ["03:43:20", "", "04:43:20"]


def test_times_of_several_days_are_shown_whole() -> None:
    heading, cells = terminal.times("Slot", [MOMENT, MOMENT + 24 * HOUR])

    assert heading == "Slot"
    assert cells == ["2023-11-15 03:43:20 +05:30", "2023-11-16 03:43:20 +05:30"]


def test_no_times_are_no_day() -> None:
    assert terminal.times("Slot", []) == ("Slot", [])
    assert terminal.times("Slot", [None]) == ("Slot", [""])


def test_utc_times_in_a_sentence_become_local() -> None:
    assert terminal.local("It fires at 2023-11-14 22:13:20Z, or later.") == (
        "It fires at 2023-11-15 03:43:20 +05:30, or later."
    )
    assert terminal.local("2023-99-14 22:13:20Z is none.") == "2023-99-14 22:13:20Z is none."


@pytest.mark.parametrize(
    ("variable", "name"),
    [(":Europe/Berlin", "Europe/Berlin"), ("", "UTC"), ("IST-5:30", ""), (None, "America/New_York")],
)
def test_the_zone_of_this_machine_is_known_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str | None, name: str
) -> None:
    linked = tmp_path / "localtime"
    linked.symlink_to("/usr/share/zoneinfo/America/New_York")
    monkeypatch.delenv("TZ") if variable is None else monkeypatch.setenv("TZ", variable)

    assert terminal.zone(linked) == name


def test_a_machine_without_a_zone_has_no_name_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TZ")

    assert terminal.zone(tmp_path / "missing") == ""
