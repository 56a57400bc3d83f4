"""Readings against a second implementation that is slow and plain: the same rows, rules and definitions, in loops."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.conditions._aggregations import AGGREGATIONS, AggregationName
from shared.plan import QueryGroup
from shared.series import series_key
from tests.support.series import EPOCH, STEP, Row, book, monitor_row, read, rows, rule_row, threshold

STOP = EPOCH + 20 * STEP
Points = Sequence[tuple[int, float]]
"""(time, value), by time"""


def _growth(points: Points) -> float | None:
    last = dict(points)
    if len(last) < 2:
        return None
    found = list(last.values())
    return sum(b - a if b >= a else b for a, b in pairwise(found))


def _rate(points: Points) -> float | None:
    grown = _growth(points)
    return None if grown is None else grown / (points[-1][0] - points[0][0]) * 1000


def _plain(function: Callable[[list[float]], float]) -> Callable[[Points], float | None]:
    return lambda points: function([value for _, value in points])


PLAIN: Mapping[str, Callable[[Points], float | None]] = {
    "latest": lambda points: points[-1][1],
    "avg": _plain(statistics.fmean),
    "max": _plain(max),
    "min": _plain(min),
    "sum": _plain(math.fsum),
    "count": lambda points: len(points),
    "median": _plain(statistics.median),
    "p50": _plain(statistics.median),
    "p90": _plain(lambda values: float(np.percentile(values, 90))),
    "p95": _plain(lambda values: float(np.percentile(values, 95))),
    "p99": _plain(lambda values: float(np.percentile(values, 99))),
    "stddev": lambda points: statistics.stdev([value for _, value in points]) if len(points) > 1 else None,
    "rate": _rate,
    "delta": _growth,
}
OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">": lambda a, b: a > b, "<": lambda a, b: a < b, ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
}  # fmt: skip


def test_every_aggregation_has_a_definition_and_an_oracle() -> None:
    assert set(AGGREGATIONS) == set(PLAIN) == set(get_args(AggregationName))
    assert all(
        function.__doc__ or name[0] == "p" or name == "median" for name, function in AGGREGATIONS.items()
    )


@pytest.mark.parametrize(
    ("aggregation", "series", "value"),
    [
        ("rate", "0+30x4", 1.0), ("rate", "100 130 30 60", (30 + 30 + 30) / 90), ("delta", "100 130 30 60", 90),
        ("delta", "5 5 5", 0), ("rate", "7", None), ("delta", "7", None), ("stddev", "2 4", math.sqrt(2)),
        ("stddev", "3 3 3", 0), ("stddev", "3", None), ("p90", "0+1x10", 9), ("p95", "0 10", 9.5),
        ("median", "1 2 3 100", 2.5), ("count", "1 _ 1", 2), ("avg", "10 _ 20", 15), ("p99", "7", 7),
    ],
)  # fmt: skip
def test_an_aggregation_by_hand(aggregation: str, series: str, value: float | None) -> None:
    condition = threshold("usage > 0", aggregation=aggregation, window_seconds=900)
    group = book([monitor_row()], [rule_row(condition=condition)]).groups[0]
    readings = read(group, rows({"usage{host=a}": series}), STOP)
    assert readings.reading(0).value == (None if value is None else pytest.approx(value))


POINTS = st.lists(
    st.tuples(
        st.integers(0, 19).map(lambda slot: EPOCH + slot * STEP),
        st.fixed_dictionaries(
            {"host": st.sampled_from(["a", "b", ""]), "env": st.sampled_from(["p", "q", "r"])}
        ),
        st.dictionaries(st.sampled_from(["usage", "idle"]), st.integers(-5, 5).map(float), min_size=1),
    ),
    max_size=60,
)
MONITORS = st.fixed_dictionaries(
    {
        "filter": st.sampled_from(
            [{}, {"env": "p"}, {"env": ["p", "q"]}, {"env": "p", "host": "a"}, {"host": ""}]
        ),
        "key": st.sampled_from([[], ["host"], ["env"], ["host", "env"]]),
    }
)
CONDITIONS = st.builds(
    lambda field, operator, value, aggregation, window: threshold(
        f"{field} {operator} {value}", aggregation=aggregation, window_seconds=window
    ),
    st.sampled_from(["usage", "idle"]), st.sampled_from(sorted(OPERATORS)), st.integers(-4, 4),
    st.sampled_from(sorted(PLAIN)), st.sampled_from([30, 60, 300, 600]),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(POINTS, st.lists(st.tuples(MONITORS, CONDITIONS), min_size=1, max_size=6))
def test_the_columns_say_what_loops_say(
    points: list[Row], pairs: list[tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    monitors = [monitor_row(str(n), **monitor) for n, (monitor, _) in enumerate(pairs)]
    rules = [rule_row(str(n), condition, monitor_id=f"mon_{n}") for n, (_, condition) in enumerate(pairs)]
    (group,) = book(monitors, rules).groups
    found = _columns(group, points)
    expected: dict[tuple[str, str], tuple[float | None, bool]] = {}
    for n, (monitor, condition) in enumerate(pairs):
        for key, value in _loops(points, monitor, condition).items():
            breaches = value is not None and OPERATORS[condition["operator"]](value, condition["value"])
            expected[f"rule_{n}", series_key(f"mon_{n}", key)] = (value, breaches)
    assert set(found) == set(expected)
    for pair, (value, breaches) in expected.items():
        assert found[pair][0] == (None if value is None else pytest.approx(value, abs=1e-9))
        if value is None or abs(value - round(value)) > 1e-6 or value == round(value):
            assert found[pair][1] == breaches


def _columns(group: QueryGroup, points: list[Row]) -> dict[tuple[str, str], tuple[float | None, bool]]:
    readings = read(group, points, STOP)
    made = {}
    for i in range(len(readings)):
        one = readings.reading(i)
        assert readings.find(readings.rule_id(i), readings.key(i)) == one
        made[readings.rule_id(i), readings.key(i)] = (one.value, one.level > 0)
    return made


def _loops(
    points: list[Row], monitor: dict[str, Any], condition: dict[str, Any]
) -> dict[tuple[tuple[str, str], ...], float | None]:
    start = STOP - condition["window_seconds"] * 1000
    series: dict[tuple[tuple[str, str], ...], list[tuple[int, float]]] = {}
    for at, tags, values in points:
        wanted = {
            tag: [value] if isinstance(value, str) else value for tag, value in monitor["filter"].items()
        }
        value = values.get(condition["field"])
        if (
            at < start
            or not isinstance(value, float)
            or any(tags[tag] not in ok for tag, ok in wanted.items())
        ):
            continue
        key = tuple(sorted((tag, tags[tag]) for tag in monitor["key"]))
        series.setdefault(key, []).append((at, value))
    return {
        key: PLAIN[condition["aggregation"]](sorted(found, key=lambda point: point[0]))
        for key, found in series.items()
    }
