"""What people send by hand: tests of a channel, failed deliveries once more, dead letters again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared import deliver, manage
from shared.errors import Conflict, InvalidInput, NotFound, Unavailable
from shared.store import outbox as events
from shared.store.tables import alerts, deliveries, outbox
from shared.wiring import Wiring
from tests.support import by_hand
from tests.support.by_hand import actions
from tests.support.deliveries import (
    announce,
    change,
    notification,
    open_outbox,
    rows,
)
from tests.support.rows import add_alert
from tests.support.sink import Reply, Sink

OPS = ("slack", "ops", "")
NOW = 1_790_000_100_000


@pytest.fixture
def vendor() -> Iterator[Sink]:
    with Sink(Reply(200, body="ok")) as sink:
        yield sink


@pytest.fixture
def broker() -> Iterator[Sink]:
    with Sink(Reply(202)) as sink:
        yield sink


@pytest.fixture
def wiring(
    database_url: str, vendor: Sink, broker: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Wiring]:
    yield from by_hand.process(database_url, vendor, broker, tmp_path, monkeypatch)


def failed(wiring: Wiring, event: str = "firing", **columns: Any) -> dict[str, Any]:
    """One failed delivery of a notification about an alert that fires."""
    if not wiring.store.read(lambda tx: tx.conn.execute(alerts.select()).all()):
        add_alert(wiring.store, "alert_1", rule_id="rule_1")
    announce(wiring.store, notification(1, event), [OPS])
    change(wiring.store, state="rejected", next_at=None, attempts=8, finished_at=1, **columns)
    wiring.store.write(lambda tx: tx.conn.execute(outbox.update().values(next_at=None)))
    return rows(wiring.store)[0]


# ------------------------------------------------------------------ tests of a channel


def test_a_test_takes_the_real_way_and_tells_what_the_vendor_said(
    wiring: Wiring, vendor: Sink, broker: Sink
) -> None:
    sent = manage.send_test(wiring, "ops", actor="cli:ann", now=NOW)

    (row,) = sent.result
    assert (sent.finished, sent.good, row.state, row.http_status) == (True, True, "delivered", 200)
    (event,) = broker.requests
    assert event.headers["ce-type"] == "dev.tocsin.alert.test"
    assert event.headers["ce-toslack"] == "true"
    (told,) = vendor.requests
    assert "[TEST]: Test of channel ops" in told.text
    assert actions(wiring) == ["channel.test"]
    assert open_outbox(wiring.store) == []


@pytest.mark.parametrize(
    ("reply", "state", "code"),
    [
        (Reply(503), "expired", 503),
        (Reply(404, body="no_service"), "rejected", 404),
        (Reply(429, {"Retry-After": "1"}), "expired", 429),
        (Reply(drop="unanswered"), "unknown", None),
    ],
    ids=["down", "gone", "busy", "silent"],
)
def test_a_test_that_fails_says_why_and_is_never_repeated(
    wiring: Wiring, vendor: Sink, reply: Reply, state: str, code: int | None
) -> None:
    vendor.reply(reply)
    sent = manage.send_test(wiring, "ops", actor="cli:ann", now=NOW)

    (row,) = sent.result
    assert (sent.finished, sent.good, row.state, row.http_status) == (True, False, state, code)
    assert row.next_at is None
    assert len(vendor.requests) == 1
    with pytest.raises(Conflict, match="a test is sent once"):
        manage.retry_deliveries(wiring, [row.id], actor="a", now=NOW)


def test_a_test_on_a_dead_channel_finds_out_whether_it_lives_again(wiring: Wiring, vendor: Sink) -> None:
    vendor.reply(Reply(410, body="channel_is_archived"))
    manage.send_test(wiring, "ops", actor="a", now=NOW)
    assert [one.health for one in manage.list_channels(wiring)] == ["unhealthy", "ok"]

    assert manage.send_test(wiring, "ops", actor="a", now=NOW + 1).good
    assert [one.health for one in manage.list_channels(wiring)] == ["ok", "ok"]


def test_a_test_that_nothing_takes_is_unfinished_or_given_up(wiring: Wiring) -> None:
    sent = manage.send_test(wiring, "idle", actor="a", now=NOW)
    assert (sent.finished, sent.good) == (False, False)

    event = wiring.store.read(lambda tx: tx.conn.execute(outbox.select()).one())
    (due,) = wiring.store.read(lambda tx: events.chosen(tx, [event.id]))
    deliver.bury(due.event, "webhook", wiring, "no signature by a known key")
    after = manage.delivery_result(wiring, sent.notification_id)
    assert (after.finished, after.given_up) == (True, "no signature by a known key")


def test_a_test_needs_a_channel_and_a_broker(wiring: Wiring, broker: Sink) -> None:
    with pytest.raises(NotFound, match="configured are: ops, idle"):
        manage.send_test(wiring, "opps", actor="a", now=NOW)
    broker.answer = lambda _: Reply(503)
    with pytest.raises(Unavailable, match="it answered 503"):
        manage.send_test(wiring, "ops", actor="a", now=NOW)
    wiring.broker.sink = ""
    with pytest.raises(Unavailable, match="K_SINK") as refused:
        manage.send_test(wiring, "ops", actor="a", now=NOW)
    assert "make run" in str(refused.value)
    assert len(rows(wiring.store)) == 1


# ------------------------------------------------------------------ failed deliveries


@pytest.mark.parametrize("state", ["rejected", "expired", "unknown"])
def test_what_failed_is_told_when_somebody_tries_again(wiring: Wiring, vendor: Sink, state: str) -> None:
    row = failed(wiring)
    change(wiring.store, state=state, sent_at=1 if state == "unknown" else None, deadline_at=1)

    done = manage.retry_deliveries(wiring, [row["id"][:10]], actor="cli:ann", now=NOW)

    assert [one.id for one in done.deliveries] == [row["id"]]
    (after,) = rows(wiring.store)
    assert (after["state"], after["attempts"]) == ("delivered", 1)
    assert ("may repeat" in vendor.requests[0].text) == (state == "unknown")
    assert actions(wiring) == ["delivery.retry"]
    assert open_outbox(wiring.store) == []


def test_without_a_broker_the_next_tick_publishes_what_is_tried_again(wiring: Wiring) -> None:
    row = failed(wiring)
    wiring.broker.sink = ""
    manage.retry_deliveries(wiring, [row["id"]], actor="a", now=NOW)

    assert open_outbox(wiring.store) == [row["notification_id"]]
    (after,) = rows(wiring.store)
    assert after["state"] == "pending"
    assert after["deadline_at"] > after["next_at"] > 1


def test_all_that_failed_on_a_channel_is_tried_again_at_once(wiring: Wiring, vendor: Sink) -> None:
    failed(wiring)
    for number in (2, 3):
        add_alert(wiring.store, f"alert_{number}", rule_id=f"rule_{number}")
        made = notification(1, rule={"id": f"rule_{number}"}, id=f"e{number}")
        one = made.alerts[0].model_copy(update={"id": f"alert_{number}"})
        announce(wiring.store, made.model_copy(update={"alerts": (one,)}), [OPS])
    change(wiring.store, state="expired", next_at=None)

    done = manage.retry_deliveries(wiring, channel="ops", since=1, actor="a", now=NOW)

    assert (len(done.deliveries), done.left) == (3, {})
    assert {row["state"] for row in rows(wiring.store)} == {"delivered"}
    assert manage.retry_deliveries(wiring, channel="ops", actor="a", now=NOW).deliveries == ()


def test_what_would_tell_an_old_story_is_left_alone(wiring: Wiring) -> None:
    row = failed(wiring)
    over = alerts.update().values(state="resolved", resolved_at=5, open_key=alerts.c.id)
    wiring.store.write(lambda tx: tx.conn.execute(over))
    with pytest.raises(Conflict, match="nothing of what it tells fires any more"):
        manage.retry_deliveries(wiring, [row["id"]], actor="a", now=NOW)

    wiring.store.write(lambda tx: tx.conn.execute(alerts.update().values(resolved_at=None)))
    announce(wiring.store, notification(2, "worsened"), [OPS])
    told = deliveries.update().where(deliveries.c.seq == 2).values(state="delivered", next_at=None, sent_at=7)
    wiring.store.write(lambda tx: tx.conn.execute(told))
    with pytest.raises(Conflict, match="newer news"):
        manage.retry_deliveries(wiring, [row["id"]], actor="a", now=NOW)
    left = manage.retry_deliveries(wiring, channel="ops", actor="a", now=NOW)
    assert (left.deliveries, list(left.left)) == ((), [row["id"]])


def test_what_is_told_or_on_its_way_can_not_be_tried_again(wiring: Wiring) -> None:
    announce(wiring.store, notification(1), [OPS])
    (row,) = rows(wiring.store)
    with pytest.raises(Conflict, match="tried again by itself"):
        manage.retry_deliveries(wiring, [row["id"]], actor="a", now=NOW)
    change(wiring.store, state="delivered", next_at=None)
    with pytest.raises(Conflict, match="it is delivered"):
        manage.retry_deliveries(wiring, [row["id"]], actor="a", now=NOW)
    with pytest.raises(InvalidInput):
        manage.retry_deliveries(wiring, actor="a", now=NOW)
    assert actions(wiring) == []


def test_deliveries_are_found_by_state_channel_rule_and_alert_and_tell_their_story(wiring: Wiring) -> None:
    row = failed(
        wiring, reason="Slack says no", excerpt="no", provider_code="invalid_payload", http_status=400
    )

    def found(**wanted: Any) -> int:
        return len(manage.list_deliveries(wiring, **wanted).items)

    assert [found(), found(state="rejected"), found(channel="ops"), found(rule="rule_1")] == [1] * 4
    assert [found(alert="alert_1"), found(state="delivered"), found(only_open=True)] == [1, 0, 0]
    with pytest.raises(InvalidInput, match="Did you mean 'rejected'"):
        found(state="rejekted")
    detail = manage.get_delivery(wiring, row["id"][:12])
    assert (detail.title, detail.published, [one.id for one in detail.alerts]) == (
        "Demo site is down",
        True,
        ["alert_1"],
    )
    assert (detail.delivery.provider_code, detail.delivery.excerpt) == ("invalid_payload", "no")
    with pytest.raises(NotFound):
        manage.get_delivery(wiring, "dlv_none")


# ------------------------------------------------------------------ dead letters
