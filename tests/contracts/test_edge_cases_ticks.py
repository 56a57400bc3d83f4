"""Edge cases of a whole tick, each named after what must happen; docs/edge-cases.md says which is which."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from shared import manage
from shared.events import notification_of
from shared.manage import RuleChanges
from shared.store.tables import alerts, rule_status, states, tick_lease, transitions
from tests.support.gate import Gate
from tests.support.sink import Reply, Sink
from tests.support.world import INTERVAL, STEP, World, threshold

HOUR = 3600 * 1000 // STEP
"""Slots of an hour."""


@pytest.fixture
def either(database_url: str, tmp_path: Path) -> Iterator[World]:
    """On each database; the metric store makes no difference here."""
    with Sink(Reply(202)) as sink:
        made = World(tmp_path, sink, database_url, "embedded:///metrics.db")
        yield made
        made.wiring.close()


def one_rule(world: World, **given: Any) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a", **given)


def reasons(world: World) -> list[tuple[str, str]]:
    """(state, reason) of each alert, oldest first."""
    rows = sorted(world.rows(alerts), key=lambda row: row["fired_at"])
    return [(row["state"], row["reason"]) for row in rows]


# ------------------------------------------------------------------ time


def test_a_tick_that_comes_late_looks_at_its_slot_and_is_dated_by_it(either: World) -> None:
    one_rule(either)
    either.write(1, "m value=11")
    either.write(2, "m value=1")  # is there when the tick of slot 1 comes at last

    either.ran(1)

    (told,) = map(notification_of, either.events())
    assert (told.slot, told.alerts[0].fired_at, told.alerts[0].value) == (
        either.slot(1),
        either.slot(1),
        11.0,
    )


def test_a_point_of_the_future_is_not_the_latest(either: World) -> None:
    one_rule(either)
    either.write(1, "m value=11")
    either.write(500, "m value=1")

    either.ran(1)

    assert either.told() == ["firing rule_a"]


def test_a_point_that_comes_late_fires_late_and_once_and_resolves_nothing_newer(either: World) -> None:
    one_rule(either)
    either.play([], ["m value=11"])
    either.write(1, "m value=1")  # older than what fires
    for number in (3, 4):
        either.ran(number)
    assert either.told() == ["firing rule_a"]

    either.write(5, "m value=1")
    either.ran(5)
    either.write(3, "m value=12")  # a breach of the time before it ended
    either.ran(6)
    assert either.told() == ["firing rule_a", "resolved rule_a"]


@pytest.mark.parametrize("step_seconds", [-7200, 7200], ids=["back", "forward"])
def test_a_database_whose_clock_is_set_costs_a_dead_tick_no_more_than_its_lease(
    either: World, step_seconds: int
) -> None:
    """What a tick that died left behind was written by the other clock."""
    one_rule(either)
    either.play(["m value=11"])
    other = update(tick_lease).values(done=False)
    either.wiring.store.write(
        lambda tx: tx.conn.execute(other.values(lease_until=tx.now() - step_seconds * 1000))
    )

    either.write(2, "m value=1")
    either.ran(2)

    assert either.told() == ["firing rule_a", "resolved rule_a"]


def test_slots_out_of_order_leave_the_newer_state_alone(either: World) -> None:
    one_rule(either)
    either.write(2, "m value=11")
    either.ran(3)
    either.write(4, "m value=1")

    assert [either.run(number) for number in (2, 1, 3)] == [None, None, None]
    assert [row["phase"] for row in either.rows(states)] == ["firing"]


# ------------------------------------------------------------------ values


def test_a_counter_that_begins_again_is_no_spike_and_no_drop(either: World) -> None:
    one_rule(either, condition=threshold(">", 60, aggregation="delta", window_seconds=3 * INTERVAL))
    values = [1_000_000, 1_000_010, 1_000_020, 5, 15, 25, 35]

    either.play(*([f"m value={value}"] for value in values))

    assert either.told() == []


# ------------------------------------------------------------------ no data

CAUSES: dict[str, Callable[[Gate], Reply]] = {
    "an error of the query": lambda _: Reply(200, body={"results": [{"error": "engine is closed"}]}),
    "a wrong password": lambda _: Reply(401, body={"error": "authorization failed"}),
    "a database that is gone": lambda _: Reply(200, body={"results": [{"error": "database not found: x"}]}),
    "a server in trouble": lambda _: Reply(503, body={"error": "shutting down"}),
    "an answer that ends early": lambda _: Reply(200, body=b'{"results":[{"series":[{"name":"m"'),
    "no points at all": lambda _: Reply(200, body={"results": [{"statement_id": 0}]}),
}


def test_every_cause_of_missing_data_has_its_own_reason_and_none_resolves(gated: World, gate: Gate) -> None:
    one_rule(gated)
    gated.play(["m value=11"])
    found = {}
    for number, (cause, answer) in enumerate(CAUSES.items(), start=2):
        with gate.instead(lambda _, answer=answer: answer(gate)):  # type: ignore[misc]
            gated.ran(number)
        (status,) = gated.rows(rule_status)
        found[cause] = status["health"], status["health_reason"]

    assert [health for health, _ in found.values()] == ["error"] * 5 + ["no_data"]
    assert len({reason for _, reason in found.values()}) == len(CAUSES)
    assert gated.told() == ["firing rule_a"]
    assert [row["phase"] for row in gated.rows(states)] == ["firing"]


def test_a_firing_series_that_goes_silent_is_closed_as_gone_and_not_as_recovered(either: World) -> None:
    one_rule(either)
    either.play(["m value=11"])
    either.ran(HOUR)
    assert either.told() == ["firing rule_a"]

    either.ran(HOUR + 20)

    assert either.told() == ["firing rule_a", "resolved rule_a"]
    assert reasons(either) == [("resolved", "gone")]
    assert notification_of(either.events()[1]).alerts[0].reason == "gone"


def test_a_series_that_comes_back_after_it_was_closed_opens_another_alert(either: World) -> None:
    one_rule(either)
    either.play(["m value=11"])
    either.ran(HOUR + 20)
    for number in (HOUR + 21, HOUR + 22):
        either.write(number, "m value=11")
        either.ran(number)

    assert reasons(either) == [("resolved", "gone"), ("firing", "breach")]
    assert either.told() == ["firing rule_a", "resolved rule_a", "firing rule_a"]
    assert len({row["id"] for row in either.rows(alerts)}) == 2


def test_a_pending_series_that_goes_silent_waits_and_neither_fires_nor_starts_again(either: World) -> None:
    one_rule(either, condition=threshold(">", 10, for_seconds=4 * INTERVAL, window_seconds=INTERVAL))
    either.play(["m value=11"], [], [], [], [])
    assert [row["phase"] for row in either.rows(states)] == ["pending"]
    assert either.told() == []

    either.write(6, "m value=11")
    either.ran(6)

    (told,) = map(notification_of, either.events())
    assert told.alerts[0].started_at == either.slot(1)


# ------------------------------------------------------------------ lifecycle


def test_new_words_severity_or_channels_keep_the_state_and_tell_nothing(either: World) -> None:
    one_rule(either)
    either.play(["m value=11"])
    changes = RuleChanges(title="Another title", severity="critical", channels=["ops"], cooldown_seconds=60)
    manage.update_rule(either.wiring, "rule_a", changes, actor="test", now=either.slot(1))
    before = [row["alert_id"] for row in either.rows(states)]
    for number in (2, 3):
        either.write(number, "m value=11")
        either.ran(number)

    assert [row["alert_id"] for row in either.rows(states)] == before
    assert [row["change"] for row in either.rows(transitions)][:1] == ["fired"]
    assert "resolved rule_a" not in either.told()
    assert either.told().count("firing rule_a") == 1


def test_another_threshold_keeps_the_alert_and_resolves_it_only_on_evidence(either: World) -> None:
    one_rule(either)
    either.play(["m value=11"])
    changes = RuleChanges(condition=threshold(">", 100))
    manage.update_rule(either.wiring, "rule_a", changes, actor="test", now=either.slot(1))
    either.ran(20)  # nothing has come for longer than the window
    assert reasons(either) == [("firing", "breach")]

    either.write(21, "m value=11")
    either.ran(21)
    assert reasons(either) == [("resolved", "recovered")]
