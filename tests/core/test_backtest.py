"""What a backtest reports: episodes, worst values, coverage, gaps, what was told and held, and what it refuses."""

import json
from typing import Any

import pytest

from shared import terminal
from shared.backtest import Past, Proposal, backtest
from shared.backtest.findings import Episode, Gap
from shared.errors import InvalidInput, QueryFailed
from tests.support.looking_back import Store, found, slot
from tests.support.series import EPOCH, STEP, monitor_row, rows, rule_row, threshold

HOST = "usage{host=a}"
SHORT = {"window_seconds": 30}


def test_an_episode_has_its_times_its_worst_value_and_why_it_ended() -> None:
    result = found({HOST: "1 1 81 95 85 1 1"}, threshold("usage > 80", for_seconds=30, **SHORT), slots=7)

    (one,) = result.series
    assert one.episodes == (Episode(slot(2), slot(3), slot(5), "recovered", 2, 95, 95),)
    assert [(step.change, step.told) for step in one.steps] == [
        ("pending", ""), ("fired", "firing"), ("resolved", "resolved"),
    ]  # fmt: skip
    assert (result.fired, result.notifications, result.slots) == (1, 2, 7)


def test_the_worst_value_is_the_lowest_when_low_is_bad() -> None:
    result = found({HOST: "9 3 1 2 9"}, threshold("usage < 5", **SHORT), slots=5)

    assert [episode.peak for episode in result.series[0].episodes] == [1]


def test_a_breach_that_never_lasted_is_counted_apart_and_one_that_lasts_on_has_no_end() -> None:
    result = found({HOST: "90 1 1 90x4"}, threshold("usage > 80", for_seconds=60, **SHORT), slots=8)

    first, second = result.series[0].episodes
    assert (first.fired_at, first.ended_at, first.reason) == (None, slot(1), "recovered")
    assert (second.fired_at, second.ended_at) == (slot(5), None)
    assert (result.fired, result.pending_only) == (1, 1)


def test_coverage_counts_slots_with_a_reading_and_gaps_are_those_without() -> None:
    result = found({HOST: "_ 1 1 _ _ 1 1 1 _ _"}, threshold("usage > 80", **SHORT), slots=10)

    (one,) = result.series
    assert (one.readings, one.coverage, one.gap_count) == (5, 0.5, 3)
    assert one.gaps == (Gap(slot(0), slot(1)), Gap(slot(3), slot(5)), Gap(slot(8), slot(10)))
    assert one.longest_gap in one.gaps
    assert (one.first_at, one.last_at, one.point_ms) == (slot(1) - 1000, slot(7) - 1000, STEP)


def test_what_cooldown_holds_is_reported_until_it_is_told() -> None:
    result = found(
        {HOST: "90 1 90 90 90 90 1"}, threshold("usage > 80", **SHORT), slots=7, cooldown_seconds=120
    )

    (held,) = result.held
    assert (held.since, held.until, held.event, held.held_by, held.then) == (
        slot(2), slot(4), "firing", "cooldown", "firing",
    )  # fmt: skip
    assert [(one.at, one.event) for one in result.told] == [
        (slot(0), "firing"), (slot(1), "resolved"), (slot(4), "firing"), (slot(6), "resolved"),
    ]  # fmt: skip


def test_what_was_held_and_ended_unseen_had_nothing_left_to_tell() -> None:
    result = found({HOST: "90 1 90 1 1"}, threshold("usage > 80", **SHORT), slots=5, cooldown_seconds=120)

    assert [(one.until, one.then) for one in result.held] == [(slot(3), "")]


def test_series_that_fire_together_are_one_message() -> None:
    series = {f"usage{{host={name}}}": "1 90 90" for name in "abc"}

    result = found(series, threshold("usage > 80", **SHORT), slots=3)

    assert [(one.event, one.count, set(one.series)) for one in result.told] == [
        ("firing", 3, {"host=a", "host=b", "host=c"})
    ]
    assert (result.fired, result.notifications) == (3, 1)


def test_unreadable_values_are_named_and_decide_nothing() -> None:
    result = found({HOST: '90 "high" "high" 1'}, threshold("usage > 80", **SHORT), slots=4)

    assert result.series[0].episodes == (Episode(slot(0), slot(0), slot(3), "recovered", 2, 90, 90),)
    ((reason, count),) = result.troubles
    assert (count, "holds text" in reason) == (2, True)


def test_more_series_than_are_shown_are_counted() -> None:
    series = {f"usage{{host={number}}}": "1 90" for number in range(203)}

    result = found(series, threshold("usage > 80", **SHORT), slots=2)

    assert (result.series_count, len(result.series), result.left_out, result.fired) == (203, 200, 3, 203)


def test_the_report_is_plain_json() -> None:
    result = found({HOST: "1 90 1"}, threshold("usage > 80", **SHORT), slots=3, suggestions=True)

    assert json.loads(json.dumps(terminal.plain(result)))["series"][0]["name"] == "host=a"


def run(store: Store, condition: dict[str, Any], days: float, **options: Any) -> None:
    past = Past(EPOCH, EPOCH + int(days * 86_400_000), STEP, 0)
    backtest(store, Proposal(rule_row("r", condition), (monitor_row(),)), past, **options)


def test_a_failing_query_is_the_error_of_the_backtest_in_the_stores_words() -> None:
    with pytest.raises(QueryFailed, match="shard 7 is on fire"):
        run(Store([], "shard 7 is on fire"), threshold("usage > 80"), 1)


def test_more_work_than_is_possible_is_refused_with_what_is_possible() -> None:
    store = Store(rows({HOST: "1x2000"}))

    with pytest.raises(InvalidInput, match=r"times shorter, or an interval of \d+ seconds"):
        run(store, threshold("usage > 80", aggregation="p95", window_seconds=7 * 86_400), 90)


def test_time_that_is_over_is_an_error_that_says_how_far_it_came() -> None:
    with pytest.raises(QueryFailed, match="had come through 0% of the range"):
        run(Store([]), threshold("usage > 80"), 1, deadline_seconds=0.0)


def test_a_rule_that_can_not_be_evaluated_is_refused() -> None:
    row = rule_row("r", threshold("usage > 80"), monitor_id="mon_gone")

    with pytest.raises(InvalidInput, match="mon_gone does not exist"):
        backtest(Store([]), Proposal(row, (monitor_row(),)), Past(EPOCH, EPOCH + STEP, STEP, 0))


def test_a_long_range_is_read_piece_by_piece() -> None:
    store = Store(rows({HOST: "1x300"}))

    run(store, threshold("usage > 80"), 3)

    spans = [query.stop - query.start for query in store.memory.queries]
    assert len(spans) > 1
    assert spans[0] <= 2 * 3_600_000


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no slot"):
        run(Store([]), threshold("usage > 80"), 0)


def test_a_rule_on_many_monitors_that_never_showed_anything_is_looked_back_at_quickly() -> None:
    monitors = tuple(monitor_row(str(number), measurement="cpu", key=["host"]) for number in range(2_000))
    rule = rule_row("r", {"type": "absence", "field": "usage"}, monitor_id=None, selector={"kind": "host"})

    result = backtest(Store([]), Proposal(rule, monitors), Past(EPOCH, EPOCH + 40 * STEP, STEP, 0))

    assert (result.fired, result.notifications) == (2_000, 1)
