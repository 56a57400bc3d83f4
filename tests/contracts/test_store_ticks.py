"""Claims, fences, states and alerts, on every database."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from shared.errors import Fenced
from shared.model import (
    Change,
    Health,
    Phase,
    RuleHealth,
    SeriesState,
    Transition,
)
from shared.store import alerts, states, ticks
from shared.store.engine import Store, open_store
from shared.store.migrate import migrate
from shared.store.tables import alerts as alert_rows
from shared.store.tables import tick_lease, transitions

SLOT = 1_700_000_010_000
INTERVAL = 30
STEP = INTERVAL * 1000


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = open_store(database_url, "default")
    migrate(opened)
    yield opened
    opened.close()


def claim(store: Store, slot: int, owner: str = "a") -> ticks.Claim | None:
    return store.write(lambda tx: ticks.claim(tx, "0/1", slot, INTERVAL, owner))


def finish(store: Store, claimed: ticks.Claim) -> None:
    store.write(lambda tx: ticks.finish(tx, claimed, ticks.TickReport(claimed.shard, claimed.slot)))


def expire_lease(store: Store) -> None:
    store.write(lambda tx: tx.conn.execute(update(tick_lease).values(lease_until=1)))


def test_a_slot_is_claimed_once(store: Store) -> None:
    assert claim(store, SLOT) is not None
    assert claim(store, SLOT, "b") is None


def test_a_newer_slot_waits_for_a_live_claim(store: Store) -> None:
    first = claim(store, SLOT)
    assert first is not None
    assert claim(store, SLOT + STEP, "b") is None
    finish(store, first)
    second = claim(store, SLOT + STEP, "b")
    assert second is not None
    assert second.fence > first.fence
    assert second.skipped == 0


def test_a_dead_claimant_costs_its_slot_only_and_the_skipped_slots_are_counted(store: Store) -> None:
    first = claim(store, SLOT)
    assert first is not None
    expire_lease(store)
    assert claim(store, SLOT, "b") is None
    later = claim(store, SLOT + 3 * STEP, "b")
    assert later is not None
    assert later.skipped == 2


def test_an_older_slot_is_never_taken(store: Store) -> None:
    first = claim(store, SLOT)
    assert first is not None
    finish(store, first)
    assert claim(store, SLOT - STEP) is None


def test_a_late_finisher_is_fenced_off(store: Store) -> None:
    late = claim(store, SLOT)
    assert late is not None
    expire_lease(store)
    newer = claim(store, SLOT + STEP, "b")
    assert newer is not None

    with pytest.raises(Fenced, match=f"slot {SLOT} stops"):
        store.write(lambda tx: ticks.hold(tx, late))
    finish(store, late)
    store.write(lambda tx: ticks.hold(tx, newer))
    assert claim(store, SLOT + 2 * STEP) is None  # the late one did not release the newer one's lease


def test_of_many_claims_at_once_one_wins(store: Store) -> None:
    won: list[ticks.Claim] = []
    barrier = threading.Barrier(6)

    def compete() -> None:
        barrier.wait(5)
        claimed = claim(store, SLOT)
        if claimed:
            won.append(claimed)

    threads = [threading.Thread(target=compete) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(won) == 1


def state(series_id: str, **changes: object) -> SeriesState:
    return replace(SeriesState("rule_a", series_id, '["mon_a",[]]'), **changes)  # type: ignore[arg-type]


def test_a_state_comes_back_as_it_was_with_its_version_raised(store: Store) -> None:
    saved = state(
        "s1", phase=Phase.FIRING, level=3, value=1.5, text="é ", changes=(5, 7), alert_id="alert_1", owes=True
    )
    store.write(lambda tx: states.save(tx, [saved]))

    (read,) = store.read(states.active)

    assert read == replace(saved, version=1)


def test_only_states_that_need_a_look_are_active(store: Store) -> None:
    quiet = state("s1", cooldown_until=SLOT)
    store.write(lambda tx: states.save(tx, [quiet, state("s2", phase=Phase.PENDING)]))

    assert [item.series_id for item in store.read(states.active)] == ["s2"]
    assert set(store.read(lambda tx: states.some(tx, [("rule_a", "s1"), ("rule_a", "nowhere")]))) == {
        ("rule_a", "s1")
    }


def test_the_same_transition_is_recorded_once(store: Store) -> None:
    step = Transition(Change.FIRED, "breach", 3, 1.0, "", SLOT)
    for _ in range(2):
        store.write(lambda tx: states.add_transitions(tx, [(state("s1"), step, "")]))

    assert len(store.read(lambda tx: tx.conn.execute(select(transitions)).all())) == 1


def test_health_is_kept_apart_from_counters(store: Store) -> None:
    trouble = RuleHealth(Health.ERROR, "timeout", SLOT)
    store.write(lambda tx: states.set_counters(tx, {"rule_a": states.RuleCounter(4, SLOT)}))
    store.write(lambda tx: states.set_health(tx, {"rule_a": trouble}))

    assert store.read(states.troubled) == {"rule_a": trouble}
    counters = store.write(lambda tx: states.lock_counters(tx, ["rule_a", "rule_b"]))
    assert counters == {"rule_a": states.RuleCounter(4, SLOT), "rule_b": states.RuleCounter(0, 0)}


def test_a_seen_series_moves_its_last_sight_only(store: Store) -> None:
    store.write(lambda tx: states.see_series(tx, [("rule_a", "s1", "k")], SLOT))
    store.write(
        lambda tx: states.see_series(tx, [("rule_a", "s1", "k"), ("rule_a", "s2", "k2")], SLOT + STEP)
    )

    assert store.read(lambda tx: sorted(states.known_series(tx))) == ["rule_as1", "rule_as2"]


def new_alert(alert_id: str) -> alerts.NewAlert:
    return alerts.NewAlert(
        alert_id, "rule_a", "s1", '["mon_a",[]]', "mon_a", "Down", 4, 0.0, "", SLOT, SLOT, "breach"
    )


def test_each_alert_ends_at_its_own_time_and_for_its_own_reason(store: Store) -> None:
    names = ["s1", "s2", "s3"]
    opened = [replace(new_alert(f"alert_{name}"), series_id=name) for name in names]
    store.write(lambda tx: alerts.open_alerts(tx, opened, SLOT))
    endings = [
        alerts.Ending("alert_s1", SLOT + STEP, "recovered"),
        alerts.Ending("alert_s2", SLOT + STEP, "rule deleted"),
        alerts.Ending("alert_s3", SLOT + 2 * STEP, "recovered"),
    ]
    store.write(lambda tx: alerts.resolve(tx, endings, SLOT + 2 * STEP))
    # Whoever comes second changes nothing.
    late = [alerts.Ending("alert_s1", SLOT + 9 * STEP, "gone")]
    store.write(lambda tx: alerts.resolve(tx, late, SLOT + 9 * STEP))

    columns = alert_rows.c
    query = select(columns.id, columns.resolved_at, columns.reason).order_by(columns.id)
    found = store.read(lambda tx: [tuple(row) for row in tx.conn.execute(query)])

    assert found == [(one.id, one.resolved_at, one.reason) for one in endings]


def test_a_series_has_one_open_alert_and_a_new_one_after_it_closed(store: Store) -> None:
    store.write(lambda tx: alerts.open_alerts(tx, [new_alert("alert_1")], SLOT))
    store.write(lambda tx: alerts.open_alerts(tx, [new_alert("alert_1"), new_alert("alert_2")], SLOT))
    assert open_ids(store) == ["alert_1"]

    store.write(
        lambda tx: alerts.resolve(tx, [alerts.Ending("alert_1", SLOT + STEP, "recovered")], SLOT + STEP)
    )
    store.write(lambda tx: alerts.open_alerts(tx, [new_alert("alert_2")], SLOT + STEP))

    assert open_ids(store) == ["alert_2"]


def open_ids(store: Store) -> list[str]:
    from shared.store.tables import alerts as table

    return store.read(
        lambda tx: list(tx.conn.execute(select(table.c.id).where(table.c.open_key == alerts.OPEN)).scalars())
    )
