"""What changes under a firing alert: its rule, its monitor, its tags, and people who acknowledge it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from shared import manage
from shared.errors import Conflict
from shared.events import notification_of
from shared.manage import RuleChanges
from shared.store import monitors as monitor_verbs
from shared.store import rules as rule_verbs
from shared.store.tables import alerts, rule_status, series, states, transitions
from tests.support.gate import Gate
from tests.support.sink import Reply, Request
from tests.support.world import INTERVAL, World, threshold

BOTH = {"kind": "machine"}


@pytest.mark.parametrize("ending", ["deleted", "disabled"])
def test_a_rule_that_ends_while_firing_closes_its_alert_and_says_why(world: World, ending: str) -> None:
    world.add_monitor("mon_a")
    rule = world.add_rule("rule_a")
    world.write(1, "m value=11")
    world.ran(1)
    now = world.slot(1)
    if ending == "deleted":
        world.wiring.store.write(lambda tx: rule_verbs.delete(tx, "rule_a", 1, now))
    else:
        off = rule.model_copy(update={"enabled": False})
        world.wiring.store.write(lambda tx: rule_verbs.update(tx, off, 1, now))

    world.write(2, "m value=11")
    world.ran(2)
    world.ran(3)

    assert world.told() == ["firing rule_a", "resolved rule_a"]
    assert notification_of(world.events()[1]).alerts[0].reason == f"rule {ending}"
    assert [row["state"] for row in world.rows(alerts)] == ["resolved"]


def test_an_edited_rule_is_evaluated_as_it_is_now(world: World) -> None:
    world.add_monitor("mon_a")
    rule = world.add_rule("rule_a", condition=threshold(">", 100))
    world.write(1, "m value=11")
    world.ran(1)
    edited = rule.model_copy(update={"condition": threshold(">", 10)})
    world.wiring.store.write(lambda tx: rule_verbs.update(tx, edited, 1, world.slot(1)))

    world.write(2, "m value=11")
    world.ran(2)

    assert world.told() == ["firing rule_a"]


def test_a_rule_that_is_disabled_while_a_breach_lasts_drops_it_and_starts_again_later(world: World) -> None:
    world.add_monitor("mon_a")
    rule = world.add_rule("rule_a", condition=threshold(">", 10, for_seconds=2 * INTERVAL))
    world.play(["m value=11"])
    manage.set_enabled(world.wiring, rule.id, False, actor="test", now=world.slot(1))
    world.write(2, "m value=11")
    world.ran(2)
    manage.set_enabled(world.wiring, rule.id, True, actor="test", now=world.slot(2))
    for number in (3, 4, 5):
        world.write(number, "m value=11")
        world.ran(number)

    (told,) = map(notification_of, world.events())
    assert (told.slot, told.alerts[0].started_at) == (world.slot(5), world.slot(3))
    assert [row["reason"] for row in world.rows(transitions, change="dropped")] == ["rule disabled"]


def test_a_monitor_that_is_deleted_under_its_rule_closes_the_alert(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    world.play(["m value=11"])
    world.wiring.store.write(lambda tx: monitor_verbs.delete(tx, "mon_a", 1, world.slot(1)))
    world.ran(2)

    assert world.told() == ["firing rule_a", "resolved rule_a"]
    assert [row["reason"] for row in world.rows(alerts)] == ["rule changed"]
    (status,) = world.rows(rule_status)
    assert (status["health"], status["health_reason"]) == ("error", "monitor mon_a does not exist")


def test_a_rule_that_moves_to_another_monitor_leaves_its_old_series_alone(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_monitor("mon_b", measurement="n")
    world.add_rule("rule_a", condition=threshold(">", 10, no_data="alert"))
    world.play(["m value=11", "n value=1"])
    manage.update_rule(world.wiring, "rule_a", RuleChanges(monitor="mon_b"), actor="test", now=world.slot(1))
    for number in (2, 3, 4):
        world.write(number, "m value=11", "n value=1")
        world.ran(number)

    assert world.told() == ["firing rule_a", "resolved rule_a"]
    assert [row["reason"] for row in world.rows(alerts)] == ["rule changed"]


@pytest.mark.parametrize("no_data", ["keep", "alert"])
def test_a_monitor_that_gets_other_key_tags_closes_the_old_series_once(world: World, no_data: str) -> None:
    monitor = world.add_monitor("mon_a", key=["host"])
    world.add_rule("rule_a", condition=threshold(">", 10, no_data=no_data))
    world.play(["m,host=a,disk=d value=11"])
    wider = monitor.model_copy(update={"key": ("disk", "host")})
    world.wiring.store.write(lambda tx: monitor_verbs.update(tx, wider, 1, world.slot(1)))
    for number in (2, 3, 4):
        world.write(number, "m,host=a,disk=d value=11")
        world.ran(number)

    assert sorted(world.told()) == ["firing rule_a", "firing rule_a", "resolved rule_a"]
    assert {row["key"]: row["state"] for row in world.rows(alerts)} == {
        '["mon_a",[["host","a"]]]': "resolved",
        '["mon_a",[["disk","d"],["host","a"]]]': "firing",
    }


# ------------------------------------------------------------------ one rule, several measurements


def selected(world: World, **condition: Any) -> None:
    """A rule on everything of one kind: two monitors, in a measurement each."""
    world.add_monitor("mon_m", kind="machine")
    world.add_monitor("mon_n", kind="machine", measurement="n")
    world.add_rule("rule_a", None, selector=BOTH, condition=threshold(">", 10, **condition))


def test_a_series_of_another_measurement_is_not_taken_for_absent(world: World) -> None:
    selected(world, no_data="alert", window_seconds=INTERVAL)
    world.play(["m value=1", "n value=1"], ["m value=1", "n value=1"], ["m value=1", "n value=1"])
    assert world.told() == []

    world.write(4, "m value=1")
    world.ran(4)

    assert [(row["monitor_id"], row["reason"]) for row in world.rows(alerts)] == [("mon_n", "no_data")]
    assert [row["reason"] for row in world.rows(states, phase="firing")] == ["no_data"]


def test_a_message_about_several_monitors_names_each(world: World) -> None:
    selected(world)
    world.play(["m value=11", "n value=12"], ["m value=11", "n value=1"])

    fired, resolved = (notification_of(event) for event in world.events())
    assert [fact.series for fact in fired.alerts] == ["mon_m", "mon_n"]
    assert fired.monitor.name == ""
    assert ([fact.series for fact in resolved.alerts], resolved.monitor.name) == ([""], "mon_n")


def test_a_measurement_that_cannot_be_read_keeps_the_other_ones_alerts_coming(
    gated: World, gate: Gate
) -> None:
    selected(gated)
    gated.play(["m value=1", "n value=11"])

    def broken(request: Request) -> Reply:
        if "FROM+%22n%22" in request.text:
            return Reply(200, body={"results": [{"error": "shard is gone"}]})
        return gate.forward(request)

    gated.write(2, "m value=11", "n value=1")
    with gate.instead(broken):
        assert gated.ran(2).errors == 1

    assert gated.told() == ["firing rule_a", "firing rule_a"]
    assert {row["key"]: row["phase"] for row in gated.rows(states)} == {
        '["mon_m",[]]': "firing",
        '["mon_n",[]]': "firing",
    }
    (status,) = gated.rows(rule_status)
    assert (status["health"], status["health_reason"]) == (
        "error",
        "n: the metric store says: shard is gone",
    )
    assert len(gated.rows(series)) == 2


# ------------------------------------------------------------------ acknowledgements


def acknowledge(world: World) -> None:
    (alert,) = world.rows(alerts)
    manage.acknowledge(world.wiring, alert["id"], by="ann", actor="ann", now=world.slot(1))


def test_an_acknowledgement_between_reading_and_committing_counts_and_stays(gated: World, gate: Gate) -> None:
    gated.add_monitor("mon_a")
    gated.add_rule("rule_a", repeat_seconds=INTERVAL)
    gated.play(["m value=11"])
    gated.write(2, "m value=11")

    def meanwhile(request: Request) -> Reply:  # the tick has read the states, and waits for the points
        if not gated.rows(alerts)[0]["acked_by"]:  # the points of the chart come later the same way
            acknowledge(gated)
        return gate.forward(request)

    with gate.instead(meanwhile):
        gated.ran(2)

    assert gated.told() == ["firing rule_a", "acknowledged rule_a"], (
        "the reminder of slot 2 is not told any more"
    )
    (state,) = gated.rows(states)
    assert (state["acked_level"], state["reminded_at"]) == (3, gated.slot(2))
    (alert,) = gated.rows(alerts)
    assert alert["acked_by"] == "ann"


def test_an_alert_that_gets_worse_is_told_and_is_nobodys_any_more(world: World) -> None:
    world.add_monitor("mon_a")
    levels = [{"severity": "critical", "value": 20}]
    world.add_rule("rule_a", condition=threshold(">", 10, levels=levels), repeat_seconds=INTERVAL)
    world.play(["m value=11"])
    acknowledge(world)
    for number, value in enumerate((11, 25), start=2):
        world.write(number, f"m value={value}")
        world.ran(number)

    assert world.told() == ["firing rule_a", "acknowledged rule_a", "worsened rule_a"]
    (alert,) = world.rows(alerts)
    assert (alert["acked_at"], alert["acked_by"]) == (None, "")


def test_who_acknowledged_an_alert_is_still_known_when_it_has_ended(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    world.play(["m value=11"])
    acknowledge(world)
    world.write(2, "m value=1")
    world.ran(2)

    assert world.told() == ["firing rule_a", "acknowledged rule_a", "resolved rule_a"]
    assert [row["acked_by"] for row in world.rows(alerts)] == ["ann"]


def test_acknowledging_while_ticks_run_stops_neither(world: World) -> None:
    world.add_monitor("mon_a", key=["host"])
    world.add_rule("rule_a")
    world.play([f"m,host=h{number} value=11" for number in range(20)])
    ids = [row["id"] for row in world.rows(alerts)]
    done = threading.Event()

    def people() -> int:
        acknowledged = 0
        while not done.is_set():
            for alert_id in ids:
                with suppress(Conflict):  # it has ended, as it should
                    manage.acknowledge(world.wiring, alert_id, by="ann", actor="ann", now=world.slot(1))
                    acknowledged += 1
        return acknowledged

    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(people)
        for number in range(2, 8):
            gone = number * 3
            world.write(number, *(f"m,host=h{host} value={1 if host < gone else 11}" for host in range(20)))
            world.ran(number)
        done.set()

        assert busy.result(20) > 0
    assert {row["state"] for row in world.rows(alerts)} == {"resolved"}
