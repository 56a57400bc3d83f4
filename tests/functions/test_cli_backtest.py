"""`tocsin rules backtest` and `tocsin rules explain` as people see them, 80 columns wide."""

import time
from pathlib import Path

import pytest

from tests.support.cli import Tocsin
from tests.support.manage import wiring

VALUES = [61_000 if 40 <= number % 120 < 60 else 50_000 for number in range(240)]


@pytest.fixture
def priced(filled: Tocsin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tocsin:
    """Two hours of prices, one every 30 s, the last of them now; twice too high for ten minutes."""
    one = wiring(tmp_path)
    now = int(time.time())
    lines = [
        f"coin,symbol=btc price={value} {now - 30 * (len(VALUES) - number)}"
        for number, value in enumerate(VALUES)
    ]
    one.metrics().write("\n".join(lines).encode(), precision="s")
    one.close()
    return filled


def test_a_backtest_says_first_what_would_have_happened(priced: Tocsin) -> None:
    ran = priced("rules", "backtest", "Bitcoin high", "--since", "3h")

    assert (ran.status, ran.err) == (0, "")
    first = ran.out.splitlines()[0]
    assert first == "It would have fired twice in 3 h, and sent 4 messages."
    assert "+05:30" in ran.out
    assert "10 min" in ran.out
    assert "Coverage" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


def test_another_condition_and_no_rule_at_all_can_be_tried(priced: Tocsin) -> None:
    other = priced("rules", "backtest", "Bitcoin high", "--since", "3h", "--when", "price > 99000")
    assert other.out.startswith("It would not have fired in 3 h.")

    proposed = priced(
        "rules", "backtest", "--on", "Bitcoin", "--when", "price > 60000 for 1h", "--since", "3h"
    )
    assert proposed.out.startswith("It would not have fired in 3 h; it was pending twice.")

    nothing = priced("rules", "backtest", "--on", "Bitcoin", "--when", "volume > 1", "--since", "3h")
    assert nothing.out.startswith("Nothing to see in 3 h")


def test_the_json_of_a_backtest_holds_the_episodes(priced: Tocsin) -> None:
    found = priced("rules", "backtest", "Bitcoin high", "--since", "3h", "--suggest", "--json").json()

    assert [episode["peak"] for episode in found["series"][0]["episodes"]] == [61_000, 61_000]
    assert (found["fired"], found["notifications"]) == (2, 4)
    assert "1 day or longer" in found["suggested"]["note"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["backtest"], "give a rule, or --on MONITOR"),
        (["backtest", "nope"], "there are 'Bitcoin high'"),
        (["backtest", "Bitcoin high", "--since", "200d"], "92 days at most"),
        (["backtest", "Bitcoin high", "--every", "0"], "1 second to 1 day"),
        (["backtest", "Bitcoin high", "--when", "a > 1", "--condition", "{}"], "not both"),
        (["explain", "Bitcoin high", "--slots", "0"], "expected 1 to 500"),
        (["explain", "Bitcoin high", "--series", "symbol=eth"], "there are symbol=btc"),
    ],
    ids=["no rule", "unknown", "too long", "no interval", "two conditions", "no slots", "no series"],
)
def test_wrong_input_is_one_sentence(priced: Tocsin, arguments: list[str], words: str) -> None:
    ran = priced("rules", *arguments)

    assert (ran.status, ran.out) == (2, "")
    assert words in ran.err
    assert ran.err.count("\n") == 1


def test_an_explanation_shows_the_last_slots_and_what_comes_next(priced: Tocsin) -> None:
    ran = priced("rules", "explain", "Bitcoin high", "--slots", "3")

    assert (ran.status, ran.err) == (0, "")
    assert "symbol=btc: It is ok, and has never fired." in ran.out
    assert ran.out.count("50000") == 3
    assert "Slot" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


def test_a_slot_without_a_value_says_why_once(filled: Tocsin, tmp_path: Path) -> None:
    one = wiring(tmp_path)
    slot = int(time.time()) // 30 * 30
    lines = [f"coin,symbol=btc price=1 {slot - 30 * back - 15}" for back in range(30, 60)]
    one.metrics().write("\n".join(lines).encode(), precision="s")
    one.close()

    filled("rules", "edit", "Bitcoin high", "--when", "price > 60000 over 10s")
    ran = filled("rules", "explain", "Bitcoin high", "--slots", "20")

    assert ran.out.count("no value of 'price' in the") == ran.out.count("no value") == 20


def test_a_rule_that_can_not_fire_is_warned_about_and_marked(priced: Tocsin) -> None:
    priced("monitors", "add", "Coins", "-m", "coin", "--key", "symbol")

    made = priced("rules", "add", "Words", "--monitor", "Coins", "--when", "price == high")

    assert "it can never fire: it compares with a text, and 'price' is float" in made.err
    assert "never fires: it compares with a text" in priced("rules", "list").out
    assert "never fires: it compares with a text" in priced("rules", "show", "Words").out
    assert "Never fires: it compares with a text" in priced("rules", "explain", "Words").out
