"""What is remembered of a rule's series, for people who ask why: seen series, states, steps, past silences.

Nothing here writes or locks.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields

from sqlalchemy import select

from shared.model import Millis, MonitorRow, SeriesState
from shared.store import managed, states
from shared.store.engine import Tx
from shared.store.listing import TransitionRow
from shared.store.silences import SilenceRow
from shared.store.tables import monitors, rule_status, series, silences, transitions
from shared.store.tables import states as state_rows

_IN_LIST = 400


@dataclass(frozen=True, slots=True)
class SeenSeries:
    """One series that the rule saw: when first, and when last (about to the hour)."""

    series_id: str
    key: str
    first_seen: Millis
    last_seen: Millis


def seen_series(tx: Tx, rule_id: str) -> list[SeenSeries]:
    """Every series that the rule ever saw, by key."""
    query = select(*(series.c[field.name] for field in fields(SeenSeries))).where(
        series.c.tenant == tx.tenant, series.c.rule_id == rule_id
    )
    return managed.records(tx, SeenSeries, query.order_by(series.c.key))


def rules_with_series(tx: Tx, rule_ids: Sequence[str]) -> set[str]:
    """Those of the rules that ever saw a series; one statement for some hundreds of rules."""
    found: set[str] = set()
    for start in range(0, len(rule_ids), _IN_LIST):
        query = (
            select(series.c.rule_id)
            .where(series.c.tenant == tx.tenant, series.c.rule_id.in_(rule_ids[start : start + _IN_LIST]))
            .distinct()
        )
        found.update(tx.conn.execute(query).scalars())
    return found


def monitor_rows(tx: Tx, monitor_ids: Sequence[str]) -> list[MonitorRow]:
    """These monitors as the rule book reads them; deleted ones are left out."""
    columns = [monitors.c[name] for name in MonitorRow._fields if name != "deleted"]
    names = [column.name for column in columns]
    found: list[MonitorRow] = []
    for start in range(0, len(monitor_ids), _IN_LIST):
        query = select(*columns).where(
            monitors.c.tenant == tx.tenant,
            monitors.c.id.in_(monitor_ids[start : start + _IN_LIST]),
            monitors.c.deleted_at.is_(None),
        )
        found += [
            MonitorRow(**dict(zip(names, row, strict=True)), deleted=False) for row in tx.conn.execute(query)
        ]
    return found


def monitor_fields(tx: Tx, monitor_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """The fields (name → type) that these monitors are known to have."""
    found: dict[str, dict[str, str]] = {}
    for start in range(0, len(monitor_ids), _IN_LIST):
        query = select(monitors.c.id, monitors.c.fields).where(
            monitors.c.tenant == tx.tenant, monitors.c.id.in_(monitor_ids[start : start + _IN_LIST])
        )
        found |= {row[0]: json.loads(row[1]) for row in tx.conn.execute(query)}
    return found


def states_of(tx: Tx, rule_id: str) -> list[SeriesState]:
    """The state of every series of the rule that ever was anything but ok."""
    query = select(state_rows.c.series_id).where(
        state_rows.c.tenant == tx.tenant, state_rows.c.rule_id == rule_id
    )
    refs = [(rule_id, series_id) for series_id in tx.conn.execute(query).scalars()]
    return sorted(states.some(tx, refs).values(), key=lambda state: state.key)


def grouped_until(tx: Tx, rule_id: str) -> Millis:
    """Until when further series of the rule wait to join one message; 0 when they don't."""
    query = select(rule_status.c.grouped_until).where(
        rule_status.c.tenant == tx.tenant, rule_status.c.rule_id == rule_id
    )
    return tx.conn.execute(query).scalar() or 0


def steps_of_series(tx: Tx, rule_id: str, series_id: str, limit: int) -> list[TransitionRow]:
    """The last steps of one series, oldest first."""
    columns = [transitions.c[field.name] for field in fields(TransitionRow)]
    query = select(*columns).where(
        transitions.c.tenant == tx.tenant,
        transitions.c.rule_id == rule_id,
        transitions.c.series_id == series_id,
    )
    newest = managed.records(tx, TransitionRow, query.order_by(transitions.c.slot.desc()).limit(limit))
    return newest[::-1]


def silences_between(tx: Tx, start: Millis, end: Millis) -> list[SilenceRow]:
    """Every silence that may have held in `[start, end)`, also those that were ended before their time."""
    columns = [silences.c[field.name] for field in fields(SilenceRow)]
    query = select(*columns).where(
        silences.c.tenant == tx.tenant, silences.c.starts_at < end, silences.c.ends_at > start
    )
    return managed.records(tx, SilenceRow, query.order_by(silences.c.starts_at, silences.c.id))
