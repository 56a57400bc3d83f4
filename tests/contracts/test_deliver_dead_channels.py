"""A channel whose vendor says that it is gone: who else can be told is told at once, and its own messages wait."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from shared import deliver
from shared.settings import Settings
from shared.store import tables
from shared.store.engine import Store
from shared.wiring import Wiring
from tests.support.deliveries import (
    announce,
    channels_file,
    empty_store,
    make_due,
    notification,
    open_outbox,
    rows,
)
from tests.support.sink import Reply, Sink

OPS = ("slack", "ops", "")
CHANNELS = ({"name": "ops", "kind": "slack", "fallback": "backup"}, {"name": "backup", "kind": "slack"})


@pytest.fixture
def vendor() -> Iterator[Sink]:
    with Sink(Reply(200, body="ok")) as sink:
        yield sink


@pytest.fixture
def environ(database_url: str, vendor: Sink, tmp_path: Path) -> dict[str, str]:
    empty_store(database_url).close()
    return {
        "TOCSIN_DATABASE_URL": database_url,
        "TOCSIN_CHANNELS_FILE": str(channels_file(tmp_path, *CHANNELS)),
        "TOCSIN_ALLOWED_HOSTS": "127.0.0.1",
        "TOCSIN_SECRET_OPS_URL": f"{vendor.url}/services/ops",
        "TOCSIN_SECRET_BACKUP_URL": f"{vendor.url}/services/backup",
    }


@pytest.fixture
def wiring(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    made = Wiring(Settings(), environ)
    yield made
    made.close()


@pytest.fixture
def store(wiring: Wiring) -> Store:
    return wiring.store


def states(store: Store) -> list[tuple[str, str]]:
    return [(row["channel"], row["state"]) for row in rows(store)]


def patience_ends(store: Store) -> None:
    """Every wait is over: of rows, and of the channel."""
    make_due(store)
    ended = update(tables.channel_state).values(next_send_at=0, sender_until=0)
    store.write(lambda tx: tx.conn.execute(ended))


def paths(vendor: Sink) -> list[str]:
    return [request.path.rpartition("/")[2] for request in vendor.requests]


def test_what_a_dead_channel_can_not_tell_is_told_elsewhere_at_once(
    wiring: Wiring, store: Store, vendor: Sink
) -> None:
    vendor.reply(Reply(410, body="channel_is_archived"))
    event = announce(store, notification(1), [OPS])

    deliver.run(event, "slack", wiring)
    assert states(store) == [("backup", "pending"), ("ops", "pending")]
    deliver.run(event, "slack", wiring)

    assert states(store) == [("backup", "delivered"), ("ops", "pending")]
    assert paths(vendor) == ["ops", "backup"]
    assert "could not be told on slack ops: Slack says channel_is_archived" in vendor.requests[-1].text
    assert open_outbox(store) == [event.id], "its own message still waits"


def test_who_comes_while_a_channel_is_dead_is_told_elsewhere_once_without_a_call_to_it(
    wiring: Wiring, store: Store, vendor: Sink
) -> None:
    vendor.reply(Reply(404, body="no_service"))
    first = announce(store, notification(1, id="e1"), [OPS])
    deliver.run(first, "slack", wiring)
    second = announce(store, notification(1, id="e2", rule={"id": "rule_2"}), [OPS])

    for event in (second, first, second, first):
        deliver.run(event, "slack", wiring)

    assert paths(vendor) == ["ops", "backup", "backup"]
    assert sorted(states(store)) == [("backup", "delivered")] * 2 + [("ops", "pending")] * 2


def test_the_end_of_what_was_told_elsewhere_is_told_there_too(
    wiring: Wiring, store: Store, vendor: Sink
) -> None:
    vendor.reply(Reply(404, body="no_service"))
    fired = announce(store, notification(1, id="e1"), [OPS])
    deliver.run(fired, "slack", wiring)
    deliver.run(fired, "slack", wiring)
    over = announce(store, notification(2, "resolved", id="e2"), [OPS])

    make_due(store)
    deliver.run(over, "slack", wiring)
    deliver.run(over, "slack", wiring)

    assert paths(vendor) == ["ops", "backup", "backup"]
    assert "RESOLVED" in vendor.requests[-1].text


def test_a_channel_that_lives_again_tells_what_waited(wiring: Wiring, store: Store, vendor: Sink) -> None:
    vendor.reply(Reply(404, body="no_service"))
    event = announce(store, notification(1), [OPS])
    deliver.run(event, "slack", wiring)
    deliver.run(event, "slack", wiring)

    patience_ends(store)
    deliver.run(event, "slack", wiring)

    assert states(store) == [("backup", "delivered"), ("ops", "delivered")]
    assert open_outbox(store) == []


def test_a_test_of_a_dead_channel_is_nobody_elses_business(
    wiring: Wiring, store: Store, vendor: Sink
) -> None:
    vendor.reply(Reply(404, body="no_service"))
    deliver.run(announce(store, notification(1, "test"), [OPS]), "slack", wiring)
    assert states(store) == [("ops", "rejected")]
