"""Rules that can never fire are doubted, with the reason; rules that may fire are left in peace."""

from typing import Any

import pytest

from shared.doubts import doubts_of_condition, doubts_of_history, doubts_of_points
from tests.support.series import threshold

FIELDS = {"usage": "float", "up": "boolean", "status": "string"}
TEXT = {"type": "threshold", "field": "usage", "operator": "==", "value": "high"}


def composite(kind: str, *children: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "conditions": list(children)}


@pytest.mark.parametrize(
    ("condition", "code", "words"),
    [
        (threshold("nope > 1"), "field", "not known to have a field 'nope'; it has status, up, usage"),
        (threshold("status > 1"), "type", "compares with a number, and 'status' is string"),
        (TEXT, "type", "compares with a text, and 'usage' is float"),
        (threshold("up > 1"), "value", "neither is > 1"),
        (threshold("up == 2"), "value", "true or false"),
        (composite("all", threshold("usage > 1"), threshold("nope > 1")), "field", "'nope'"),
        (composite("any", threshold("status > 1"), threshold("nope > 1")), "type", "'status'"),
    ],
    ids=["no field", "text as number", "number as text", "more than true", "neither", "all", "any"],
)
def test_what_no_point_can_make_fire_is_doubted(condition: dict[str, Any], code: str, words: str) -> None:
    (doubt,) = doubts_of_condition(condition, 2, [FIELDS])

    assert (doubt.code, words in doubt.text) == (code, True)
    assert doubt.sure is (code != "field")


@pytest.mark.parametrize(
    ("condition", "fields"),
    [
        (threshold("usage > 1"), [FIELDS]),
        (threshold("up == 0"), [FIELDS]),
        (threshold("up < 1"), [FIELDS]),
        (threshold("up > 1", aggregation="sum"), [FIELDS]),
        (threshold("nope > 1"), [{}]),
        (threshold("nope > 1"), []),
        (threshold("nope > 1"), [FIELDS, {"nope": "float"}]),
        (threshold("nope < 1", aggregation="count"), [FIELDS]),
        (threshold("nope > 1", no_data="alert"), [FIELDS]),
        ({"type": "absence", "field": "nope"}, [FIELDS]),
        (composite("any", threshold("usage > 1"), threshold("nope > 1")), [FIELDS]),
    ],
    ids=[
        "fine", "false", "below one", "a sum", "fields unknown", "no monitor", "another monitor has it", "a count",
        "missing alerts", "absence", "one child may",
    ],
)  # fmt: skip
def test_what_may_fire_is_not_doubted(condition: dict[str, Any], fields: list[dict[str, str]]) -> None:
    assert doubts_of_condition(condition, 2, fields) == ()


def test_a_rule_that_never_saw_a_series_is_doubted_once_a_tick_looked() -> None:
    condition = threshold("usage > 1")

    (doubt,) = doubts_of_history(condition, 2, health="no_data", reason="no point", ever_seen=False)
    assert (doubt.code, doubt.sure, "no point" in doubt.text) == ("never_seen", False, True)
    assert doubts_of_history(condition, 2, health="ok", reason="", ever_seen=False) == ()
    assert doubts_of_history(condition, 2, health="error", reason="down", ever_seen=False) == ()
    assert doubts_of_history(condition, 2, health="no_data", reason="no point", ever_seen=True) == ()


def test_a_selector_that_matches_nothing_is_sure() -> None:
    reason = "no monitor matches the selector"

    (doubt,) = doubts_of_history(threshold("a > 1"), 2, health="no_data", reason=reason, ever_seen=False)

    assert (doubt.code, doubt.sure) == ("selector", True)


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        (threshold("usage > 1", aggregation="rate", window_seconds=100), "window"),
        (threshold("usage > 1", aggregation="stddev", window_seconds=119), "window"),
        (threshold("usage > 1", aggregation="count", window_seconds=59), "window"),
        (threshold("usage > 1", window_seconds=30, no_data="ok", for_seconds=30), "for"),
    ],
    ids=["rate", "stddev", "count", "for under no_data ok"],
)
def test_a_window_too_short_for_the_points_is_doubted(condition: dict[str, Any], code: str) -> None:
    (doubt,) = doubts_of_points(condition, 2, 60_000)

    assert (doubt.code, "about every 1 min" in doubt.text, doubt.sure) == (code, True, False)


@pytest.mark.parametrize(
    ("condition", "point_ms"),
    [
        (threshold("usage > 1", aggregation="rate", window_seconds=100), None),
        (threshold("usage > 1", aggregation="rate", window_seconds=120), 60_000),
        (threshold("usage > 1", window_seconds=30, for_seconds=30), 60_000),
        (threshold("usage > 1", window_seconds=60, no_data="ok", for_seconds=600), 60_000),
    ],
    ids=["not known", "two points fit", "missing keeps", "no gaps"],
)
def test_a_window_that_holds_enough_is_not_doubted(condition: dict[str, Any], point_ms: int | None) -> None:
    assert doubts_of_points(condition, 2, point_ms) == ()
