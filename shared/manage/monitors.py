"""Monitors: adding one, finding what could become one, listing, deleting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.errors import InvalidInput, QueryFailed, Unavailable
from shared.manage import checks
from shared.manage.ports import Ports
from shared.metrics.mappings import Proposal, propose
from shared.model import Millis, Monitor
from shared.store import audit, monitors, rules
from shared.store.engine import Tx
from shared.store.managed import Page


@dataclass(frozen=True, slots=True)
class AddedMonitor:
    """A new monitor, and what may not be as it was meant."""

    monitor: Monitor
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What could become a monitor, and the names of the monitors that read the same measurement already."""

    proposal: Proposal
    covered_by: tuple[str, ...]


def draft(
    *,
    name: str,
    measurement: str,
    where: Mapping[str, str | Sequence[str]] | None = None,
    key: Sequence[str] = (),
    fields: Mapping[str, str] | None = None,
    kind: str = "",
    labels: Mapping[str, str] | None = None,
    source: str = "default",
    database: str = "",
    monitor_id: str | None = None,
) -> Monitor:
    """A monitor from what people give, checked. Raises InvalidInput."""
    for tag in {tag for tag in key if list(key).count(tag) > 1 or not tag.strip()}:
        raise InvalidInput("key", tag, "each key tag is given once and has a name")
    for tag, values in (where or {}).items():
        if not tag.strip() or not values:
            raise InvalidInput(f"where.{tag}", values, "a filter needs a tag and at least one value")
    given: dict[str, Any] = {
        "id": checks.new_id("mon", monitor_id),
        "name": checks.one_line("name", name),
        "measurement": checks.one_line("measurement", measurement),
        "where": {tag: one if isinstance(one, str) else tuple(one) for tag, one in (where or {}).items()},
        "key": tuple(key),
        "fields": dict(fields or {}),
        "kind": checks.fits("kind", kind.strip(), 64),
        "labels": checks.labels_of(labels or {}),
        "source": checks.fits("source", source, 64),
        "database": checks.fits("database", database, 200),
    }
    return checks.checked(Monitor, given)


def insert(tx: Tx, monitor: Monitor, actor: str, now: Millis) -> Monitor:
    """Store a drafted monitor and who made it. Raises InvalidInput when its name or id is taken."""
    if monitors.named(tx, monitor.name) is not None:
        raise InvalidInput(
            "name", monitor.name, "another monitor has this name", "Choose one that tells them apart"
        )
    stored = monitors.insert(tx, monitor, now)
    audit.record(tx, now, actor, "monitor.create", stored.id, None, stored.model_dump(mode="json"))
    return stored


def add_monitor(ports: Ports, *, actor: str, now: Millis, **given: Any) -> AddedMonitor:
    """Add a monitor; `given` are the arguments of `draft`.

    Without `fields` the metric store is asked which ones there are; that it doesn't know any is a warning, because a
    monitor may be described before it writes its first point.
    """
    monitor = draft(**given)
    warnings: list[str] = []
    if monitor.fields:
        ports.metrics(monitor.source)
    else:
        fields, warning = _known_fields(ports, monitor)
        monitor = monitor.model_copy(update={"fields": fields})
        warnings = [warning] if warning else []
    return AddedMonitor(ports.store.write(lambda tx: insert(tx, monitor, actor, now)), tuple(warnings))


def _known_fields(ports: Ports, monitor: Monitor) -> tuple[dict[str, str], str]:
    try:
        found = ports.metrics(monitor.source).discover(monitor.database, monitor.measurement)
    except (Unavailable, QueryFailed) as error:
        return {}, f"its fields are not known yet: {error}"
    match = next((one for one in found if one.measurement == monitor.measurement), None)
    if match is None:
        return {}, f"measurement {monitor.measurement!r} has no points yet"
    unknown = [tag for tag in (*monitor.key, *monitor.where) if tag not in match.tags]
    if unknown:
        known = ", ".join(match.tags) or "none"
        return dict(
            match.fields
        ), f"measurement {monitor.measurement!r} has no tag {unknown[0]!r}; its tags are {known}"
    return dict(match.fields), ""


def list_monitors(
    ports: Ports, *, kind: str = "", words: str = "", limit: int = 100, cursor: str = ""
) -> Page[Monitor]:
    """Monitors in the order of their creation."""
    return ports.store.read(lambda tx: monitors.page(tx, kind=kind, words=words, limit=limit, cursor=cursor))


def get_monitor(ports: Ports, wanted: str) -> tuple[Monitor, list[str]]:
    """A monitor by id or name, and the titles of the rules on it."""

    def work(tx: Tx) -> tuple[Monitor, list[str]]:
        monitor = monitors.find(tx, wanted)
        return monitor, rules.titles_on(tx, monitor.id)

    return ports.store.read(work)


def delete_monitor(ports: Ports, wanted: str, *, actor: str, now: Millis) -> Monitor:
    """Delete a monitor that no rule needs. Raises InvalidInput that names the rules on it."""

    def work(tx: Tx) -> Monitor:
        monitor = monitors.find(tx, wanted)
        monitors.delete(tx, monitor.id, monitor.version, now)
        titles = rules.titles_on(tx, monitor.id)
        if titles:
            some = ", ".join(repr(title) for title in titles[:3]) + (", …" if len(titles) > 3 else "")
            raise InvalidInput("monitor", wanted, f"rules need it: {some}", "Delete them first")
        audit.record(tx, now, actor, "monitor.delete", monitor.id, monitor.model_dump(mode="json"))
        return monitor

    return ports.store.write(work)


def discover_monitors(
    ports: Ports, *, source: str = "default", database: str = "", measurement: str | None = None
) -> list[Suggestion]:
    """What could become a monitor: a proposal for every measurement of a metric store, or for one."""
    proposals = propose(ports.metrics(source).discover(database, measurement))
    covered = ports.store.read(lambda tx: monitors.names_by_measurement(tx, source))
    return [
        Suggestion(proposal, tuple(covered.get((proposal.database, proposal.measurement), ())))
        for proposal in proposals
    ]
