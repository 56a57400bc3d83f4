"""What a rule sees must not depend on which other rules there are: all together, each as if it were alone."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.model import Health, Reading
from shared.plan import QueryGroup
from shared.readings import Readings
from tests.support.series import EPOCH, STEP, Row, book, monitor_row, read, rule_row

STOP = EPOCH + 20 * STEP
FIELDS = ("usage", "idle", "note")
WINDOWS = st.sampled_from([30, 60, 90, 300, 600])
VALUES: st.SearchStrategy[float | bool | str] = st.one_of(
    st.integers(-3, 3).map(float), st.booleans(), st.sampled_from(["up", "down", ""])
)
POINTS = st.lists(
    st.tuples(
        st.integers(-1, 20).map(lambda slot: EPOCH + slot * STEP),
        st.fixed_dictionaries(
            {"host": st.sampled_from(["a", "b", ""]), "env": st.sampled_from(["p", "q"])},
            optional={"status": st.sampled_from(["good", "bad"])},
        ),
        st.dictionaries(st.sampled_from(FIELDS), VALUES, min_size=1),
    ),
    max_size=30,
)
MONITORS = st.fixed_dictionaries(
    {
        "filter": st.sampled_from([{}, {"env": "p"}, {"env": ["p", "q"]}, {"host": ["a", ""], "env": "q"}]),
        "key": st.sampled_from([[], ["host"], ["host", "env"]]),
    }
)


def _condition(kind: str, **keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"type": st.just(kind), "field": st.sampled_from(FIELDS), **keys})


AGGREGATIONS = st.sampled_from(["latest", "avg", "count", "sum", "min", "max", "p90", "stddev", "rate"])
PLAIN = st.one_of(
    _condition(
        "threshold",
        operator=st.sampled_from([">", "<="]),
        value=st.integers(-3, 3),
        aggregation=AGGREGATIONS,
        window_seconds=WINDOWS,
    ),
    _condition(
        "threshold", operator=st.just("=="), value=st.sampled_from(["up", True, 1]), window_seconds=WINDOWS
    ),
    _condition(
        "threshold", operator=st.just(">"), value=st.just(0), max_age_seconds=WINDOWS, window_seconds=WINDOWS
    ),
    _condition("absence", window_seconds=WINDOWS),
    _condition(
        "change",
        operator=st.just(">="),
        value=st.integers(0, 3),
        unit=st.sampled_from(["absolute", "percent"]),
        direction=st.sampled_from(["either", "up", "down"]),
        aggregation=AGGREGATIONS,
        window_seconds=WINDOWS,
        compare_seconds=WINDOWS,
    ),
)


def _several(parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    conditions = st.lists(parts, min_size=2, max_size=3)
    return st.fixed_dictionaries({"type": st.sampled_from(["all", "any"]), "conditions": conditions})


CONDITIONS = st.one_of(PLAIN, PLAIN, _several(st.one_of(PLAIN, _several(PLAIN))))
LONG = {"type": "threshold", "field": "usage", "operator": ">", "value": 1, "window_seconds": 600}


def _seen(readings: Readings) -> dict[tuple[str, str], Reading]:
    return {(readings.rule_id(i), readings.key(i)): readings.reading(i) for i in range(len(readings))}


def _health(readings: Readings) -> Mapping[str, Health]:
    return {rule_id: health for rule_id, (health, _why) in readings.unhealthy().items()}


def _as_plain(reading: Reading) -> tuple[object, ...]:
    """Sums may differ in their last digit, as they are added up in another order."""
    value = None if reading.value is None else float(f"{reading.value:.9g}")
    assert value is None or math.isfinite(value)
    return reading.level, reading.recovered, value, reading.text, reading.missing, reading.at, reading.error


def _group(monitors: list[dict[str, Any]], conditions: Mapping[int, dict[str, Any]]) -> QueryGroup:
    rows = [monitor_row(str(n), **monitors[n % len(monitors)]) for n in conditions]
    rules = [rule_row(str(n), condition, monitor_id=f"mon_{n}") for n, condition in conditions.items()]
    (group,) = book(rows, rules).groups
    return group


@settings(max_examples=120, deadline=None)
@given(POINTS, st.lists(MONITORS, min_size=1, max_size=3), st.lists(CONDITIONS, min_size=2, max_size=5))
@example(
    [(STOP - STEP, {"host": "a", "env": "p"}, {"usage": 1.0})],
    [{"filter": {}, "key": ["host"]}],
    [{"type": "absence", "field": "idle", "window_seconds": 60}, LONG],
)
@example(
    [(STOP - 9 * STEP, {"host": "a", "env": "p"}, {"usage": 1.0})],
    [{"filter": {}, "key": ["host"]}],
    [{"type": "absence", "field": "usage", "window_seconds": 60}, LONG],
)
def test_a_rule_among_others_sees_what_it_sees_alone(
    points: list[Row], monitors: list[dict[str, Any]], conditions: list[dict[str, Any]]
) -> None:
    every = dict(enumerate(conditions))
    together = read(_group(monitors, every), points, STOP)
    expected: dict[tuple[str, str], Reading] = {}
    health: dict[str, Health] = {}
    for n, condition in every.items():
        alone = read(_group([monitors[n % len(monitors)]], {n: condition}), points, STOP)
        expected |= _seen(alone)
        health |= _health(alone)
    found = _seen(together)
    assert [*together.present(np.arange(len(together)))] == list(found)
    assert [*together.present(np.arange(0, len(together), 2))] == list(found)[::2]
    assert found.keys() == expected.keys()
    for pair, reading in expected.items():
        assert _as_plain(found[pair]) == _as_plain(reading), pair
    assert _health(together) == health
