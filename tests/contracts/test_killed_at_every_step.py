"""A tick that is killed with -9 at each of its steps in turn, a real process on a real database: after the next ticks
nothing is lost and nothing was announced twice.

The steps are counted while the tick runs: every statement and commit, and both sides of every request to the Broker.
Between two killed ticks is one good one, which mends what the last one broke and prepares the next.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, delete, update

from shared.events import Event, Tick, notification_of, of_http
from shared.policy import GONE_AFTER_MS
from shared.store.tables import alerts, deliveries, metadata, outbox, series, states, transitions
from tests.support.mortal import KILLED, MortalEvaluator
from tests.support.sink import Reply, Sink
from tests.support.world import INTERVAL, STEP, World, threshold

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

LEVELS = [{"severity": "critical", "value": 20}]
ROLES = ("fires", "ends", "worsens")
LEAST_STEPS = 30
"""Fewer would mean that the steps are not counted; how many there are is not for a test to say."""
TURNS_AT_ONCE = 16
"""How many turns share a database before it is emptied. Every rule of an earlier turn makes the later ticks slower, and
its series, about which nobody writes any more, are closed as gone after an hour of slots."""

Rows = Mapping[str, list[Mapping[str, Any]]]


class Turn:
    """What one killed tick is about: rules of its own that fire, resolve and get worse in it."""

    def __init__(self, world: World, dies_at: int) -> None:
        self.world, self.dies_at, self.name, self.step = world, dies_at, f"t{dies_at}", ""
        for role in ROLES:
            world.add_monitor(f"mon_{self.name}_{role}", where={"role": f"{self.name}_{role}"})
            world.add_rule(
                self.rule(role), f"mon_{self.name}_{role}", condition=threshold(">", 10, levels=LEVELS)
            )

    def rule(self, role: str) -> str:
        return f"rule_{self.name}_{role}"

    def write(self, slot: int, **values: int) -> None:
        self.world.write(
            slot, *(f"m,role={self.name}_{role} value={value}" for role, value in values.items())
        )

    def before(self, slot: int) -> None:
        self.write(slot, fires=1, ends=11, worsens=11)

    def after(self, slot: int) -> None:
        self.write(slot, fires=11, ends=1, worsens=25)


def walk(world: World, mortal: MortalEvaluator) -> tuple[list[str], list[str], int]:
    """The steps at which ticks were killed, what was wrong afterwards, and how the tick ended that had no step left."""
    steps: list[str] = []
    wrong: list[str] = []
    status = KILLED
    while status == KILLED:
        turns, status = some_turns(world, mortal, len(steps) + 1)
        outcome = Outcome(world)
        wrong += [
            f"{turn.name} ({turn.step[:80]}): {words}" for turn in turns for words in problems(outcome, turn)
        ]
        steps += [turn.step for turn in turns]
        empty(world)
    return steps[:-1], wrong, status


def some_turns(world: World, mortal: MortalEvaluator, first: int) -> tuple[list[Turn], int]:
    """Turns on an empty database, the first killed at step `first`, and how the tick of the last one ended."""
    turns: list[Turn] = []
    status, slot = KILLED, 0
    while status == KILLED and len(turns) < TURNS_AT_ONCE:
        turn = Turn(world, first + len(turns))
        turns.append(turn)
        turn.before(slot)
        world.ran(slot)
        nothing_is_due(world)
        turn.after(slot + 1)
        status, turn.step = mortal.tick(Tick(world.slot(slot + 1), INTERVAL), turn.dies_at)
        world.expire()
        turn.after(slot + 2)
        slot += 2
    for number in (slot, slot + 1):
        turns[-1].after(number)
        world.ran(number)
    assert slot * STEP < GONE_AFTER_MS
    return turns, status


def empty(world: World) -> None:
    """Delete every row, and whatever the evaluator that was not killed remembers of them."""
    world.wiring.store.write(
        lambda tx: [tx.conn.execute(delete(table)) for table in reversed(metadata.sorted_tables)]
    )
    world.wiring.close()
    world.wiring = world.new_process()


def nothing_is_due(world: World) -> None:
    """Everybody was told: what the Broker has taken comes no more, however long the walk lasts."""
    done = update(outbox).where(outbox.c.published_at.is_not(None)).values(next_at=None)
    world.wiring.store.write(lambda tx: tx.conn.execute(done))


def by_rule(world: World, table: Table) -> Rows:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in world.rows(table):
        found.setdefault(row["rule_id"], []).append(row)
    return found


def whole_events(world: World) -> Mapping[str, list[Event]]:
    """What the broker took, by rule: not the request that ended in its middle because its sender did."""
    found: dict[str, list[Event]] = {}
    for request in world.sink.requests:
        if len(request.body) == int(request.headers["content-length"]):
            event = of_http(dict(request.headers), request.body)
            found.setdefault(event.subject, []).append(event)
    return found


class Outcome:
    """Everything that the walk left behind, read once."""

    def __init__(self, world: World) -> None:
        tables = (outbox, alerts, deliveries, states, series, transitions)
        self._rows = {table.name: by_rule(world, table) for table in tables}
        self._events = whole_events(world)

    def of(self, turn: Turn, table: Table) -> list[Mapping[str, Any]]:
        return [row for role in ROLES for row in self._rows[table.name].get(turn.rule(role), ())]

    def events(self, turn: Turn) -> list[Event]:
        return [event for role in ROLES for event in self._events.get(turn.rule(role), ())]


def problems(outcome: Outcome, turn: Turn) -> list[str]:
    """What is lost or doubled, in words."""
    found = []

    def check(what: str, seen: object, expected: object) -> None:
        if seen != expected:
            found.append(f"{what}: {seen}, expected {expected}")

    told = outcome.of(turn, outbox)
    expected = Counter(
        {
            (turn.rule("fires"), "firing"): 1,
            (turn.rule("ends"), "firing"): 1,
            (turn.rule("ends"), "resolved"): 1,
            (turn.rule("worsens"), "firing"): 1,
            (turn.rule("worsens"), "worsened"): 1,
        }
    )
    check("outbox", Counter((row["rule_id"], row["event"]) for row in told), expected)
    check("unpublished", [row["id"] for row in told if row["published_at"] is None], [])
    events = outcome.events(turn)
    check("event ids", {event.id for event in events}, {row["id"] for row in told})
    check("bytes", len({(event.id, event.body) for event in events}), len(told))
    check("facts", Counter(len(notification_of(event).alerts) for event in events).keys(), {1})
    opened = outcome.of(turn, alerts)
    check("alerts", Counter(row["state"] for row in opened), {"firing": 2, "resolved": 1})
    check("not announced", [row["id"] for row in opened if not row["announced"]], [])
    kept = outcome.of(turn, deliveries)
    check("deliveries", Counter(row["notification_id"] for row in kept), {row["id"]: 2 for row in told})
    check("states", Counter(row["phase"] for row in outcome.of(turn, states)), {"firing": 2, "ok": 1})
    check("owed", [row["rule_id"] for row in outcome.of(turn, states) if row["owes"]], [])
    check("series", len(outcome.of(turn, series)), 3)
    changed = Counter(row["change"] for row in outcome.of(turn, transitions))
    check("transitions", changed, {"fired": 3, "resolved": 1, "worsened": 1})
    return found


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    """On each database; the metric store is only read, and the quickest one will do."""
    with Sink(Reply(202)) as sink:
        made = World(tmp_path, sink, database_url, "embedded:///metrics.db")
        yield made
        made.wiring.close()


def test_a_tick_killed_at_any_step_loses_nothing_and_announces_nothing_twice(
    world: World, tmp_path: Path
) -> None:
    with MortalEvaluator(world, tmp_path) as mortal:
        steps, wrong, status = walk(world, mortal)

    assert status == 0, (tmp_path / "mortal.log").read_text()
    assert wrong == []
    assert len(steps) > LEAST_STEPS
    assert (
        {"COMMIT"}
        < {step.partition(" ")[0] for step in steps}
        >= {"SELECT", "INSERT", "UPDATE", "before", "after"}
    )
