"""The delivery rows on every database: one winner per claim, nothing overtakes, nothing is lost by a death."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from sqlalchemy import select

from shared.model import DeliveryState, EventKind
from shared.store import channel_state, claims, deliveries, outbox, standings, tables
from shared.store.deliveries import Claim, Delivery, NewDelivery, Result
from shared.store.engine import Store, Tx
from tests.support import servers
from tests.support.deliveries import alert, announce, empty_store, make_due, notification, open_outbox, rows

T = TypeVar("T")
OPS = ("slack", "ops", "")
LEASE_MS = 25_000
RETRY = DeliveryState.RETRY


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = empty_store(database_url)
    yield opened
    opened.close()


def claim(store: Store, event: str, token: str, kind: str = "slack", *, idempotent: bool = False) -> Claim:
    return store.write(lambda tx: claims.claim(tx, kind, event, token, LEASE_MS, idempotent=idempotent))


def send(store: Store, token: str, taken: Claim) -> bool:
    ids = [row.id for row in taken.rows]
    return store.write(lambda tx: claims.mark_sending(tx, token, ids, LEASE_MS))


def finish(store: Store, token: str, event: str, *results: Result) -> int:
    def work(tx: Tx) -> int:
        kept = claims.finish(tx, token, results)
        outbox.close_finished(tx, [event])
        return len(kept)

    return store.write(work)


def at_once(work: Callable[[int], T], count: int) -> list[T]:
    start = threading.Barrier(count)

    def begin(number: int) -> T:
        start.wait(10)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def test_of_many_claims_at_once_exactly_one_gets_the_row(store: Store) -> None:
    for seq in range(1, 6):
        made = notification(seq, id=f"event-{seq}", rule={"id": f"rule_{seq}"})
        announce(store, made, [OPS])
        got = at_once(lambda number, event=made.id: claim(store, event, f"{event}-{number}"), 4)  # type: ignore[misc]
        assert sorted(len(one.rows) for one in got) == [0, 0, 0, 1]
        assert sorted(one.held for one in got) == [0, 1, 1, 1]


def test_of_two_events_for_one_recipient_at_once_one_takes_both_rows(store: Store) -> None:
    for round_ in range(5):
        rule = {"id": f"rule_{round_}"}
        events = [notification(seq, id=f"{round_}-{seq}", rule=rule) for seq in (1, 2)]
        for made in events:
            announce(store, made, [OPS])
        got = at_once(lambda number: claim(store, events[number].id, f"{round_}-{number}"), 2)  # noqa: B023
        assert sorted(len(one.rows) for one in got) == [0, 2]
        assert sorted(one.held for one in got) == [0, 1]
        winner = max(got, key=lambda one: len(one.rows))
        assert [row.seq for row in winner.rows] == [1, 2]


def test_a_claim_takes_the_rows_of_its_rule_channel_and_kind_only(store: Store) -> None:
    announce(store, notification(1), [OPS, ("slack", "dev", ""), ("email", "team", "ann@team.example")])
    announce(store, notification(1, id="other", rule={"id": "rule_2"}), [OPS])
    taken = claim(store, "event-rule_1-1", "a")
    assert [(row.rule_id, row.channel) for row in taken.rows] == [("rule_1", "dev"), ("rule_1", "ops")]
    assert taken.known == 2


def test_a_row_that_waits_is_not_taken_before_its_time_but_goes_with_a_newer_one(store: Store) -> None:
    first = announce(store, notification(1), [OPS])
    taken = claim(store, first.id, "a")
    finish(store, "a", first.id, Result(taken.rows[0].id, DeliveryState.RETRY, 60_000))
    assert claim(store, first.id, "b").rows == ()
    second = announce(store, notification(2, "resolved"), [OPS])
    assert [row.seq for row in claim(store, second.id, "c").rows] == [1, 2]


def test_a_lease_that_ended_before_sending_is_free_to_take(store: Store) -> None:
    event = announce(store, notification(1), [OPS])
    first = claim(store, event.id, "a")
    make_due(store)
    assert not send(store, "a", first)
    second = claim(store, event.id, "b")
    assert len(second.rows) == 1
    assert not second.rows[0].may_repeat
    assert send(store, "b", second)
    assert finish(store, "a", event.id, Result(first.rows[0].id, DeliveryState.DELIVERED, sent=True)) == 0


def test_a_lease_that_ended_while_sending_is_unknown_once_and_then_final(store: Store) -> None:
    event = announce(store, notification(1), [OPS])
    assert send(store, "a", claim(store, event.id, "a"))
    make_due(store)
    assert claim(store, event.id, "b").rows == ()
    row = rows(store)[0]
    assert row["state"] == "unknown"
    assert 50_000 < row["next_at"] - store.read(lambda tx: tx.now()) <= 60_000
    make_due(store)
    again = claim(store, event.id, "c")
    assert again.rows[0].may_repeat
    assert send(store, "c", again)
    make_due(store)
    assert claim(store, event.id, "d").rows == ()
    row = rows(store)[0]
    assert (row["state"], row["next_at"], row["attempts"]) == ("unknown", None, 2)
    assert open_outbox(store) == []


def test_an_idempotent_receiver_gets_an_unknown_message_again_at_once(store: Store) -> None:
    event = announce(store, notification(1), [("webhook", "bot", "")])
    assert send(store, "a", claim(store, event.id, "a", "webhook"))
    make_due(store)
    assert len(claim(store, event.id, "b", "webhook", idempotent=True).rows) == 1


def test_the_event_is_closed_when_its_last_delivery_of_any_kind_is_final(store: Store) -> None:
    for seq in range(1, 6):
        rule = {"id": f"rule_{seq}"}
        event = announce(store, notification(1, id=f"e{seq}", rule=rule), [OPS, ("webhook", "bot", "")])
        kinds = ("slack", "webhook")
        taken = [claim(store, event.id, kind, kind) for kind in kinds]
        assert store.read(lambda tx, of=event.id: deliveries.open_kinds(tx, [of])) == {event.id: set(kinds)}  # type: ignore[misc]
        assert open_outbox(store) == [event.id]

        def end(number: int, event_id: str = event.id, claimed: list[Claim] = taken) -> int:
            result = Result(claimed[number].rows[0].id, DeliveryState.DELIVERED, sent=True)
            return finish(store, kinds[number], event_id, result)  # noqa: B023

        assert at_once(end, 2) == [1, 1]
        assert open_outbox(store) == []


def test_told_means_received_or_possibly_received_there(store: Store) -> None:
    event = announce(store, notification(1, alerts=[alert(1), alert(2)]), [OPS, ("slack", "dev", "")])
    taken = claim(store, event.id, "a")
    ops, dev = (next(row for row in taken.rows if row.channel == name) for name in ("ops", "dev"))
    finish(
        store,
        "a",
        event.id,
        Result(ops.id, DeliveryState.UNKNOWN, 0, sent=True),
        Result(dev.id, DeliveryState.RETRY, 0),
    )
    later = announce(store, notification(2, "resolved", [alert(1, "resolved"), alert(3)]), [OPS])
    told = store.read(lambda tx: deliveries.told(tx, [later.id], ["ops", "dev"]))
    assert told == {("ops", ""): {"alert_1"}}


def test_a_fallback_is_made_once_and_wakes_the_event(store: Store) -> None:
    made = notification(1)
    event = announce(store, made, [OPS])
    taken = claim(store, event.id, "a")
    finish(store, "a", event.id, Result(taken.rows[0].id, DeliveryState.EXPIRED, reason="HTTP 500"))
    assert open_outbox(store) == []
    row = NewDelivery(
        event.id, "rule_1", 1, EventKind.FIRING, 4, "email", "team", "ann", fallback_of=taken.rows[0].id
    )
    for _ in range(2):
        store.write(lambda tx: deliveries.add_fallbacks(tx, [row]))
    assert open_outbox(store) == [event.id]
    assert claim(store, event.id, "b", "email").rows[0].instead_of == "slack ops: HTTP 500"


def test_a_published_event_is_repeated_after_a_minute_first_and_then_less_and_less(store: Store) -> None:
    event = announce(store, notification(1), [OPS])
    table = tables.outbox
    for minutes in (1, 2, 4, 8, 10, 10):
        waits = store.read(
            lambda tx: [at - tx.now() for at in tx.conn.execute(select(table.c.next_at)).scalars()]
        )
        assert [round(wait / 60_000) for wait in waits] == [minutes]
        store.write(lambda tx: outbox.published(tx, [event.id], {}))


def test_claims_and_outcomes_side_by_side_never_run_into_a_deadlock(
    mariadb: servers.MariaDB, mariadb_url: str
) -> None:
    store = empty_store(mariadb_url)
    people = [("email", "team", f"{number}@team.example") for number in range(12)]
    events = [
        announce(store, notification(seq, id=f"{rule}-{seq}", rule={"id": f"rule_{rule}"}), people).id
        for rule in range(2)
        for seq in (1, 2, 3, 4)
    ]

    def deadlocks() -> int:
        return int(str(mariadb.query("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")[0][1]))

    def one(token: str, members: list[Delivery]) -> int:
        ids = [row.id for row in members]
        store.write(lambda tx: claims.mark_sending(tx, token, ids, LEASE_MS))
        return finish(store, token, members[0].notification_id, *(Result(i, RETRY, 0) for i in ids))

    def work(number: int) -> int:
        recorded = 0
        for turn in range(8):
            token = f"{number}-{turn}"
            by_person: dict[str, list[Delivery]] = {}
            for row in claim(store, events[(number + turn) % len(events)], token, "email").rows:
                by_person.setdefault(row.recipient, []).append(row)
            with ThreadPoolExecutor(4) as pool:
                recorded += sum(pool.map(one, [token] * len(by_person), by_person.values()))
        return recorded

    before = deadlocks()
    assert sum(at_once(work, 6)) > 0
    assert deadlocks() == before
    store.close()


def turn(store: Store, *, patience_ms: int = 0, mark: str = "") -> channel_state.Turn:
    return store.write(
        lambda tx: channel_state.take_turn(
            tx, "ops", "me", spacing_ms=60_000, patience_ms=patience_ms, lease_ms=LEASE_MS, fingerprint=mark
        )
    )


def test_a_slow_channel_gives_one_turn_at_a_time_to_all_processes(store: Store) -> None:
    got = at_once(lambda _: turn(store), 4)
    assert sorted(one.go for one in got) == [False, False, False, True]
    patient = turn(store, patience_ms=120_000)
    assert patient.go
    assert 50_000 < patient.wait_ms <= 60_000


def test_a_dead_channel_gives_one_probe_at_a_time_and_works_again_after_one_or_a_new_secret(
    store: Store,
) -> None:
    def die() -> None:
        store.write(lambda tx: channel_state.found_dead(tx, "ops", "archived", "old"))

    def let_time_pass() -> None:
        table = tables.channel_state
        store.write(lambda tx: tx.conn.execute(table.update().values(next_send_at=0)))

    turn(store)
    die()
    assert not turn(store, mark="old").go
    assert store.read(standings.channel_health)["ops"][:2] == ("unhealthy", "archived")
    let_time_pass()
    assert sorted(one.probe for one in at_once(lambda _: turn(store, mark="old"), 3)) == [False, False, True]
    store.write(lambda tx: channel_state.rest(tx, "ops", 1))
    assert store.read(standings.channel_health)["ops"][0] == "unhealthy"
    store.write(lambda tx: channel_state.found_alive(tx, "ops"))
    assert store.read(standings.channel_health)["ops"][0] == "ok"
    die()
    assert turn(store, mark="new").go
