"""A series that is gone for good: somebody says so, its alert closes, and only a newer point brings it back."""

from typing import Any

import pytest

from shared import manage
from shared.errors import InvalidInput
from shared.events import notification_of
from shared.manage import SilenceDraft
from shared.store.tables import alerts, audit, forgotten, series
from tests.support.gate import Gate
from tests.support.sink import Reply
from tests.support.world import STEP, World, threshold

ABSENCE = {"type": "absence", "field": "value", "window_seconds": 60}


def forget(world: World, number: int, name: str = "host=a") -> manage.ForgottenOne:
    """Just after the tick of this slot."""
    return manage.forget_series(world.wiring, "rule_a", name, actor="ann", now=world.slot(number) + STEP // 3)


def hosts(world: World, **rule: Any) -> None:
    world.add_monitor("mon_a", key=["host"])
    world.add_rule("rule_a", **rule)


def test_a_series_that_is_forgotten_while_it_fires_closes_and_is_told_once(world: World) -> None:
    hosts(world)
    world.play(["m,host=a value=11", "m,host=b value=11"])

    done = forget(world, 1)
    for number in (2, 3):  # its last point still lies in the window, and still breaches
        world.ran(number)

    assert (done.name, done.closes) == ("host=a", True)
    assert world.told() == ["firing rule_a", "resolved rule_a"]
    (closed,) = notification_of(world.events()[1]).alerts
    assert (closed.series, closed.reason) == ("host=a", "forgotten")
    assert {row["reason"] for row in world.rows(alerts, state="resolved")} == {"forgotten"}
    assert len(world.rows(alerts, state="firing")) == 1
    (written,) = world.rows(audit, action="rule.forget_series")
    assert (written["actor"], written["object"]) == ("ann", "rule_a")


def test_a_series_that_is_forgotten_is_missed_no_more(world: World) -> None:
    hosts(world, condition=ABSENCE)
    world.play(["m,host=a value=1", "m,host=b value=1"], ["m,host=b value=1"], ["m,host=b value=1"])
    assert world.told() == ["firing rule_a"]

    forget(world, 3)
    for number in (4, 5, 6):
        world.write(number, "m,host=b value=1")
        world.ran(number)

    assert world.told() == ["firing rule_a", "resolved rule_a"]
    assert [row["key"] for row in world.rows(series)] == ['["mon_a",[["host","b"]]]']


def test_the_only_series_of_a_monitor_is_forgotten_too(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a", condition=ABSENCE)
    world.play(["m value=1"], [], [])

    forget(world, 3, "mon_a")
    for number in (4, 5):
        world.ran(number)

    assert world.told() == ["firing rule_a", "resolved rule_a"]


def test_a_process_that_remembers_a_forgotten_series_does_not_bring_it_back(world: World) -> None:
    hosts(world, condition=threshold(">", 10, window_seconds=600))
    world.play(["m,host=a value=1", "m,host=b value=1"])
    other = world.new_process()
    world.run(2, other)

    forget(world, 2)
    for number, process in ((3, other), (4, world.wiring), (5, world.new_process())):
        world.run(number, process)

    assert [row["key"] for row in world.rows(series)] == ['["mon_a",[["host","b"]]]']


def test_a_forgotten_series_that_sends_again_is_like_any_other(world: World) -> None:
    hosts(world, condition=ABSENCE)
    world.play(["m,host=a value=1"], [], [])
    forget(world, 3)
    world.ran(4)

    world.write(5, "m,host=a value=1")
    for number in (5, 6, 7, 8):
        world.ran(number)

    assert world.told() == ["firing rule_a", "resolved rule_a", "firing rule_a"]
    assert world.rows(forgotten) == []


def test_a_series_that_sends_on_is_back_with_its_next_point(world: World) -> None:
    hosts(world)
    world.play(["m,host=a value=11"])
    forget(world, 1)
    for number in (2, 3):
        world.write(number, "m,host=a value=11")
        world.ran(number)

    assert world.told() == ["firing rule_a", "resolved rule_a", "firing rule_a"]
    assert [row["state"] for row in sorted(world.rows(alerts), key=lambda row: row["fired_at"])] == [
        "resolved",
        "firing",
    ]


def test_the_end_of_a_forgotten_series_waits_for_the_end_of_a_silence(world: World) -> None:
    hosts(world, condition=threshold(">", 10, no_data="alert", window_seconds=60))
    world.play(["m,host=a value=11"])
    quiet = SilenceDraft(rules=("rule_a",), duration_seconds=4 * 30, reason="moving")
    manage.silence_alerts(world.wiring, quiet, by="ann", actor="ann", now=world.slot(1) + 1)
    forget(world, 1)
    for number in range(2, 8):
        world.ran(number)

    assert world.told() == ["firing rule_a", "resolved rule_a"]
    assert notification_of(world.events()[1]).slot == world.slot(6)
    assert [row["reason"] for row in world.rows(alerts)] == ["forgotten"]


def test_a_series_is_forgotten_although_its_metrics_are_out_of_reach(gated: World, gate: Gate) -> None:
    hosts(gated)
    gated.play(["m,host=a value=11"])
    forget(gated, 1)

    with gate.instead(lambda _request: Reply(503)):
        gated.ran(2)

    assert gated.told() == ["firing rule_a", "resolved rule_a"]


@pytest.mark.parametrize("name", ["", "host=z", "host"])
def test_only_a_series_that_is_known_and_named_is_forgotten(small: World, name: str) -> None:
    hosts(small)
    small.play(["m,host=a value=1", "m,host=b value=1"])

    with pytest.raises(InvalidInput) as caught:
        forget(small, 1, name)

    assert "series" in str(caught.value)
    assert small.rows(forgotten) == []
