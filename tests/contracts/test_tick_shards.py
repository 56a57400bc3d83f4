"""Several shards at once: each looks at its measurements, and together they say what one would say, once."""

import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from shared import manage
from shared.events import Tick
from shared.store.tables import alerts, outbox, rule_status, states, tick_lease, ticks
from shared.store.ticks import TickReport
from shared.tick import run
from tests.support.gate import Gate
from tests.support.shards import NAMES, everything, shards, told_series, write_all
from tests.support.sink import Reply, Request
from tests.support.world import INTERVAL, World

# ------------------------------------------------------------------ telling


def test_a_rule_over_two_shards_numbers_and_groups_its_messages_as_one(world: World) -> None:
    everything(world)
    write_all(world, 1, 11)
    shards(world, 1, 2)
    write_all(world, 2, 1)
    shards(world, 2, 2)

    assert told_series(world) == Counter(
        {(event, f"mon_{name}"): 1 for event in ("firing", "resolved") for name in NAMES}
    )
    assert sorted(row["seq"] for row in world.rows(outbox)) == [1, 2, 3, 4]


def test_a_group_window_that_one_shard_opens_holds_the_other_back_and_loses_nothing(world: World) -> None:
    for name in NAMES:
        world.add_monitor(f"mon_{name}", measurement=name, kind="machine")
    world.add_rule("rule_all", None, selector={"kind": "machine"}, group_seconds=2 * INTERVAL)
    for number in (1, 2, 3):
        write_all(world, number, 11)
        shards(world, number, 2)

    assert told_series(world) == Counter({("firing", f"mon_{name}"): 1 for name in NAMES})
    assert sorted(row["slot"] for row in world.rows(outbox)) == [world.slot(1), world.slot(3)]


def test_a_rule_that_ends_is_closed_once_whichever_shard_looked_at_its_series(world: World) -> None:
    everything(world)
    write_all(world, 1, 11)
    shards(world, 1, 2)
    manage.set_enabled(world.wiring, "rule_all", False, actor="test", now=world.slot(1))

    for number in (2, 3):
        write_all(world, number, 11)
        shards(world, number, 2)

    assert told_series(world)["resolved", "mon_a"] == 1
    assert {row["state"] for row in world.rows(alerts)} == {"resolved"}
    assert len([row for row in world.rows(outbox) if row["event"] == "resolved"]) == 1


# ------------------------------------------------------------------ another number of shards


def test_another_number_of_shards_loses_nothing_and_tells_nothing_twice(world: World) -> None:
    """Up, down, and back again; something fires, gets better or stays in each slot."""
    everything(world, for_seconds=INTERVAL)
    values = {name: [11 if (slot // 3 + i) % 2 else 1 for slot in range(12)] for i, name in enumerate(NAMES)}
    for number, of in enumerate((1, 1, 2, 2, 2, 3, 3, 2, 1, 1, 2, 2), start=1):
        world.write(number, *(f"{name} value={values[name][number - 1]}" for name in NAMES))
        assert None not in shards(world, number, of)
        assert {row["skipped"] for row in world.rows(ticks)} == {0}

    changes = Counter(
        (event, f"mon_{name}")
        for name, seen in values.items()
        for event in ("firing", "resolved")
        for slot in range(1, 12)
        if (
            seen[slot - 1 : slot + 1] == [11, 11] and event == "firing" and (slot < 2 or seen[slot - 2] != 11)
        )
        or (event == "resolved" and seen[max(slot - 2, 0) : slot + 1] == [11, 11, 1])
    )
    assert told_series(world) == changes


def test_a_slot_belongs_to_one_number_of_shards(world: World) -> None:
    everything(world)
    write_all(world, 1, 11)

    (first,) = shards(world, 1, 2, [0])
    (other,) = shards(world, 1, 1)
    (second,) = shards(world, 1, 2, [1])

    assert first is not None
    assert other is None
    assert second is not None
    assert set(told_series(world).values()) == {1}
    assert len(told_series(world)) == len(NAMES)


def test_old_and_new_shards_that_tick_side_by_side_tell_everything_once(world: World) -> None:
    """A rollout: for a while both PingSources are there, and their ticks come at the same moment."""
    everything(world)
    run(Tick(world.slot(0), INTERVAL), world.wiring)
    for number in range(1, 5):
        write_all(world, number, 11 if number % 2 else 1)
        _at_once(
            world, [Tick(world.slot(number), INTERVAL, shard, of) for shard, of in ((0, 1), (0, 2), (1, 2))]
        )
    write_all(world, 5, 1)
    shards(world, 5, 2)

    assert set(told_series(world).values()) == {2}
    assert {row["state"] for row in world.rows(alerts)} == {"resolved"}
    assert len(world.rows(alerts)) == 2 * len(NAMES)


def _at_once(world: World, wanted: Sequence[Tick]) -> list[TickReport | None]:
    start = threading.Barrier(len(wanted))

    def go(tick: Tick) -> TickReport | None:
        process = world.new_process()
        start.wait(10)
        report = run(tick, process)
        process.close()
        return report

    with ThreadPoolExecutor(len(wanted)) as pool:
        return [future.result(40) for future in [pool.submit(go, tick) for tick in wanted]]


def test_a_late_tick_of_the_old_number_of_shards_is_fenced_off_by_the_new_one(
    gated: World, gate: Gate
) -> None:
    everything(gated)
    write_all(gated, 1, 11)
    asked, go_on = threading.Event(), threading.Event()

    def slow(request: Request) -> Reply:
        asked.set()
        answer = gate.forward(request)
        go_on.wait(20)
        return answer

    with ThreadPoolExecutor(1) as pool:
        with gate.instead(slow):
            late = pool.submit(gated.run, 1)
            assert asked.wait(10)
        assert shards(gated, 2, 2) == [None, None], "it still has its lease"
        gated.expire()
        write_all(gated, 3, 1)
        assert None not in shards(gated, 3, 2)
        go_on.set()
        report = late.result(20)

    assert report is not None
    assert "a newer tick took over shard 0/1" in report.error
    assert gated.rows(states) == []
    assert gated.told() == []


# ------------------------------------------------------------------ at the same time


@pytest.mark.slow
def test_shards_that_tick_at_the_same_moment_all_come_through(world: World) -> None:
    everything(world)
    for number in range(1, 5):
        write_all(world, number, 11 if number % 2 else 1)
        reports = _at_once(world, [Tick(world.slot(number), INTERVAL, shard, 3) for shard in range(3)])
        assert [report.errors for report in reports if report] == [0, 0, 0]

    assert told_series(world) == Counter(
        {(event, f"mon_{name}"): 2 for event in ("firing", "resolved") for name in NAMES}
    )
    (status,) = world.rows(rule_status, rule_id="rule_all")
    assert status["seq"] == len(world.rows(outbox))


def test_a_shard_that_died_is_no_hold_for_its_siblings(world: World) -> None:
    everything(world)
    write_all(world, 1, 11)
    shards(world, 1, 2)
    dead = update(tick_lease).where(tick_lease.c.shard == "0/2")
    world.wiring.store.write(
        lambda tx: tx.conn.execute(dead.values(done=False, lease_until=tx.now() + INTERVAL * 1000))
    )
    write_all(world, 2, 1)

    first, second = shards(world, 2, 2)

    assert first is None
    assert second is not None
    assert second.transitions > 0
