"""Reading only what is new shows what reading everything shows, but for series that no read has ever reached."""

import random
from collections.abc import Iterator
from itertools import pairwise

import pytest

from shared.errors import QueryFailed
from shared.model import Reading
from shared.readings import Readings
from shared.recent import LATE_MS
from tests.support.late_points import WINDOW, Arriving, Process, Shelf, group_of
from tests.support.series import EPOCH, STEP, Value, read

HOSTS = [f"h{number}" for number in range(8)]


def seen(readings: Readings) -> dict[tuple[str, str], Reading]:
    """(rule, series key) → reading."""
    return {(readings.rule_id(i), readings.key(i)): readings.reading(i) for i in range(len(readings))}


def random_points(rng: random.Random) -> list[Arriving]:
    """Series that begin, pause, die, lack fields, change types and are late, each in its own way."""
    points = []
    for host in HOSTS:
        every = rng.choice([10_000, *[STEP] * 6, 60_000, 100_000])
        begins = EPOCH + rng.randint(-2 * WINDOW, 20 * STEP)
        ends = begins + rng.choice([WINDOW, 20 * STEP, 90 * STEP])
        gaps, lacks, late = (
            rng.choice([0.0, 0.1, 0.5]),
            rng.choice([0.0, 0.0, 0.4]),
            rng.choice([0, 0, 20_000, 200_000]),
        )
        for at in range(begins, min(ends, EPOCH + 60 * STEP), every):
            if rng.random() < gaps:
                continue
            values: dict[str, Value] = {
                "usage": rng.uniform(0, 100),
                "load": rng.uniform(0, 40),
                "word": rng.choice(["bad", "ok"]),
            }
            if rng.random() < 0.05:
                values["usage"] = "broken"
            fields = {name: value for name, value in values.items() if rng.random() >= lacks}
            tags = {"host": host} | ({"path": rng.choice(["/", "/x"])} if rng.random() < 0.7 else {})
            arrives = at + rng.randint(0, late) + (rng.choice([0, 250_000]) if rng.random() < 0.02 else 0)
            if fields:
                points.append(Arriving(at + rng.randint(0, 2000), arrives, tags, fields))
    return points


def random_slots(rng: random.Random) -> Iterator[int]:
    """Mostly the next slot; now and then some are left out, or the clock was set back."""
    number = 0
    while number < 60:
        yield EPOCH + number * STEP
        number += rng.choices([1, 2, 3, 6, 15, -3], [80, 6, 4, 3, 2, 1])[0]


@pytest.mark.parametrize("seed", range(16))
def test_readings_are_those_of_reading_everything_but_for_series_that_no_read_has_reached(seed: int) -> None:
    rng = random.Random(seed)
    key = rng.choice([("host",), ("host", "path")])
    group, points = group_of(key=key), random_points(rng)
    shelf = Shelf(points, group.tags)
    process, previous = Process(group, shelf), None
    for stop in random_slots(rng):
        shelf.now = max(stop, shelf.now)
        if rng.random() < 0.03:
            process.remembered, previous, shelf.read_before = None, None, set()
        if rng.random() < 0.05:
            shelf.failing = rng.choice([(True,), (False, True)])
        arrived = shelf.here(stop - WINDOW, stop)
        try:
            readings = process.tick(stop)
        except QueryFailed:
            continue
        finally:
            shelf.failing = ()
        shown = shelf.series(shelf.read_before.intersection(arrived))
        expected = read(group, shelf.rows_of(arrived, shown), stop)
        assert seen(readings) == seen(expected)
        assert readings.unhealthy() == expected.unhealthy()
        if previous is not None and previous <= stop:
            on_time = {place for place in arrived if points[place].at >= previous - LATE_MS}
            assert on_time <= shelf.read_before, "a point that is not too late is read when it is there"
        previous = stop
    assert all(b - a <= WINDOW + 15 * STEP for a, b in pairwise(process.whole_reads))


@pytest.mark.parametrize("seed", range(40, 46))
def test_without_late_points_no_reading_differs(seed: int) -> None:
    rng = random.Random(seed)
    group = group_of()
    points = [Arriving(p.at, min(p.arrives, p.at + LATE_MS), p.tags, p.fields) for p in random_points(rng)]
    shelf = Shelf(points, group.tags)
    process = Process(group, shelf)
    short = 0
    for number in range(60):
        stop = shelf.now = EPOCH + number * STEP
        readings = process.tick(stop)
        short += stop not in process.whole_reads
        everything = read(group, [points[place].row for place in shelf.here(stop - WINDOW, stop)], stop)
        assert seen(readings) == seen(everything)
        assert readings.unhealthy() == everything.unhealthy()
    assert short > 5, "or nothing was tested"
