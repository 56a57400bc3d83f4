"""The state of everything in one look: true, of one tenant, and as cheap however much there is."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, update

from shared.errors import Unavailable
from shared.manage import get_status
from shared.settings import Settings
from shared.store import ticks
from shared.store.engine import Store
from shared.store.migrate import NEWEST
from shared.store.tables import channel_state, dead_letters, deliveries, outbox, rule_status
from shared.store.ticks import TickReport
from shared.wiring import Wiring
from tests.support.own_numbers import delivery_row, insert, outbox_row
from tests.support.rows import add_alert
from tests.support.world import World

MOST_STATEMENTS = 20


@contextmanager
def counted(store: Store) -> Iterator[list[str]]:
    """Every statement that the block makes the database run."""
    statements: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(store.engine, "before_cursor_execute", note)


def test_an_empty_database_has_had_no_tick_and_no_other_problem(wiring: Wiring) -> None:
    found = get_status(wiring)

    assert found.problems == ("there was no tick yet",)
    assert (found.schema, found.schema_needed) == (NEWEST, NEWEST)
    assert (found.redis, found.heartbeat) == ("not configured", False)
    assert found.rules == {"ok": 0, "no_data": 0, "error": 0, "disabled": 0}
    assert found.open_alerts == {}
    assert found.dead_letters == {"slack": 0, "webhook": 0}
    assert [row["channel"] for row in found.channels] == ["ops", "hook"]
    assert found.sources == ({"source": "default", "unreachable": 0, "failing": 0, "groups": 0, "error": ""},)


def test_everything_that_is_wrong_is_counted_and_said(wiring: Wiring) -> None:
    store = wiring.store
    now = store.read(lambda tx: tx.now())
    old = now - 400_000
    report = TickReport("0/1", now - 95_000, interval_ms=30_000, errors=1, error="no answer", skipped=2)
    group = {"id": "g", "source": "eu", "measurement": "cpu", "slot": now - 95_000, "error": "no answer"}
    store.write(lambda tx: ticks.record(tx, report))
    store.write(lambda tx: ticks.groups_evaluated(tx, [group]))
    insert(
        store,
        outbox,
        [
            outbox_row("e1", 1, created_at=old, error="it answered 500"),
            outbox_row("e2", 2, published_at=old, error=""),
        ],
    )
    insert(
        store,
        deliveries,
        [
            delivery_row("e2", 1, state="retry"),
            delivery_row("e2", 2, state="unknown", next_at=now + 60_000),
            delivery_row("e2", 3, kind="webhook", channel="hook"),
            delivery_row("e2", 4, state="rejected", next_at=None, finished_at=now - 1000),
        ],
    )
    insert(store, channel_state, [{"channel": "hook", "health": "unhealthy"}])
    letter = {"event_id": "e2", "kind": "webhook", "attributes": "{}", "body": b""}
    insert(store, dead_letters, [letter])
    for number, severity in enumerate((4, 4, 2)):
        add_alert(store, f"alert_{number}", severity=severity)

    found = get_status(wiring)

    assert dataclasses.asdict(found.deliveries) == {"open": 3, "due": 2, "retrying": 1, "unknown": 1}
    assert found.open_alerts == {
        "critical": {"count": 2, "acknowledged": 0},
        "warning": {"count": 1, "acknowledged": 0},
    }
    ops, hook = found.channels
    assert (ops["open"], ops["overdue"], ops["rejected"], ops["failing"]) == (2, 2, 1, 0)
    assert (hook["open"], hook["overdue"], hook["failing"]) == (1, 1, 1)
    assert (found.ticks[0].errors, found.ticks[0].error, found.ticks[0].skipped) == (1, "no answer", 2)
    assert found.problems == (
        "the newest tick was 95 s ago",
        "metric store 'eu' is unreachable: no answer",
        f"1 event waits for the Broker, for {found.outbox['oldest_seconds']} s: it answered 500",
        "2 overdue deliveries to slack channel 'ops'",
        "webhook channel 'hook' is failing",
        "1 overdue delivery to webhook channel 'hook'",
        "1 open dead letter of kind webhook",
    )
    json.dumps(dataclasses.asdict(found))


def test_it_costs_as_many_statements_however_much_there_is(small: World) -> None:
    def asked() -> int:
        with counted(small.wiring.store) as statements:
            get_status(small.wiring)
        return len(statements)

    before = asked()
    small.add_many(30)
    small.write(1, *(f"m,host=h{number} value=11" for number in range(30)))
    for number in range(1, 4):
        small.ran(number)

    assert asked() == before <= MOST_STATEMENTS
    found = get_status(small.wiring)
    assert found.rules["ok"] == 30
    assert found.open_alerts == {"high": {"count": 30, "acknowledged": 0}}
    assert len(found.ticks) == 3
    assert [problem.partition(" was ")[0] for problem in found.problems] == ["the newest tick"]


def test_another_tenant_sees_nothing_of_it(small: World) -> None:
    small.add_monitor("mon_a")
    small.add_rule("rule_a")
    small.play(["m value=11"])

    theirs = get_status(small.wiring.of_tenant("acme"))

    assert (theirs.tenant, theirs.ticks, theirs.open_alerts) == ("acme", (), {})
    assert sum(theirs.rules.values()) == 0
    assert theirs.deliveries.open == 0


def test_rules_in_error_and_a_redis_that_is_away_are_said(small: World, tmp_path: Path) -> None:
    small.add_monitor("mon_a")
    small.add_rule("rule_a")
    small.play(["m value=1"])
    broken = update(rule_status).values(health="error")
    small.wiring.store.write(lambda tx: tx.insert(rule_status, [{"rule_id": "rule_a"}]))
    small.wiring.store.write(lambda tx: tx.conn.execute(broken))
    given = small.settings.model_dump() | {"redis_url": "redis://127.0.0.1:1/0"}
    with_redis = Wiring(Settings.model_validate(given), {})

    found = get_status(with_redis)
    with_redis.close()

    assert found.redis == "down"
    assert found.problems[-2:] == ("1 rule can't be evaluated", "Redis is configured and doesn't answer")


def test_a_database_that_is_away_is_one_clear_error(tmp_path: Path) -> None:
    url = "mysql+pymysql://tocsin:s3cr3t@127.0.0.1:1/tocsin"
    away = Wiring(Settings.model_validate({"database_url": url, "state_dir": tmp_path}), {})

    with pytest.raises(Unavailable, match="TOCSIN_DATABASE_URL") as failed:
        get_status(away)
    assert "s3cr3t" not in str(failed.value)
