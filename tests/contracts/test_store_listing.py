"""What people look up, and acknowledging, on both databases."""

import pytest
from sqlalchemy import Table, select

from shared.errors import Conflict, InvalidInput, NotFound
from shared.model import Severity
from shared.store import acks, listing, standings
from shared.store.engine import Store
from shared.store.listing import AlertRow
from shared.store.managed import Page
from shared.store.tables import deliveries, notification_alerts, rule_status, states, ticks, transitions
from tests.support import rows
from tests.support.rows import NOW, add_alert


@pytest.fixture
def store(database_url: str) -> Store:
    return rows.store_with_tables(database_url)


def _ids(store: Store, **wanted: object) -> list[str]:
    page = store.read(lambda tx: listing.alerts_page(tx, **wanted))  # type: ignore[arg-type]
    return [alert.id for alert in page.items]


def _page(store: Store, cursor: str) -> Page[AlertRow]:
    return store.read(lambda tx: listing.alerts_page(tx, limit=2, cursor=cursor))


def test_alerts_come_newest_first_and_page_by_page_without_gaps(store: Store) -> None:
    for number, fired in enumerate([3, 1, 2, 2, 2]):
        add_alert(store, f"alert_{number}", fired_at=NOW + fired)
    expected = ["alert_0", "alert_4", "alert_3", "alert_2", "alert_1"]
    assert _ids(store) == expected

    found: list[str] = []
    cursor = ""
    while True:
        page = _page(store, cursor)
        found += [alert.id for alert in page.items]
        cursor = page.cursor
        if not cursor:
            break
        add_alert(store, f"alert_new_{len(found)}", fired_at=NOW + 100)
    assert found == expected


def test_alerts_can_be_narrowed(store: Store) -> None:
    add_alert(store, "alert_a", severity=4, fired_at=NOW + 10)
    add_alert(store, "alert_b", phase="ok", severity=2, rule_id="rule_2", monitor_id="mon_2")
    add_alert(store, "alert_c", severity=1, acked_at=NOW)

    assert _ids(store, state="firing") == ["alert_a", "alert_c"]
    assert _ids(store, state="resolved") == ["alert_b"]
    assert _ids(store, rule_id="rule_2") == _ids(store, monitor_id="mon_2") == ["alert_b"]
    assert _ids(store, severity=Severity.HIGH) == ["alert_a"]
    assert _ids(store, acknowledged=True) == ["alert_c"]
    assert _ids(store, acknowledged=False) == ["alert_a", "alert_b"]
    assert _ids(store, since=NOW + 1) == ["alert_a"]
    assert _ids(store, until=NOW + 10) == ["alert_c", "alert_b"]


def test_an_alert_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    add_alert(store, "alert_abc1")
    add_alert(store, "alert_abc12")
    add_alert(store, "alert_xyz")

    assert store.read(lambda tx: listing.alert(tx, "alert_x")).id == "alert_xyz"
    assert store.read(lambda tx: listing.alert(tx, "alert_abc1")).id == "alert_abc1"
    with pytest.raises(InvalidInput, match="several alerts begin with it"):
        store.read(lambda tx: listing.alert(tx, "alert_abc"))


@pytest.mark.parametrize("wanted", ["alert_q", "", "alert%", "alert_a "])
def test_an_id_that_no_alert_begins_with_is_not_found(store: Store, wanted: str) -> None:
    add_alert(store, "alert_a")

    with pytest.raises(NotFound):
        store.read(lambda tx: listing.alert(tx, wanted))


def _insert(store: Store, table: Table, row: dict[str, object]) -> None:
    store.write(lambda tx: tx.insert(table, [row]))


def _delivery(number: int, **given: object) -> dict[str, object]:
    return {
        "id": f"del_{number}",
        "notification_id": f"n_{number}",
        "rule_id": "rule_btc",
        "seq": number,
        "event": "firing",
        "kind": "slack",
        "channel": "ops",
        "recipient": "",
        "created_at": NOW + number,
        **given,
    }


def test_an_alert_has_its_steps_and_its_deliveries(store: Store) -> None:
    add_alert(store, "alert_a")
    steps = [
        {"rule_id": "rule_btc", "series_id": "s", "slot": NOW + 30, "change": "fired", "alert_id": "alert_a"},
        {"rule_id": "rule_btc", "series_id": "s", "slot": NOW, "change": "pending", "alert_id": "alert_a"},
        {"rule_id": "rule_btc", "series_id": "t", "slot": NOW, "change": "fired", "alert_id": "alert_b"},
    ]
    links = [
        {"notification_id": "n_1", "alert_id": "alert_a", "event": "firing", "position": 0},
        {"notification_id": "n_2", "alert_id": "alert_b", "event": "firing", "position": 0},
    ]
    made = [
        _delivery(1, next_at=NOW),
        _delivery(2, state="delivered"),
        _delivery(3, notification_id="n_1", channel="a"),
    ]
    store.write(lambda tx: tx.insert(transitions, steps))
    store.write(lambda tx: tx.insert(notification_alerts, links))
    for row in made:
        _insert(store, deliveries, row)

    assert [step.change for step in store.read(lambda tx: listing.transitions_of(tx, "alert_a"))] == [
        "pending",
        "fired",
    ]
    assert [row.id for row in store.read(lambda tx: listing.deliveries_of(tx, "alert_a"))] == [
        "del_1",
        "del_3",
    ]
    assert [row.id for row in store.read(lambda tx: listing.deliveries_page(tx)).items] == [
        "del_3",
        "del_2",
        "del_1",
    ]
    assert [row.id for row in store.read(lambda tx: listing.deliveries_page(tx, only_open=True)).items] == [
        "del_1"
    ]
    delivered = store.read(lambda tx: listing.deliveries_page(tx, state="delivered", channel="ops"))
    assert [row.id for row in delivered.items] == ["del_2"]


