"""The tick, from points to events, on both databases and both metric stores: what is told, when, and once."""

from pathlib import Path

import pytest

from shared.events import BadSignature, Tick, notification_of, verify
from shared.model import Notification
from shared.store.tables import alerts, deliveries, rule_status, series, states, tick_lease, transitions
from shared.tick import dry_run, run
from tests.support.sink import Reply, Sink
from tests.support.world import INTERVAL, World, threshold


def notifications(world: World) -> list[Notification]:
    return [notification_of(event) for event in world.events()]


def test_a_breach_becomes_one_event_with_its_alert_and_a_delivery_for_each_channel(world: World) -> None:
    world.add_monitor("mon_a", where={"host": "a"}, key=["host"])
    world.add_rule("rule_a")
    world.write(1, "m,host=a value=11", "m,host=b value=99")

    report = world.ran(1)

    assert (report.rules, report.queries, report.transitions, report.notifications) == (1, 1, 1, 1)
    (event,) = world.events()
    assert event.attributes["toslack"] == event.attributes["towebhook"] == "true"
    told = notification_of(event)
    assert (told.event.value, told.rule.title, told.severity.word) == ("firing", "Title of rule_a", "high")
    assert [(fact.series, fact.value) for fact in told.alerts] == [("host=a", 11.0)]
    (alert,) = world.rows(alerts)
    assert (alert["id"], alert["state"], alert["announced"]) == (told.alerts[0].id, "firing", True)
    assert sorted(row["channel"] for row in world.rows(deliveries, notification_id=told.id)) == [
        "hook",
        "ops",
    ]
    assert [row["rule_id"] for row in world.rows(series)] == ["rule_a"]


