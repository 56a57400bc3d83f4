"""Verbs on `monitors`: where points are. A monitor that is deleted stays as a row, so that readers notice."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import select

from shared.model import Millis, Monitor, Selector
from shared.store import managed
from shared.store.engine import Tx
from shared.store.managed import Page
from shared.store.tables import monitors

KIND = managed.Kind(monitors, "monitor", "name")


def insert(tx: Tx, monitor: Monitor, now: Millis) -> Monitor:
    """Insert a new monitor and return it as stored (version 1). Raises InvalidInput when its id was ever taken."""
    managed.insert(tx, KIND, {"id": monitor.id, **_columns(monitor)}, now)
    return monitor.model_copy(update={"version": 1, "created_at": now, "updated_at": now})


def get(tx: Tx, monitor_id: str, *, deleted: bool = False) -> Monitor:
    """The monitor with this id. Raises NotFound that names the closest one."""
    row = managed.by_id(tx, KIND, monitor_id, deleted=deleted)
    if row is None:
        raise managed.missing(tx, KIND, monitor_id)
    return _monitor(row)


def find(tx: Tx, wanted: str) -> Monitor:
    """The monitor with this id or unambiguous name. Raises NotFound or InvalidInput."""
    return _monitor(managed.by_id_or_name(tx, KIND, wanted))


def named(tx: Tx, name: str) -> Monitor | None:
    """The monitor with exactly this name, if there is one."""
    query = select(monitors).where(
        monitors.c.tenant == tx.tenant, monitors.c.name == name, monitors.c.deleted_at.is_(None)
    )
    return next((_monitor(row) for row in tx.conn.execute(query) if row.name == name), None)


def page(tx: Tx, *, kind: str = "", words: str = "", limit: int = 100, cursor: str = "") -> Page[Monitor]:
    """Monitors in the order of their creation, optionally of one kind, or with these words in name or measurement."""
    query = select(monitors).where(monitors.c.tenant == tx.tenant, monitors.c.deleted_at.is_(None))
    if kind:
        query = query.where(monitors.c.kind == kind)
    if words:
        either = managed.containing(monitors.c.name, words) | managed.containing(
            monitors.c.measurement, words
        )
        query = query.where(either)
    rows, more = managed.page(tx, query, (monitors.c.created_at, monitors.c.id), limit, cursor)
    return Page(tuple(_monitor(row) for row in rows), more, managed.total(tx, query))


def update(tx: Tx, monitor: Monitor, expected: int, now: Millis) -> Monitor:
    """Overwrite the monitor if it still has version `expected`. Raises Conflict or NotFound."""
    managed.change(tx, KIND, monitor.id, _columns(monitor), expected, now)
    return monitor.model_copy(update={"version": expected + 1, "updated_at": now})


def delete(tx: Tx, monitor_id: str, expected: int, now: Millis) -> None:
    """Mark the monitor as deleted if it still has version `expected`. Raises Conflict or NotFound."""
    managed.change(tx, KIND, monitor_id, {"deleted_at": now}, expected, now)


def every(tx: Tx) -> list[Monitor]:
    """Every monitor, in the order of their creation."""
    query = select(monitors).where(monitors.c.tenant == tx.tenant, monitors.c.deleted_at.is_(None))
    return [_monitor(row) for row in tx.conn.execute(query.order_by(monitors.c.created_at, monitors.c.id))]


def put(tx: Tx, given: Collection[Monitor], now: Millis) -> list[Monitor]:
    """Write whole monitors, new ones and those that are there, and return them as stored. See `managed.put`."""
    versions = managed.put(tx, KIND, {one.id: _columns(one) for one in given}, now)
    return [one.model_copy(update={"version": versions[one.id], "updated_at": now}) for one in given]


def names(tx: Tx, ids: Sequence[str]) -> dict[str, str]:
    """The names of these monitors, deleted ones included."""
    query = select(monitors.c.id, monitors.c.name).where(
        monitors.c.tenant == tx.tenant, monitors.c.id.in_(ids)
    )
    return {row[0]: row[1] for row in tx.conn.execute(query)}


def names_by_measurement(tx: Tx, source: str) -> dict[tuple[str, str], list[str]]:
    """The names of the monitors of one source by (database, measurement)."""
    query = select(monitors.c.database, monitors.c.measurement, monitors.c.name).where(
        monitors.c.tenant == tx.tenant, monitors.c.source == source, monitors.c.deleted_at.is_(None)
    )
    found: dict[tuple[str, str], list[str]] = {}
    for row in tx.conn.execute(query.order_by(monitors.c.created_at, monitors.c.id)):
        found.setdefault((row[0], row[1]), []).append(row[2])
    return found


def matching(tx: Tx, selector: Selector) -> list[str]:
    """The ids of the monitors that a selector matches now."""
    query = select(monitors.c.id, monitors.c.kind, monitors.c.labels).where(
        monitors.c.tenant == tx.tenant, monitors.c.deleted_at.is_(None)
    )
    return [
        row.id
        for row in tx.conn.execute(query)
        if selector.kind in ("", row.kind) and selector.labels.items() <= json.loads(row.labels).items()
    ]


def _columns(monitor: Monitor) -> dict[str, Any]:
    plain = monitor.model_dump(
        exclude={"id", "where", "key", "fields", "labels", "version", "created_at", "updated_at"}
    )
    return {
        **plain,
        "filter": managed.dump(monitor.where),
        "key": managed.dump(monitor.key),
        "fields": managed.dump(monitor.fields),
        "labels": managed.dump(monitor.labels),
    }


def _monitor(row: Any) -> Monitor:
    where = {tag: tuple(one) if isinstance(one, list) else one for tag, one in json.loads(row.filter).items()}
    return Monitor(
        id=row.id,
        name=row.name,
        source=row.source,
        database=row.database,
        measurement=row.measurement,
        where=where,
        key=tuple(json.loads(row.key)),
        fields=json.loads(row.fields),
        kind=row.kind,
        labels=json.loads(row.labels),
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
