"""The outbox, on every database: what is published, what comes again, and in which order."""

from collections.abc import Iterator

import pytest
from sqlalchemy import update

from shared.events import Event
from shared.model import (
    AlertFacts,
    EventKind,
    Notification,
    RuleFacts,
    Severity,
)
from shared.store import outbox
from shared.store.engine import Store, open_store
from shared.store.migrate import migrate
from shared.store.tables import deliveries
from shared.store.tables import outbox as outbox_table

SLOT = 1_700_000_010_000


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = open_store(database_url, "default")
    migrate(opened)
    yield opened
    opened.close()


def add_notification(store: Store, name: str, seq: int, kinds: tuple[str, ...] = ("slack",)) -> None:
    made = Notification(
        id=name,
        event=EventKind.FIRING,
        seq=seq,
        slot=SLOT,
        severity=Severity.HIGH,
        rule=RuleFacts(id="rule_a", title="Down"),
    )
    facts = [AlertFacts(id="alert_1", event=EventKind.FIRING, severity=Severity.HIGH)]
    event = Event({"id": name, "type": "t", "source": "/s", "specversion": "1.0"}, b'{"\xc3\xa9": 1}')
    store.write(lambda tx: outbox.add(tx, [(made, facts, event)]))
    store.write(
        lambda tx: tx.insert(
            deliveries,
            [
                {
                    "id": f"{name}-{kind}",
                    "notification_id": name,
                    "rule_id": "rule_a",
                    "seq": seq,
                    "event": "firing",
                    "severity": 3,
                    "kind": kind,
                    "channel": kind,
                    "next_at": 1,
                }
                for kind in kinds
            ],
        )
    )


def due(store: Store, per_channel: int = 20, limit: int = 100) -> list[outbox.Due]:
    return store.read(lambda tx: outbox.unpublished(tx, limit) + outbox.repeats(tx, per_channel))


def close_deliveries(store: Store, kind: str) -> None:
    store.write(
        lambda tx: tx.conn.execute(update(deliveries).where(deliveries.c.kind == kind).values(next_at=None))
    )


def time_passes(store: Store) -> None:
    later = update(outbox_table).where(outbox_table.c.next_at.is_not(None)).values(next_at=1)
    store.write(lambda tx: tx.conn.execute(later))


def test_an_event_is_due_with_its_exact_bytes_until_the_broker_takes_it(store: Store) -> None:
    add_notification(store, "n1", 1, ("slack", "email"))

    (waiting,) = due(store)

    assert waiting.event.body == b'{"\xc3\xa9": 1}'
    assert waiting.event.id == "n1"
    assert waiting.kinds == {"slack", "email"}
    store.write(lambda tx: outbox.published(tx, ["n1"], {}))
    assert due(store) == []


def test_a_published_event_comes_again_only_for_kinds_with_an_open_delivery(store: Store) -> None:
    add_notification(store, "n1", 1, ("slack", "email"))
    store.write(lambda tx: outbox.published(tx, ["n1"], {}))
    close_deliveries(store, "slack")
    time_passes(store)

    (again,) = due(store)

    assert again.kinds == {"email"}
    assert again.published


def test_an_event_leaves_the_outbox_when_nothing_is_open(store: Store) -> None:
    add_notification(store, "n1", 1)
    close_deliveries(store, "slack")
    store.write(lambda tx: outbox.published(tx, ["n1"], {}))
    time_passes(store)

    assert due(store) == []


def test_a_refused_event_steps_behind_the_others_and_stays_unpublished(store: Store) -> None:
    add_notification(store, "n1", 1)
    add_notification(store, "n2", 2)
    store.write(lambda tx: outbox.published(tx, [], {"n1": "the broker answered 500"}))

    assert [item.event.id for item in due(store)] == ["n2"]
    time_passes(store)
    assert [item.published for item in due(store)] == [False, False]


def test_a_dead_channel_kind_costs_a_bounded_number_of_repeats(store: Store) -> None:
    for seq in range(1, 6):
        add_notification(store, f"n{seq}", seq)
    store.write(lambda tx: outbox.published(tx, [f"n{seq}" for seq in range(1, 6)], {}))
    time_passes(store)

    assert len(due(store, per_channel=3)) == 3


def test_a_dead_channel_takes_no_turn_from_another_of_its_kind(store: Store) -> None:
    for seq in range(1, 5):
        add_notification(store, f"n{seq}", seq)
    store.write(lambda tx: outbox.published(tx, [f"n{seq}" for seq in range(1, 5)], {}))
    time_passes(store)
    last = update(deliveries).where(deliveries.c.notification_id == "n4").values(channel="other")
    store.write(lambda tx: tx.conn.execute(last))

    assert [item.event.id for item in due(store, per_channel=1)] == ["n1", "n4"]


def test_news_does_not_wait_behind_the_repeats_of_a_dead_channel(store: Store) -> None:
    for seq in range(1, 6):
        add_notification(store, f"n{seq}", seq, ("email",))
    store.write(lambda tx: outbox.published(tx, [f"n{seq}" for seq in range(1, 6)], {}))
    time_passes(store)
    add_notification(store, "news", 6, ("slack",))

    assert "news" in [item.event.id for item in due(store, per_channel=1, limit=3)]


def test_a_dead_channel_kind_takes_no_turn_from_another(store: Store) -> None:
    for seq in range(1, 6):
        add_notification(store, f"n{seq}", seq, ("email",))
    add_notification(store, "n6", 6, ("slack",))
    store.write(lambda tx: outbox.published(tx, [f"n{seq}" for seq in range(1, 7)], {}))
    time_passes(store)

    assert [(item.event.id, set(item.kinds)) for item in due(store, per_channel=1)] == [
        ("n1", {"email"}),
        ("n6", {"slack"}),
    ]
