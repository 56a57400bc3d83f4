"""Readings: what a rule says when there is nothing to see, nothing to read, or far too much."""

import numpy as np

from shared.model import Health, Reading
from tests.support.readings import STOP, look, of, one, seen
from tests.support.series import book, monitor_row, read, rows, rule_row, samples, threshold


def test_a_row_without_the_field_is_missing_and_not_zero() -> None:
    reading = one(
        {"usage{host=a}": "10 20 _x3", "other{host=a}": "1x9"}, threshold("usage < 12", aggregation="avg")
    )
    assert (reading.value, reading.level) == (15, 0)


def test_nan_and_infinity_are_missing() -> None:
    points = [
        (STOP - 2, {"host": "a"}, {"usage": float("nan")}),
        (STOP - 1, {"host": "a"}, {"usage": float("inf")}),
    ]
    assert len(look({}, "usage != 5", extra=points)) == 0


def test_a_number_that_became_a_text_is_an_error_of_its_rule_only() -> None:
    rules = [rule_row("number", "usage > 80"), rule_row("text", 'usage == "broken"')]
    group = book([monitor_row()], rules).groups[0]
    readings = read(group, rows({"usage{host=a}": '99 99 "broken"', "usage{host=b}": '"broken" 99'}), STOP)
    health = readings.unhealthy()
    assert health["rule_number"][0] is Health.ERROR
    assert "holds text" in health["rule_number"][1]
    found = readings.find("rule_number", of("a"))
    assert found is not None
    assert (found.error, found.level) == (True, 0)
    still = readings.find("rule_number", of("b"))
    assert still is not None
    assert (still.error, still.level) == (False, 2)
    text = readings.find("rule_text", of("a"))
    assert text is not None
    assert text.level == 2


def test_numbers_that_come_to_none_any_more_are_an_error_of_the_rule() -> None:
    readings = look({"usage{host=a}": "1.7e308x4"}, threshold("usage > 12", aggregation="sum"))
    (reading,) = seen(readings).values()

    assert (reading.error, reading.level, reading.value) == (True, 0, None)
    assert readings.unhealthy() == {"rule_r": (Health.ERROR, "the sum of 'usage' is too large for a number")}


def test_one_rules_wrong_field_leaves_the_others_healthy() -> None:
    group = book([monitor_row()], [rule_row("good"), rule_row("typo", "usag > 80")]).groups[0]
    readings = read(group, rows({"usage{host=a}": "99"}), STOP)
    assert dict(readings.unhealthy()) == {
        "rule_typo": (Health.NO_DATA, "no point in measurement 'cpu' has field 'usag' in the last 5 min")
    }


def test_reasons_tell_an_empty_measurement_from_a_filter_that_matches_nothing() -> None:
    assert look({}).unhealthy()["rule_r"][1] == "no point in measurement 'cpu' in the last 5 min"
    nothing = look({"usage{host=a}": "1"}, filter={"host": "b"}).unhealthy()["rule_r"]
    assert nothing == (Health.NO_DATA, "no point of the monitor has field 'usage' in the last 5 min")


def test_too_few_points_are_missing_and_not_zero() -> None:
    reading = one({"usage{host=a}": "7"}, threshold("usage < 1", aggregation="stddev"))
    assert (reading.level, reading.value) == (0, None)
    assert reading.missing == "not enough data: stddev of 'usage' needs two points"


def test_a_known_series_without_points_counts_zero() -> None:
    count = look({"usage{host=b}": "1"}, threshold("usage < 1", aggregation="count"))
    assert count.find("rule_r", of("a")) is None
    assert count.absent("rule_r", of("a")) == Reading(2, False, value=0.0)
    average = look({"usage{host=b}": "1"}, threshold("usage < 1", aggregation="avg"))
    assert average.absent("rule_r", of("a")).missing == "no value of 'usage' in the last 5 min"


def test_a_rule_with_too_many_series_is_named_with_their_count() -> None:
    readings = look({f"usage{{host=h{n}}}": "1" for n in range(12)})
    assert dict(readings.crowded(11)) == {"rule_r": 12}
    assert dict(readings.crowded(12)) == {}


def test_an_answer_without_rows_gives_no_reading() -> None:
    group = book([monitor_row(filter={"env": "prod"})], [rule_row(), rule_row("t", 'state == "x"')]).groups[0]
    readings = read(group, [], STOP)
    assert len(readings) == 0
    assert len(readings) == 0
    assert len(readings.fingerprints()) == 0
    assert samples([], group.tags, group.fields).time.dtype == np.int64
