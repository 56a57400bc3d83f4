"""The use cases on alerts, channels and the demo: what they check, what they write, what they say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import manage
from shared.errors import Conflict, InvalidInput, NotFound
from shared.wiring import Wiring
from tests.support.manage import NOW, written
from tests.support.manage import wiring as made
from tests.support.rows import add_alert


@pytest.fixture
def wiring(tmp_path: Path) -> Iterator[Wiring]:
    one = made(tmp_path)
    yield one
    one.close()


def test_an_alert_is_acknowledged_and_taken_back(wiring: Wiring) -> None:
    add_alert(wiring.store, "alert_abc")
    until = NOW + 60_000
    acked = manage.acknowledge(
        wiring, "alert_a", by="Ann", note="on it", until=until, actor="cli:ann", now=NOW
    )

    assert (acked.acked_by, acked.ack_note, acked.acked_until) == ("Ann", "on it", until)
    assert [alert.id for alert in manage.list_alerts(wiring, acknowledged=True, state="firing").items] == [
        "alert_abc"
    ]
    back = manage.withdraw_acknowledgement(wiring, "alert_abc", actor="cli:ann", now=NOW)
    assert back.acked_at is None
    with pytest.raises(InvalidInput, match="not acknowledged"):
        manage.withdraw_acknowledgement(wiring, "alert_abc", actor="cli:ann", now=NOW)
    assert len(written(wiring)) == 2


def test_an_acknowledgement_that_can_not_be_is_refused(wiring: Wiring) -> None:
    add_alert(wiring.store, "alert_open")
    add_alert(wiring.store, "alert_done", phase="ok")

    with pytest.raises(InvalidInput, match="in the future"):
        manage.acknowledge(wiring, "alert_open", by="Ann", until=NOW, actor="a", now=NOW)
    with pytest.raises(Conflict, match="not open any more"):
        manage.acknowledge(wiring, "alert_done", by="Ann", actor="a", now=NOW)
    with pytest.raises(NotFound):
        manage.acknowledge(wiring, "alert_none", by="Ann", actor="a", now=NOW)
    assert written(wiring) == ()


def test_a_state_that_alerts_do_not_have_gets_a_hint(wiring: Wiring) -> None:
    with pytest.raises(InvalidInput, match="Did you mean 'firing'"):
        manage.list_alerts(wiring, state="fireing")


def test_channels_are_listed_with_their_health(wiring: Wiring) -> None:
    assert [(one.channel.name, one.channel.default, one.health) for one in manage.list_channels(wiring)] == [
        ("ops", True, "ok"),
        ("team", False, "ok"),
    ]


def test_the_demo_fills_an_empty_database_once(wiring: Wiring) -> None:
    seeded = manage.seed_demo(wiring, if_empty=True, actor="demo", now=NOW)
    assert {rule.id for rule in seeded.rules} >= {"rule_demo_site_down", "rule_cpu_busy"}
    assert len(written(wiring)) == len(seeded.monitors) + len(seeded.rules)

    assert manage.seed_demo(wiring, if_empty=True, actor="demo", now=NOW) == manage.Seeded()
    with pytest.raises(Conflict, match="not empty"):
        manage.seed_demo(wiring, actor="demo", now=NOW)


def test_a_demo_that_was_deleted_does_not_come_back(wiring: Wiring) -> None:
    for rule in manage.seed_demo(wiring, actor="demo", now=NOW).rules:
        manage.delete_rule(wiring, rule.id, actor="test", now=NOW)

    assert manage.seed_demo(wiring, if_empty=True, actor="demo", now=NOW) == manage.Seeded()
    assert manage.list_rules(wiring).items == ()
