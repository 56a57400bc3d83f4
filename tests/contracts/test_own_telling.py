"""Tocsin's own numbers of what is to be told: outbox, deliveries, channels, dead letters."""

from sqlalchemy import update

from shared.metrics import MetricStore
from shared.store import own
from shared.store.engine import Store
from shared.store.tables import channel_state, dead_letters, deliveries, outbox
from tests.support.own_numbers import STOP, T0, delivery_row, insert, outbox_row, told


def test_the_outbox_tells_what_the_broker_has_not_taken(store: Store, numbers: MetricStore) -> None:
    assert told(numbers, "tocsin_outbox") == {(): {"unpublished": 0, "oldest_seconds": 0}}
    now = store.read(lambda tx: tx.now())
    rows = [
        outbox_row("e1", 1, created_at=now - 90_000),
        outbox_row("e2", 2, created_at=now - 10_000),
        outbox_row("e3", 3, created_at=1, published_at=2),
        outbox_row("e4", 4, created_at=1, next_at=None),
    ]
    insert(store, outbox, rows)

    found = told(numbers, "tocsin_outbox")[()]

    assert found["unpublished"] == 2
    assert 90 <= found["oldest_seconds"] < 100


def test_deliveries_are_counted_by_channel_and_a_quiet_channel_has_zeros(
    store: Store, numbers: MetricStore
) -> None:
    now = store.read(lambda tx: tx.now())
    events = [
        outbox_row("late", 1, created_at=now - 400_000, published_at=now - 390_000),
        outbox_row("fresh", 2, created_at=now - 400_000, published_at=now - 5_000),
        outbox_row("unpublished", 3, created_at=now - 400_000),
    ]
    rows = [delivery_row(row["id"], row["seq"], created_at=row["created_at"]) for row in events]
    ends = {"rejected": T0, "expired": STOP - 1, "delivered": T0 + 1, "superseded": T0 + 1}
    rows += [
        delivery_row("fresh", 10 + place, state=state, next_at=None, finished_at=at)
        for place, (state, at) in enumerate(ends.items())
    ]
    rows.append(delivery_row("fresh", 20, state="rejected", next_at=None, finished_at=STOP))
    rows.append(delivery_row("fresh", 21, kind="sms", channel="gone", created_at=now))
    insert(store, outbox, events)
    insert(store, deliveries, rows)

    found = told(numbers, "tocsin_deliveries")

    age = found["slack", "ops"].pop("oldest_seconds")
    assert 400 <= age < 410
    assert found["slack", "ops"] == {"open": 3, "overdue": 1, "rejected": 1, "expired": 1}
    assert set(found["webhook", "hook"].values()) == {0.0}
    assert found["sms", "gone"]["open"] == 1


def test_what_was_rejected_is_counted_over_five_minutes_however_long_other_rules_windows_are(
    store: Store, numbers: MetricStore
) -> None:
    ends = (STOP - own.ENDED_MS - 1, STOP - own.ENDED_MS, STOP - 1)
    rows = [
        delivery_row("e", place, state="rejected", next_at=None, finished_at=at)
        for place, at in enumerate(ends)
    ]
    insert(store, deliveries, rows)

    for start in (STOP - 30_000, STOP - 86_400_000):
        assert told(numbers, "tocsin_deliveries", start=start)["slack", "ops"]["rejected"] == 2


def test_a_dead_channel_is_failing_and_the_others_are_not(store: Store, numbers: MetricStore) -> None:
    rows = [{"channel": "ops", "health": "unhealthy"}, {"channel": "removed", "health": "unhealthy"}]
    insert(store, channel_state, rows)

    assert told(numbers, "tocsin_channel") == {
        ("slack", "ops"): {"failing": 1},
        ("webhook", "hook"): {"failing": 0},
    }


def test_a_dead_letter_counts_while_a_delivery_of_its_kind_is_open(
    store: Store, numbers: MetricStore
) -> None:
    letters = [
        {"event_id": name, "kind": kind, "attributes": "{}", "body": b""}
        for name, kind in (("e1", "slack"), ("e1", "webhook"), ("e2", "slack"))
    ]
    rows = [
        delivery_row("e1", 1),
        delivery_row("e1", 2),
        delivery_row("e2", 3, next_at=None),
        delivery_row("e3", 4, kind="webhook", channel="hook"),
    ]
    insert(store, dead_letters, letters)
    insert(store, deliveries, rows)
    assert told(numbers, "tocsin_dead_letters") == {("slack",): {"open": 1}, ("webhook",): {"open": 0}}

    store.write(lambda tx: tx.conn.execute(update(deliveries).values(next_at=None)))
    assert told(numbers, "tocsin_dead_letters")["slack",] == {"open": 0}
