"""`all` and `any` against a second implementation: each part measured alone, then combined in plain Python."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.conditions import absent, compiled
from shared.model import Reading
from shared.readings import Readings, measure
from tests.support.conditions import Condition, combinations, parts
from tests.support.readings import look, of, one, seen
from tests.support.series import EPOCH, STEP, Row, book, monitor_row, read, rows, rule_row, samples, threshold

STOP = EPOCH + 12 * STEP
VALUE = st.sampled_from([None, None, 0.0, 1.0, 2.0, 3.0, 4.0, True, "x"])


def combined(name: str, seen: Sequence[Reading]) -> Reading:
    """Kleene's logic over readings; one that is missing or an error has a reason in `missing`."""
    told = [reading for reading in seen if not reading.missing]
    breaches, clean = [r for r in told if r.level], [r for r in told if not r.level]
    if name == "all" and clean:
        chosen = next((r for r in clean if r.recovered), clean[0])
        return replace(chosen, recovered=any(r.recovered for r in clean))
    if name == "any" and breaches:
        return replace(max(breaches, key=lambda r: r.level), recovered=False)
    for left_open in ([r for r in seen if r.error], [r for r in seen if r.missing]):
        if left_open:
            return left_open[0]
    if name == "all":
        return replace(min(breaches, key=lambda r: r.level), recovered=False)
    chosen = next((r for r in clean if not r.recovered), clean[0])
    return replace(chosen, recovered=all(r.recovered for r in clean))


def expected(
    condition: Condition, key: str, measured: Callable[[Condition], Reading | None]
) -> Reading | None:
    """What the condition should see in a series; None when no part sees a point of it."""
    if "conditions" not in condition:
        return measured(condition)
    seen = [expected(part, key, measured) for part in condition["conditions"]]
    if all(reading is None for reading in seen):
        return None
    filled = [
        vacant(part) if reading is None else reading
        for part, reading in zip(condition["conditions"], seen, strict=True)
    ]
    return combined(condition["type"], filled)


def vacant(condition: Condition) -> Reading:
    """What the condition sees in a series without points."""
    if "conditions" in condition:
        return combined(condition["type"], [vacant(part) for part in condition["conditions"]])
    made = compiled(condition, 2)
    return absent(made.type, made.signature, made.numbers, made.texts)


def leaves(condition: Condition) -> list[Condition]:
    return (
        [leaf for part in condition["conditions"] for leaf in leaves(part)]
        if "conditions" in condition
        else [condition]
    )


def measured_apart(conditions: Sequence[Condition], points: Sequence[Row]) -> list[Readings]:
    """Each condition as a rule of its own, in one group, so that all see the same cells."""
    rules = [rule_row(str(n), condition) for n, condition in enumerate(conditions)]
    group = book([monitor_row()], rules).groups[0]
    return [read(group, points, STOP)]


def same(found: Reading | None, wanted: Reading | None) -> bool:
    """Equal but for the time of the newest point where nothing is told."""
    if found is None or wanted is None:
        return found is wanted
    if found.missing and not found.error:
        return replace(found, at=0) == replace(wanted, at=0)
    close = found.value is wanted.value or found.value == pytest.approx(wanted.value)
    return close and replace(found, at=0, value=None, missing="") == replace(
        wanted, at=0, value=None, missing=""
    )


@settings(max_examples=150, deadline=None)
@given(
    combinations(parts()),
    st.dictionaries(
        st.tuples(st.sampled_from(["h1", "h2", "h3"]), st.sampled_from(["a", "b", "c"])),
        st.lists(VALUE, max_size=12),
        max_size=6,
    ),
)
def test_a_combination_sees_what_its_parts_see_combined(
    condition: Condition, series: dict[tuple[str, str], list[float | bool | str | None]]
) -> None:
    points: list[Row] = [
        (EPOCH + i * STEP, {"host": host}, {field: value})
        for (host, field), column in series.items()
        for i, value in enumerate(column)
        if value is not None
    ]
    alone = leaves(condition)
    # One more rule on a third field: its points alone must not make a series of this condition.
    everything = [condition, *alone, threshold("c > 0")]
    (readings,) = measured_apart(everything, points)
    for host in ("h1", "h2", "h3"):
        key = of(host)

        def measured(part: Condition, key: str = key) -> Reading | None:
            number = next(n for n, leaf in enumerate(everything) if leaf is part)
            return readings.find(f"rule_{number}", key)

        assert same(readings.find("rule_0", key), expected(condition, key, measured)), host
        assert same(readings.absent("rule_0", key), vacant(condition)), host


