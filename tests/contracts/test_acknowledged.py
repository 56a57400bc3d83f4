"""Acknowledging: who hears of it, once, in order; and what repeating it does."""

from typing import Any

import pytest
from sqlalchemy import update

from shared import manage
from shared.channels import kinds, load_kind
from shared.channels._combine import combine
from shared.channels._message import build, plain_text
from shared.errors import NotFound
from shared.events import notification_of
from shared.model import EventKind
from shared.store.tables import alerts, audit, deliveries, outbox, rule_status
from tests.support.deliveries import alert, notification
from tests.support.world import World

EVERYBODY = """
channels:
  - {name: ops, kind: slack, default: true}
  - {name: hook, kind: webhook, default: true}
  - {name: mail, kind: email, default: true, settings: {from: t@team.example, to: [ann@team.example]}}
  - {name: other, kind: slack}
"""


@pytest.fixture
def firing(world: World) -> World:
    """Two series of one rule fire, told in one notification on three channels."""
    world.add_monitor("mon_a", key=["host"])
    world.add_rule("rule_a")
    assert world.settings.channels_file is not None
    world.settings.channels_file.write_text(EVERYBODY)
    world.play(["m,host=a value=11", "m,host=b value=12"])
    return world


def told(world: World) -> str:
    """The id of the first notification."""
    return str(min(world.rows(outbox), key=lambda row: row["seq"])["id"])


def press(world: World, by: str = "Ann", note: str = "") -> manage.Acknowledgeable:
    return manage.acknowledge_notification(
        world.wiring, told(world), by=by, note=note, actor="link", now=world.slot(1) + 5000
    )


def rows_of(world: World, event: str) -> list[tuple[Any, ...]]:
    found = world.rows(deliveries, event=event)
    return sorted((row["kind"], row["channel"], row["seq"], row["severity"]) for row in found)


def test_those_who_share_a_room_and_programs_hear_of_it_and_nobodys_mailbox_does(firing: World) -> None:
    (first, _) = firing.rows(alerts)
    manage.acknowledge(
        firing.wiring, first["id"], by="Ann", note="on it", actor="cli:ann", now=firing.slot(1) + 5000
    )

    assert firing.told() == ["firing rule_a", "acknowledged rule_a"]
    assert rows_of(firing, "acknowledged") == [("slack", "ops", 2, 3), ("webhook", "hook", 2, 3)]
    event = firing.events()[1]
    assert {name for name in event.attributes if name.startswith("to") and name != "tocsinsig"} == {
        "toslack",
        "towebhook",
    }
    said = notification_of(event)
    assert (said.note, said.rule.title, said.seq) == ("Acknowledged by Ann: on it", "Title of rule_a", 2)
    assert [(one.id, one.event, one.value) for one in said.alerts] == [
        (first["id"], EventKind.ACKNOWLEDGED, first["value"])
    ]
    assert firing.rows(rule_status)[0]["seq"] == 2


def test_until_when_is_told_as_every_other_time_is(firing: World) -> None:
    (first, _) = firing.rows(alerts)
    manage.acknowledge(
        firing.wiring,
        first["id"],
        by="Ann",
        until=1_893_456_000_000,
        actor="cli:ann",
        now=firing.slot(1) + 5000,
    )

    note = notification_of(firing.events()[1]).note
    assert note == "Acknowledged by Ann, until 2030-01-01 00:00:00 +00:00"


def test_a_link_acknowledges_all_that_still_fires_and_repeating_it_changes_nothing(firing: World) -> None:
    done = press(firing, "Ann", "looking")
    again = press(firing, "Bob", "me too")

    assert [(one.acked_by, one.ack_note) for one in done.alerts] == [("Ann", "looking")] * 2
    assert again.alerts == done.alerts
    assert again.waiting == ()
    assert firing.told() == ["firing rule_a", "acknowledged rule_a"]
    assert len(firing.rows(audit)) == 2
    (said,) = (notification_of(event) for event in firing.events()[1:])
    assert said.alert_count == len(said.alerts) == 2


