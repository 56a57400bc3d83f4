"""The points behind what a tick tells: which ones come, how far back, and that no alert waits or fails for them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from shared.events import notification_of
from shared.history import MOST_SECONDS, MOST_SERIES, thinned
from shared.model import AlertFacts
from tests.support.gate import Gate
from tests.support.sink import Reply, Request, Sink
from tests.support.world import STEP, World, threshold

LONG = 30 * 60_000


def before(world: World, line: str, values: list[float], step: int = STEP) -> None:
    """Points that lead up to slot 0, the last of them one second before its end."""
    end = world.slot(0) - 1000
    points = [f"{line}={value} {end - (len(values) - 1 - i) * step}" for i, value in enumerate(values)]
    world.wiring.metrics().write("\n".join(points).encode(), precision="ms")


def drawn(world: World, index: int = -1) -> list[AlertFacts]:
    """The alerts of an event."""
    return list(notification_of(world.events()[index]).alerts)


def test_what_fires_and_resolves_comes_with_what_its_condition_looked_at(world: World) -> None:
    world.add_monitor("mon_a", key=["host"], where={"dc": "x"})
    world.add_rule("rule_a")
    before(world, "m,host=a,dc=x value", [1.0, 2.0, 3.0])
    before(world, "m,host=a,dc=y value", [99.0])
    world.play(["m,host=a,dc=x value=11", "m,host=b,dc=x value=5"], ["m,host=a,dc=x value=4"])

    assert world.told() == ["firing rule_a", "resolved rule_a"]
    (fired,), (ended,) = drawn(world, 0), drawn(world, 1)
    assert [value for _, value in fired.points] == [1.0, 2.0, 3.0, 11.0]
    assert [value for _, value in ended.points] == [1.0, 2.0, 3.0, 11.0, 4.0]
    assert fired.points[-1][0] == world.slot(1) - 1000


def test_the_worst_alert_of_a_notification_has_the_points(small: World) -> None:
    small.add_monitor("mon_a", key=["host"])
    levels = [{"severity": "critical", "value": 20}]
    small.add_rule("rule_a", condition=threshold(">", 10, levels=levels))
    for host in "abc":
        before(small, f"m,host={host} value", [1.0, 2.0])
    small.play(["m,host=a value=11", "m,host=b value=25", "m,host=c value=12"])

    found = {alert.labels["host"]: len(alert.points) for alert in drawn(small)}
    assert found == {"a": 0, "b": 3, "c": 0}


def test_a_chart_begins_half_an_hour_before_its_alert_and_has_120_points_at_the_most(small: World) -> None:
    small.add_monitor("mon_a")
    small.add_rule("rule_a", condition=threshold(">", 10, window_seconds=60))
    before(small, "m value", [float(i % 7) for i in range(1000)], step=5000)
    small.play(["m value=11"])

    (alert,) = drawn(small)
    times, values = zip(*alert.points, strict=True)
    assert 100 < len(values) <= 120
    assert small.slot(1) - LONG <= times[0] < small.slot(1) - LONG + 60_000
    assert values[-1] == 11.0


def test_the_lowest_and_the_highest_stay_however_many_points_there_are() -> None:
    rng = np.random.default_rng(7)
    for count in (0, 1, 2, 119, 120, 121, 500, 100_000):
        values = rng.normal(size=count)
        kept = thinned(values, 120)
        assert len(kept) <= 120
        assert np.all(np.diff(kept) > 0)
        if count:
            assert {0, count - 1, int(values.argmin()), int(values.argmax())} <= set(kept.tolist())


def test_absences_texts_and_series_without_a_past_have_none(small: World) -> None:
    small.add_monitor("mon_a")
    small.add_rule("rule_new")
    small.add_rule("rule_text", condition=threshold("==", "down", field="state"))
    small.play(['m value=11,state="down"'])

    assert sorted(small.told()) == ["firing rule_new", "firing rule_text"]
    assert [alert.points for i in (0, 1) for alert in drawn(small, i)] == [(), ()]


def test_a_change_is_drawn_in_the_fields_own_unit_and_a_composite_by_its_first_part(small: World) -> None:
    small.add_monitor("mon_a")
    change = {
        "type": "change",
        "field": "price",
        "operator": ">",
        "value": 5,
        "compare_seconds": 60,
        "window_seconds": 60,
    }
    small.add_rule("rule_change", condition=change)
    parts = [{"type": "absence", "field": "gone"}, threshold(">", 10, field="load")]
    small.add_rule("rule_any", condition={"type": "any", "conditions": parts[1:]})
    before(small, "m price", [10.0] * 8)
    before(small, "m load", [1.0, 2.0])
    small.play(["m price=30,load=11"])

    found = {
        notification_of(event).rule.id: notification_of(event).alerts[0].points for event in small.events()
    }
    assert [value for _, value in found["rule_change"]][-2:] == [10.0, 30.0]
    assert [value for _, value in found["rule_any"]] == [1.0, 2.0, 11.0]


@pytest.fixture
def asking(tmp_path: Path, sqlite_url: str, influxdb_url: str, gate: Gate) -> Iterator[World]:
    """An evaluator behind a gate, with a rule whose second slot fires."""
    with Sink(Reply(202)) as sink:
        made = World(tmp_path, sink, sqlite_url, f"influxql+{gate.url}/{influxdb_url.rpartition('/')[2]}")
        made.add_monitor("mon_a", key=["host"])
        made.add_rule("rule_a")
        yield made
        made.wiring.close()


@pytest.mark.parametrize(
    "answer",
    [
        Reply(500, body={"error": "no"}),
        Reply(drop="halfway"),
        Reply(body=b"{"),
        Reply(body={"results": [{"error": "x"}]}),
    ],
    ids=["500", "cut off", "no json", "error"],
)  # fmt: skip
def test_a_query_that_fails_means_no_chart_and_nothing_else(asking: World, gate: Gate, answer: Reply) -> None:
    asking.write(1, "m,host=a value=11")
    asked: list[Request] = []

    def once(request: Request) -> Reply:
        asked.append(request)
        return gate.forward(request) if len(asked) == 1 else answer

    with gate.instead(once):
        report = asking.ran(1)
    assert (report.errors, report.error, asking.told()) == (0, "", ["firing rule_a"])
    assert len(asked) >= 2, "the chart was asked for"
    assert drawn(asking)[0].points == ()


def test_a_metric_store_that_hangs_delays_no_alert_for_longer_than_two_seconds(
    asking: World, gate: Gate
) -> None:
    asking.write(1, "m,host=a value=11")
    asked: list[Request] = []

    def hangs(request: Request) -> Reply:
        asked.append(request)
        return gate.forward(request) if len(asked) == 1 else Reply(delay=MOST_SECONDS + 3)

    began = time.monotonic()
    with gate.instead(hangs):
        report = asking.ran(1)
    assert time.monotonic() - began < MOST_SECONDS + 2
    assert (report.errors, asking.told()) == (0, ["firing rule_a"])
    assert report.stages_ms["chart"] <= MOST_SECONDS * 1000 + 500


def test_a_slot_in_which_much_flips_asks_once_for_the_first_hundred(asking: World, gate: Gate) -> None:
    for number in range(MOST_SERIES + 20):
        asking.add_rule(f"rule_{number:03}", condition=threshold(">", 10))
    before(asking, "m,host=a value", [1.0, 2.0])
    asking.write(1, "m,host=a value=11")
    gate.clear()
    asking.ran(1)

    assert len(gate.requests) == 2
    with_points = [event for event in asking.events() if json.loads(event.body)["alerts"][0]["points"]]
    assert (len(asking.events()), len(with_points)) == (MOST_SERIES + 21, MOST_SERIES)


def test_a_quiet_slot_asks_for_no_chart(asking: World, gate: Gate) -> None:
    asking.write(1, "m,host=a value=5")
    gate.clear()
    report = asking.ran(1)
    assert len(gate.requests) == 1
    assert report.stages_ms["chart"] < 50
