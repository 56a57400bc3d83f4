"""`change` against numpy, series by series; and what it says where there is nothing to compare."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.conditions import Condition, changes
from tests.support.readings import look, of, one
from tests.support.series import EPOCH, STEP, book, monitor_row, read, rule_row

STOP = EPOCH + 20 * STEP
NUMBER = st.one_of(st.none(), st.integers(-3, 6).map(float), st.floats(-1e6, 1e6, allow_subnormal=False))
POINTS: Mapping[str, Callable[[list[float]], Any]] = {
    "count": len, "latest": lambda v: v[-1], "avg": np.mean, "max": np.max, "min": np.min, "sum": np.sum,
    "median": np.median, "p50": np.median,
    "p90": lambda v: np.percentile(v, 90), "p95": lambda v: np.percentile(v, 95), "p99": lambda v: np.percentile(v, 99),
}  # fmt: skip


def aggregated(condition: Condition, values: list[float | None], before_ms: int) -> float | None:
    """The aggregation over one window; None when it has no point."""
    end = STOP - before_ms
    start = end - condition["window_seconds"] * 1000
    inside = [v for i, v in enumerate(values) if v is not None and start <= EPOCH + i * STEP < end]
    if not inside:
        return 0.0 if condition["aggregation"] == "count" else None
    return float(POINTS[condition["aggregation"]](inside))


def changed(condition: Condition, values: list[float | None]) -> float | None:
    """The change with its sign; None when there is none."""
    new = aggregated(condition, values, 0)
    old = aggregated(condition, values, condition["compare_seconds"] * 1000)
    if new is None or old is None:
        return None
    size = max(abs(new), abs(old))
    difference = 0.0 if abs(new - old) <= 1e-9 * size else new - old
    if condition["unit"] == "percent":
        return None if old == 0 else difference / abs(old) * 100
    return difference


def breaches(condition: Condition, change: float) -> bool:
    """By the lowest limit: a level, if there is one, lies farther out."""
    counted = {"either": abs(change), "up": change, "down": -change}[condition["direction"]]
    limit = condition["value"]
    outcomes = {">": counted > limit, "<": counted < limit, ">=": counted >= limit, "<=": counted <= limit}
    return bool(outcomes[condition["operator"]])


@settings(max_examples=150, deadline=None)
@given(
    changes().filter(lambda condition: condition["aggregation"] in POINTS),
    st.lists(st.lists(NUMBER, max_size=20), min_size=1, max_size=3),
)
def test_a_change_is_what_numpy_says_it_is(condition: Condition, columns: list[list[float | None]]) -> None:
    points = [
        (EPOCH + i * STEP, {"host": f"h{n}"}, {condition["field"]: value})
        for n, column in enumerate(columns)
        for i, value in enumerate(column)
        if value is not None
    ]
    readings = read(book([monitor_row()], [rule_row(condition=condition)]).groups[0], points, STOP)
    for n, column in enumerate(columns):
        found, wanted = readings.find("rule_r", of(f"h{n}")), changed(condition, column)
        if found is None:
            assert not wanted
        elif wanted is None or not math.isfinite(wanted):
            assert found.missing
            assert (found.value, found.level) == (None, 0)
        else:
            assert found.value == pytest.approx(wanted, rel=1e-6, abs=1e-6)
            # On the very edge the last digit of a sum decides, which depends on the order of its terms.
            if abs(abs(wanted) - condition["value"]) > 1e-6 and abs(wanted) > 1e-6:
                assert (found.level > 0) == breaches(condition, wanted)


def change(words: str, **options: Any) -> dict[str, Any]:
    operator, value = words.split()
    return {"type": "change", "field": "price", "operator": operator, "value": float(value)} | options


@pytest.mark.parametrize(
    ("series", "options", "says"),
    [
        ("_x9 5", {"window_seconds": 60}, "no value of 'price' in the 1 min that ended 1 min before"),
        ("_x7 5 _ _", {"window_seconds": 60}, "no value of 'price' in the last 1 min"),
        ("0x6 0 0 5 5", {"window_seconds": 60, "unit": "percent"}, "was 0 1 min before, and nothing is a percentage"),
        ("5x6 5 _ 6", {"window_seconds": 60, "aggregation": "stddev"}, "needs two points, now and 1 min before"),
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_told_is_missing_and_says_why(
    series: str, options: Mapping[str, Any], says: str
) -> None:
    reading = one({"price{host=h}": series}, change("> 1", **options))
    assert (reading.level, reading.recovered, reading.value, reading.error) == (0, False, None, False)
    assert says in reading.missing


def test_a_series_with_nothing_in_either_window_is_not_there() -> None:
    readings = look({"price{host=h}": "5 _x9"}, change("> 1", window_seconds=30))
    assert readings.find("rule_r", of("h")) is None
    assert readings.absent("rule_r", of("h")).missing == "no value of 'price' in the last 1 min"


def test_a_text_on_either_side_is_an_error_of_the_rule() -> None:
    for series in ('5x7 5 "x" "x"', '5x5 "x" "x" "x" 5 5'):
        reading = one({"price{host=h}": series}, change("> 1", window_seconds=60))
        assert (reading.error, reading.level) == (True, 0)
        assert reading.missing == "field 'price' holds text, but the rule compares it with a number"


def test_amounts_that_differ_by_rounding_have_not_changed() -> None:
    reading = one({"price{host=h}": "0.3x7 0.30000000000000004 _"}, change("== 0", window_seconds=60))
    assert (reading.level, reading.value) == (2, 0.0)


def test_a_count_of_nothing_on_both_sides_has_not_changed() -> None:
    count = {"aggregation": "count", "window_seconds": 30}
    nothing = look({}, change("< 1", **count)).absent("rule_r", of("h"))
    assert (nothing.level, nothing.value) == (2, 0.0)
    percent = look({}, change("< 1", unit="percent", **count)).absent("rule_r", of("h"))
    assert "was 0" in percent.missing
