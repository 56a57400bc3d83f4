"""The same series before Prometheus' rule engine and before Tocsin's: who is pending and who fires, slot by slot.

They agree on `for` and `keep_firing_for`, on holes shorter than the lookback and on every window aggregate that both
have. They differ on purpose where data stop, and at the edge of a window; those differences are pinned down here.
"""

import random
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.decide import decide
from shared.model import Phase, SeriesState
from shared.series import series_id, series_key
from tests.support.promtool import Case, disagreement
from tests.support.series import EPOCH, STEP, book, monitor_row, read, rows, rule_row, values
from tests.support.series import threshold as condition

LOOKBACK_SLOTS = 10
"""Prometheus takes a sample for five minutes; a rule's window is five minutes unless it says otherwise."""
SLOTS = 40
LETTERS = {Phase.OK: ".", Phase.PENDING: "p", Phase.FIRING: "F"}
SEEDS = pytest.mark.parametrize("seed", range(2))
"""Each is a hundred stories; not hypothesis, because one promtool run for all of them is what makes this quick."""


def tocsin(cases: Sequence[Case], words: str = "usage > 80", **options: Any) -> list[str]:
    """The phases of every case, through the rule book, the readings and the state machine.

    A slot's window ends one millisecond after it, so that `[start, stop)` holds the points that Prometheus looks at.
    """
    made = book([monitor_row()], [_rule(number, case, words, options) for number, case in enumerate(cases)])
    points = rows({f"usage{{host={number}}}": case.series for number, case in enumerate(cases)})
    keys = [series_key("mon_m", [("host", str(number))]) for number in range(len(cases))]
    states = [SeriesState(f"rule_{number}", series_id(key), key) for number, key in enumerate(keys)]
    phases = [""] * len(cases)
    for slot in range(max(len(values(case.series)) for case in cases)):
        near = [point for point in points if slot - LOOKBACK_SLOTS <= (point[0] - EPOCH) // STEP <= slot]
        readings = read(made.groups[0], near, EPOCH + slot * STEP + 1)
        for number, state in enumerate(states):
            seen = readings.find(state.rule_id, state.key) or readings.absent(state.rule_id, state.key)
            states[number], _ = decide(made.entry(state.rule_id).decide, state, seen, EPOCH + slot * STEP)
            phases[number] += LETTERS[states[number].phase]
    return [story[: len(values(case.series))] for story, case in zip(phases, cases, strict=True)]


def _rule(number: int, case: Case, words: str, options: dict[str, Any]) -> Any:
    times = {"for_seconds": case.for_slots * 30, "keep_firing_seconds": case.keep_slots * 30}
    return rule_row(str(number), condition(words, **times, **options))


def assert_agreed(promtool: str, cases: Sequence[Case], phases: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert disagreement(promtool, Path(folder), cases, phases) == ""


def stories(seed: int, holes: int, *, keep: int = 6) -> list[Case]:
    """A hundred series that begin with a point, with holes of up to so many slots; and times of up to six slots."""
    chance = random.Random(seed)
    return [
        Case(_story(chance, holes), for_slots=chance.randint(0, 6), keep_slots=chance.randint(0, keep))
        for _ in range(100)
    ]


def _story(chance: random.Random, holes: int) -> str:
    tokens: list[str] = []
    while len(tokens) < SLOTS:
        tokens += chance.choices(["1", "80", "81", "95"], k=chance.randint(1, 4))
        tokens += ["_"] * (chance.randint(1, holes) if holes and chance.random() < 0.6 else 0)
    return " ".join(tokens[:SLOTS])


@SEEDS
def test_for_and_keep_firing_mean_what_they_mean_in_prometheus(promtool: str, seed: int) -> None:
    cases = stories(seed, 0)
    assert_agreed(promtool, cases, tocsin(cases))


@SEEDS
def test_a_hole_shorter_than_the_lookback_is_bridged_as_in_prometheus(promtool: str, seed: int) -> None:
    cases = stories(seed, LOOKBACK_SLOTS - 1)
    assert_agreed(promtool, cases, tocsin(cases))


@SEEDS
def test_data_that_stop_mean_ok_as_in_prometheus_where_a_rule_says_so(promtool: str, seed: int) -> None:
    """One second more than five minutes: Prometheus 2 still takes a sample that is exactly five minutes old."""
    cases = stories(seed, 2 * LOOKBACK_SLOTS, keep=0)
    assert_agreed(promtool, cases, tocsin(cases, no_data="ok", window_seconds=301))


# ------------------------------------------------------------------ where Tocsin differs on purpose


@SEEDS
def test_data_that_stop_hold_what_was_where_prometheus_lets_go(promtool: str, seed: int) -> None:
    """Prometheus resolves five minutes after the last point, whatever it was. Tocsin holds, and goes on after the hole
    as Prometheus would have done, had the last value been repeated all along."""
    cases = stories(seed, 2 * LOOKBACK_SLOTS, keep=0)
    phases = tocsin(cases)
    filled = [replace(case, series=_repeated(case.series)) for case in cases]
    judged = [
        "".join("?" if stale else phase for phase, stale in zip(story, _stale(case.series), strict=True))
        for case, story in zip(cases, phases, strict=True)
    ]
    assert_agreed(promtool, filled, judged)
    for case, story in zip(cases, phases, strict=True):
        for slot, stale in enumerate(_stale(case.series)):
            assert not stale or story[slot] == story[slot - 1]


def _repeated(series: str) -> str:
    whole: list[str] = []
    for token in series.split():
        whole.append(whole[-1] if token == "_" else token)
    return " ".join(whole)


def _stale(series: str) -> list[bool]:
    """Of each slot, whether the newest point is older than the lookback."""
    age, found = 0, []
    for token in series.split():
        age = age + 1 if token == "_" else 0
        found.append(age >= LOOKBACK_SLOTS)
    return found


def test_the_very_alert_that_prometheus_resolves_for_want_of_data_goes_on(promtool: str) -> None:
    case = Case("95 _x14 1")
    assert tocsin([case]) == ["F" * 15 + "."]
    assert_agreed(promtool, [case], ["F" * 11 + "." * 5])


OVER = ["avg", "max", "min", "sum", "count", "median", "p90"]


def over(aggregation: str, span: str) -> str:
    quantile = {"median": "0.5", "p90": "0.9"}.get(aggregation)
    call = f"quantile_over_time({quantile}, " if quantile else f"{aggregation}_over_time("
    return f"{call}{{series}}[{span}]) > {THRESHOLDS.get(aggregation, 80)}"


THRESHOLDS = {"sum": 600, "count": 6}


@pytest.mark.parametrize("aggregation", OVER)
def test_a_window_aggregate_is_prometheus_own_over_the_same_points(promtool: str, aggregation: str) -> None:
    """Prometheus 2 counts both ends of a range, so a range one millisecond shorter than the window is the same one;
    Prometheus 3 leaves its left end out, and `[5m]` is the same there."""
    series = [
        "95 1 95 95 1 1 80 81 95x6 1x9 95 95 1 1 95x9",
        "81 _ _ 95 1 1 95x3 _x5 1 1 1 95 95 95 81x4 80x4 95x5",
        "0+10x20 200-10x20",
        "79.5 80.5 79.5 80.5 79.5 80.5 80.5 80.5 80.5 80.5 80.5 80.5",
    ]
    cases = [Case(one, over(aggregation, "299999ms"), for_slots=wait) for one in series for wait in (0, 2)]
    words = f"usage > {THRESHOLDS.get(aggregation, 80)}"
    assert_agreed(promtool, cases, tocsin(cases, words, aggregation=aggregation))


def test_a_window_never_counts_the_point_on_its_far_edge_as_prometheus_2_does(promtool: str) -> None:
    """Points every 30 s: five minutes of them are ten. Prometheus 2's closed range holds eleven."""
    case = Case("1x20", "count_over_time({series}[5m]) > 10")
    assert tocsin([case], "usage > 10", aggregation="count") == ["." * 21]
    assert_agreed(promtool, [case], ["." * 10 + "F" * 11])
    assert tocsin([case], "usage > 9", aggregation="count") == ["." * 9 + "F" * 12]
