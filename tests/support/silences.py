"""Silences as stories of ticks: a row of silence, a letter for each slot, what was told."""

import json
from typing import Any

from shared.events import notification_of
from shared.model import AlertFacts
from shared.store import silences
from shared.store.silences import SilenceRow
from tests.support.world import World, threshold

POINTS = {"b": "m value=11", "c": "m value=25", ".": "m value=1"}


def hush(world: World, first: int, last: int, silence_id: str = "sil_a", **matcher: Any) -> None:
    """A silence over rule_a, or what is matched, from one slot to another, the last one not included."""
    row = SilenceRow(
        silence_id,
        json.dumps(matcher or {"rules": ["rule_a"]}),
        world.slot(first),
        world.slot(last),
        None,
        "deploy",
        "ann",
        world.slot(0),
    )
    world.wiring.store.write(lambda tx: silences.insert(tx, row))


def told_alerts(world: World) -> list[tuple[str, str, AlertFacts]]:
    """(event, id, facts) of every alert in every message, in their order."""
    return [
        (fact.event.value, fact.id, fact) for sent in world.events() for fact in notification_of(sent).alerts
    ]


def play(world: World, points: str, first: int = 1) -> str:
    """A tick for each letter (breach, critical, clean), and what was told in each: `F` `W` `R`, or `-` for nothing."""
    told = ""
    for number, letter in enumerate(points, start=first):
        before = len(world.told())
        world.write(number, POINTS[letter])
        world.ran(number)
        said = world.told()[before:]
        told += "".join(word[0].upper() for word in said) or "-"
    return told


def rule_with_levels(world: World) -> World:
    """A rule that is high above 10 and critical above 20, with labels, as is its monitor."""
    world.add_monitor("mon_a", labels={"env": "prod"})
    levels = [{"severity": "critical", "value": 20}]
    world.add_rule("rule_a", condition=threshold(">", 10, levels=levels), labels={"team": "core"})
    return world
