"""What the command line shows: sentences for wrong input, tables in a narrow terminal, times, foreign text."""

from pathlib import Path

import pytest

from tests.support.cli import Tocsin
from tests.support.manage import wiring
from tests.support.rows import add_alert


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rules", "show", "nope"], "rule 'nope' not found; there are 'Bitcoin high'"),
        (["rules", "show", "Bitcoin hihg"], "did you mean 'Bitcoin high'?"),
        (["rules", "add", "x", "--monitor", "Bitcoin", "--when", "price"], "such as 'price > 60000'"),
        (["rules", "add", "x", "--monitor", "Bitcoin"], "a rule needs --when"),
        (["rules", "add", "x", "--monitor", "Bitcoin", "--condition", "{"], "expected JSON"),
        (["rules", "add", "x", "--monitor", "Bitcoin", "--condition", "[]"], "a JSON object"),
        (["rules", "add", "x", "--monitor", "Bitcoin", "--condition", "{}", "--when", "a > 1"], "not both"),
        (
            ["rules", "add", "x", "--monitor", "Bitcoin", "--when", "a > 1", "--channel", "opps"],
            "Did you mean 'ops'",
        ),
        (
            ["rules", "add", "x", "--monitor", "Bitcoin", "--when", "a > 1", "--cooldown", "soon"],
            "--cooldown",
        ),
        (["rules", "add", "x", "--monitor", "Bitcoin", "--when", "a > 1", "--label", "team"], "KEY=VALUE"),
        (["rules", "add", "x", "--when", "a > 1"], "either a monitor"),
        (["rules", "edit", "Bitcoin high"], "`tocsin rules edit --help` lists it"),
        (["rules", "list", "--cursor", "x"], "the page before"),
        (["alerts", "show", "alert_x"], "list the alerts"),
        (["alerts", "list", "--since", "long ago"], "a duration like 90s"),
        (["alerts", "list", "--state", "open"], "valid are firing, resolved"),
        (["monitors", "delete", "Bitcoin"], "rules need it: 'Bitcoin high'"),
        (["demo"], "the database is not empty"),
        (["tick", "--interval", "0"], "at least one second"),
    ],
)
def test_wrong_input_is_one_sentence_on_stderr_and_status_2(
    filled: Tocsin, arguments: list[str], words: str
) -> None:
    ran = filled(*arguments)

    assert (ran.status, ran.out) == (2, "")
    assert words in ran.err
    assert ran.err.startswith("Error: ")
    assert ran.err.count("\n") == 1
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "command",
    [
        *([], ["monitors"], ["rules"], ["alerts"], ["silences"], ["channels"]),
        *(["deliveries"], ["dead-letters"], ["self-alerts"]),
    ],
    ids=" ".join,
)
def test_help_says_what_each_command_does_in_one_whole_line(tocsin: Tocsin, command: list[str]) -> None:
    told = tocsin(*command, "--help")

    assert told.status == 0
    commands = told.out.partition("Commands:\n")[2]
    assert commands
    assert "..." not in commands
    assert max(len(line) for line in told.out.splitlines()) <= 80


def test_an_unknown_command_or_option_is_status_2(tocsin: Tocsin) -> None:
    assert tocsin("rules", "lst").status == 2
    assert tocsin("rules", "list", "--nope").status == 2


def test_tables_fit_into_80_columns_and_never_cut_an_id(filled: Tocsin, tmp_path: Path) -> None:
    long = "A rule whose title is as long as titles of people in a hurry tend to be, and then some"
    filled(
        "rules", "add", long, "--monitor", "Bitcoin", "--when", "a_field_with_a_long_name > 1 over 1h for 10m"
    )
    store = wiring(tmp_path).store
    add_alert(
        store,
        "alert_0123456789abcdef0123",
        key='["mon_btc",[["host","a-rather-long-host-name.example.org"]]]',
    )
    store.close()

    for command in (
        ["rules", "list"],
        ["monitors", "list"],
        ["alerts", "list"],
        ["channels", "list"],
        ["alerts", "show", "alert_0"],
    ):
        ran = filled(*command)
        assert ran.status == 0
        assert max(len(line) for line in ran.out.splitlines()) <= 80
    assert "alert_0123456789abcdef0123" in filled("alerts", "list").out
    assert "rule_btc" in filled("rules", "list").out


def test_times_are_shown_in_the_local_zone_with_its_offset(filled: Tocsin, tmp_path: Path) -> None:
    store = wiring(tmp_path).store
    add_alert(store, "alert_a")
    store.close()

    assert "2023-11-15 03:43:20 +05:30" in filled("alerts", "show", "alert_a").out


def test_text_from_outside_can_not_steer_the_terminal(filled: Tocsin, tmp_path: Path) -> None:
    store = wiring(tmp_path).store
    add_alert(
        store, "alert_a", title="[bold]x[/bold] \x1b[2J", key='["mon_btc",[["host","\\u001b]0;evil\\u0007"]]]'
    )
    store.close()

    for command in (["alerts", "list"], ["alerts", "show", "alert_a"]):
        out = filled(*command).out
        assert "\x1b" not in out
        assert "\x07" not in out
        assert "[bold]" in out


def test_a_measurement_that_does_not_exist_is_named(tocsin: Tocsin) -> None:
    assert "no measurement 'nope'" in tocsin("monitors", "discover", "nope").out
