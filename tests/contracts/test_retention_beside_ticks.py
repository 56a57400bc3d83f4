"""Retention while ticks run: neither waits for the other, and nobody is told anything twice or not at all."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared import retention
from shared.store import retention as verbs
from shared.store import sweeps, tables
from shared.store.engine import Tx
from tests.support.old_rows import DAY
from tests.support.world import World

RULES = 60
OLD = 1_500


def add_old_rows(world: World) -> None:
    """Alerts, steps and messages of years ago, of the same rules that fire now."""
    now = world.wiring.store.read(lambda tx: tx.now())
    rows: dict[Any, list[dict[str, Any]]] = {table: [] for table in tables.metadata.sorted_tables}
    for number in range(OLD):
        at, rule = now - 800 * DAY + number, f"rule_{number % RULES}"
        alert = {"id": f"alert_{number}", "rule_id": rule, "series_id": "old"}
        over = {"open_key": alert["id"], "state": "resolved", "fired_at": at, "resolved_at": at + 1}
        rows[tables.alerts].append({**alert, **over, "key": "[]", "monitor_id": "mon_1"})
        step = {"rule_id": rule, "series_id": "old", "slot": at, "change": "fired", "alert_id": alert["id"]}
        rows[tables.transitions].append(step)
        told = {"rule_id": rule, "seq": -number, "created_at": at}
        event = {"attributes": "{}", "body": b"{}", **told}
        rows[tables.outbox].append({"id": f"old_{number:04}", **event})
        link = {"notification_id": f"old_{number:04}", "alert_id": alert["id"]}
        rows[tables.notification_alerts].append(link)
        sent = {"id": f"d{number}", "notification_id": f"old_{number:04}", "channel": "ops"}
        rows[tables.deliveries].append({**sent, **told})

    def write(tx: Tx) -> None:
        for table, these in rows.items():
            tx.insert(table, these)

    world.wiring.store.write(write)


def test_ticks_that_run_meanwhile_tell_what_they_would_have_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "BATCH", 100)
    monkeypatch.setattr(verbs, "BATCH", 100)
    monkeypatch.setattr(verbs, "NOTIFICATIONS", 50)
    world.add_many(RULES)
    add_old_rows(world)
    other, ran = world.new_process(), 0
    with ThreadPoolExecutor(1) as beside:
        retained = beside.submit(lambda: retention.run(other, other.clock()))
        while not retained.done() or ran < 4:
            ran += 1
            world.write(ran, *(f"m,host=h{number} value={11 if ran % 2 else 9}" for number in range(RULES)))
            assert world.ran(ran).error == ""
    gone = retained.result().rows
    other.close()

    assert [gone[name] for name in ("alerts", "transitions", "outbox", "deliveries")] == [OLD] * 4
    told = [sorted(world.told()[slot * RULES : (slot + 1) * RULES]) for slot in range(ran)]
    words = ["resolved" if slot % 2 else "firing" for slot in range(ran)]
    # After five changes a series is said to flap, once; until then every change is told.
    assert told[:4] == [sorted(f"{word} rule_{n}" for n in range(RULES)) for word in words[:4]]
    assert len(world.rows(tables.alerts)) == (ran + 1) // 2 * RULES
