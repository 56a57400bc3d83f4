"""The rules on Tocsin itself: each fires and resolves through real ticks, also while the metric store is away."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from sqlalchemy import Update, update

from shared.errors import InvalidInput
from shared.manage import list_self_alerts, turn_off_self_alerts, turn_on_self_alerts
from shared.manage.self_alerts import LABEL, RUNBOOKS, built_in, slug_of
from shared.settings import OWN_SOURCE
from shared.store import own, ticks
from shared.store.engine import Tx
from shared.store.tables import (
    audit,
    channel_state,
    dead_letters,
    deliveries,
    outbox,
    rule_status,
    rules,
    states,
)
from shared.store.ticks import TickReport
from shared.wiring import Wiring
from tests.support.gate import Gate
from tests.support.own_numbers import delivery_row, insert, outbox_row
from tests.support.sink import Reply
from tests.support.world import World

Trouble = Callable[[World], None]


def turn_on(world: World, **given: Any) -> None:
    turn_on_self_alerts(world.wiring, actor="test", now=world.first, **given)


def quick(world: World) -> None:
    """Without cooldown and grouping, so that each tick tells what it sees."""
    world.wiring.store.write(
        lambda tx: tx.conn.execute(update(rules).values(cooldown_seconds=0, group_seconds=0))
    )


def told(world: World) -> list[str]:
    """What the broker was told of self-alerts, in short: `firing dead-letters`."""
    return [f"{word} {slug_of(rule_id)}" for word, rule_id in (line.split() for line in world.told())]


def do(world: World, statement: Update) -> None:
    world.wiring.store.write(lambda tx: tx.conn.execute(statement))


def now(world: World) -> int:
    return world.wiring.store.read(lambda tx: tx.now())


# ------------------------------------------------------------------ each of them


def test_a_metric_store_that_is_away_for_two_minutes_is_told_while_its_rules_are_in_error(
    gated: World, gate: Gate
) -> None:
    for number in range(3):
        gated.add_monitor(f"mon_{number}", measurement=f"m{number}")
        gated.add_rule(f"rule_{number}", f"mon_{number}")
    turn_on(gated)
    quick(gated)
    gated.write(1, "m0 value=11", "m1 value=1", "m2 value=1")
    gated.ran(1)
    assert gated.told() == ["firing rule_0"]

    with gate.instead(lambda _request: Reply(drop="unanswered")):
        # Slot 2 fails, slot 3 sees it, and slot 7 is two minutes later.
        for number in range(2, 7):
            gated.ran(number)
        assert gated.told() == ["firing rule_0"]
        gated.ran(7)
        assert told(gated)[1:] == ["firing source-unreachable"]
        assert {row["rule_id"] for row in gated.rows(rule_status, health="error")} == {
            "rule_0",
            "rule_1",
            "rule_2",
        }
        for number in range(8, 14):
            gated.ran(number)
        assert told(gated)[2:] == ["firing rules-in-error"]

    gated.ran(14)
    gated.ran(15)

    assert sorted(told(gated)[3:]) == ["resolved rules-in-error", "resolved source-unreachable"]
    assert b"source=default" in gated.events()[1].body
    assert gated.rows(states, rule_id="rule_0")[0]["phase"] == "firing"


def test_rules_in_error_are_told_after_five_minutes(small: World) -> None:
    small.add_monitor("mon_a", source="mars")
    small.add_rule("rule_a")
    turn_on(small)
    quick(small)

    for number in range(1, 12):
        small.ran(number)
    assert "firing rules-in-error" not in told(small)
    small.ran(12)
    assert "firing rules-in-error" in told(small)

    do(small, update(rules).where(rules.c.id == "rule_a").values(enabled=False, revision=10**6))
    small.ran(13)
    assert told(small)[-1] == "resolved rules-in-error"


def miss_slots(world: World) -> None:
    report = TickReport("0/1", world.slot(1), skipped=3)
    world.wiring.store.write(lambda tx: ticks.record(tx, report))


def fill_outbox(world: World) -> None:
    waiting = outbox_row("e1", 1, created_at=now(world) - 200_000, next_at=now(world) + 60_000)
    insert(world.wiring.store, outbox, [waiting])


def leave_deliveries_open(world: World) -> None:
    at = now(world) - own.OVERDUE_MS - 1
    insert(world.wiring.store, outbox, [outbox_row("e1", 1, created_at=at, published_at=at, next_at=None)])
    insert(world.wiring.store, deliveries, [delivery_row("e1", 1, next_at=now(world) + 60_000)])


def lose_letters(world: World) -> None:
    leave_deliveries_open(world)
    do(world, update(outbox).values(published_at=now(world)))
    insert(
        world.wiring.store,
        dead_letters,
        [{"event_id": "e1", "kind": "slack", "attributes": "{}", "body": b""}],
    )


def break_channel(world: World) -> None:
    insert(world.wiring.store, channel_state, [{"channel": "ops", "health": "unhealthy"}])


def close_all(world: World) -> None:
    do(world, update(outbox).values(next_at=None))
    do(world, update(deliveries).values(next_at=None))


def mend_channel(world: World) -> None:
    do(world, update(channel_state).values(health="ok"))


def let_time_pass(world: World) -> None:
    """Ten minutes, in which every slot has its tick."""
    reports = [TickReport("0/1", world.slot(number)) for number in range(3, 22)]

    def work(tx: Tx) -> None:
        for report in reports:
            ticks.record(tx, report)

    world.wiring.store.write(work)


@pytest.mark.parametrize(
    ("slug", "trouble", "repair", "later"),
    [
        ("missed-slots", miss_slots, let_time_pass, 22),
        ("growing-outbox", fill_outbox, close_all, 3),
        ("overdue-deliveries", leave_deliveries_open, close_all, 3),
        ("dead-letters", lose_letters, close_all, 3),
        ("failing-channels", break_channel, mend_channel, 3),
    ],
)
def test_each_of_the_others_fires_when_there_is_trouble_and_resolves_when_it_is_over(
    small: World, slug: str, trouble: Trouble, repair: Trouble, later: int
) -> None:
    turn_on(small)
    quick(small)
    small.ran(1)
    assert small.told() == []

    trouble(small)
    small.ran(2)
    assert told(small) == [f"firing {slug}"]

    repair(small)
    small.ran(later)
    assert told(small) == [f"firing {slug}", f"resolved {slug}"]


# ------------------------------------------------------------------ the metric stores


def test_a_store_of_which_one_measurement_fails_is_not_unreachable(small: World) -> None:
    rows = [
        {"id": "g1", "source": "default", "measurement": "cpu", "slot": small.slot(1), "error": ""},
        {"id": "g2", "source": "default", "measurement": "mem", "slot": small.slot(2), "error": "broken"},
        {"id": "g3", "source": "eu", "measurement": "cpu", "slot": small.slot(0), "error": ""},
        {"id": "g4", "source": "eu", "measurement": "mem", "slot": small.slot(2), "error": "time is up"},
        {"id": "g5", "source": OWN_SOURCE, "measurement": "tocsin_tick", "slot": small.slot(2), "error": "x"},
    ]
    small.wiring.store.write(lambda tx: ticks.groups_evaluated(tx, rows))

    asked = own.Asked(small.slot(0), small.slot(3), {})
    found = small.wiring.store.read(lambda tx: own.read(tx, "tocsin_source", asked))

    # Of `eu` the good answer is a minute old: what came since then failed.
    assert sorted(found) == [(asked.present, "default", 0, 1, 2), (asked.present, "eu", 1, 1, 2)]


def test_own_numbers_are_read_before_a_store_that_takes_all_of_the_time(small: World) -> None:
    for number in range(3):
        small.add_monitor(f"mon_{number}", measurement=f"m{number}")
        small.add_rule(f"rule_{number}", f"mon_{number}")
    turn_on(small)
    asked: list[str] = []
    metrics = small.wiring.metrics

    class Recording:
        """The wiring, with every measurement's source written down."""

        def __getattr__(self, name: str) -> Any:
            return getattr(small.wiring, name)

        def metrics(self, source: str = "default") -> Any:
            asked.append(source)
            return metrics(source)

    for number in (1, 2):
        asked.clear()
        small.run(number, cast("Wiring", Recording()))
        own_last = max(place for place, source in enumerate(asked) if source == OWN_SOURCE)
        assert own_last < min(place for place, source in enumerate(asked) if source != OWN_SOURCE)


