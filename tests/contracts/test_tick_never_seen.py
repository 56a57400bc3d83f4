"""Monitors that never sent anything: silent while the grace lasts, an alert after it, over when something comes."""

from typing import Any

import pytest

from shared import manage
from shared.manage import RuleChanges
from shared.model import Monitor
from shared.store import monitors
from shared.store.tables import alerts, rule_status, states
from tests.support.world import INTERVAL, World, threshold

GRACE = 2 * INTERVAL
SILENT: dict[str, dict[str, Any]] = {
    "missing data": threshold(">", 10, no_data="alert", window_seconds=GRACE),
    "a count": threshold("<", 1, aggregation="count", window_seconds=GRACE),
}


@pytest.fixture(params=sorted(SILENT))
def condition(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A condition that a series without points breaches."""
    return SILENT[str(request.param)]


def test_a_series_that_never_came_is_told_after_the_grace_and_not_before(
    world: World, condition: dict[str, Any]
) -> None:
    world.add_monitor("mon_a", where={"host": "a"}, key=["host"])
    world.add_rule("rule_a", condition=condition)

    world.play([])
    assert world.told() == []
    assert [row["health"] for row in world.rows(rule_status)] == ["no_data"]

    for number in (2, 3):
        world.ran(number)
    assert world.told() == ["firing rule_a"]
    (alert,) = world.rows(alerts)
    assert (alert["key"], alert["fired_at"]) == ('["mon_a",[["host","a"]]]', world.slot(2))


def test_the_series_that_the_filter_pins_resolves_when_it_comes(
    world: World, condition: dict[str, Any]
) -> None:
    world.add_monitor("mon_a", where={"host": "a"}, key=["host"])
    world.add_rule("rule_a", condition=condition)
    world.play([], [], [], ["m,host=a value=1"])

    assert world.told() == ["firing rule_a", "resolved rule_a"]
    assert len(world.rows(states)) == 1


def test_a_monitor_stands_for_its_unknown_series_until_one_comes(
    world: World, condition: dict[str, Any]
) -> None:
    world.add_monitor("mon_a", key=["host"])
    world.add_rule("rule_a", condition=condition | {"keep_firing_seconds": GRACE})
    world.play([], [], [], ["m,host=a value=1"])
    assert world.told() == ["firing rule_a"]
    assert [row["key"] for row in world.rows(alerts)] == ['["mon_a",[]]']

    # What was seen once is known: the whole monitor is not silent while that series has a window without points.
    for number in (5, 6):
        world.ran(number)

    assert "resolved rule_a" in world.told()
    (alert,) = world.rows(alerts, key='["mon_a",[]]')
    assert (alert["state"], alert["reason"]) == ("resolved", "recovered")


def test_a_new_monitor_has_a_grace_of_its_own(world: World) -> None:
    world.add_monitor("mon_a", kind="host")
    world.add_rule("rule_a", None, selector={"kind": "host"}, condition=SILENT["missing data"])
    world.play(["m value=1"])
    late = Monitor(id="mon_b", name="b", measurement="n", kind="host")
    world.wiring.store.write(lambda tx: monitors.insert(tx, late, world.slot(1)))
    for number in (2, 3, 4):
        world.write(number, "m value=1")
        world.ran(number)

    assert [(row["monitor_id"], row["fired_at"]) for row in world.rows(alerts)] == [("mon_b", world.slot(3))]


def test_a_stand_in_is_closed_when_its_rule_no_longer_minds_silence(world: World) -> None:
    world.add_monitor("mon_a", key=["host"])
    world.add_rule("rule_a", condition=SILENT["missing data"])
    world.play([], [])
    manage.update_rule(
        world.wiring, "rule_a", RuleChanges(condition=threshold(">", 10)), actor="test", now=world.slot(2)
    )
    world.ran(3)

    assert world.told() == ["firing rule_a", "resolved rule_a"]
    assert [row["reason"] for row in world.rows(alerts)] == ["rule changed"]


def test_a_rule_that_does_not_mind_silence_stays_silent_about_what_never_came(world: World) -> None:
    world.add_monitor("mon_a", key=["host"])
    world.add_rule("rule_a", condition=threshold(">", 10, window_seconds=GRACE))
    world.play([], [], [], [])

    assert world.told() == []
    assert [row["health"] for row in world.rows(rule_status)] == ["no_data"]


def test_a_series_whose_newest_value_is_too_old_alerts_like_one_that_is_gone(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule(
        "rule_a", condition=threshold(">", 10, no_data="alert", max_age_seconds=INTERVAL, window_seconds=600)
    )
    world.play(["m value=1"], [], ["m value=1"])

    assert world.told() == ["firing rule_a", "resolved rule_a"]
    assert [row["fired_at"] for row in world.rows(alerts)] == [world.slot(2)]


def test_absence_fires_for_what_was_never_seen_and_ends_when_it_comes(world: World) -> None:
    world.add_monitor("mon_a", where={"host": "a"}, key=["host"])
    world.add_rule("rule_a", condition={"type": "absence", "field": "value", "window_seconds": GRACE})
    world.play([], [], [], ["m,host=a value=1"], [], [], [])

    assert world.told() == ["firing rule_a", "resolved rule_a", "firing rule_a"]
    assert sorted(row["fired_at"] for row in world.rows(alerts)) == [world.slot(2), world.slot(6)]


def test_absence_gives_what_is_new_as_long_as_its_grace_says(world: World) -> None:
    world.add_monitor("mon_a", where={"host": "a"}, key=["host"])
    condition = {
        "type": "absence",
        "field": "value",
        "window_seconds": INTERVAL,
        "grace_seconds": 4 * INTERVAL,
    }
    world.add_rule("rule_a", condition=condition)
    world.play([], [], [], [], [])

    assert [row["fired_at"] for row in world.rows(alerts)] == [world.slot(4)]
