"""Ticks of several shards in one world, and a rule whose monitors lie in all of them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from shared.events import Tick, notification_of
from shared.store.tables import alerts, rule_status
from shared.store.ticks import TickReport
from shared.tick import run
from tests.support.world import INTERVAL, World, threshold

NAMES = "abcdefgh"
"""Measurements: the hash of their names puts some of them into each of two shards, and of three."""


def shards(world: World, number: int, of: int, only: Sequence[int] = ()) -> list[TickReport | None]:
    """The ticks of the slot, one shard after the other, each in a process of its own."""
    reports = []
    for shard in only or range(of):
        process = world.new_process()
        reports.append(run(Tick(world.slot(number), INTERVAL, shard, of), process))
        process.close()
    return reports


def everything(world: World, **condition: Any) -> None:
    """One rule on a monitor in each of many measurements."""
    for name in NAMES:
        world.add_monitor(f"mon_{name}", measurement=name, kind="machine")
    world.add_rule("rule_all", None, selector={"kind": "machine"}, condition=threshold(">", 10, **condition))


def write_all(world: World, number: int, value: int, names: str = NAMES) -> None:
    world.write(number, *(f"{name} value={value}" for name in names))


def health(world: World) -> list[tuple[str, str]]:
    return [(row["health"], row["health_reason"]) for row in world.rows(rule_status, rule_id="rule_all")]


def told_series(world: World) -> Counter[tuple[str, str]]:
    """(event, monitor) → how often it was told, however often the broker got the event."""
    monitor = {row["id"]: row["monitor_id"] for row in world.rows(alerts)}
    found = {event.id: notification_of(event) for event in world.events()}
    return Counter((told.event.value, monitor[fact.id]) for told in found.values() for fact in told.alerts)
