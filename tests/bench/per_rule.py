"""The straightforward way, one query for each rule, against one tick over all of them."""

import time
from collections.abc import Iterator

import httpx

from tests.bench._figures import Figure, Row
from tests.bench._fleet import MEASUREMENT, WINDOW_SECONDS, Fleet, name
from tests.bench._lab import Lab

_ASKED = 1_000


def rows(lab: Lab) -> Iterator[Row]:
    """Seconds per rule of the one way over seconds per rule of the other."""
    fleet = lab.large()
    batched = lab.quiet(fleet).row.wall_seconds / fleet.count
    lab.say("one query for each rule")
    count = min(_ASKED, fleet.count)
    alone = _seconds(fleet, count) / count
    how = f"{alone * 1e3:.2f} ms over {batched * 1e3:.4f} ms"
    yield Figure("per_rule_query_over_batched", alone / batched, how)


def _seconds(fleet: Fleet, count: int) -> float:
    """Ask for the latest value of some rules, one after the other over one connection, and compare it."""
    base, _, database = fleet.metrics_url.removeprefix("influxql+").rpartition("/")
    start, stop = fleet.slot - WINDOW_SECONDS * 1000, fleet.slot
    firing, started = 0, time.perf_counter()
    with httpx.Client(timeout=10, trust_env=False) as client:
        for number in range(0, fleet.count, fleet.count // count):
            query = (
                f'SELECT last("price") FROM "{MEASUREMENT}" WHERE "monitor_id" = \'{name(number)}\' '
                f"AND time >= {start}ms AND time < {stop}ms"
            )
            reply = client.get(f"{base}/query", params={"db": database, "q": query, "epoch": "ms"})
            value = reply.json()["results"][0]["series"][0]["values"][0][1]
            firing += value > 60_000
    seconds = time.perf_counter() - started
    assert not firing
    return seconds
