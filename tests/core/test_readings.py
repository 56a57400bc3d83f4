"""Readings: which rows make a series, and which values a rule sees in it."""

import numpy as np
import pytest

from shared.series import series_key
from tests.support.readings import STOP, look, of, one, seen
from tests.support.series import book, monitor_row, read, rows, rule_row, threshold


def test_each_value_of_the_key_tags_is_a_series() -> None:
    readings = look({"usage{host=a}": "1x9", "usage{host=b}": "90x9"})
    assert {key: reading.level for key, reading in seen(readings).items()} == {of("a"): 0, of("b"): 2}
    assert [readings.key(i) for i in readings.breaching()] == [of("b")]


def test_a_status_tag_outside_the_key_does_not_leave_a_stale_series_behind() -> None:
    readings = look(
        {"usage{host=a,result=timeout}": "99 99 99 _x7", "usage{host=a,result=success}": "_x3 10x6"}
    )
    assert {key: reading.value for key, reading in seen(readings).items()} == {of("a"): 10.0}


def test_a_filter_with_a_list_merges_raw_rows_before_they_are_aggregated() -> None:
    reading = one(
        {
            "usage{host=a,cpu=0}": "10x9",
            "usage{host=a,cpu=1}": "30 30 30 _x7",
            "usage{host=a,cpu=2}": "1000x9",
        },
        threshold("usage > 12", aggregation="avg"),
        filter={"cpu": ["0", "1"]},
    )
    assert reading.value == pytest.approx((10 * 10 + 3 * 30) / 13)
    assert reading.level == 2


def test_monitors_with_overlapping_filters_both_see_the_row() -> None:
    monitors = [
        monitor_row("x", filter={"cpu": ["0", "1"]}),
        monitor_row("y", filter={"cpu": ["1", "2"]}),
        monitor_row("z", filter={"cpu": "1"}),
    ]
    rules = [rule_row(name, "usage > 0", monitor_id=f"mon_{name}") for name in "xyz"]
    group = book(monitors, rules).groups[0]
    readings = read(group, rows({f"usage{{host=a,cpu={n}}}": f"{n + 1}" for n in range(3)}), STOP)
    counts = {readings.monitor_id(i): readings.reading(i).value for i in range(len(readings))}
    assert counts == {"mon_x": 2, "mon_y": 3, "mon_z": 2}


def test_a_tag_that_is_missing_equals_the_empty_text() -> None:
    series = {"usage{host=a}": "5", "usage{host=b,region=eu}": "6"}
    assert set(seen(look(series, filter={"region": ""}))) == {of("a")}
    both = seen(look(series, key=["region"]))
    assert set(both) == {series_key("mon_m", [("region", "")]), series_key("mon_m", [("region", "eu")])}


def test_a_monitor_without_key_tags_is_one_series() -> None:
    readings = look({"usage{host=a}": "5", "usage{host=b}": "_ 90"}, key=[])
    assert {key: reading.value for key, reading in seen(readings).items()} == {'["mon_m",[]]': 90.0}
    found = readings.find("rule_r", '["mon_m",[]]')
    assert found is not None
    assert found.level == 2


def test_several_key_tags_are_sorted_in_the_key() -> None:
    readings = look({"usage{path=/,host=a}": "90", "usage{path=/var,host=a}": "1"}, key=["path", "host"])
    assert readings.key(readings.breaching()[0]) == '["mon_m",[["host","a"],["path","/"]]]'


def test_rows_of_other_monitors_are_not_seen() -> None:
    assert len(look({"usage{host=a,env=dev}": "99x9"}, filter={"env": "prod"})) == 0


def test_many_filter_and_key_tags_still_meet_their_rules() -> None:
    monitors = [monitor_row(str(n), filter={"a": f"a{n % 70}", "b": f"b{n % 71}", "c": f"c{n % 73}", "d": f"d{n % 79}"})
                for n in range(300)]  # fmt: skip
    rules = [rule_row(str(n), f"usage > {n}", monitor_id=f"mon_{n}") for n in range(300)]
    points = rows(
        {f"usage{{host=h,a=a{n % 70},b=b{n % 71},c=c{n % 73},d=d{n % 79}}}": f"{n + 1}" for n in range(300)}
    )
    readings = read(book(monitors, rules).groups[0], points, STOP)
    assert {readings.rule_id(i): readings.reading(i).value for i in range(len(readings))} == {
        f"rule_{n}": n + 1.0 for n in range(300)
    }
    assert len(readings.breaching()) == 300


def test_a_rule_on_few_of_many_series_sees_what_a_rule_on_all_of_them_sees() -> None:
    monitors = [monitor_row("all"), monitor_row("few", filter={"host": ["h7", "h90"]})]
    condition = threshold("usage > 0", aggregation="p90")
    rules = [rule_row(name, condition, monitor_id=f"mon_{name}") for name in ("all", "few")]
    points = rows({f"usage{{host=h{n}}}": f"{n}+1x5" for n in range(100)})
    readings = read(book(monitors, rules).groups[0], points, STOP)
    for host in ("h7", "h90"):
        found = [
            readings.find(f"rule_{name}", series_key(f"mon_{name}", [("host", host)]))
            for name in ("all", "few")
        ]
        assert found[0] is not None
        assert found[0] == found[1]
    assert len(readings) == 102


def test_the_window_begins_with_its_first_millisecond_and_ends_before_its_last() -> None:
    points = [(STOP - 60_001, {"host": "a"}, {"usage": 1}), (STOP - 60_000, {"host": "a"}, {"usage": 10}),
              (STOP - 1, {"host": "a"}, {"usage": 100}), (STOP, {"host": "a"}, {"usage": 1000})]  # fmt: skip
    reading = one({}, threshold("usage > 0", aggregation="sum", window_seconds=60), extra=points)
    assert (reading.value, reading.at) == (110, STOP - 1)


