"""Reading only what is new: what is asked, and what it does when a series falls silent or is always late."""

from typing import Any

import pytest

from shared.errors import QueryFailed
from shared.reads import asks_of
from shared.recent import LATE_MS, LEAST_MS, NARROWED, newest_only
from tests.support.late_points import WINDOW, Arriving, Process, Shelf, group_of
from tests.support.readings import seen
from tests.support.series import EPOCH, STEP, book, monitor_row, rule_row, threshold

HOSTS = [f"h{number}" for number in range(8)]


def steady(hosts: list[str], ticks: int, *, every: int = STEP, late: int = 0) -> list[Arriving]:
    """Points of all fields, `every` ms from two windows before the first tick on."""
    return [
        Arriving(at, at + late, {"host": host}, {"usage": 60.0, "load": 5.0, "word": "good"})
        for host in hosts
        for at in range(EPOCH - 2 * WINDOW, EPOCH + ticks * STEP, every)
    ]


def started(points: list[Arriving]) -> Process:
    """A process that has read the first slot whole."""
    process = Process(group_of(), Shelf(points, ("host",)))
    for number in range(2):
        process.shelf.now = EPOCH + number * STEP
        process.tick(EPOCH + number * STEP)
    process.asked()
    return process


def then(process: Process, *numbers: int) -> list[list[tuple[int, int, int]]]:
    """What is asked in these slots."""
    found = []
    for number in numbers:
        process.shelf.now = EPOCH + number * STEP
        process.tick(EPOCH + number * STEP)
        found.append(process.asked())
    return found


WHOLE = [(WINDOW, 0, 0)]
NEW = (75_000, 0, 0)


# ------------------------------------------------------------------ what is asked


def test_only_new_points_are_asked_for_and_all_of_them_once_per_window() -> None:
    asked = then(started(steady(HOSTS, 30)), *range(2, 21))
    assert asked == [[NEW]] * 8 + [WHOLE] + [[NEW]] * 9 + [WHOLE]


def test_a_series_that_fell_silent_is_asked_for_by_name_until_its_newest_value_is_too_old() -> None:
    points = [p for p in steady(HOSTS, 30) if p.tags["host"] != "h3" or p.at < EPOCH]
    asked = then(started(points), *range(2, 13))
    older = (WINDOW, NEW[0], 1)
    assert asked == [[NEW, older]] * 8 + [WHOLE, [NEW], [NEW]]


def test_many_silent_series_are_read_whole_and_then_no_attempt_is_made_before_they_are_forgotten() -> None:
    many = [f"h{number}" for number in range(NARROWED + 1)]
    alive = [f"alive{number}" for number in range(NARROWED + 2)]
    points = [p for p in steady(many, 30) if p.at < EPOCH] + steady(alive, 30)
    asked = then(started(points), *range(2, 13))
    assert asked == [[NEW, (WINDOW, NEW[0], 0)], *[WHOLE] * 7, [NEW], [NEW], [NEW]]


@pytest.mark.parametrize("every", [2 * STEP, 5 * STEP], ids=["a minute", "two minutes and a half"])
def test_points_far_apart_are_read_whole(every: int) -> None:
    process = started(steady(HOSTS, 30, every=every))
    assert then(process, 2, 3) == [WHOLE, WHOLE]
    assert process.remembered is None, "it would be work for nothing"


def test_dense_points_are_read_for_a_minute() -> None:
    assert then(started(steady(HOSTS, 30, every=10_000)), 2) == [[(LEAST_MS, 0, 0)]]


def test_a_process_that_missed_slots_reads_back_to_where_it_was() -> None:
    assert then(started(steady(HOSTS, 30)), 4) == [[(3 * STEP + LATE_MS, 0, 0)]]
    assert then(started(steady(HOSTS, 30)), 6) == [WHOLE]


def test_a_clock_that_was_set_back_and_other_rules_make_it_read_whole() -> None:
    process = started(steady(HOSTS, 30))
    assert then(process, 0, 1) == [WHOLE, [NEW]]
    rules = [rule_row("usage", "usage > 50"), rule_row("other", "other > 1")]
    process.group = book([monitor_row()], rules).groups[0]
    assert then(process, 2, 3) == [WHOLE, [NEW]]
    process.group = book([monitor_row(key=["host", "path"])], rules).groups[0]
    assert then(process, 4, 5) == [WHOLE, [NEW]]


def test_a_failed_read_changes_nothing_that_is_remembered() -> None:
    points = [p for p in steady(HOSTS, 30) if p.tags["host"] != "h3" or p.at < EPOCH]
    process = started(points)
    before = process.remembered
    process.shelf.now, process.shelf.failing = EPOCH + 3 * STEP, (False, True)
    with pytest.raises(QueryFailed):
        process.tick(EPOCH + 3 * STEP)
    assert process.remembered is before
    process.asked()
    assert then(process, 4) == [[(120_000, 0, 0), (WINDOW, 120_000, 1)]]


def test_a_series_of_no_tags_is_read_whole_when_it_falls_silent() -> None:
    group = book([monitor_row(key=[])], [rule_row()]).groups[0]
    points = [Arriving(p.at, p.at, {}, p.fields) for p in steady(["x"], 1)]
    process = Process(group, Shelf(points, ()))
    then(process, 0, 1)
    assert then(process, 2, 3) == [[NEW], [NEW, (WINDOW, NEW[0], 0)]]


@pytest.mark.parametrize(
    ("condition", "newest"),
    [
        ("usage > 1", True),
        ('usage == "x"', True),
        (threshold("usage > 1", aggregation="avg"), False),
        ({"type": "change", "field": "usage", "operator": ">", "value": 1}, False),
        ({"type": "absence", "field": "usage"}, True),
    ],
    ids=["latest", "text", "average", "change", "absence"],
)
def test_only_what_asks_for_nothing_but_the_newest_value_is_read_so(condition: Any, newest: bool) -> None:
    group = book([monitor_row()], [rule_row(condition=condition)]).groups[0]
    assert newest_only(asks_of(group)) is newest


# ------------------------------------------------------------------ late writers


def test_a_series_that_is_always_late_is_found_within_a_window_and_then_in_every_tick() -> None:
    late = [Arriving(p.at, p.at + 150_000, p.tags, p.fields) for p in steady(["late"], 30) if p.at >= EPOCH]
    process = started([*steady(HOSTS, 30), *late])
    shown = []
    for number in range(2, 25):
        process.shelf.now = EPOCH + number * STEP
        readings = process.tick(EPOCH + number * STEP)
        shown.append(any("late" in key for key in seen(readings)))
    assert shown == [False] * 8 + [True] * 15, "5 is when its first point arrives, 10 the next whole read"
