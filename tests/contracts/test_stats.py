"""Statistics on both databases: every number by hand, other tenants left out, and no statement that reads all."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from shared import manage
from shared.errors import InvalidInput
from shared.store import audit, stats
from shared.store.engine import Store
from shared.store.tables import alerts, deliveries, states
from shared.wiring import Wiring
from tests.support.rows import NOW, add_alert, add_monitor, add_rule

MINUTE, DAY = 60_000, 86_400_000
MIDNIGHT = NOW - NOW % DAY


def counted(wiring: Wiring, **given: Any) -> manage.AlertStats:
    return manage.alert_stats(wiring, **{"since": NOW - 7 * DAY, "until": NOW, **given})


def add_delivery(store: Store, number: int, state: str, **given: Any) -> None:
    row = {
        "id": f"delivery_{number}",
        "notification_id": f"n{number}",
        "rule_id": "rule_btc",
        "seq": number,
        "event": "firing",
        "kind": "slack",
        "channel": "ops",
        "recipient": "",
        "state": state,
        "next_at": None,
        "created_at": NOW - DAY,
        **given,
    }
    store.write(lambda tx: tx.insert(deliveries, [row]))


def add_flap(store: Store, number: int, rule_id: str, **given: Any) -> None:
    add_delivery(store, number, "delivered", rule_id=rule_id, event="flapping", **given)


def test_alerts_are_counted_by_day_and_severity_also_on_days_without_any(
    wiring: Wiring, store: Store
) -> None:
    for number, (at, severity) in enumerate(
        [(MIDNIGHT, 4), (MIDNIGHT - 1, 4), (MIDNIGHT - 1, 2), (MIDNIGHT - 3 * DAY, 2)]
    ):
        add_alert(store, f"alert_{number}", phase="ok", fired_at=at, severity=severity)
    add_alert(store, "alert_before", phase="ok", fired_at=NOW - 7 * DAY - 1)
    add_alert(store, "alert_after", fired_at=NOW, announced=False)

    found = counted(wiring)

    assert (found.alerts, found.by_severity) == (4, {"critical": 2, "warning": 2})
    assert found.stretch_days == 1
    assert {(one.start - MIDNIGHT) // DAY: one.by_severity for one in found.stretches} == {
        **{day: {} for day in range(-7, 1)},
        0: {"critical": 1},
        -1: {"critical": 1, "warning": 1},
        -3: {"warning": 1},
    }
    assert counted(wiring, until=NOW + 1).alerts == 5
    assert counted(wiring, until=NOW + 1).announced == 4


def test_a_long_range_is_counted_by_week(wiring: Wiring, store: Store) -> None:
    add_alert(store, "alert_old", phase="ok", fired_at=NOW - 80 * DAY)

    found = counted(wiring, since=NOW - 90 * DAY)

    assert (found.stretch_days, len(found.stretches)) == (7, 13)
    assert [place for place, one in enumerate(found.stretches) if one.alerts] == [1]


def test_the_noisiest_rules_come_first_with_their_share(wiring: Wiring, store: Store) -> None:
    add_rule(store, "rule_a", title="Loud")
    for number in range(3):
        add_alert(store, f"alert_{number}", phase="ok", rule_id="rule_a", fired_at=NOW - DAY, series_id="s")
    add_alert(store, "alert_b", phase="ok", rule_id="rule_gone", fired_at=NOW - DAY, announced=False)

    loud, gone = counted(wiring).noisiest

    assert (loud.rule_id, loud.title, loud.alerts, loud.series, loud.share) == ("rule_a", "Loud", 3, 1, 0.75)
    assert (gone.title, gone.alerts, gone.announced) == ("rule_gone", 1, 0)
    assert len(counted(wiring, limit=1).noisiest) == 1


def test_times_are_those_of_the_first_acknowledgement_and_of_the_end(wiring: Wiring, store: Store) -> None:
    for number in range(10):
        add_alert(
            store, f"alert_{number}", phase="ok", fired_at=NOW - DAY,
            resolved_at=NOW - DAY + (number + 1) * MINUTE,
        )  # fmt: skip
    add_alert(store, "alert_open", fired_at=NOW - DAY, acked_at=NOW - DAY + 9 * MINUTE)

    def acknowledge(minutes: int) -> None:
        at = NOW - DAY + minutes * MINUTE
        store.write(
            lambda tx: audit.record_many(
                tx, at, "ann", "alert.acknowledge", [(one, None, None) for one in ("alert_0", "alert_1")]
            )
        )

    acknowledge(5)
    acknowledge(1)
    store.write(lambda tx: audit.record(tx, NOW - DAY, "ann", "alert.withdraw_acknowledgement", "alert_2"))
    found = counted(wiring)

    assert (found.acknowledge.count, found.acknowledge.median) == (3, 60)
    assert found.acknowledge.p90 == pytest.approx(60 + 0.8 * 480)
    assert (found.resolve.count, found.resolve.median) == (10, 330)
    assert found.resolve.p90 == pytest.approx(546)
    assert (found.never_acknowledged, found.firing, found.answers_of) == (8, 1, 11)


def test_nothing_in_the_range_is_no_error(wiring: Wiring) -> None:
    found = counted(wiring)

    assert (found.alerts, found.by_severity, found.noisiest, found.told) == (0, {}, (), ())
    assert found.acknowledge == found.resolve == manage.Spread(0, None, None)


def test_rules_that_flapped_or_flap_now_are_named(wiring: Wiring, store: Store) -> None:
    add_rule(store, "rule_btc")
    add_flap(store, 1, "rule_btc")
    add_flap(store, 2, "rule_btc")
    add_flap(store, 3, "rule_btc", notification_id="n2", kind="email", channel="team")
    add_flap(store, 4, "rule_b")
    add_flap(store, 5, "rule_c", created_at=NOW - 8 * DAY)
    state = {
        "rule_id": "rule_d", "series_id": "s", "key": "[]", "alert_id": "", "announced_alert": "",
        "flapping_since": NOW, "active": True,
    }  # fmt: skip
    store.write(lambda tx: tx.upsert(states, [state]))

    found = [(one.rule_id, one.title, one.times, one.now) for one in counted(wiring).flapping]

    assert found == [
        ("rule_btc", "Bitcoin high", 2, 0),
        ("rule_b", "rule_b", 1, 0),
        ("rule_d", "rule_d", 0, 1),
    ]


def test_rules_that_never_fired_are_named_with_the_doubts_about_them(wiring: Wiring, store: Store) -> None:
    add_monitor(store)
    add_rule(store, "rule_fired")
    add_alert(store, "alert_a", rule_id="rule_fired", fired_at=NOW - 80 * DAY)
    add_rule(store, "rule_new", title="New", at=NOW + 1)
    wrong = {"type": "threshold", "field": "prize", "operator": ">", "value": 1}
    add_rule(store, "rule_wrong", title="Wrong", condition=wrong)
    add_rule(store, "rule_off", enabled=False)

    found = counted(wiring)

    assert [one.title for one in found.never_fired] == ["Wrong", "New"]
    assert "is not known to have a field 'prize'" in found.never_fired[0].doubts[0]
    assert found.never_fired[1].doubts == ()
    limited = counted(wiring, limit=1)
    assert (len(limited.never_fired), limited.never_fired_total) == (1, 2)


def test_deliveries_are_counted_by_kind_without_tests(wiring: Wiring, store: Store) -> None:
    ends = ["delivered", "accepted", "rejected", "expired", "expired", "unknown", "superseded"]
    for number, state in enumerate(ends):
        add_delivery(store, number, state)
    add_delivery(store, 10, "retry", next_at=NOW)
    add_delivery(store, 11, "unknown", next_at=NOW)
    add_delivery(store, 12, "delivered", event="test")
    add_delivery(store, 13, "delivered", created_at=NOW)
    add_delivery(store, 14, "delivered", kind="email")

    assert counted(wiring).told == (stats.Told("email", 1, 0, 0, 0), stats.Told("slack", 2, 3, 1, 2))


def test_another_tenant_is_not_counted(wiring: Wiring, store: Store) -> None:
    other = store.for_tenant("other")
    add_rule(other, "rule_theirs")
    add_alert(other, "alert_theirs", rule_id="rule_theirs", fired_at=NOW - DAY)
    add_delivery(other, 1, "delivered")
    add_flap(other, 2, "rule_theirs")

    found = counted(wiring)

    assert (found.alerts, found.noisiest, found.told, found.flapping, found.never_fired) == (
        0,
        (),
        (),
        (),
        (),
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"since": NOW}, "it must be before until, 2023-11-14 22:13:20+00:00"),
        ({"since": NOW - 91 * DAY}, "at most 90 days before until are counted"),
        ({"limit": 51}, "expected 1 to 50"),
        ({"limit": 0}, "expected 1 to 50"),
    ],
)
def test_what_can_not_be_counted_is_refused(wiring: Wiring, given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        counted(wiring, **given)

    assert said in str(refused.value)


@contextmanager
def statements(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """Every statement that is run meanwhile, with its values."""
    said: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        said.append((statement, values))

    event.listen(store.engine, "before_cursor_execute", note)
    yield said
    event.remove(store.engine, "before_cursor_execute", note)


@pytest.mark.parametrize("database_url", ["mariadb"], indirect=True)
def test_mariadb_walks_an_index_for_every_statement_and_their_number_is_fixed(
    wiring: Wiring, store: Store
) -> None:
    alert = {"key": "[]", "monitor_id": "m", "severity": 2, "state": "resolved"}
    made = [
        {**alert, "id": f"a{n}", "open_key": f"a{n}", "rule_id": f"r{n % 50}", "series_id": f"s{n}",
         "fired_at": NOW - n * DAY // 20}
        for n in range(2_000)
    ]  # fmt: skip
    store.write(lambda tx: tx.insert(alerts, made))
    for number in range(40):
        add_rule(store, f"rule_{number}", title=f"Rule {number}")
    with statements(store) as said:
        counted(wiring, since=NOW - DAY, limit=50)
    queries = [(text, values) for text, values in said if text.startswith("SELECT") and "FROM" in text]

    plans = []
    with store.engine.connect() as conn:
        conn.exec_driver_sql("ANALYZE TABLE alerts").fetchall()
        for text, values in queries:
            plans += [
                (row.table, row.type, row.key)
                for row in conn.exec_driver_sql(f"EXPLAIN {text}", values)
                if row.table and not row.table.startswith("<")
            ]

    assert len(queries) <= 15
    assert {table for table, *_ in plans} >= {"alerts", "audit", "states", "deliveries", "rules"}
    # Of rules every live one is wanted, so that reading the table may well be the best plan.
    assert [plan for plan in plans if plan[0] != "rules" and (plan[1] == "ALL" or plan[2] is None)] == []
    assert ("alerts", "range", "alerts_fired") in plans
