"""The monitors and rules of `shared/demo.yaml`, for a database that has nothing yet."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shared import conditions
from shared.errors import Conflict, InvalidInput
from shared.manage import checks, monitors, rules
from shared.manage.drafts import draft_rule
from shared.manage.ports import Ports
from shared.model import Millis, Monitor, Rule
from shared.store import revisions
from shared.store.engine import Tx

FILE = Path(__file__).parent.parent / "demo.yaml"


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was stored: nothing when the database had something already."""

    monitors: tuple[Monitor, ...] = ()
    rules: tuple[Rule, ...] = ()


def seed_demo(ports: Ports, *, if_empty: bool = False, actor: str, now: Millis) -> Seeded:
    """Store the demo, all of it or nothing.

    A database that ever had a monitor, rule or silence is left alone: raises Conflict, or with `if_empty` says nothing.
    """
    drafts = read_demo()

    def work(tx: Tx) -> Seeded:
        # Not by counting rows: those that were deleted go after a time, and the demo would come back.
        if revisions.current(tx):
            if if_empty:
                return Seeded()
            raise Conflict(
                "the database is not empty, and the demo is only for an empty one: nothing was added"
            )
        stored = tuple(monitors.insert(tx, monitor, actor, now) for monitor in drafts.monitors)
        return Seeded(stored, tuple(rules.insert(tx, rule, actor, now) for rule in drafts.rules))

    return ports.store.write(work)


def read_demo() -> Seeded:
    """The demo as checked monitors and rules, not stored. Raises InvalidInput for a file that is not right."""
    document: dict[str, list[dict[str, Any]]] = yaml.safe_load(FILE.read_text("utf-8"))
    made = tuple(monitors.draft(**entry) for entry in document["monitors"])
    ids = {monitor.id for monitor in made}
    return Seeded(made, tuple(_rule(entry, ids) for entry in document["rules"]))


def _rule(entry: dict[str, Any], monitor_ids: set[str]) -> Rule:
    draft = draft_rule(entry)
    if draft.monitor not in monitor_ids:
        raise InvalidInput("monitor", draft.monitor, f"expected one of {', '.join(sorted(monitor_ids))}")
    severity = checks.severity_of(draft.severity)
    return draft.rule(conditions.canonical(draft.condition), severity, None, draft.monitor)
