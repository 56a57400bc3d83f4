"""Looking back through the use cases, on both databases and both metric stores: nothing is written, errors speak."""

from typing import Any

import pytest
from sqlalchemy import func, select

from shared import manage
from shared.errors import InvalidInput, QueryFailed, Unavailable
from shared.store.tables import metadata
from tests.support.gate import Gate
from tests.support.sink import Reply, Request
from tests.support.world import STEP, World, threshold

VALUES = ["1", "11", "12", "1", "", "1"]


def played(world: World, **rule: Any) -> World:
    """A monitor, a rule that fires above 10, and the ticks of a short story."""
    world.add_monitor("mon_a", key=["host"])
    world.add_rule("rule_a", **rule)
    world.play(*([f"m,host=a value={value}"] if value else [] for value in VALUES))
    return world


def looked(world: World, **given: Any) -> manage.Found:
    last = len(VALUES)
    plain = {"since": world.slot(1), "until": world.slot(last), "now": world.slot(last) + 1}
    return manage.backtest_rule(world.wiring, "rule_a", **{**plain, **given})


def on_fire(_: Request) -> Reply:
    return Reply(500, body=b'{"error":"shard 7 is on fire"}')


def sizes(world: World) -> dict[str, int]:
    def count(tx: Any) -> dict[str, int]:
        return {
            name: tx.conn.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in metadata.tables.items()
        }

    return world.wiring.store.read(count)


def test_a_stored_rule_is_looked_back_at_and_nothing_is_written(world: World) -> None:
    played(world)
    before = sizes(world)

    found = looked(world)

    (one,) = found.series
    (episode,) = one.episodes
    assert (episode.fired_at, episode.ended_at, episode.peak) == (world.slot(2), world.slot(4), 12)
    assert [(told.at, told.event) for told in found.told] == [
        (world.slot(2), "firing"),
        (world.slot(4), "resolved"),
    ]
    assert (found.slots, found.points, one.coverage) == (6, 5, 1.0)
    assert sizes(world) == before


def test_another_condition_or_monitor_can_be_tried(world: World) -> None:
    played(world)
    world.add_monitor("mon_b", measurement="other")

    assert looked(world, condition=threshold(">", 11.5)).series[0].episodes[0].fired_at == world.slot(3)
    assert looked(world, monitor="mon_b").series_count == 0
    with pytest.raises(InvalidInput, match="valid keys are"):
        looked(world, condition=threshold(">", 1, nonsense=1))


def test_a_rule_that_is_only_proposed_can_be_tried(world: World) -> None:
    played(world)
    draft = manage.draft_rule({"title": "Try", "monitor": "mon_a", "condition": threshold(">", 11.5)})

    found = manage.backtest_draft(
        world.wiring, draft, since=world.slot(1), until=world.slot(6), now=world.slot(7)
    )

    assert (found.fired, found.title) == (1, "Try")


def test_a_silence_of_the_past_holds_in_a_backtest_too(small: World) -> None:
    played(small)
    draft = manage.draft_silence(
        {
            "rules": ["rule_a"],
            "reason": "moving",
            "starts_at": small.slot(2),
            "ends_at": small.slot(3),
        }
    )
    manage.silence_alerts(small.wiring, draft, by="ann", actor="test", now=small.slot(1))

    found = looked(small)

    assert [(held.held_by, held.until, held.then) for held in found.held] == [
        ("silence", small.slot(3), "firing")
    ]
    assert found.told[0].at == small.slot(3)


def test_a_store_that_does_not_answer_is_the_error_of_the_backtest(gated: World, gate: Gate) -> None:
    played(gated)

    with gate.instead(on_fire), pytest.raises((QueryFailed, Unavailable), match="shard 7 is on fire"):
        looked(gated)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"since": 0}, "92 days at most"),
        ({"until": 1 << 50}, "must not be in the future"),
        ({"interval_seconds": 0}, "1 second to 1 day"),
        ({"since": 1 << 50}, "before the end"),
    ],
    ids=["too long", "future", "no interval", "upside down"],
)
def test_a_range_that_makes_no_sense_is_one_clear_error(
    small: World, given: dict[str, Any], words: str
) -> None:
    played(small)

    with pytest.raises(InvalidInput, match=words):
        looked(small, **given)


