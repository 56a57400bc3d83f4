"""`tocsin status`: the state of everything in one look."""

from collections.abc import Mapping
from typing import Any

from shared import manage, terminal
from shared.cli import context


def status(json: context.Json = False) -> None:
    """Show the state of everything in one look."""
    with context.opened() as wiring:
        found = manage.get_status(wiring)
    if json:
        terminal.as_json(found)
        return
    for problem in found.problems:
        terminal.warn(problem)
    terminal.facts(_summary(found))
    slot, slots = terminal.times("Slot", [one.slot for one in found.ticks])
    terminal.table(
        (slot, "Shard", "Ms", "Mostly", "Rules", "Series", "Skipped", "Errors"),
        [
            (
                at,
                one.shard,
                one.total_ms,
                _longest(one.stages_ms),
                one.rules,
                one.series,
                one.skipped,
                one.errors,
            )
            for at, one in zip(slots, found.ticks, strict=True)
        ],
        "There was no tick yet.",
    )
    shown = ("kind", "channel", "open", "overdue", "rejected", "expired")
    terminal.table(
        (*(name.capitalize() for name in shown), "State"),
        [(*(row[name] for name in shown), "failing" if row["failing"] else "ok") for row in found.channels],
        "No channel is configured.",
    )
    terminal.table(
        ("Metric store", "Measurements", "Failing", "State"),
        [
            (row["source"], row["groups"], row["failing"], "unreachable" if row["unreachable"] else "ok")
            for row in found.sources
        ],
        "No metric store is configured.",
    )


def _summary(found: "manage.Status") -> list[tuple[str, object]]:
    newest, waiting = "none yet", found.outbox["unpublished"]
    if found.ticks:
        first = found.ticks[0]
        newest = f"{terminal.when(first.slot)}, {terminal.lasting(first.age_seconds)} ago"
    return [
        ("Newest tick", newest),
        ("Rules", _counts(found.rules) or "none"),
        ("Open alerts", _alerts(found.open_alerts)),
        ("Outbox", f"{waiting} events wait for the Broker" if waiting else "nothing waits for the Broker"),
        ("Deliveries", _deliveries(found)),
        ("Dead letters", _counts(found.dead_letters) or "none is open"),
        ("Redis", found.redis),
        ("Schema", f"revision {found.schema or 'none'}; {found.schema_needed} is needed"),
        ("Heartbeat", "set" if found.heartbeat else "not set"),
        ("Version", found.version),
    ]


def _longest(stages: Mapping[str, int]) -> str:
    """The stage that took most of a tick, and how long: `query 123`."""
    name = max(stages, key=lambda one: stages[one], default="")
    return f"{name} {stages[name]}" if name else ""


def _counts(counts: Mapping[str, int]) -> str:
    """`3 ok, 1 error`; what is zero is left out."""
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _alerts(alerts: Mapping[str, Mapping[str, Any]]) -> str:
    said = [
        f"{one['count']} {word}" + (f" ({one['acknowledged']} acknowledged)" if one["acknowledged"] else "")
        for word, one in alerts.items()
    ]
    return ", ".join(said) or "none"


def _deliveries(status: "manage.Status") -> str:
    found = status.deliveries
    counts = {"open": found.open, "due": found.due, "retrying": found.retrying, "unknown": found.unknown}
    return _counts(counts) or "none is open"
