"""Suggested thresholds fire as often as they say, by the same replay."""

from random import Random

import pytest

from shared.backtest.findings import Suggested
from tests.support.looking_back import found
from tests.support.series import threshold

WEEK = 7 * 2880
TEXT = {"type": "threshold", "field": "usage", "operator": "==", "value": "x"}


def week(seed: int, *, sign: int = 1) -> dict[str, str]:
    """A week of noise with a rare spike."""
    chance, values = Random(seed), []
    for number in range(WEEK):
        day, minute = divmod(number, 2880)
        spike = 40 + day if minute == 700 + 31 * day else 0
        values.append(f"{sign * (50 + chance.gauss(0, 3) + spike):.3f}")
    return {"usage{host=a}": " ".join(values)}


@pytest.mark.parametrize(("operator", "sign"), [(">", 1), ("<", -1)], ids=["above", "below"])
def test_the_suggested_values_fire_about_once_a_day_and_once_a_week(operator: str, sign: int) -> None:
    series = week(1, sign=sign)
    made = found(
        series, threshold(f"usage {operator} {sign * 60}", window_seconds=30), slots=WEEK, suggestions=True
    ).suggested

    assert made is not None
    assert made.per_day is not None
    assert made.per_week is not None
    assert (made.per_day_fired, made.per_week_fired, made.note) == (7, 1, "")
    again = found(series, threshold(f"usage {operator} {made.per_day}", window_seconds=30), slots=WEEK)
    assert again.fired == made.per_day_fired


def suggested(condition: dict[str, object], values: str, slots: int) -> Suggested:
    made = found({"usage{host=a}": values}, condition, slots=slots, suggestions=True).suggested
    assert made is not None
    return made


def test_a_short_range_says_what_it_can_not_tell() -> None:
    made = suggested(threshold("usage > 2"), "1 2x20", 20)

    assert (made.per_day, made.per_week) == (None, None)
    assert "1 day or longer" in made.note
    assert "7 days or longer" in made.note


def test_values_that_never_change_have_no_threshold() -> None:
    made = suggested(threshold("usage > 2"), "1x2900", 2890)

    assert made.per_day is None
    assert "change too little" in made.note


@pytest.mark.parametrize(
    "condition",
    [threshold("usage == 2"), TEXT, {"type": "absence", "field": "usage"}],
    ids=["equality", "text", "absence"],
)
def test_other_conditions_get_no_suggestion_but_the_reason(condition: dict[str, object]) -> None:
    made = suggested(condition, "1 2", 2)

    assert (made.per_day, made.note != "") == (None, True)