# ------------------------------------------------------------------ explaining


def test_a_firing_rule_is_explained_with_its_slots_its_steps_and_what_holds_it(world: World) -> None:
    world.add_monitor("mon_a", key=["host"])
    world.add_rule("rule_a", cooldown_seconds=3600)
    world.play(*([f"m,host=a value={value}"] for value in ("11", "1", "12")), ["m,host=b value=1"])

    explained = manage.explain_rule(world.wiring, "rule_a", series="host=a", slots=4, now=world.slot(4))

    story = explained.story
    assert story is not None
    assert [(slot.at, slot.value, slot.state) for slot in story.slots] == [
        (world.slot(1), 11, "firing"),
        (world.slot(2), 1, "ok"),
        (world.slot(3), 12, "firing"),
        (world.slot(4), 12, "firing"),
    ]
    assert [slot.told or slot.held_by for slot in story.slots] == [
        "firing", "resolved", "cooldown", "cooldown",
    ]  # fmt: skip
    assert [step.change for step in story.steps] == ["fired", "resolved", "fired"]
    assert "waits for the cooldown" in story.holds[0]
    assert story.alert is not None
    assert explained.others == ("host=b",)
    assert [(one.name, one.state, one.held_by) for one in explained.active] == [
        ("host=a", "firing", "cooldown")
    ]


def test_what_an_acknowledgement_and_a_silence_hold_is_said_with_who_and_until_when(small: World) -> None:
    small.add_monitor("mon_a")
    small.add_rule("rule_a")
    small.play(["m value=11"], ["m value=11"])
    (alert,) = manage.list_alerts(small.wiring).items
    manage.acknowledge(small.wiring, alert.id, by="ann", note="on it", actor="test", now=small.slot(2))
    draft = manage.draft_silence({"rules": ["rule_a"], "reason": "moving", "duration_seconds": 600})
    manage.silence_alerts(small.wiring, draft, by="bob", actor="test", now=small.slot(2))

    story = manage.explain_rule(small.wiring, "rule_a", now=small.slot(2) + STEP // 2).story

    assert story is not None
    assert ["silenced until" in story.holds[0], "(moving)" in story.holds[0]] == [True, True]
    assert "acknowledged by ann (on it)" in story.holds[1]


def test_a_rule_whose_metrics_can_not_be_read_is_explained_as_far_as_possible(
    gated: World, gate: Gate
) -> None:
    played(gated)

    with gate.instead(on_fire):
        explained = manage.explain_rule(gated.wiring, "rule_a", now=gated.slot(6))

    assert "shard 7 is on fire" in explained.trouble
    assert explained.story is not None
    assert [step.change for step in explained.story.steps] == ["fired", "resolved"]


def test_a_rule_that_never_saw_anything_says_so_in_the_list_and_the_explanation(small: World) -> None:
    small.add_monitor("mon_a")
    small.add_rule("rule_a")
    small.add_rule("rule_b", None, selector={"kind": "nothing"})
    small.ran(1)

    listed = {item.rule.id: item.doubts for item in manage.list_rules(small.wiring).items}
    assert [doubt.code for doubt in listed["rule_a"]] == ["never_seen"]
    assert [doubt.code for doubt in listed["rule_b"]] == ["selector"]
    explained = manage.explain_rule(small.wiring, "rule_b", now=small.slot(1))
    assert (explained.story, "no monitor matches" in explained.trouble) == (None, True)


def test_a_disabled_rule_is_explained_as_such(small: World) -> None:
    played(small, enabled=False)

    explained = manage.explain_rule(small.wiring, "rule_a", now=small.slot(6))

    assert "disabled" in explained.obstacles[0]


def test_a_series_that_is_not_there_is_an_error_with_those_that_are(small: World) -> None:
    played(small)

    with pytest.raises(InvalidInput, match="there are host=a"):
        manage.explain_rule(small.wiring, "rule_a", series="host=z", now=small.slot(6))
