"""A backtest tells exactly what live ticks told over the same points, slot by slot, whatever rule and series."""

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

import pytest

from shared import manage
from shared.backtest.findings import Found
from shared.events import notification_of
from shared.store.tables import states, transitions
from tests.support.world import INTERVAL, World, threshold

SLOTS = 40
HOSTS = ("a", "b", "c")
SECONDS = (0, 30, 45, 60, 120, 300)
STORIES = 3
RULES = 20


OTHERS: Sequence[Mapping[str, Any]] = (
    {"type": "absence", "field": "value", "window_seconds": 60},
    {"type": "absence", "field": "value", "window_seconds": 30, "grace_seconds": 300},
    {"type": "change", "field": "value", "operator": ">", "value": 1, "window_seconds": 60},
    {"type": "all", "conditions": [threshold(">", 1), threshold("<", 4, aggregation="avg")]},
    {"type": "any", "conditions": [threshold("==", 4), threshold("<", 3, aggregation="count")]},
)


def rule(chance: Random) -> dict[str, Any]:
    """Any rule that is not too dull, on any of the monitors."""
    where = chance.choice(["mon_a", "mon_a", "mon_b", "mon_never", None])
    return {
        "monitor_id": where,
        "selector": None if where else {"kind": "any"},
        "condition": condition(chance),
        "cooldown_seconds": chance.choice(SECONDS),
        "group_seconds": chance.choice(SECONDS),
        "repeat_seconds": chance.choice([0, 0, 90]),
    }


def condition(chance: Random) -> dict[str, Any]:
    """A condition of any type."""
    if chance.random() < 0.4:
        return {**chance.choice(OTHERS), "for_seconds": chance.choice(SECONDS)}
    made: dict[str, Any] = {
        "type": "threshold",
        "field": "value",
        "operator": chance.choice([">", ">=", "<", "!="]),
        "value": chance.choice([1, 2, 3]),
    }
    options: Mapping[str, Sequence[Any]] = {
        "aggregation": ["latest", "avg", "max", "min", "sum", "count", "p90", "stddev", "delta"],
        "window_seconds": [20, 30, 60, 150],
        "for_seconds": SECONDS,
        "keep_firing_seconds": SECONDS,
        "no_data": ["keep", "alert", "ok"],
    }
    made |= {key: chance.choice(values) for key, values in options.items() if chance.random() < 0.6}
    if made["operator"] == ">" and chance.random() < 0.5:
        levels = [{"severity": "critical", "value": made["value"] + 1}]
        made |= {"levels": levels, "recovery_value": made["value"] - 0.5}
    return made


def values(chance: Random) -> list[list[float | None]]:
    """Some restless series with holes, each with its own liking for change."""
    made: list[list[float | None]] = []
    for _ in HOSTS:
        restless = chance.choice([0.1, 0.3, 0.9])
        own: list[float | None] = [chance.choice([None, 0, 2])]
        while len(own) < SLOTS:
            own.append(chance.choice([None, 0, 1, 2, 3, 4]) if chance.random() < restless else own[-1])
        made.append(own)
    return made


@pytest.mark.parametrize("seed", range(STORIES))
def test_a_backtest_tells_what_live_ticks_told(seed: int, small: World) -> None:
    chance = Random(seed)
    small.add_monitor("mon_a", key=["host"], kind="any")
    small.add_monitor("mon_b", where={"host": "b"}, key=["host"], kind="any")
    small.add_monitor("mon_never", measurement="never", key=["host"], kind="any")
    for number in range(RULES):
        small.add_rule(f"rule_{number}", **rule(chance))
    for rule_number in chance.sample(range(RULES), 8):
        _silence(small, f"rule_{rule_number}", chance.randrange(1, SLOTS), chance.randrange(1, 12))
    _live(small, values(chance))
    for rule_number in range(RULES):
        _compare(small, f"rule_{rule_number}")


def _compare(world: World, rule_id: str) -> None:
    """What live ticks did, and what looking back finds."""
    last = world.slot(SLOTS)
    found = manage.backtest_rule(
        world.wiring, rule_id, since=world.slot(1), until=last, interval_seconds=INTERVAL, now=last
    )
    assert _steps(found) == _lived(world, rule_id), found.condition
    assert _told(found) == _announced(world, rule_id), found.condition


def _silence(world: World, rule_id: str, begin: int, slots: int) -> None:
    given = {
        "rules": [rule_id],
        "reason": "test",
        "starts_at": world.slot(begin),
        "ends_at": world.slot(begin + slots),
    }
    draft = manage.draft_silence(given)
    manage.silence_alerts(world.wiring, draft, by="test", actor="test", now=world.slot(0))


def _live(world: World, values: Sequence[Sequence[float | None]]) -> None:
    for number in range(1, SLOTS + 1):
        points = [
            f"m,host={host} value={own[number - 1]}"
            for host, own in zip(HOSTS, values, strict=True)
            if own[number - 1] is not None
        ]
        if points:
            world.write(number, *points)
        world.ran(number)


def _lived(world: World, rule_id: str) -> list[tuple[Any, ...]]:
    keys = {row["series_id"]: row["key"] for row in world.rows(states, rule_id=rule_id)}
    return sorted(
        (
            row["slot"],
            keys[row["series_id"]],
            row["change"],
            row["level"],
            row["value"],
            row["reason"],
            row["held_by"],
        )
        for row in world.rows(transitions, rule_id=rule_id)
    )


def _steps(found: Found) -> list[tuple[Any, ...]]:
    return sorted(
        (step.at, one.key, step.change, step.level, step.value, step.reason, step.held_by)
        for one in found.series
        for step in one.steps
    )


def _announced(world: World, rule_id: str) -> list[tuple[Any, ...]]:
    told = [notification_of(event) for event in world.events() if event.subject == rule_id]
    return [
        (
            said.slot,
            said.event.value,
            _tags(alert.series for alert in said.alerts if alert.event is said.event),
        )
        for said in sorted(told, key=lambda said: said.seq)
    ]


def _told(found: Found) -> list[tuple[Any, ...]]:
    return [(one.at, one.event, _tags(one.series)) for one in found.told]


def _tags(names: Iterable[str]) -> set[str]:
    """The tags in names such as `monitor: host=a`; nothing of a name without tags."""
    return {name.rpartition(": ")[2] if "=" in name else "" for name in names}
