"""`absence`: any value counts, and none is a breach, whatever else the group reads."""

from tests.support.readings import STOP, look, of, one, seen
from tests.support.series import book, monitor_row, read, rows, rule_row, threshold

GONE = {"type": "absence", "field": "usage", "window_seconds": 60}


def test_the_reading_is_the_age_of_the_newest_value() -> None:
    reading = one({"usage{host=a}": "5x9"}, GONE)
    assert (reading.level, reading.recovered, reading.value, reading.missing) == (0, True, 30.0, "")


def test_a_value_of_any_type_counts() -> None:
    for value in ('"x"', "true", "0", "-1"):
        assert one({"usage{host=a}": f"_x8 {value}"}, GONE).recovered


def test_a_value_at_the_very_beginning_of_the_window_counts_and_one_before_it_does_not() -> None:
    assert one({"usage{host=a}": "_x8 5"}, GONE).value == 60.0
    assert look({"usage{host=a}": "_x7 5"}, GONE).absent("rule_r", of("a")).level == 2


def test_a_series_that_only_another_rule_sees_has_no_reading_here_and_is_a_breach_when_it_is_known() -> None:
    monitors, rules = [monitor_row()], [rule_row(condition=GONE), rule_row("long", threshold("usage > 1"))]
    readings = read(book(monitors, rules).groups[0], rows({"usage{host=a}": "5 _x9"}), STOP)
    assert readings.find("rule_r", of("a")) is None
    assert {readings.rule_id(i) for i in readings.breaching()} == {"rule_long"}
    reading = readings.absent("rule_r", of("a"))
    assert (reading.level, reading.value, reading.missing) == (2, None, "")


def test_only_the_newest_of_the_merged_rows_counts() -> None:
    readings = look({"usage{host=a,result=ok}": "5 _x9", "usage{host=a,result=bad}": "_x8 7 _"}, GONE)
    assert {key: reading.value for key, reading in seen(readings).items()} == {of("a"): 60.0}


def test_absence_expects_its_series_and_gives_new_ones_the_window_or_its_own_grace() -> None:
    made = book([monitor_row()], [rule_row(condition=GONE), rule_row("g", GONE | {"grace_seconds": 0})])
    assert made.expecting() == {"rule_r", "rule_g"}
    assert made.compiled["rule_r"].grace_ms == 60_000
    assert made.compiled["rule_g"].grace_ms == 0