# ------------------------------------------------------------------ on, off, list


def test_they_read_own_numbers_are_marked_and_name_their_runbook() -> None:
    found = built_in()

    assert all(monitor.source == OWN_SOURCE for monitor in found.monitors)
    assert {monitor.measurement for monitor in found.monitors} <= own.MEASUREMENTS.keys()
    for monitor in found.monitors:
        assert set(monitor.fields) <= own.MEASUREMENTS[monitor.measurement].fields.keys()
    assert len(found.rules) == 7
    for rule in found.rules:
        assert rule.labels == LABEL
        assert rule.description.endswith(f"What to do: {RUNBOOKS}#{slug_of(rule.id)}")


def test_turning_them_on_twice_changes_nothing_and_keeps_what_people_changed(small: World) -> None:
    turn_on(small)
    edited = update(rules).where(rules.c.id == "rule_self_dead_letters").values(title="Letters!", version=2)
    do(small, edited)
    before = small.rows(rules)

    again = turn_on_self_alerts(small.wiring, actor="test", now=small.first)

    assert (again.added, again.changed) == ((), ())
    assert small.rows(rules) == before
    assert len(small.rows(audit)) == len(built_in().rules) + len(built_in().monitors)


def test_they_can_be_turned_off_and_on_again_and_deleted_ones_come_back(small: World) -> None:
    ids = [rule.id for rule in built_in().rules]
    turn_on(small)

    off = turn_off_self_alerts(small.wiring, actor="test", now=small.first)
    assert list(off.changed) == ids
    assert turn_off_self_alerts(small.wiring, actor="test", now=small.first).changed == ()
    assert not any(one.on for one in list_self_alerts(small.wiring))

    gone = update(rules).where(rules.c.id == ids[0]).values(deleted_at=1)
    do(small, gone)
    on = turn_on_self_alerts(small.wiring, channels=["hook"], actor="test", now=small.first)

    assert (list(on.added), list(on.changed)) == (ids[:1], ids[1:])
    found = list_self_alerts(small.wiring)
    assert all(one.on for one in found)
    assert {one.rule.channels for one in found} == {("hook",)}


def test_before_they_are_turned_on_they_are_listed_as_they_would_be(small: World) -> None:
    found = list_self_alerts(small.wiring)

    assert [one.slug for one in found] == [slug_of(rule.id) for rule in built_in().rules]
    assert [one.rule for one in found] == list(built_in().rules)
    assert not any(one.on or one.standing for one in found)
    assert turn_off_self_alerts(small.wiring, actor="test", now=small.first).changed == ()


def test_an_unknown_channel_turns_nothing_on(small: World) -> None:
    with pytest.raises(InvalidInput, match="channels: 'opz' is not valid; configured are ops, hook"):
        turn_on(small, channels=["opz"])

    assert small.rows(rules) == []