A, B = threshold("a > 1"), threshold("b > 1")
SEEN = {"breach": "5", "clean": "0", "missing": "_", "unreadable": '"x"'}


@pytest.mark.parametrize(
    ("name", "a", "b", "whole"),
    [
        ("all", "breach", "breach", "breach"), ("all", "breach", "clean", "clean"),
        ("all", "clean", "missing", "clean"), ("all", "unreadable", "clean", "clean"),
        ("all", "breach", "missing", "missing"), ("all", "unreadable", "missing", "unreadable"),
        ("any", "breach", "missing", "breach"), ("any", "unreadable", "breach", "breach"),
        ("any", "clean", "clean", "clean"), ("any", "clean", "missing", "missing"),
        ("any", "missing", "unreadable", "unreadable"), ("any", "clean", "unreadable", "unreadable"),
    ],
)  # fmt: skip
def test_one_part_that_settles_it_is_enough(name: str, a: str, b: str, whole: str) -> None:
    reading = one({"a{host=h}": SEEN[a], "b{host=h}": SEEN[b]}, {"type": name, "conditions": [A, B]})
    found = (
        "unreadable" if reading.error
        else "missing" if reading.missing
        else "breach" if reading.level else "clean"
    )  # fmt: skip
    assert found == whole
    assert bool(reading.missing) == (whole in ("missing", "unreadable"))


def test_what_leaves_it_open_is_named() -> None:
    condition = {"type": "all", "conditions": [A, B]}
    assert one({"a{host=h}": "5"}, condition).missing == "no value of 'b' in the last 5 min"
    trouble = one({"a{host=h}": "5", "b{host=h}": '"x"'}, condition)
    assert trouble.missing == "field 'b' holds text, but the rule compares it with a number"
    nothing = look({}, condition).absent("rule_r", of("h"))
    assert nothing.missing == "no value of 'a' in the last 5 min"


def test_each_series_is_told_what_leaves_its_own_reading_open() -> None:
    spread = threshold("b > 1", aggregation="stddev")
    condition = {"type": "all", "conditions": [A, {"type": "any", "conditions": [spread, B]}]}
    readings = seen(look({"a{host=one}": "5", "b{host=one}": "0", "a{host=none}": "5"}, condition))
    assert {key: reading.missing for key, reading in readings.items()} == {
        of("one"): "not enough data: stddev of 'b' needs two points",
        of("none"): "no value of 'b' in the last 5 min",
    }


def test_the_level_is_the_lowest_of_all_and_the_highest_of_any() -> None:
    worse = {"levels": [{"severity": "critical", "value": 3}]}
    series = {"a{host=h}": "5", "b{host=h}": "2"}
    for name, level, value in (("all", 2, 2.0), ("any", 4, 5.0)):
        reading = one(series, {"type": name, "conditions": [A | worse, B | worse]})
        assert (reading.level, reading.value) == (level, value)


def test_reading_many_rules_takes_one_call_per_signature_and_not_one_per_rule() -> None:
    """A hundred times the rules is nowhere near a hundred times the time."""
    few, many = (measured_in(count) for count in (20, 2000))
    assert many < 20 * few + 0.5


def measured_in(count: int) -> float:
    """Seconds of CPU for `count` rules of each of twenty signatures, each on a series of its own."""
    combos = [
        {"type": kind, "conditions": [threshold("a > 2", window_seconds=60 + n), threshold("b < 3"), B]}
        for kind in ("all", "any")
        for n in range(10)
    ]
    monitors = [monitor_row(str(n), filter={"host": f"h{n}"}) for n in range(count)]
    rules = [
        rule_row(f"{n}_{k}", condition, monitor_id=f"mon_{n}")
        for k, condition in enumerate(combos)
        for n in range(count)
    ]
    group = book(monitors, rules).groups[0]
    points = rows({f"{field}{{host=h{n}}}": "1 5 3" for n in range(count) for field in "ab"})
    columns = samples(points, group.tags, group.fields)
    started = time.process_time()
    readings = measure(group, columns, STOP)
    taken = time.process_time() - started
    assert len(readings) == len(combos) * count
    return taken
