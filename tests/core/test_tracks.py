"""Measuring many slots at once gives what measuring each of them alone gives."""

from random import Random
from typing import Any

import numpy as np
import pytest

from shared.backtest.tracks import MOST_SLOTS, cut, measure_slots, windows
from tests.support.series import EPOCH, STEP, Row, book, monitor_row, read, rule_row, samples, threshold

LATENESS = 2_000
SLOTS = np.arange(EPOCH, EPOCH + 25 * STEP, STEP, dtype=np.int64)

CONDITIONS: dict[str, dict[str, Any]] = {
    "latest": threshold("usage > 2"),
    "stale": threshold("usage > 2", max_age_seconds=20, window_seconds=40),
    "p90": threshold("usage > 2", aggregation="p90", window_seconds=100),
    "stddev": threshold("usage > 1", aggregation="stddev", window_seconds=45),
    "rate": threshold("usage > 0", aggregation="rate", window_seconds=90),
    "text": {"type": "threshold", "field": "usage", "operator": "==", "value": "high", "window_seconds": 60},
    "absence": {"type": "absence", "field": "usage", "window_seconds": 60},
    "change": {"type": "change", "field": "usage", "operator": ">", "value": 1, "window_seconds": 60},
}


VALUES: list[float | str] = ["high", 1.0, 2.0, 3.0, 4.0, 4.0]


def points(chance: Random) -> list[Row]:
    made: list[Row] = []
    for _ in range(120):
        at = EPOCH + chance.randrange(-5 * STEP, 26 * STEP)
        tags = {"host": chance.choice("abc"), "disk": chance.choice(["", "x", "y"])}
        value = chance.choice(VALUES)
        made.append((at, tags, {"usage": value}))
    return made


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_slot_is_measured_as_if_it_were_the_only_one(name: str) -> None:
    rows = points(Random(name))
    monitors = [
        monitor_row(key=["host", "disk"]),
        monitor_row("n", key=["disk"], filter={"host": ["a", "b"]}),
    ]
    made = book(monitors, [rule_row("r", CONDITIONS[name], monitor_id=None, selector={"kind": "host"})])
    (group,) = made.groups

    tracks = measure_slots(group, samples(rows, group.tags, group.fields), SLOTS, LATENESS)

    for number, slot in enumerate(SLOTS.tolist()):
        alone = read(group, rows, slot - LATENESS)
        expected = {alone.key(i): alone.reading(i) for i in range(len(alone))}
        together = {key: tracks.reading(row, number) for row, key in enumerate(tracks.keys)}
        assert {key: reading for key, reading in together.items() if reading is not None} == expected


def test_no_rows_are_no_series() -> None:
    (group,) = book([monitor_row()], [rule_row()]).groups

    tracks = measure_slots(group, samples([], group.tags, group.fields), SLOTS, LATENESS)

    assert (tracks.keys, tracks.status.shape) == ((), (0, len(SLOTS)))


def test_a_window_holds_what_lies_in_its_half_open_range() -> None:
    time = np.array([EPOCH - LATENESS - 60_000, EPOCH - LATENESS - 1, EPOCH - LATENESS], np.int64)

    assert windows(time, SLOTS[:2], LATENESS, 60_000).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("counts", "most", "sizes"),
    [([4, 4, 4], 8, [2, 1]), ([9, 1, 9], 8, [1, 1, 1]), ([0] * (MOST_SLOTS + 1), 8, [MOST_SLOTS, 1])],
    ids=["as many as fit", "one that is too large goes alone", "never too many slots"],
)
def test_slots_are_cut_by_how_much_they_hold(counts: list[int], most: int, sizes: list[int]) -> None:
    pieces = list(cut(np.array(counts, np.int64), most))

    assert [piece.stop - piece.start for piece in pieces] == sizes
