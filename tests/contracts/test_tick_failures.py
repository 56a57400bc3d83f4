"""What goes wrong around a tick: processes that die, ticks that overlap, stores and brokers that fail, bad rows."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.events import Tick
from shared.store.tables import (
    alerts,
    outbox,
    query_groups,
    rule_status,
    series,
    states,
    ticks,
)
from shared.tick import run
from tests.support.dying import Died, Dying
from tests.support.gate import Gate
from tests.support.sink import Reply, Request
from tests.support.world import INTERVAL, STEP, World

FAR = 5000


def test_an_event_that_the_broker_refuses_comes_again_with_the_same_id_and_bytes(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    world.write(1, "m value=11")
    world.sink.reply(Reply(500))
    report = world.ran(1)
    assert report.errors == 1
    assert world.rows(outbox)[0]["published_at"] is None
    world.expire()

    world.ran(2)

    first, second = world.events()
    assert (first.id, first.body, first.attributes) == (second.id, second.body, second.attributes)
    assert world.rows(outbox)[0]["published_at"] is not None


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


def test_a_slot_far_from_the_clock_is_refused(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")

    assert world.run(FAR) is None
    assert world.rows(ticks) == []


def test_a_slot_may_be_as_far_from_the_clock_as_the_setting_says_and_no_further(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = world.settings.model_copy(update={"max_skew_intervals": 2})
    monkeypatch.setattr(world.wiring, "settings", strict)
    now = world.wiring.store.read(lambda tx: tx.now())

    assert run(Tick(now - STEP * 5 // 2, INTERVAL), world.wiring) is None
    assert run(Tick(now - STEP * 3 // 2, INTERVAL), world.wiring) is not None


# ------------------------------------------------------------------ processes that die


@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(1, 6), ids=["claim", "commit", "looks", "published", "finish"])
def test_a_process_that_dies_at_any_write_loses_nothing_and_repeats_only_itself(
    world: World, step: int, committed: bool
) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    world.write(1, "m value=11")
    dying = Dying(world, step, committed=committed)
    with pytest.raises(Died):
        world.run(1, dying)
    dying.close()
    world.expire()

    for number in (2, 3):
        world.write(number, "m value=11")
        world.ran(number)

    assert set(world.told()) == {"firing rule_a"}
    assert len({event.id for event in world.events()}) == 1
    assert len({event.body for event in world.events()}) == 1
    assert [row["state"] for row in world.rows(alerts)] == ["firing"]
    assert [row["rule_id"] for row in world.rows(series)] == ["rule_a"]


def test_a_process_that_lost_a_write_but_lives_on_writes_it_in_the_next_tick(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    world.write(1, "m value=1")
    shaken = Dying(world, 2, committed=False)  # nothing fires, so that the second write is what was looked at
    with pytest.raises(Died):
        world.run(1, shaken)
    world.expire()
    world.write(2, "m value=1")

    world.run(2, shaken)

    assert [row["first_seen"] for row in world.rows(series)] == [world.slot(2)]
    shaken.close()


# ------------------------------------------------------------------ ticks that overlap


def test_of_many_ticks_of_one_slot_at_once_one_does_the_work(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    world.write(1, "m value=11")
    start = threading.Barrier(4)

    def compete() -> bool:
        start.wait(5)
        return world.run(1) is not None

    with ThreadPoolExecutor(4) as pool:
        worked = [future.result(30) for future in [pool.submit(compete) for _ in range(4)]]

    assert sorted(worked) == [False, False, False, True]
    assert world.told() == ["firing rule_a"]


def test_a_tick_that_comes_while_another_works_leaves_it_alone(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    world.write(1, "m value=11")
    broker_answers = threading.Event()
    world.sink.reply(Reply(202, hold=broker_answers))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(world.run, 1)
        world.sink.wait_for(1)

        assert world.run(2) is None
        broker_answers.set()
        report = first.result(20)

    assert report is not None
    assert report.errors == 0
    assert world.told() == ["firing rule_a"]
    assert world.ran(3).skipped == 1


def test_a_late_finisher_writes_nothing_and_says_so(gated: World, gate: Gate) -> None:
    gated.add_monitor("mon_a")
    gated.add_rule("rule_a")
    gated.write(1, "m value=11")
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
        gated.expire()
        gated.write(2, "m value=1")
        newer = gated.new_process()
        gated.run(2, newer)
        newer.close()
        go_on.set()
        report = late.result(20)

    assert report is not None
    assert report.error == f"a newer tick took over shard 0/1; slot {gated.slot(1)} stops"
    assert gated.rows(alerts) == gated.rows(states) == []
    assert gated.told() == []
    assert {row["slot"]: row["errors"] for row in gated.rows(ticks)} == {gated.slot(1): 1, gated.slot(2): 0}


# ------------------------------------------------------------------ metric stores that fail


def test_an_error_inside_a_good_answer_is_no_recovery(gated: World, gate: Gate) -> None:
    gated.add_monitor("mon_a")
    gated.add_rule("rule_a")
    gated.play(["m value=11"])
    clean = {"name": "m", "columns": ["time", "value"], "values": [[gated.slot(2) - 1000, 1]]}
    body = {"results": [{"series": [clean]}, {"error": "the rest timed out"}]}
    with gate.instead(lambda _: Reply(200, body=body)):
        assert gated.ran(2).errors == 1

    assert gated.told() == ["firing rule_a"]
    assert [row["phase"] for row in gated.rows(states)] == ["firing"]
    (status,) = gated.rows(rule_status)
    assert "the rest timed out" in status["health_reason"]
    assert [row["error"] for row in gated.rows(query_groups)] == [status["health_reason"]]


def test_trouble_in_other_words_is_no_younger(gated: World, gate: Gate) -> None:
    gated.add_monitor("mon_a")
    gated.add_rule("rule_a")
    for number, words in enumerate(["first", "second"], start=1):
        with gate.instead(lambda _, words=words: Reply(500, body={"error": words})):  # type: ignore[misc]
            gated.ran(number)

    (status,) = gated.rows(rule_status)
    assert status["health_since"] == gated.slot(1)
    assert "second" in status["health_reason"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_metric_store_that_hangs_costs_a_part_of_the_lease_and_then_comes_last(
    gated: World, gate: Gate
) -> None:
    for name in "ab":
        gated.add_monitor(f"mon_{name}", measurement=name)
        gated.add_rule(f"rule_{name}", f"mon_{name}")
        gated.write(1, f"{name} value=11")
    never = threading.Event()

    def hangs(request: Request) -> Reply:
        return Reply(hold=never) if "FROM+%22a%22" in request.text else gate.forward(request)

    with gate.instead(hangs):
        reports = [run(Tick(gated.slot(1) + seconds * 1000, 2), gated.wiring) for seconds in (0, 2)]

    first, second = reports
    assert first is not None
    assert second is not None
    assert (first.queries, second.queries) == (1, 2)
    assert max(report.stages_ms["query"] for report in (first, second)) < 2000 * 5 / 6
    assert gated.told() == ["firing rule_b"]
    (status,) = gated.rows(rule_status, rule_id="rule_a")
    assert "no complete answer" in status["health_reason"]
