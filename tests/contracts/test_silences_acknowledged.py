"""Acknowledgements with an end, in live ticks: who has it in hand until when, and what is told after it."""

from typing import Any

import pytest

from shared import manage
from shared.store.tables import alerts, states
from tests.support.silences import hush, play, rule_with_levels, told_alerts
from tests.support.world import World


@pytest.fixture
def one(small: World) -> World:
    return rule_with_levels(small)


def acknowledge(world: World, **given: Any) -> None:
    (alert,) = world.rows(alerts)
    manage.acknowledge(
        world.wiring, alert["id"], by="ann", note="on it", actor="ann", now=world.slot(1), **given
    )


def test_an_acknowledgement_that_runs_out_is_followed_by_a_reminder_and_is_nobodys(one: World) -> None:
    play(one, "b")
    acknowledge(one, until=one.slot(3))

    assert play(one, "b", first=2) == "-"
    assert one.rows(alerts)[0]["ack_note"] == "on it"
    assert play(one, "bbb", first=3) == "R--"
    assert [(event, facts.reason) for event, _, facts in told_alerts(one)][2:] == [
        ("reminder", "acknowledgement ended")
    ]
    (alert,) = one.rows(alerts)
    assert (alert["acked_at"], alert["acked_by"], alert["ack_note"], alert["state"]) == (
        None,
        "",
        "",
        "firing",
    )


def test_an_acknowledgement_that_runs_out_in_a_silence_lasts_as_long_as_that(one: World) -> None:
    hush(one, 2, 5)
    play(one, "b")
    acknowledge(one, until=one.slot(3))

    assert play(one, "bbb", first=2) == "---"
    assert one.rows(alerts)[0]["acked_by"] == "ann"
    assert play(one, "bb", first=5) == "R-"
    assert one.rows(alerts)[0]["acked_by"] == ""


def test_an_alert_that_was_never_told_is_told_when_its_acknowledgement_is_taken_back(one: World) -> None:
    hush(one, 1, 2)
    play(one, "b")
    acknowledge(one)
    assert play(one, "bb", first=2) == "--"
    assert [row["held_by"] for row in one.rows(states)] == ["acknowledged"]

    (alert,) = one.rows(alerts)
    manage.withdraw_acknowledgement(one.wiring, alert["id"], actor="ann", now=one.slot(3))
    assert play(one, "bb", first=4) == "F-"


def test_an_alert_that_ends_while_it_is_acknowledged_needs_no_reminder(one: World) -> None:
    play(one, "b")
    acknowledge(one, until=one.slot(3))
    assert play(one, "...", first=2) == "R--"
    assert told_alerts(one)[-1][0] == "resolved"
    assert one.rows(alerts)[0]["acked_by"] == "ann"
