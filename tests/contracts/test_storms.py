"""Many rules at once for one slow channel, on every database: few messages, every row final, nothing told twice."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from sqlalchemy import select, update

from shared import deliver
from shared.events import Event
from shared.settings import Settings
from shared.store import channel_state, storms, tables
from shared.store.engine import Store
from shared.wiring import Wiring
from tests.support.deliveries import (
    alert,
    announce,
    announce_all,
    channels_file,
    empty_store,
    make_due,
    notification,
    open_outbox,
    rows,
)
from tests.support.sink import Reply, Sink

OPS = ("slack", "ops", "")
NUMBERS = ("+4915112345678", "+4915112345679")
ACCOUNT = "AC" + "0" * 32


@pytest.fixture
def vendor() -> Iterator[Sink]:
    with Sink(Reply(200, body="ok")) as sink:
        yield sink


@pytest.fixture
def wiring(
    database_url: str, vendor: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Wiring]:
    empty_store(database_url).close()
    settings = {"to": list(NUMBERS), "from": "+4915100000000", "base_url": vendor.url}
    channels = (
        {"name": "ops", "kind": "slack", "fallback": "backup"},
        {"name": "backup", "kind": "slack"},
        {"name": "phones", "kind": "sms", "settings": settings},
    )
    environ = {
        "TOCSIN_DATABASE_URL": database_url,
        "TOCSIN_CHANNELS_FILE": str(channels_file(tmp_path, *channels)),
        "TOCSIN_ALLOWED_HOSTS": "127.0.0.1",
        "TOCSIN_SECRET_OPS_URL": f"{vendor.url}/services/ops",
        "TOCSIN_SECRET_BACKUP_URL": f"{vendor.url}/services/backup",
        "TOCSIN_SECRET_PHONES_ACCOUNT_SID": ACCOUNT,
        "TOCSIN_SECRET_PHONES_AUTH_TOKEN": "planted",
    }
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    made = Wiring(Settings(), environ)
    yield made
    made.close()


@pytest.fixture
def store(wiring: Wiring) -> Store:
    return wiring.store


def storm(
    store: Store,
    count: int,
    event: str = "firing",
    seq: int = 1,
    places: Sequence[tuple[str, str, str]] = (OPS,),
) -> list[Event]:
    """So many rules have something to tell at once; the last one is the worst."""
    made = [
        notification(
            seq,
            event,
            [alert(number, event, "critical" if number == count - 1 else "warning")],
            rule={"id": f"rule_{number}", "title": f"Rule {number}"},
        )
        for number in range(count)
    ]
    return announce_all(store, made, places)


def texts(vendor: Sink) -> list[str]:
    return [request.json()["text"] for request in vendor.requests]


def states(store: Store, channel: str = "ops") -> Counter[str]:
    return Counter(row["state"] for row in rows(store) if row["channel"] == channel)


def patience_ends(store: Store) -> None:
    """Every wait is over: of rows, and of the channel."""
    make_due(store)
    ended = update(tables.channel_state).values(next_send_at=0, sender_until=0)
    store.write(lambda tx: tx.conn.execute(ended))


@pytest.mark.timeout(120)
def test_five_thousand_rules_at_once_are_one_digest_with_the_worst_first(
    wiring: Wiring, store: Store, vendor: Sink
) -> None:
    events = storm(store, 5_000)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda event: deliver.run(event, "slack", wiring), events[:40]))

    assert len(vendor.requests) == 1
    (text,) = texts(vendor)
    assert text.startswith("📚 DIGEST: 5,000 rules: 5,000 firing. 5,000 alerts")
    body = vendor.requests[0].text
    assert body.index("Rule 4999") < body.index("Rule 1")
    assert states(store) == {"delivered": 5_000}
    assert open_outbox(store) == []
    assert len({row["digest_id"] for row in rows(store)}) == 1

    resolved = storm(store, 5_000, "resolved", seq=2)
    deliver.run(resolved[0], "slack", wiring)
    assert len(vendor.requests) == 2
    assert "5,000 rules: 5,000 resolved" in texts(vendor)[1]
    assert states(store) == {"delivered": 10_000}
    assert open_outbox(store) == []


def test_five_rules_are_told_one_by_one(wiring: Wiring, store: Store, vendor: Sink) -> None:
    for event in storm(store, storms.FOLD_ABOVE):
        deliver.run(event, "slack", wiring)
    assert sorted(texts(vendor)) == sorted(text for text in texts(vendor) if "FIRING: Rule" in text)
    assert len(vendor.requests) == storms.FOLD_ABOVE
    assert not any(row["digest_id"] for row in rows(store))


@pytest.mark.timeout(120)
def test_five_thousand_rules_are_a_message_of_two_segments_at_the_most_for_each_number(
    wiring: Wiring, store: Store, vendor: Sink
) -> None:
    vendor.default = Reply(201, body={"sid": "SM1", "status": "queued"})
    events = storm(store, 5_000, places=[("sms", "phones", number) for number in NUMBERS])
    for event in events[:5]:
        deliver.run(event, "sms", wiring)
    sent = [parse_qs(request.body.decode()) for request in vendor.requests]
    assert sorted(one["To"][0] for one in sent) == sorted(NUMBERS)
    for one in sent:
        assert one["Body"][0].startswith("[DIGEST] 5,000 rules: 5,000 firing")
        assert "Rule 4999" in one["Body"][0]
        assert len(one["Body"][0]) <= 306
    assert states(store, "phones") == {"accepted": 10_000}


def test_a_retry_sends_the_same_digest_and_what_came_later_waits_for_the_next(
    wiring: Wiring, store: Store, vendor: Sink
) -> None:
    vendor.reply(Reply(503, {"Retry-After": "30"}))
    events = storm(store, 8)
    deliver.run(events[0], "slack", wiring)
    first = {row["id"]: row["digest_id"] for row in rows(store)}
    later = storm(store, 8, "resolved", seq=2)
    deliver.run(later[0], "slack", wiring)
    assert len(vendor.requests) == 1
    assert states(store) == {"retry": 8, "pending": 8}

    patience_ends(store)
    deliver.run(later[3], "slack", wiring)

    assert vendor.requests[0].body == vendor.requests[1].body
    assert "8 resolved" in texts(vendor)[2]
    assert {row["id"]: row["digest_id"] for row in rows(store) if row["seq"] == 1} == first
    assert states(store) == {"delivered": 16}
    assert open_outbox(store) == []


def test_a_digest_says_was_firing_drops_what_nobody_knows_and_settles_older_rows(
    wiring: Wiring, store: Store, vendor: Sink
) -> None:
    storm(store, 7)
    resolved = storm(store, 9, "resolved", seq=2)
    deliver.run(resolved[8], "slack", wiring)
    (text,) = texts(vendor)
    assert text.startswith("📚 DIGEST: 7 rules: 7 resolved")
    assert "was firing" in vendor.requests[0].text
    found = [row for row in rows(store) if row["channel"] == "ops"]
    assert Counter((row["seq"], row["state"]) for row in found) == {
        (1, "superseded"): 7,
        (2, "delivered"): 7,
        (2, "superseded"): 2,
    }
    heads = {row["rule_id"]: row["id"] for row in found if row["state"] == "delivered"}
    assert all(row["superseded_by"] == heads[row["rule_id"]] for row in found if row["seq"] == 1)


def test_a_digest_that_may_have_arrived_is_sent_once_more_and_marked(
    wiring: Wiring, store: Store, vendor: Sink
) -> None:
    vendor.reply(Reply(drop="unanswered"), Reply(drop="unanswered"))
    events = storm(store, 8)
    for _ in range(3):
        deliver.run(events[0], "slack", wiring)
        patience_ends(store)
    assert len(vendor.requests) == 2
    assert ["(may repeat)" in request.text for request in vendor.requests] == [False, True]
    assert states(store) == {"unknown": 8}
    assert open_outbox(store) == []


def test_a_digest_whose_sender_was_killed_is_sent_once_more_after_a_minute(
    wiring: Wiring, store: Store, vendor: Sink
) -> None:
    events = storm(store, 8)
    assert store.write(lambda tx: storms.begin(tx, "ops", "dead", 25_000))
    taken = store.write(lambda tx: storms.claim(tx, "slack", "ops", "dead", 25_000))
    assert len(taken.rows) == 8
    for event in events:
        deliver.run(event, "slack", wiring)  # acknowledged at once
    assert vendor.requests == []
    sending = update(tables.deliveries).values(state="sending")
    store.write(lambda tx: tx.conn.execute(sending))
    patience_ends(store)

    deliver.run(events[0], "slack", wiring)
    assert states(store) == {"unknown": 8}
    patience_ends(store)
    deliver.run(events[0], "slack", wiring)

    assert len(vendor.requests) == 1
    assert "(may repeat)" in vendor.requests[0].text
    assert states(store) == {"delivered": 8}


def test_of_many_who_would_drain_a_channel_one_does(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        won = list(
            pool.map(lambda n: store.write(lambda tx: storms.begin(tx, "ops", f"t{n}", 25_000)), range(4))
        )
    assert sorted(won) == [False, False, False, True]
    winner = f"t{won.index(True)}"
    assert store.write(lambda tx: storms.claim(tx, "slack", "ops", winner, 25_000)).rows == ()
    assert store.write(lambda tx: storms.begin(tx, "ops", "next", 25_000))  # who finds nothing ends his turn


def test_a_refused_digest_is_sent_once_as_plain_text(wiring: Wiring, store: Store, vendor: Sink) -> None:
    vendor.reply(Reply(400, body="invalid_blocks"))
    deliver.run(storm(store, 8)[0], "slack", wiring)
    assert "blocks" not in vendor.requests[1].json()
    assert "DIGEST: 8 rules" in texts(vendor)[1]
    assert states(store) == {"delivered": 8}


def test_a_dead_channel_is_probed_by_one_digest_and_the_fallback_gets_one_of_its_own(
    wiring: Wiring, store: Store, vendor: Sink
) -> None:
    vendor.reply(Reply(404, body="no_service"), path="/services/ops")
    events = storm(store, 8)
    deliver.run(events[0], "slack", wiring)
    assert states(store, "backup") == {"pending": 8}
    deliver.run(events[1], "slack", wiring)
    assert [request.path for request in vendor.requests] == ["/services/ops", "/services/backup"]
    assert "could not be told on slack ops" in vendor.requests[-1].text
    assert states(store, "backup") == {"delivered": 8}
    assert {(row["state"], row["attempts"]) for row in rows(store) if row["channel"] == "ops"} == {
        ("pending", 0)
    }
    health = select(tables.channel_state.c.health).where(tables.channel_state.c.channel == "ops")
    assert store.read(lambda tx: tx.conn.execute(health).scalar_one()) == channel_state.UNHEALTHY

    late = update(tables.deliveries).values(deadline_at=1)
    store.write(lambda tx: tx.conn.execute(late))
    patience_ends(store)
    deliver.run(events[2], "slack", wiring)
    assert states(store) == {"expired": 8}
    assert len(vendor.requests) == 2
    assert open_outbox(store) == []


def test_eight_failed_attempts_expire_a_digest(wiring: Wiring, store: Store, vendor: Sink) -> None:
    vendor.default = Reply(500, {"Retry-After": "60"})
    events = storm(store, 8, places=[("slack", "backup", "")])
    for _ in range(10):
        deliver.run(events[0], "slack", wiring)
        patience_ends(store)
    assert len(vendor.requests) == 8
    assert {(row["state"], row["attempts"]) for row in rows(store)} == {("expired", 8)}
    assert open_outbox(store) == []


def test_a_test_message_is_never_folded(wiring: Wiring, store: Store, vendor: Sink) -> None:
    storm(store, 8)
    tested = announce(store, notification(2, "test", rule={"id": "rule_1"}), [OPS])
    deliver.run(tested, "slack", wiring)
    assert json.dumps(texts(vendor)).count("[TEST]") == 1
    assert not any("DIGEST" in text for text in texts(vendor))