def test_what_is_over_or_somebody_elses_is_left_alone_by_a_link(firing: World) -> None:
    first, second = sorted(firing.rows(alerts), key=lambda row: row["key"])
    manage.acknowledge(firing.wiring, second["id"], by="Bob", actor="cli:bob", now=firing.slot(1) + 1)
    firing.write(2, "m,host=a value=1", "m,host=b value=12")
    firing.ran(2)

    done = press(firing)

    assert {one.id: (one.state, one.acked_by) for one in done.alerts} == {
        first["id"]: ("resolved", ""),
        second["id"]: ("firing", "Bob"),
    }
    assert firing.told() == ["firing rule_a", "acknowledged rule_a", "resolved rule_a"]


def test_the_same_words_twice_are_said_once_and_new_words_again(firing: World) -> None:
    (first, _) = firing.rows(alerts)
    for note in ("on it", "on it", "found it"):
        manage.acknowledge(firing.wiring, first["id"], by="Ann", note=note, actor="a", now=firing.slot(2))

    assert [notification_of(event).note for event in firing.events()[1:]] == [
        "Acknowledged by Ann: on it",
        "Acknowledged by Ann: found it",
    ]


def test_without_a_broker_at_hand_the_next_tick_publishes_it(firing: World) -> None:
    wiring = firing.new_process()
    wiring.broker.sink = ""
    manage.acknowledge_notification(wiring, told(firing), by="Ann", actor="link", now=firing.slot(1) + 1)
    assert firing.told() == ["firing rule_a"]
    wiring.close()

    firing.write(2, "m,host=a value=11", "m,host=b value=12")
    firing.ran(2)
    assert firing.told() == ["firing rule_a", "acknowledged rule_a"]


def test_what_nobody_was_told_of_is_acknowledged_in_silence(world: World) -> None:
    world.add_monitor("mon_a")
    world.add_rule("rule_a", channels=[])
    world.play(["m value=11"])
    (row,) = world.rows(alerts)
    assert (
        manage.acknowledge(world.wiring, row["id"], by="Ann", actor="a", now=world.slot(2)).acked_by == "Ann"
    )
    assert world.rows(deliveries) == []


def test_who_could_not_be_told_that_it_fires_is_not_told_that_it_is_acknowledged(firing: World) -> None:
    rejected = update(deliveries).where(deliveries.c.channel == "ops").values(state="rejected", next_at=None)
    firing.wiring.store.write(lambda tx: tx.conn.execute(rejected))
    press(firing)

    assert [row[1] for row in rows_of(firing, "acknowledged")] == ["hook"]


def test_a_notification_that_is_not_there_is_said_to_be_so(world: World) -> None:
    with pytest.raises(NotFound):
        manage.acknowledgeable(world.wiring, "nothing")


# ------------------------------------------------------------------ words


def test_the_message_in_a_room_is_short_and_says_who_and_why() -> None:
    telling = combine([notification(2, "acknowledged", note="Acknowledged by Ann: on it")], {"alert_1"})
    assert telling is not None
    text = plain_text(build(telling, id="dlv_1", zone="UTC"))

    assert text.startswith("👤 ACKNOWLEDGED: Demo site is down\n")
    assert "Acknowledged by Ann: on it" in text
    for old in ("Condition", "Runbook", "Labels", "Severity"):
        assert old not in text


def test_who_was_not_told_yet_hears_that_it_fires_and_who_has_it() -> None:
    waiting = [notification(1), notification(2, "acknowledged", note="Acknowledged by Ann")]
    telling = combine(waiting, set())
    assert telling is not None
    assert telling.event is EventKind.FIRING
    message = build(telling, id="dlv_1", zone="UTC")
    assert message.notes == ("Acknowledged by Ann",)
    assert dict(message.facts)["Condition"]


def test_what_fires_beside_it_is_the_headline() -> None:
    waiting = [
        notification(1, alerts=[alert(2)]),
        notification(2, "acknowledged", [alert(1, "acknowledged")]),
    ]
    telling = combine(waiting, {"alert_1"})
    assert telling is not None
    assert telling.event is EventKind.FIRING


def test_every_kind_says_whether_it_is_told() -> None:
    assert {kind for kind in kinds() if not load_kind(kind).TOLD_ACKS} == {"email", "push", "sms"}
