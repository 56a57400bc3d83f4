"""A notification of many alerts at a vendor that wants each alone: one delivery, every alert told, repeats harmless."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import deliver
from shared.errors import Unavailable
from shared.events import Event
from shared.settings import Settings
from shared.wiring import Wiring
from tests.support.deliveries import (
    alert,
    announce,
    channels_file,
    compact,
    empty_store,
    make_due,
    notification,
    rows,
)
from tests.support.sink import Reply, Request, Sink

ON_CALL = ("pagerduty", "on-call", "")
ROUTING_KEY = "pl4nt3d0routing0key0with32chars0"


def taken(request: Request) -> Reply:
    return Reply(202, body={"status": "success", "dedup_key": request.json()["dedup_key"]})


@pytest.fixture
def vendor() -> Iterator[Sink]:
    """PagerDuty, which takes everything."""
    with Sink(answer=taken) as sink:
        yield sink


@pytest.fixture
def wiring(
    database_url: str, vendor: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Wiring]:
    empty_store(database_url).close()
    channel = {"name": "on-call", "kind": "pagerduty", "settings": {"base_url": vendor.url}}
    environ = {
        "TOCSIN_DATABASE_URL": database_url,
        "TOCSIN_CHANNELS_FILE": str(channels_file(tmp_path, channel)),
        "TOCSIN_ALLOWED_HOSTS": "127.0.0.1",
        "TOCSIN_SECRET_ON_CALL_ROUTING_KEY": ROUTING_KEY,
    }
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    made = Wiring(Settings(), environ)
    yield made
    made.close()


def many(wiring: Wiring, count: int, seq: int = 1, event: str = "firing") -> Event:
    made = notification(seq, event, [alert(number, event) for number in range(count)])
    return announce(wiring.store, made, [ON_CALL])


def actions(vendor: Sink) -> Counter[tuple[str, str]]:
    return Counter(
        (said["event_action"], said["dedup_key"]) for said in (request.json() for request in vendor.requests)
    )


def test_every_alert_is_told_alone_and_the_delivery_is_one(wiring: Wiring, vendor: Sink) -> None:
    deliver.run(many(wiring, 100), "pagerduty", wiring)
    assert set(actions(vendor).values()) == {1}
    assert len(actions(vendor)) == 100
    assert {request.json()["routing_key"] for request in vendor.requests} == {ROUTING_KEY}
    (row,) = rows(wiring.store)
    assert (row["state"], row["attempts"], row["http_status"]) == ("delivered", 1, 202)
    assert ROUTING_KEY not in compact(row)

    deliver.run(many(wiring, 100, 2, "resolved"), "pagerduty", wiring)
    assert {key for action, key in actions(vendor) if action == "resolve"} == {
        key for action, key in actions(vendor) if action == "trigger"
    }


def test_a_vendor_that_is_busy_in_the_middle_gets_all_of_it_again_later(wiring: Wiring, vendor: Sink) -> None:
    count = iter(range(1000))
    vendor.answer = lambda request: taken(request) if next(count) < 20 else Reply(429)
    event = many(wiring, 60)
    deliver.run(event, "pagerduty", wiring)
    (row,) = rows(wiring.store)
    assert (row["state"], row["provider_code"]) == ("retry", "")
    assert "HTTP 429 (20 of 60 calls were taken)" in row["reason"]
    assert len(vendor.requests) < 40

    vendor.answer = taken
    make_due(wiring.store)
    wiring.store.write(lambda tx: tx.conn.exec_driver_sql("UPDATE channel_state SET next_send_at = 0"))
    deliver.run(event, "pagerduty", wiring)
    assert len(actions(vendor)) == 60
    assert [row["state"] for row in rows(wiring.store)] == ["delivered"]


def test_an_answer_that_is_lost_is_asked_for_again_without_harm(wiring: Wiring, vendor: Sink) -> None:
    vendor.reply(Reply(drop="unanswered"))
    event = many(wiring, 3)
    deliver.run(event, "pagerduty", wiring)
    assert [row["state"] for row in rows(wiring.store)] == ["unknown"]
    make_due(wiring.store)
    deliver.run(event, "pagerduty", wiring)
    assert [row["state"] for row in rows(wiring.store)] == ["delivered"]
    assert {action for action, _ in actions(vendor)} == {"trigger"}
    assert "repeat" not in vendor.requests[-1].text


def test_an_event_that_is_refused_is_sent_bare_and_fails_no_other(wiring: Wiring, vendor: Sink) -> None:
    def answer(request: Request) -> Reply:
        said = request.json()
        full = "custom_details" in said["payload"]
        if full and said["dedup_key"].endswith("alert_1"):
            return Reply(400, body={"status": "invalid event", "message": "no", "errors": ["too odd"]})
        return taken(request)

    vendor.answer = answer
    deliver.run(many(wiring, 3), "pagerduty", wiring)
    (row,) = rows(wiring.store)
    assert row["state"] == "delivered"
    assert "sent as plain text, because of PagerDuty says: no; too odd" in row["reason"]
    assert len(actions(vendor)) == 3


def test_a_vendor_that_is_away_is_asked_again_at_once(wiring: Wiring, vendor: Sink) -> None:
    vendor.answer = lambda request: Reply(503)
    with pytest.raises(Unavailable):
        deliver.run(many(wiring, 30), "pagerduty", wiring)
    assert len(vendor.requests) < 30


def test_a_key_that_pagerduty_does_not_know_makes_the_channel_wait(wiring: Wiring, vendor: Sink) -> None:
    errors = {
        "status": "invalid event",
        "message": "Event object is invalid",
        "errors": ["Invalid routing key"],
    }
    vendor.answer = lambda request: Reply(400, body=errors)
    deliver.run(many(wiring, 30), "pagerduty", wiring)
    (row,) = rows(wiring.store)
    assert (row["state"], row["attempts"]) == ("pending", 0)
    assert "correct the secret 'routing_key'" in row["reason"]
    assert ROUTING_KEY not in compact(row)
