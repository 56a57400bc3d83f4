"""Publishing, at the wire: a Broker that is slow or refuses costs a bounded time, and nothing is lost by it."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import update

from shared import deliver, publish
from shared.broker import AT_ONCE, Broker
from shared.channels import load_book
from shared.events import notification_event
from shared.model import Notification
from shared.store import deliveries, outbox, refusals, tables
from shared.store.engine import Store
from tests.support.deliveries import change, empty_store, notification, open_outbox, rows
from tests.support.sink import Reply, Sink


def filled(url: str, count: int) -> Store:
    store = empty_store(url)
    made = [notification(seq, id=f"e{seq:02}") for seq in range(1, count + 1)]
    items = [(one, one.alerts, notification_event(one, at=one.slot)) for one in made]
    store.write(lambda tx: outbox.add(tx, items))
    return store


def announced(store: Store, made: Notification) -> None:
    """Committed with a delivery, and not published yet."""
    event = notification_event(made, at=made.slot)
    store.write(lambda tx: outbox.add(tx, [(made, made.alerts, event)]))
    store.write(lambda tx: deliveries.insert_many(tx, deliveries.new(made, [("slack", "ops", "")])))


def let_time_pass(store: Store) -> None:
    still_open = update(tables.outbox).where(tables.outbox.c.next_at.is_not(None))
    store.write(lambda tx: tx.conn.execute(still_open.values(next_at=1)))


def test_a_slow_broker_does_not_take_the_whole_tick_and_gets_the_rest_later(sqlite_url: str) -> None:
    store = filled(sqlite_url, 4 * AT_ONCE)
    with Sink(Reply(202, delay=0.6)) as sink:
        broker, started = Broker(sink.url), time.monotonic()
        first = publish.run(store, broker, seconds=0.3)
        assert time.monotonic() - started < 2
        assert (first.accepted, first.refused) == (AT_ONCE, 3 * AT_ONCE)
        assert first.error == "not tried: the broker is too slow"
        broker.close()
    # What was left comes a moment later.
    let_time_pass(store)
    with Sink(Reply(202)) as sink:
        broker = Broker(sink.url)
        assert publish.run(store, broker).accepted == 3 * AT_ONCE
        broker.close()
    store.close()


def test_a_broker_that_refuses_is_asked_a_few_times_only(sqlite_url: str) -> None:
    store = filled(sqlite_url, 4 * AT_ONCE)
    with Sink(Reply(500)) as sink:
        broker = Broker(sink.url)
        report = publish.run(store, broker)
        broker.close()
        assert AT_ONCE <= len(sink.requests) < 2 * AT_ONCE
    assert (report.accepted, report.refused) == (0, 4 * AT_ONCE)
    assert "it answered 500" in report.error
    store.close()


def test_a_broker_that_sends_elsewhere_has_not_taken_the_event(sqlite_url: str) -> None:
    store = filled(sqlite_url, 1)
    with Sink(Reply(202)) as other, Sink(Reply(307, {"Location": other.url})) as sink:
        broker = Broker(sink.url)
        report = publish.run(store, broker)
        broker.close()
        assert (report.refused, len(sink.requests), len(other.requests)) == (1, 1, 0)
    assert "it answered 307" in report.error
    store.close()


def test_an_event_that_the_broker_always_refuses_holds_nobody_up_and_ends(sqlite_url: str) -> None:
    store = empty_store(sqlite_url)
    announced(store, notification(1, id="e1"))
    with Sink(answer=lambda request: Reply(413 if request.headers["ce-id"] == "e1" else 202)) as sink:
        broker, heard = Broker(sink.url), list[int]()
        for turn in range(1, 11):
            announced(store, notification(turn + 1, id=f"good{turn}"))
            heard.append(publish.run(store, broker).refused)
            assert publish.run(store, broker).refused == 0  # it waits now, and the heartbeat goes on
            let_time_pass(store)
        broker.close()
    assert heard == [1] * refusals.MOST + [0, 0]
    found = {row["notification_id"]: row for row in rows(store)}
    assert (found["e1"]["state"], found["e1"]["next_at"]) == ("expired", None)
    assert found["e1"]["reason"] == "never published: the broker refuses this event: it answered 413"
    assert "e1" not in open_outbox(store)
    store.close()


def test_what_expired_before_it_was_published_is_not_published_for_ever(sqlite_url: str) -> None:
    store = empty_store(sqlite_url)
    announced(store, notification(1, id="e1"))
    change(store, deadline_at=1)
    assert deliver.expire(store, load_book(None, None, {}, "default", frozenset())) == 1
    assert [row["state"] for row in rows(store)] == ["expired"]
    assert open_outbox(store) == []
    store.close()


def test_two_that_publish_at_the_same_moment_send_each_event_once(database_url: str) -> None:
    store = filled(database_url, 3 * AT_ONCE)
    start = threading.Barrier(3)

    def go(_: int) -> int:
        broker = Broker(sink.url)
        start.wait(10)
        accepted = publish.run(store, broker).accepted
        broker.close()
        return accepted

    with Sink(Reply(202, delay=0.05)) as sink, ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(go, range(3))) == 3 * AT_ONCE
        sent = Counter(request.headers["ce-id"] for request in sink.requests)
    assert set(sent.values()) == {1}
    assert len(sent) == 3 * AT_ONCE
    store.close()


def test_what_somebody_else_publishes_is_left_to_him_and_taken_over_when_he_died(database_url: str) -> None:
    store = filled(database_url, 2)
    assert store.write(lambda tx: outbox.take(tx, ["e01", "gone"], 60_000)) == {"e01"}
    with Sink(Reply(202)) as sink:
        broker = Broker(sink.url)
        assert publish.at_once(store, broker, ["e01", "e02"]).accepted == 1
        assert publish.run(store, broker).accepted == 0
        let_time_pass(store)
        publish.run(store, broker)
        broker.close()
        assert [request.headers["ce-id"] for request in sink.requests] == ["e02", "e01"]
    store.close()