def test_a_breach_that_goes_on_is_told_once_and_its_end_is_told_once(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    for number, value in enumerate([11, 12, 13, 1, 2], start=1):
        world.write(number, f"m value={value}")
        world.ran(number)

    assert world.told() == ["firing rule_a", "resolved rule_a"]
    (alert,) = world.rows(alerts)
    assert (alert["state"], alert["reason"], alert["resolved_at"]) == ("resolved", "recovered", world.slot(4))
    first, second = (notification_of(event) for event in world.events())
    assert (first.seq, second.seq) == (1, 2)
    assert second.alerts[0].resolved_at == world.slot(4)
    assert second.alerts[0].fired_at == world.slot(1)


def test_the_same_slot_twice_does_nothing(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    world.write(1, "m value=11")
    world.ran(1)

    assert world.run(1) is None
    assert world.run(0) is None
    assert world.told() == ["firing rule_a"]


def test_a_cooldown_holds_a_second_alert_and_tells_it_when_it_ends(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a", cooldown_seconds=4 * INTERVAL)
    for number, value in enumerate([11, 1, 11, 11, 11, 11], start=1):
        world.write(number, f"m value={value}")
        world.ran(number)

    assert world.told() == ["firing rule_a", "resolved rule_a", "firing rule_a"]
    assert notification_of(world.events()[2]).slot == world.slot(5)


def test_a_new_process_goes_on_where_the_last_one_stopped(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    world.write(1, "m value=11")
    world.ran(1)

    world.write(2, "m value=1")
    other = world.new_process()
    world.run(2, other)
    other.close()

    assert world.told() == ["firing rule_a", "resolved rule_a"]


def test_a_rule_without_data_is_unhealthy_and_not_firing(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")

    world.ran(1)

    assert [row["health"] for row in world.rows(rule_status)] == ["no_data"]
    assert world.told() == []


def test_names_that_look_alike_are_different_series(world: World) -> None:
    names = ["a", "A", "á", "a\\ ", "a\\ b"]
    world.add_monitor("mon_a", key=["host"])
    world.add_rule("rule_a")
    world.write(1, *(f"m,host={name} value=11" for name in names))

    world.ran(1)

    assert len(world.rows(alerts)) == len(names)
    (event,) = world.events()
    assert notification_of(event).alert_count == len(names)


def test_a_thousand_rules_on_one_measurement_make_one_query(world: World) -> None:
    world.add_many(1000)
    world.write(1, *(f"m,host=h{number} value={number % 12}" for number in range(1000)))

    report = world.ran(1)

    assert report.queries == 1
    assert report.rules == 1000
    assert report.series == 1000
    assert len(world.rows(alerts)) == sum(number % 12 > 10 for number in range(1000))


def test_a_breach_fires_once_it_has_lasted_whether_or_not_every_slot_was_evaluated(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a", condition=threshold(">", 10, for_seconds=2 * INTERVAL))
    for number in (1, 3):  # nobody evaluated slot 2
        world.write(number, "m value=11")
        world.ran(number)

    (told,) = notifications(world)
    assert (told.slot, told.alerts[0].started_at) == (world.slot(3), world.slot(1))
    assert [row["change"] for row in world.rows(transitions)] == ["pending", "fired"]


def test_a_breach_that_does_not_last_is_told_to_nobody(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a", condition=threshold(">", 10, for_seconds=2 * INTERVAL))

    world.play(["m value=11"], ["m value=11"], ["m value=1"], ["m value=11"], ["m value=11"])

    assert world.told() == []
    assert sorted(row["change"] for row in world.rows(transitions)) == ["dropped", "pending", "pending"]


def test_a_level_that_rises_is_told_and_one_that_falls_is_not(world: World) -> None:
    world.add_monitor("mon_a")
    levels = [{"severity": "critical", "value": 20}]
    world.add_rule("rule_a", condition=threshold(">", 10, levels=levels), cooldown_seconds=3600)

    world.play(*([f"m value={value}"] for value in (11, 25, 15, 25, 1)))

    assert [(told.event.value, told.severity.word) for told in notifications(world)] == [
        ("firing", "high"),
        ("worsened", "critical"),
        ("resolved", "critical"),
    ]
    (alert,) = world.rows(alerts)
    assert (alert["severity"], alert["state"]) == (4, "resolved")


def test_series_that_fire_soon_after_each_other_join_one_message(world: World) -> None:
    world.add_monitor("mon_a", key=["host"])
    world.add_rule("rule_a", group_seconds=2 * INTERVAL)
    for number, hosts in enumerate(["a", "ab", "abc", "abcd"], start=1):
        world.write(number, *(f"m,host={host} value=11" for host in hosts))
        world.ran(number)

    first, second = notifications(world)
    assert ([fact.series for fact in first.alerts], first.slot) == (["host=a"], world.slot(1))
    assert ([fact.series for fact in second.alerts], second.slot) == (
        ["host=b", "host=c"],
        world.slot(3),
    )
    assert {row["held_by"] for row in world.rows(states)} == {"", "grouped"}


def test_series_that_fire_in_one_slot_are_one_message_and_one_delivery_for_each_channel(world: World) -> None:
    world.add_monitor("mon_a", key=["host"])
    world.add_rule("rule_a")

    world.play([f"m,host=h{number} value=11" for number in range(150)])

    (told,) = notifications(world)
    assert (told.alert_count, len(told.alerts)) == (150, 100)
    assert len(world.rows(alerts)) == 150
    assert len(world.rows(deliveries)) == 2


def test_an_outside_watcher_hears_of_good_ticks_only(sqlite_url: str, tmp_path: Path) -> None:
    with Sink(Reply(202)) as sink, Sink(Reply(200)) as watcher:
        watched = World(
            tmp_path, sink, sqlite_url, "embedded:///metrics.db", heartbeat_url=f"{watcher.url}/beat"
        )
        watched.add_monitor("mon_a")
        watched.add_rule("rule_a")
        watched.ran(1)
        assert [request.path for request in watcher.requests] == ["/beat"]

        watched.write(2, "m value=11")
        sink.reply(Reply(500))
        watched.ran(2)
        assert len(watcher.requests) == 1
        watched.wiring.close()


def test_a_heartbeat_address_that_is_none_costs_a_warning(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Sink(Reply(202)) as sink:
        odd = World(tmp_path, sink, sqlite_url, "embedded:///metrics.db", heartbeat_url="http://watcher:port")

        assert odd.ran(1).errors == 0

        assert "the heartbeat was not delivered: InvalidURL" in caplog.text
        odd.wiring.close()


def test_two_shards_share_the_measurements_and_leave_none_out(world: World) -> None:
    for name in "abcdef":
        world.add_monitor(f"mon_{name}", measurement=name)
        world.add_rule(f"rule_{name}", f"mon_{name}")
        world.write(1, f"{name} value=11")

    reports = [run(Tick(world.slot(1), INTERVAL, shard, 2), world.wiring) for shard in (0, 1)]

    queries = [report.queries for report in reports if report]
    assert sum(queries) == 6
    assert all(queries)
    assert sorted(world.told()) == [f"firing rule_{name}" for name in "abcdef"]


def test_a_dry_run_says_what_would_be_told_and_writes_nothing(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    world.write(1, "m value=11")

    report = dry_run(Tick(world.slot(1), INTERVAL), world.wiring)

    assert report.notifications == 1
    assert world.rows(alerts) == world.rows(states) == world.rows(tick_lease) == []
    assert world.told() == []


def test_events_are_signed_and_the_signature_covers_the_bytes(world: World, tmp_path: Path) -> None:
    signing = World(
        tmp_path,
        world.sink,
        world.settings.database_url.get_secret_value(),
        world.settings.metrics_url.get_secret_value(),
        event_keys="k1:" + "c2VjcmV0IHNlY3JldCBzZWNyZXQ=",
    )
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    world.write(1, "m value=11")
    signing.ran(1)
    keys = signing.wiring.keys
    signing.wiring.close()

    (event,) = world.events()
    verify(event, keys)
    with pytest.raises(BadSignature):
        verify(type(event)(event.attributes, event.body + b" "), keys)
