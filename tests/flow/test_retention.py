"""The daily PingSource wakes its function, which removes what is old and leaves alone what fires."""

import time

import pytest

from shared.store import tables
from tests.support.flow import Flow

DAY = 86_400_000
pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


def test_once_a_day_what_is_old_goes_and_what_fires_stays(laptop: Flow) -> None:
    watched = laptop.add_rule()
    watched.fires()
    watched.wait_settled(1)
    old = {"shard": "9/9", "slot": int(time.time() * 1000) - 20 * DAY, "stages_ms": "{}"}
    laptop.store.write(lambda tx: tx.insert(tables.ticks, [old]))

    assert laptop.stack.tick("retention")

    assert laptop.rows(tables.ticks, shard="9/9") == []
    assert len(watched.outbox()) == 1
    assert len(laptop.rows(tables.alerts, rule_id=watched.id)) == 1
