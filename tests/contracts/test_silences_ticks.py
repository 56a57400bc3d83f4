"""Silences in live ticks: what they hold back, what is told when they end, and that nobody else is hushed."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from shared import manage
from shared.manage import RuleChanges
from shared.store import monitors as monitor_verbs
from shared.store.tables import alerts, states, transitions
from tests.support.silences import hush, play, rule_with_levels, told_alerts
from tests.support.sink import Reply, Sink
from tests.support.world import INTERVAL, World, threshold


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    """An evaluator on each database; silences have nothing to do with the metric store."""
    with Sink(Reply(202)) as sink:
        made = World(tmp_path, sink, database_url, "embedded:///metrics.db")
        yield made
        made.wiring.close()


@pytest.fixture
def one(world: World) -> World:
    return rule_with_levels(world)


@pytest.mark.parametrize(
    ("story", "points", "first", "last", "told"),
    [
        ("fired in it and still active: told when it ends", ".bbbbb", 2, 5, "----F-"),
        ("fired and recovered in it: nothing", ".bb...", 2, 5, "------"),
        ("fired before, recovered in it: told when it ends", "bb....", 2, 5, "F---R-"),
        ("fired before, still active after it: nothing more", "bbbbbb", 2, 5, "F-----"),
        ("worse in it: told when it ends", "bccccc", 2, 5, "F---W-"),
        ("worse and better again in it: nothing", "bccbbb", 2, 5, "F-----"),
        ("it begins and ends at a slot", ".b.b..", 2, 3, "---FR-"),
    ],
    ids=lambda value: value if isinstance(value, str) and ":" in value else "",
)
def test_a_silence_only_delays(one: World, story: str, points: str, first: int, last: int, told: str) -> None:
    hush(one, first, last)
    assert play(one, points) == told, story
    assert not any(row["owes"] for row in one.rows(states))


# ------------------------------------------------------------------ what ends meanwhile


@pytest.mark.parametrize("ending", ["deleted", "disabled", "moved"])
def test_a_rule_that_ends_in_a_silence_closes_its_alert_at_once_and_says_so_after_it(
    one: World, ending: str
) -> None:
    hush(one, 2, 4)
    play(one, "b")
    if ending == "deleted":
        manage.delete_rule(one.wiring, "rule_a", actor="test", now=one.slot(1))
    elif ending == "disabled":
        manage.set_enabled(one.wiring, "rule_a", False, actor="test", now=one.slot(1))
    else:
        one.add_monitor("mon_b", measurement="n")
        changes = RuleChanges(monitor="mon_b")
        manage.update_rule(one.wiring, "rule_a", changes, actor="test", now=one.slot(1))

    assert play(one, "b", first=2) == "-"
    assert [row["state"] for row in one.rows(alerts)] == ["resolved"]
    assert play(one, "bbb", first=3) == "-R-"
    reason = "rule changed" if ending == "moved" else f"rule {ending}"
    assert told_alerts(one)[1][2].reason == reason


def test_a_monitor_that_is_deleted_in_a_silence_over_it_is_still_silenced(one: World) -> None:
    hush(one, 2, 4, monitors=["mon_a"])
    play(one, "b")
    one.wiring.store.write(lambda tx: monitor_verbs.delete(tx, "mon_a", 1, one.slot(1)))
    assert play(one, "bbb", first=2) == "--R"


def test_the_end_that_a_silence_held_back_is_told_as_it_was_while_the_next_breach_is_pending(
    world: World,
) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a", condition=threshold(">", 10, for_seconds=INTERVAL))
    hush(world, 3, 5)
    assert play(world, "bb..b") == "-F--R"

    fired, resolved, *_ = told_alerts(world)
    assert (resolved[0], resolved[1], resolved[2].reason) == ("resolved", fired[1], "recovered")
    times = resolved[2].started_at, resolved[2].fired_at, resolved[2].resolved_at
    assert times == (world.slot(1), world.slot(2), world.slot(3))


def test_an_alert_that_ends_and_fires_again_in_a_silence_is_closed_as_it_was_in_the_message_about_the_next(
    one: World,
) -> None:
    hush(one, 2, 4)
    assert play(one, "b.bb") == "F--F"

    first, second, closed = told_alerts(one)
    assert (second[0], closed[0], closed[1]) == ("firing", "resolved", first[1])
    assert (second[2].fired_at, second[2].resolved_at) == (one.slot(3), None)
    assert (closed[2].fired_at, closed[2].resolved_at) == (one.slot(1), one.slot(2))


def test_an_alert_that_came_and_went_in_a_silence_leaves_no_trace_in_the_message_about_the_one_before(
    one: World,
) -> None:
    hush(one, 2, 5)
    assert play(one, "b.b..") == "F---R"

    fired, resolved = told_alerts(one)
    assert resolved[1] == fired[1]
    assert (resolved[2].fired_at, resolved[2].resolved_at) == (one.slot(1), one.slot(2))


# ------------------------------------------------------------------ what it costs, and what may go wrong


def test_silences_are_read_again_only_when_somebody_changed_something(one: World) -> None:
    asked: list[str] = []
    engine = one.wiring.store.engine
    event.listen(engine, "before_cursor_execute", lambda _c, _cursor, text, *_: asked.append(text))

    def reads() -> int:
        count = sum(1 for text in asked if "FROM silences" in text)
        asked.clear()
        return count

    play(one, ".")
    assert reads() == 1
    play(one, "..", first=2)
    assert reads() == 0
    hush(one, 1, 9)
    play(one, "b", first=4)
    assert reads() == 1


def test_a_silence_that_somebody_broke_silences_nothing_and_stops_nobody(
    one: World, caplog: pytest.LogCaptureFixture
) -> None:
    hush(one, 1, 9, rule=["rule_a"])
    with caplog.at_level(logging.WARNING):
        assert play(one, "b") == "F"
    assert "silence sil_a can't be read" in caplog.text


def test_what_a_silence_holds_is_written_beside_the_change(one: World) -> None:
    hush(one, 1, 3)
    play(one, "b.")
    assert [(row["change"], row["held_by"]) for row in one.rows(transitions)] == [
        ("fired", "silence"),
        ("resolved", ""),
    ]