def test_ticks_come_newest_first(store: Store) -> None:
    made = [
        {"shard": shard, "slot": NOW + slot, "stages_ms": "{}"}
        for slot in (0, 30)
        for shard in ("0/2", "1/2")
    ]
    store.write(lambda tx: tx.insert(ticks, made))

    first = store.read(lambda tx: listing.ticks_page(tx, limit=3))
    rest = store.read(lambda tx: listing.ticks_page(tx, limit=3, cursor=first.cursor))
    assert [(row.slot - NOW, row.shard) for row in (*first.items, *rest.items)] == [
        (30, "1/2"),
        (30, "0/2"),
        (0, "1/2"),
        (0, "0/2"),
    ]


def test_the_standing_of_rules_counts_open_alerts_and_tells_health(store: Store) -> None:
    add_alert(store, "alert_a")
    add_alert(store, "alert_b")
    add_alert(store, "alert_c", phase="ok")
    status = {"rule_id": "rule_btc", "health": "error", "health_reason": "no such field", "health_since": NOW}
    store.write(lambda tx: tx.insert(rule_status, [status]))

    found = store.read(lambda tx: standings.standings(tx, ["rule_btc", "rule_new"]))

    assert found["rule_btc"] == standings.RuleStanding("error", "no such field", NOW, 2)
    assert found["rule_new"] == standings.RuleStanding()


def _state(store: Store, alert_id: str) -> tuple[int, int, int]:
    query = select(states.c.acked_level, states.c.acked_until, states.c.version)
    row = store.read(lambda tx: tx.conn.execute(query.where(states.c.alert_id == alert_id)).one())
    return row.acked_level, row.acked_until, row.version


def _acknowledge(store: Store, alert_id: str, until: int | None = None, now: int = NOW) -> listing.AlertRow:
    alert = store.read(lambda tx: listing.alert(tx, alert_id))
    store.write(lambda tx: acks.acknowledge(tx, acks.hold(tx, [alert]), "Ann", "on it", until, now))
    return store.read(lambda tx: listing.alert(tx, alert_id))


def test_acknowledging_marks_the_alert_for_people_and_the_state_for_the_evaluator(store: Store) -> None:
    add_alert(store, "alert_a", level=3)
    add_alert(store, "alert_b", level=3)

    acked = _acknowledge(store, "alert_a", NOW + 3_600_000, NOW + 5)

    assert (acked.acked_at, acked.acked_by, acked.ack_note, acked.acked_until) == (
        NOW + 5,
        "Ann",
        "on it",
        NOW + 3_600_000,
    )
    assert acked.state == "firing"
    assert _state(store, "alert_a") == (3, NOW + 3_600_000, 5)
    assert _state(store, "alert_b") == (0, 0, 4)


def test_an_acknowledgement_without_end_and_its_withdrawal(store: Store) -> None:
    add_alert(store, "alert_a", level=2)

    acked = _acknowledge(store, "alert_a")
    assert (acked.acked_until, _state(store, "alert_a")) == (None, (2, 0, 5))
    back = store.write(lambda tx: acks.withdraw(tx, acked, NOW))
    assert (back.acked_at, back.acked_by, _state(store, "alert_a")) == (None, "", (0, 0, 6))


def test_a_series_that_is_clean_but_kept_firing_is_acknowledged_at_the_level_of_its_alert(
    store: Store,
) -> None:
    add_alert(store, "alert_a", level=0, severity=4)
    _acknowledge(store, "alert_a")

    assert _state(store, "alert_a")[0] == 4


def test_an_alert_that_ended_can_not_be_acknowledged_and_nothing_is_half_written(store: Store) -> None:
    add_alert(store, "alert_a")
    alert = store.read(lambda tx: listing.alert(tx, "alert_a"))
    ended = select(states.c.acked_level)
    store.write(lambda tx: tx.conn.execute(states.update().values(phase="ok", alert_id="")))

    assert store.write(lambda tx: acks.hold(tx, [alert])) == []
    with pytest.raises(Conflict, match="not open any more"):
        store.write(lambda tx: acks.withdraw(tx, alert, NOW))

    assert store.read(lambda tx: listing.alert(tx, "alert_a")).acked_at is None
    assert store.read(lambda tx: tx.conn.execute(ended).scalar_one()) == 0