def test_a_rule_sees_its_own_window_whatever_other_rules_need() -> None:
    short = rule_row("short", threshold("usage > 0", aggregation="count", window_seconds=60))
    long = rule_row("long", threshold("usage > 0", aggregation="count", window_seconds=300))
    group = book([monitor_row()], [short, long]).groups[0]
    readings = read(group, rows({"usage{host=a}": "1x9"}), STOP)
    assert group.lookback_ms == 300_000
    assert {readings.rule_id(i): readings.reading(i).value for i in range(2)} == {
        "rule_short": 2,
        "rule_long": 10,
    }


def test_the_latest_point_is_the_newest_whatever_order_the_rows_come_in() -> None:
    points = rows({"usage{host=a}": "1 2 3 4 5"})
    assert one({}, extra=points[::-1]).value == 5


def test_of_two_rows_at_one_time_the_last_is_the_latest() -> None:
    points = [(STOP - 5, {"host": "a"}, {"usage": value}) for value in (1, 2, 3)]
    assert one({}, extra=points).value == 3


def test_a_point_older_than_max_age_is_missing_and_says_so() -> None:
    reading = one({"usage{host=a}": "99 _x9"}, threshold("usage > 80", max_age_seconds=60))
    assert (reading.level, reading.recovered) == (0, False)
    assert reading.missing == "the newest value of 'usage' is older than 1 min"


def test_max_age_beyond_the_window_looks_back_as_far() -> None:
    reading = one(
        {"usage{host=a}": "99 _x9"}, threshold("usage > 80", window_seconds=30, max_age_seconds=600)
    )
    assert reading.level == 2


@pytest.mark.parametrize(
    ("words", "value", "level"),
    [
        ("usage > 80", "80", 0), ("usage > 80", "80.1", 2), ("usage >= 80", "80", 2), ("usage < 80", "80", 0),
        ("usage < 80", "79", 2), ("usage <= 80", "80", 2), ("usage == 80", "80", 2), ("usage == 80", "81", 0),
        ("usage != 80", "80", 0), ("usage != 80", "81", 2), ("usage == 0.3", "0.30000000000000004", 2),
        ("usage == true", "true", 2), ("usage == true", "false", 0), ("usage == false", "0", 2),
        ("usage != true", "0", 2), ('usage == "down"', '"down"', 2), ('usage == "down"', '"DOWN"', 0),
        ('usage != "up"', '"down"', 2), ('usage != "up"', '"up"', 0), ("usage == 0", "0", 2),
    ],
)  # fmt: skip
def test_an_operator_means_what_it_says(words: str, value: str, level: int) -> None:
    reading = one({"usage{host=a}": value}, words)
    assert (reading.level, reading.recovered) == (level, level == 0)


def test_between_threshold_and_recovery_value_a_value_is_neither_breaching_nor_recovered() -> None:
    condition = threshold("usage > 80", recovery_value=70)
    found = [one({"usage{host=a}": value}, condition) for value in ("81", "75", "70.5", "70", "1")]
    assert [(reading.level, reading.recovered) for reading in found] == [
        (2, False), (0, False), (0, False), (0, True), (0, True)
    ]  # fmt: skip


def test_the_worst_level_that_is_reached_counts() -> None:
    condition = threshold(
        "usage > 80", levels=[{"severity": "high", "value": 90}, {"severity": "critical", "value": 95}]
    )
    found = [one({"usage{host=a}": value}, condition).level for value in ("80", "81", "91", "96")]
    assert found == [0, 2, 3, 4]


def test_texts_are_shown_and_a_new_text_is_not_ok_by_default() -> None:
    reading = one({"usage{host=a}": '"up" "unheard of"'}, 'usage != "up"')
    assert (reading.level, reading.text, reading.value) == (2, "unheard of", None)


def test_a_selector_rule_measures_every_monitor_it_matches() -> None:
    monitors = [monitor_row(name, filter={"host": name}) for name in "abc"]
    group = book(monitors, [rule_row(monitor_id=None, selector={"kind": "host"})]).groups[0]
    readings = read(group, rows({"usage{host=a}": "99", "usage{host=b}": "1"}), STOP)
    assert [readings.monitor_id(i) for i in readings.breaching()] == ["mon_a"]
    assert len(readings) == 2
    assert readings.unhealthy() == {}


def test_a_series_of_another_shape_or_rule_is_not_found() -> None:
    readings = look({"usage{host=a}": "99"})
    assert readings.find("rule_r", '["mon_m",[["path","a"]]]') is None
    assert readings.find("rule_x", of("a")) is None
    assert "no longer" in readings.absent("rule_x", of("a")).missing


def test_new_series_are_found_by_their_fingerprints() -> None:
    rules = [rule_row("x", monitor_id="mon_x"), rule_row("y", monitor_id="mon_y")]
    group = book([monitor_row("x"), monitor_row("y")], rules).groups[0]
    before = read(group, rows({"usage{host=a}": "1", "usage{host=b}": "1"}), STOP).fingerprints()
    after = read(group, rows({"usage{host=c}": "1", "usage{host=b}": "1", "usage{host=a}": "2"}), STOP)
    new = np.flatnonzero(~np.isin(after.fingerprints(), before)).tolist()
    assert sorted(after.present(new)) == [
        ("rule_x", series_key("mon_x", [("host", "c")])), ("rule_y", series_key("mon_y", [("host", "c")]))
    ]  # fmt: skip
    assert len(set(after.fingerprints().tolist())) == len(list(after.present(range(len(after))))) == 6
