"""What goes wrong between claiming and recording: nothing is lost, told twice, or left open for ever."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as hooks
from sqlalchemy import select, update

from shared import deliver
from shared.deliver.batches import Settled, plan
from shared.deliver.record import Recorder
from shared.deliver.send import Sending
from shared.events import Event
from shared.model import DeliveryState
from shared.settings import Settings
from shared.store import claims, dead_letters, tables
from shared.store.deliveries import Claim, Result
from shared.store.engine import Store
from shared.wiring import Wiring
from tests.support.deliveries import (
    announce,
    change,
    channels_file,
    empty_store,
    make_due,
    notification,
    open_outbox,
    rows,
)
from tests.support.sink import Reply, Request, Sink

OPS = ("slack", "ops", "")
LEASE_MS = 25_000
CHANNELS = ({"name": "ops", "kind": "slack", "fallback": "backup"}, {"name": "backup", "kind": "slack"})


@pytest.fixture
def vendor() -> Iterator[Sink]:
    with Sink(Reply(200, body="ok")) as sink:
        yield sink


def opened(url: str, vendor: Sink, folder: Path, monkeypatch: pytest.MonkeyPatch, **more: str) -> Wiring:
    environ = {
        "TOCSIN_DATABASE_URL": url,
        "TOCSIN_CHANNELS_FILE": str(channels_file(folder, *CHANNELS)),
        "TOCSIN_ALLOWED_HOSTS": "127.0.0.1",
        "TOCSIN_SECRET_OPS_URL": f"{vendor.url}/services/ops",
        "TOCSIN_SECRET_BACKUP_URL": f"{vendor.url}/services/backup",
        **more,
    }
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    return Wiring(Settings(), environ)


@pytest.fixture
def wiring(
    database_url: str, vendor: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Wiring]:
    empty_store(database_url).close()
    made = opened(database_url, vendor, tmp_path, monkeypatch)
    yield made
    made.close()


@pytest.fixture
def store(wiring: Wiring) -> Store:
    return wiring.store


def claimed(store: Store, event: Event, token: str) -> Claim:
    return store.write(lambda tx: claims.claim(tx, "slack", event.id, token, LEASE_MS))


def recorder(wiring: Wiring, token: str, seconds: float = 20) -> Recorder:
    return Recorder(wiring.store, wiring.channels, token, time.monotonic() + seconds)


def states(store: Store) -> list[tuple[str, str]]:
    return [(row["channel"], row["state"]) for row in rows(store)]


def test_an_outcome_is_recorded_although_the_database_was_away_when_the_vendor_answered(
    sqlite_url: str, vendor: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_store(sqlite_url).close()
    wiring = opened(sqlite_url, vendor, tmp_path, monkeypatch)
    hooks.listen(wiring.store.engine, "connect", lambda conn, _: conn.execute("PRAGMA busy_timeout=20"))
    wiring.store.engine.dispose()
    event = announce(wiring.store, notification(1), [OPS])
    other = sqlite3.connect(
        sqlite_url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False
    )

    def answer(_: Request) -> Reply:
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.7, lambda: other.execute("ROLLBACK")).start()
        return Reply(200, body="ok")

    vendor.answer = answer
    deliver.run(event, "slack", wiring)

    assert states(wiring.store) == [("ops", "delivered")]
    assert open_outbox(wiring.store) == []
    other.close()
    wiring.close()


def test_who_lost_its_lease_records_nothing_and_tells_nobody_instead(wiring: Wiring, store: Store) -> None:
    event = announce(store, notification(1), [OPS])
    (row,) = claimed(store, event, "slow").rows
    make_due(store)
    claimed(store, event, "quick")

    recorder(wiring, "slow").record([Settled(row, Result(row.id, DeliveryState.EXPIRED))], {})

    assert states(store) == [("ops", "claimed")]


def test_what_expires_says_what_the_last_attempt_came_to(wiring: Wiring, vendor: Sink, store: Store) -> None:
    vendor.reply(Reply(503, {"Retry-After": "60"}))
    event = announce(store, notification(1), [OPS])
    deliver.run(event, "slack", wiring)
    change(store, next_at=1, deadline_at=1)

    deliver.run(event, "slack", wiring)
    change(store, deadline_at=2**50)
    deliver.run(event, "slack", wiring)

    assert states(store) == [("backup", "delivered"), ("ops", "expired")]
    why = "too old to be worth telling; the last attempt: HTTP 503"
    assert rows(store)[1]["reason"] == why
    assert f"could not be told on slack ops: {why}" in vendor.requests[-1].text


def test_a_message_without_time_takes_no_turn_and_comes_again_at_once(wiring: Wiring, store: Store) -> None:
    event = announce(store, notification(1), [OPS])
    (batch,) = plan(claimed(store, event, "late"), {}).batches

    verdict = Sending(wiring, "slack", recorder(wiring, "late", seconds=3)).deliver(batch)

    assert verdict.quick
    turns = store.read(lambda tx: tx.conn.execute(select(tables.channel_state)).all())
    assert turns == []
    assert len(claimed(store, event, "next").rows) == 1


def test_a_secret_that_cannot_be_read_is_said_and_waited_for(
    sqlite_url: str, vendor: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_store(sqlite_url).close()
    (tmp_path / "secrets" / "ops.url").mkdir(parents=True)
    wiring = opened(
        sqlite_url,
        vendor,
        tmp_path,
        monkeypatch,
        TOCSIN_SECRET_OPS_URL="",
        TOCSIN_SECRETS_DIR=str(tmp_path / "secrets"),
    )
    event = announce(wiring.store, notification(1), [OPS])

    deliver.run(event, "slack", wiring)

    (row,) = [row for row in rows(wiring.store) if row["channel"] == "ops"]
    assert (row["state"], row["attempts"]) == ("pending", 0)
    assert row["reason"] == "its secret's file ops.url can't be read: Is a directory"
    wiring.close()


def test_a_delivery_that_no_function_takes_expires_is_told_elsewhere_and_bothers_nobody_any_more(
    wiring: Wiring, store: Store
) -> None:
    events = [announce(store, notification(1, id=f"e{n}", rule={"id": f"rule_{n}"}), [OPS]) for n in (1, 2)]
    other = [("email", "gone", "ann@team.example")]
    announce(store, notification(1, id="e3", rule={"id": "rule_3"}), other)
    assert deliver.expire(store, wiring.channels) == 0
    claimed(store, events[1], "at work")
    table = tables.deliveries
    late = update(table).values(deadline_at=table.c.created_at - deliver.ABANDONED_MS)
    store.write(lambda tx: tx.conn.execute(late))

    assert deliver.expire(store, wiring.channels) == 2

    assert sorted(states(store)) == [
        ("backup", "pending"),
        ("gone", "expired"),
        ("ops", "claimed"),
        ("ops", "expired"),
    ]
    assert open_outbox(store) == ["e1", "e2"]


@pytest.mark.parametrize(
    ("code", "data", "kept"),
    [
        ("503", "dGhlIHZlbmRvciBpcyBkb3du", "the vendor is down"),
        ("\u00b2", "\u00fcber", "\u00fcber"),
        ("", "no base64!", "no base64!"),
    ],
)
def test_a_dead_letter_is_kept_whatever_the_broker_says_of_it(
    wiring: Wiring, store: Store, code: str, data: str, kept: str
) -> None:
    event = announce(store, notification(1), [OPS])
    said = {"knativeerrorcode": code, "knativeerrordata": data}

    deliver.bury(Event({**event.attributes, **said}, event.body), "slack", wiring)

    (letter,) = store.read(lambda tx: dead_letters.listing(tx, only_open=True))
    assert letter.error_data == kept
    assert letter.error_code == (503 if code == "503" else None)


def test_a_probe_that_only_asks_for_patience_proves_nothing(
    wiring: Wiring, vendor: Sink, store: Store
) -> None:
    ops = "/services/ops"
    vendor.reply(Reply(404, body="no_service"), Reply(503, {"Retry-After": "30"}), path=ops)
    event = announce(store, notification(1), [OPS])

    def health() -> Any:
        table = tables.channel_state
        ended = update(table).values(next_send_at=1, sender_until=1)
        known = select(table.c.health).where(table.c.channel == "ops")
        return store.write(lambda tx: (tx.conn.execute(known).scalar_one(), tx.conn.execute(ended))[0])

    for _ in range(2):
        deliver.run(event, "slack", wiring)
        assert health() == "unhealthy"
        make_due(store)
    deliver.run(event, "slack", wiring)
    assert health() == "ok"
    assert [request.path for request in vendor.requests if request.path == ops] == [ops] * 3
