"""Tocsin's own numbers on both databases: what `self://` answers, as any metric store would."""

from functools import partial
from typing import Any

import pytest
from sqlalchemy import event

from shared.columns import AggregateQuery, SampleQuery
from shared.errors import InvalidInput, QueryFailed, Unavailable
from shared.metrics import MetricStore
from shared.metrics.mappings import propose
from shared.settings import Settings
from shared.store import own, ticks
from shared.store.engine import Store
from shared.store.tables import (
    channel_state,
    deliveries,
    outbox,
    query_groups,
    rule_status,
)
from shared.wiring import Wiring
from tests.support.own_numbers import STOP, T0, delivery_row, insert, outbox_row, query, recorded, told
from tests.support.rows import add_monitor, add_rule, store_with_tables


def test_each_finished_tick_is_a_point_at_its_slot(store: Store, numbers: MetricStore) -> None:
    for number in range(-1, 12):
        report = ticks.TickReport(
            "0/1", T0 + number * 30_000, total_ms=number, stages_ms={"query": 7}, points=9
        )
        recorded(store, report)

    samples = numbers.read(query("tocsin_tick"), 5)

    assert samples.time.tolist() == [T0 + number * 30_000 for number in range(10)]
    assert samples.fields["total_ms"].numbers.tolist() == list(range(10))
    assert set(samples.fields["query_ms"].numbers) == {7.0}
    assert set(samples.fields["points"].numbers) == {9.0}
    assert samples.tags["shard"].values == ("0/1",)


def test_each_query_group_tells_whether_it_failed_and_how_long_ago(
    store: Store, numbers: MetricStore
) -> None:
    rows = [
        {
            "id": "a",
            "source": "default",
            "database": "",
            "measurement": "cpu",
            "slot": STOP - 30_000,
            "error": "",
        },
        {
            "id": "b",
            "source": "eu",
            "database": "x",
            "measurement": "mem",
            "slot": STOP - 9_000,
            "error": "down",
        },
        {
            "id": "c",
            "source": "eu",
            "database": "",
            "measurement": "old",
            "slot": STOP - 3_600_000,
            "error": "x",
        },
    ]
    store.write(lambda tx: ticks.groups_evaluated(tx, rows))

    assert told(numbers, "tocsin_group") == {
        ("default", "", "cpu"): {"error": 0, "seconds": 30},
        ("eu", "x", "mem"): {"error": 1, "seconds": 9},
    }
    assert numbers.read(query("tocsin_group"), 5).time.tolist() == [STOP - 1] * 2


def test_rules_are_counted_by_their_health(store: Store, numbers: MetricStore) -> None:
    add_monitor(store)
    for number in range(5):
        add_rule(store, f"rule_{number}", enabled=number != 4)
    status = [
        {"rule_id": f"rule_{number}", "health": health} for number, health in enumerate(["error", "no_data"])
    ]
    status += [{"rule_id": "rule_4", "health": "error"}, {"rule_id": "rule_2", "health": "ok"}]
    insert(store, rule_status, status)
    assert told(numbers, "tocsin_rules") == {
        ("ok",): {"count": 2},
        ("no_data",): {"count": 1},
        ("error",): {"count": 1},
    }


def test_another_tenants_numbers_are_not_told(wiring: Wiring, store: Store) -> None:
    report = ticks.TickReport("0/1", T0)
    other = store.for_tenant("other")
    recorded(other, report)
    insert(other, channel_state, [{"channel": "ops", "health": "unhealthy"}])
    insert(other, outbox, [outbox_row("e1", 1)])
    insert(other, deliveries, [delivery_row("e1", 1)])
    insert(other, query_groups, [{"id": "a", "slot": STOP, "measurement": "m"}])
    add_rule(other, "rule_1", monitor_id=None, selector={"kind": "x"})

    numbers = wiring.metrics("self")

    for name in own.MEASUREMENTS:
        values = [value for fields in told(numbers, name).values() for value in fields.values()]
        assert not any(values), name


def test_tags_narrow_and_nothing_is_reduced(store: Store, numbers: MetricStore) -> None:
    for number in range(4):
        report = ticks.TickReport(f"{number % 2}/2", T0 + number * 30_000, total_ms=10 * number)
        recorded(store, report)
    one = ({"shard": "1/2"},)

    assert told(numbers, "tocsin_tick", where=one).keys() == {("1/2",)}
    with pytest.raises(QueryFailed, match="point by point"):
        numbers.aggregate(AggregateQuery("tocsin_tick", ("shard",), ()), 5)


def test_every_measurement_is_discovered_and_an_unknown_one_has_no_rows(numbers: MetricStore) -> None:
    found = {one.measurement: one for one in numbers.discover()}

    assert found.keys() == own.MEASUREMENTS.keys()
    assert tuple(found["tocsin_deliveries"].tags) == ("kind", "channel")
    assert found["tocsin_tick"].fields["total_ms"] == "integer"
    assert [one.measurement for one in numbers.discover(measurement="tocsin_rules")] == ["tocsin_rules"]
    assert numbers.discover(measurement="cpu") == []
    assert len(numbers.read(SampleQuery("cpu", ("host",), ("v",), T0, STOP), 5)) == 0


def test_it_takes_no_points(numbers: MetricStore) -> None:
    numbers.ping(5)
    with pytest.raises(InvalidInput, match="takes no points"):
        numbers.write(b"m v=1")


def test_a_database_that_is_away_is_unavailable(tmp_path: Any) -> None:
    chosen = Settings.model_validate(
        {"database_url": "mysql+pymysql://u:p@127.0.0.1:9/x", "state_dir": tmp_path}
    )
    wiring = Wiring(chosen, {})
    with pytest.raises(Unavailable, match="TOCSIN_DATABASE_URL"):
        wiring.metrics("self").ping(5)


def test_no_measurement_is_read_by_looking_at_every_row(sqlite_url: str) -> None:
    store = store_with_tables(sqlite_url)
    asked: list[tuple[str, Any]] = []
    event.listen(
        store.engine,
        "before_cursor_execute",
        lambda _c, _u, statement, given, *_: asked.append((statement, given)),
    )
    for name in own.MEASUREMENTS:
        store.read(partial(own.read, name=name, asked=own.Asked(T0, STOP, {"ops": "slack"})))

    with store.engine.connect() as conn:
        plans = [
            (statement, row[3])
            for statement, given in list(asked)
            for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
        ]
    store.close()
    # `SEARCH` goes by an index; constants are no table.
    scans = [plan for plan in plans if plan[1].startswith("SCAN") and "CONSTANT" not in plan[1]]
    assert scans == []


def test_every_measurement_is_proposed_as_a_monitor_with_all_of_its_tags(numbers: MetricStore) -> None:
    proposed = {proposal.measurement: proposal.key for proposal in propose(numbers.discover())}

    assert proposed == {name: measured.tags for name, measured in own.MEASUREMENTS.items()}
