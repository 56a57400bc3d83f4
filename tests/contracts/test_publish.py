"""Publishing, at the wire: a Broker that is slow or refuses costs a bounded time, and nothing is lost by it."""

import time

from sqlalchemy import update

from shared import publish
from shared.broker import AT_ONCE, Broker
from shared.events import notification_event
from shared.store import outbox, tables
from shared.store.engine import Store
from tests.support.deliveries import empty_store, notification
from tests.support.sink import Reply, Sink


def filled(url: str, count: int) -> Store:
    store = empty_store(url)
    made = [notification(seq, id=f"e{seq:02}") for seq in range(1, count + 1)]
    items = [(one, one.alerts, notification_event(one, at=one.slot)) for one in made]
    store.write(lambda tx: outbox.add(tx, items))
    return store


def let_time_pass(store: Store) -> None:
    store.write(lambda tx: tx.conn.execute(update(tables.outbox).values(next_at=1)))


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
