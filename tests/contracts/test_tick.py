"""The tick, from points to events, on both databases and both metric stores."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from shared.events import Tick, notification_of
from shared.store import rules as rule_verbs
from shared.store.tables import (
    alerts,
    deliveries,
    outbox,
    rule_status,
    rules,
    series,
    states,
    tick_lease,
    ticks,
)
from shared.tick import dry_run
from tests.support.sink import Reply, Sink
from tests.support.world import INTERVAL, World, threshold


@pytest.fixture(params=["sqlite and embedded", "mariadb and influxdb"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "sqlite and embedded":
        database, metrics = request.getfixturevalue("sqlite_url"), "embedded:///metrics.db"
    else:
        database, metrics = request.getfixturevalue("mariadb_url"), request.getfixturevalue("influxdb_url")
    with Sink(Reply(202)) as sink:
        made = World(tmp_path, sink, database, metrics)
        yield made
        made.wiring.close()


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


def test_an_event_that_the_broker_refuses_comes_again_with_the_same_id_and_bytes(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    world.write(1, "m value=11")
    world.sink.reply(Reply(500))
    report = world.ran(1)
    assert report.errors == 1
    assert world.rows(outbox)[0]["published_at"] is None
    world.wiring.store.write(lambda tx: tx.conn.execute(update(outbox).values(next_at=1)))

    world.ran(2)

    first, second = world.events()
    assert (first.id, first.body, first.attributes) == (second.id, second.body, second.attributes)
    assert world.rows(outbox)[0]["published_at"] is not None


def test_a_process_that_died_before_publishing_loses_nothing(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    world.write(1, "m value=11")
    deaf = world.new_process()
    world.sink.reply(Reply(drop="unanswered"))
    world.run(1, deaf)  # committed, but the broker's answer never came
    deaf.close()
    expire = update(tick_lease).values(done=False, lease_until=1)
    world.wiring.store.write(
        lambda tx: (tx.conn.execute(expire), tx.conn.execute(update(outbox).values(next_at=1)))
    )

    world.write(2, "m value=11")
    world.ran(2)

    assert world.told() == ["firing rule_a"] * 2
    assert len({event.id for event in world.events()}) == 1
    assert len(world.rows(alerts)) == 1


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


def test_a_failed_query_sets_the_health_of_its_rules_and_changes_no_state(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    world.write(1, "m value=11")
    world.ran(1)
    broken = World(
        world.settings.state_dir,
        world.sink,
        world.settings.database_url.get_secret_value(),
        "influxql+http://127.0.0.1:9/nowhere",
    )
    report = broken.run(2)
    broken.wiring.close()

    assert report is not None
    assert report.errors == 1
    (status,) = world.rows(rule_status)
    assert status["health"] == "error"
    assert "TOCSIN_METRICS_URL" in status["health_reason"]
    assert world.rows(states)[0]["phase"] == "firing"
    assert world.told() == ["firing rule_a"]

    world.write(3, "m value=11")
    world.ran(3)
    assert world.rows(rule_status)[0]["health"] == "ok"


def test_a_rule_without_data_is_unhealthy_and_not_firing(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")

    world.ran(1)

    assert [row["health"] for row in world.rows(rule_status)] == ["no_data"]
    assert world.told() == []


def test_a_rule_that_cannot_be_read_stops_no_other(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    world.add_rule("rule_bad")
    bad = update(rules).where(rules.c.id == "rule_bad").values(condition='{"type": "thresho')
    world.wiring.store.write(lambda tx: tx.conn.execute(bad))
    world.write(1, "m value=11")

    world.ran(1)

    assert world.told() == ["firing rule_a"]
    (status,) = world.rows(rule_status, rule_id="rule_bad")
    assert status["health"] == "error"


def test_names_that_look_alike_are_different_series(world: World) -> None:
    names = ["a", "A", "á", "a\\ ", "a\\ b"]
    world.add_monitor("mon_a", key=["host"])
    world.add_rule("rule_a")
    world.write(1, *(f"m,host={name} value=11" for name in names))

    world.ran(1)

    assert len(world.rows(alerts)) == len(names)
    (event,) = world.events()
    assert notification_of(event).alert_count == len(names)


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


def test_a_thousand_rules_on_one_measurement_make_one_query(world: World) -> None:
    for number in range(1000):
        world.add_monitor(f"mon_{number}", where={"host": f"h{number}"}, key=["host"])
        world.add_rule(f"rule_{number}", f"mon_{number}")
    world.write(1, *(f"m,host=h{number} value={number % 12}" for number in range(1000)))

    report = world.ran(1)

    assert report.queries == 1
    assert report.rules == 1000
    assert report.series == 1000
    assert len(world.rows(alerts)) == sum(number % 12 > 10 for number in range(1000))


def test_a_slot_far_from_the_clock_is_refused(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")

    assert world.run(5000) is None
    assert world.rows(ticks) == []


def test_a_dry_run_says_what_would_be_told_and_writes_nothing(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    world.write(1, "m value=11")

    report = dry_run(Tick(world.slot(1), INTERVAL), world.wiring)

    assert report.notifications == 1
    assert world.rows(alerts) == world.rows(states) == world.rows(tick_lease) == []
    assert world.told() == []


def test_events_are_signed_and_the_signature_covers_the_bytes(world: World, tmp_path: Path) -> None:
    from shared.events import BadSignature, verify

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
