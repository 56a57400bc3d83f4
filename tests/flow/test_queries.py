"""How much a tick asks of InfluxDB, counted at the wire."""

from collections.abc import Iterable

import pytest
from sqlalchemy import func, select

from shared.model import Monitor, Rule
from shared.settings import OWN_SOURCE
from shared.store import monitors, rules
from shared.store.engine import Tx
from shared.store.tables import monitors as monitors_table
from shared.store.tables import rules as rules_table
from shared.store.tables import ticks
from tests.support.flow import Flow
from tests.support.gate import Gate
from tests.support.world import threshold

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
HOSTS = 200


def add_rules(tx: Tx, numbers: Iterable[int]) -> None:
    """Rules on one host each of a measurement that all of them share."""
    condition = threshold(">", 100, window_seconds=60)
    for number in numbers:
        name = f"wire_{number}"
        where = {"host": f"h{number}"}
        monitor = Monitor(id=f"mon_{name}", name=name, measurement="wire", where=where, key=["host"])
        monitors.insert(tx, monitor, 1)
        rule = {"id": f"rule_{name}", "monitor_id": monitor.id, "title": name, "condition": condition}
        rules.insert(tx, Rule.model_validate(rule), 1)


def queries_of_a_tick(flow: Flow, gate: Gate) -> list[str]:
    """What one tick asks for, at the wire."""
    flow.write(*(f"wire,host=h{number} value={number % 100}" for number in range(HOSTS)))
    gate.clear()
    assert flow.tick()
    return [request.text for request in gate.requests if request.path.startswith("/query")]


def queries_of_own_numbers(flow: Flow) -> int:
    """One for each measurement of Tocsin's own that a rule is about: those go to the database."""
    asked = select(func.count(monitors_table.c.measurement.distinct())).join_from(
        rules_table, monitors_table, rules_table.c.monitor_id == monitors_table.c.id
    )
    own = asked.where(monitors_table.c.source == OWN_SOURCE)
    return flow.store.read(lambda tx: int(tx.conn.execute(own).scalar_one()))


def test_many_rules_with_as_many_filters_make_as_many_queries_as_one_rule(
    with_servers: Flow, influx_gate: Gate
) -> None:
    flow = with_servers
    flow.store.write(lambda tx: add_rules(tx, [0]))
    one = queries_of_a_tick(flow, influx_gate)

    flow.store.write(lambda tx: add_rules(tx, range(1, HOSTS)))
    all_of_them = queries_of_a_tick(flow, influx_gate)

    assert len(all_of_them) == len(one)
    assert sum("wire" in query for query in all_of_them) == sum("wire" in query for query in one) == 1
    (report,) = flow.rows(ticks, slot=flow.slot)
    assert report["rules"] >= HOSTS
    assert report["series"] >= HOSTS
    assert report["errors"] == 0
    assert report["queries"] == len(all_of_them) + queries_of_own_numbers(flow)
