"""`tocsin silences …` as people type it."""

import re
from pathlib import Path

import pytest

from tests.support.cli import Tocsin
from tests.support.manage import wiring
from tests.support.rows import add_alert


def silence_id(out: str) -> str:
    found = re.search(r"sil_[0-9a-f]{10}", out)
    assert found, out
    return found[0]


def test_a_silence_is_made_listed_and_ended(filled: Tocsin, tmp_path: Path) -> None:
    with_alert = wiring(tmp_path)
    add_alert(with_alert.store, "alert_a")
    with_alert.close()

    made = filled("silences", "add", "--rule", "bitcoin high", "--for", "2h", "--reason", "deploy")

    assert (made.status, made.err) == (0, "")
    one = silence_id(made.out)
    assert f'Silence {one} is active: rule "Bitcoin high"; until 20' in made.out
    assert "+05:30\n1 alert that fires now is concerned.\n" in made.out
    assert one in filled("silences", "list").out
    ended = filled("silences", "end", one[:6])
    assert ended.out.startswith(f'Ended {one}: rule "Bitcoin high". 1 alert')
    assert filled("silences", "list").out == "Nothing is silenced.\n"
    assert filled("silences", "list", "--state", "active").out == "No silence is active.\n"
    assert one in filled("silences", "list", "--state", "expired").out


def test_hours_of_the_week_are_shown_with_the_next_of_them(filled: Tocsin) -> None:
    made = filled(
        *["silences", "add", "--label", "team=core", "--label", "symbol=btc", "--weekly", "daily 22:00-6:00"],
        *["--zone", "Europe/Berlin", "--reason", "nights", "--by", "Ann", "--json"],
    ).json()

    assert made["matcher"]["labels"] == {"team": "core", "symbol": "btc"}
    assert (made["weekly"]["start"], made["weekly"]["end"], made["ends_at"]) == ("22:00", "06:00", None)
    assert (made["created_by"], made["reason"], made["ended_at"]) == ("Ann", "nights", None)
    listed = " ".join(filled("silences", "list").out.split())
    assert "22:00-06:00" in listed
    assert "nights (Ann)" in listed


def test_lists_of_silences_fit_into_a_terminal_and_show_no_steering_text(filled: Tocsin) -> None:
    for number in range(3):
        filled(
            *[
                "silences",
                "add",
                "--at-least",
                "info",
                "--label",
                f"a\x1b[2J{number}=[bold]{'x' * 60}[/bold]",
            ],
            *["--weekly", "mon-sun 22:00-06:00", "--zone", "America/Argentina/Buenos_Aires"],
            *["--until", "2030-01-31T18:00", "--reason", "y" * 100],
        )

    out = filled("silences", "list").out

    assert max(map(len, out.splitlines())) <= 80
    assert len(re.findall(r"sil_[0-9a-f]{10}", out)) == 3
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--for", "2h", "--reason", "x"], "give at least one of rules, monitors"),
        (["--rule", "Bitcoin high", "--for", "2h"], "--reason is missing"),
        (["--rule", "Bitcoin high", "--reason", "x"], "say how long: --for 2h"),
        (["--rule", "Bitcoin low", "--for", "2h", "--reason", "x"], "did you mean 'Bitcoin high'"),
        (["--rule", "Bitcoin high", "--for", "two", "--reason", "x"], "expected whole seconds"),
        (["--rule", "Bitcoin high", "--until", "tonight", "--reason", "x"], "expected now, a duration"),
        (["--rule", "Bitcoin high", "--weekly", "nightly", "--reason", "x"], "expected DAYS START-END"),
        (
            ["--rule", "Bitcoin high", "--weekly", "mon 1:00-2:00", "--zone", "Mars", "--reason", "x"],
            "expected an IANA zone",
        ),
        (["--label", "env", "--for", "2h", "--reason", "x"], "expected KEY=VALUE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_can_not_be_silenced_is_said_in_one_sentence(
    filled: Tocsin, options: list[str], words: str
) -> None:
    ran = filled("silences", "add", *options)

    assert (ran.status, ran.out) == (2, "")
    assert words in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("days", "shown"),
    [
        ("mon-fri", "mon-fri 22:00"),
        ("mon,thu", "mon,thu 22:00"),
        ("daily", "daily 22:00"),
        ("fri-sun", "fri-sun 22:00"),
    ],
)
def test_days_in_a_row_are_shown_as_a_range_in_the_zone_of_this_terminal(
    filled: Tocsin, days: str, shown: str
) -> None:
    made = filled(
        "silences", "add", "--severity", "info", "--weekly", f"{days} 22:00-06:00", "--reason", "night"
    )

    assert f"; {shown}-06:00 Asia/Kolkata; " in made.out
