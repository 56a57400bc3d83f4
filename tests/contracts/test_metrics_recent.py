"""Ticks that ask for what is new only: how much they ask over the wire, and that every store shows the same for it."""

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from shared.fetch import Fetched, fetch
from shared.learnt import Known
from shared.metrics import MetricStore, open_metrics
from shared.plan import QueryGroup
from shared.readings import measure
from shared.store.tables import rule_status, states
from tests.support.gate import Gate
from tests.support.late_points import WINDOW, group_of
from tests.support.readings import seen
from tests.support.series import EPOCH, STEP
from tests.support.sink import Reply, Request, Sink
from tests.support.world import World

HOSTS = range(8)


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str, influxdb_url: str, gate: Gate) -> Iterator[World]:
    """A rule on eight hosts that have sent a point in each of ten slots, and an evaluator that has looked once."""
    with Sink(Reply(202)) as sink:
        made = World(tmp_path, sink, sqlite_url, f"influxql+{gate.url}/{influxdb_url.rpartition('/')[2]}")
        made.add_monitor("mon_a", key=["host"])
        made.add_rule("rule_a")
        for number in range(-9, 1):
            made.write(number, *(f"m,host=h{host} value=1" for host in HOSTS))
        made.ran(0)
        gate.clear()
        yield made
        made.wiring.close()


def asked(gate: Gate) -> list[tuple[int, str]]:
    """How many seconds each query since the last call spans, and the hosts that it names."""
    found = []
    for request in gate.requests:
        form = parse_qs(request.text) if request.path.startswith("/query") else {}
        bounds = re.search(r"time >= (\d+)ms AND time < (\d+)ms", form.get("q", [""])[0])
        if bounds:
            found.append(
                ((int(bounds[2]) - int(bounds[1])) // 1000, "".join(re.findall(r"h\d", form["params"][0])))
            )
    gate.clear()
    return found


def played(
    world: World, gate: Gate, number: int, hosts: range = HOSTS, value: int = 1
) -> list[tuple[int, str]]:
    """What the tick of the slot asks after these hosts have sent something."""
    world.write(number, *(f"m,host=h{host} value={value}" for host in hosts))
    gate.clear()
    world.ran(number)
    return asked(gate)


def phase(world: World) -> list[str]:
    return [row["phase"] for row in world.rows(states)]


def test_a_steady_tick_asks_one_small_query_and_for_everything_once_per_window(
    world: World, gate: Gate
) -> None:
    found = [played(world, gate, number) for number in range(1, 12)]
    assert found == [[(75, "")]] * 9 + [[(300, "")], [(75, "")]]


def test_a_series_that_fell_silent_is_asked_for_by_name_and_fires_on(world: World, gate: Gate) -> None:
    played(world, gate, 1, range(7, 8), value=11)
    assert phase(world) == ["firing"]
    assert [played(world, gate, number, range(7)) for number in (2, 3)] == [[(75, "")]] * 2
    assert [played(world, gate, number, range(7)) for number in (4, 5)] == [[(75, ""), (225, "h7")]] * 2
    assert phase(world) == ["firing"]


def test_a_question_by_name_that_fails_is_trouble_and_no_recovery(world: World, gate: Gate) -> None:
    played(world, gate, 1, range(7, 8), value=11)
    for number in (2, 3):
        played(world, gate, number, range(7))

    def refuses(request: Request) -> Reply:
        return Reply(500, body={"error": "no names"}) if "p0" in request.text else gate.forward(request)

    with gate.instead(refuses):
        played(world, gate, 4, range(7))
    (row,) = world.rows(rule_status)
    assert "no names" in row["health_reason"]
    assert phase(world) == ["firing"]
    assert played(world, gate, 5, range(7)) == [(90, ""), (210, "h7")]
    assert [row["health"] for row in world.rows(rule_status)] == ["ok"]


# ------------------------------------------------------------------ the same on every store


@pytest.fixture(params=["embedded", "influxdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MetricStore]:
    """An empty store of points."""
    embedded = request.param == "embedded"
    made = open_metrics(
        "embedded:///p.db" if embedded else request.getfixturevalue("influxdb_url"), "", tmp_path
    )
    yield made
    made.close()


def lines(rng: random.Random, number: int) -> list[str]:
    """What has come by the slot: a point of most hosts, some of them late, few with all fields."""
    found = []
    for host in HOSTS:
        if (host == 5 and number > 4) or rng.random() < 0.15:
            continue
        at = EPOCH + number * STEP - rng.randint(1, 2000) - (200_000 if host == 6 else 0)
        fields = [
            f"usage={rng.randint(0, 99)}",
            f"load={rng.randint(0, 39)}",
            f'word="{rng.choice(["ok", "bad"])}"',
        ]
        some = fields if rng.random() < 0.8 else fields[:1]
        path = "" if host % 2 else f",path=\\ {host}"
        found.append(f"cpu,host=h'{host}{path} {','.join(some)} {at}")
    return found


def looked(
    store: MetricStore, group: QueryGroup, stop: int, known: Known, count: Callable[[], None]
) -> Fetched:
    fetched = fetch(store, group, stop, known, 10, count)
    assert fetched.broken == {}
    return fetched


def test_what_is_new_shows_what_everything_shows(store: MetricStore) -> None:
    rng, group, known, rows, queries = random.Random(3), group_of(key=("host", "path")), Known(), [0, 0], [0]

    def count() -> None:
        queries[0] += 1

    for number in range(-9, 30):
        store.write("\n".join(lines(rng, number)).encode(), precision="ms")
        if number < 0:
            continue
        stop = EPOCH + number * STEP
        short = looked(store, group, stop, known, count)
        whole = looked(store, group, stop, Known(), lambda: None)
        assert seen(measure(group, short.samples, stop)) == seen(measure(group, whole.samples, stop))
        rows = [rows[0] + short.points, rows[1] + whole.points]
    assert rows[0] < rows[1] * 0.7, "the one that is always late, and those that died, are read back to"
    assert 30 < queries[0] <= 60
    assert WINDOW == 300_000
