"""Verbs on `states`, `transitions`, `series` and `rule_status`: what the evaluator remembers between ticks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Select, select, true, tuple_

from shared.model import Health, Phase, RuleHealth, SeriesState, Transition
from shared.store.engine import Tx
from shared.store.tables import rule_status, series, states, transitions

SeriesRef = tuple[str, str]
"""(rule id, series id)"""

_NAMES = tuple(field.name for field in fields(SeriesState))
_COLUMNS = tuple(states.c[name] for name in _NAMES)
_IN_LIST = 400


def _state(row: Any) -> SeriesState:
    values = dict(zip(_NAMES, row, strict=True))
    values["phase"] = Phase(values["phase"])
    values["changes"] = tuple(int(slot) for slot in values["changes"].split()) if values["changes"] else ()
    return SeriesState(**values)


def active(tx: Tx) -> list[SeriesState]:
    """Every state that the next tick must look at, even when its series is clean."""
    query = select(*_COLUMNS).where(states.c.tenant == tx.tenant, states.c.active == true())
    return [_state(row) for row in tx.conn.execute(query)]


def some(tx: Tx, wanted: Iterable[SeriesRef], *, lock: bool = False) -> dict[SeriesRef, SeriesState]:
    """The states of these series that have a row; with `lock` they stay locked until the commit."""
    refs = sorted(set(wanted))
    found: dict[SeriesRef, SeriesState] = {}
    for start in range(0, len(refs), _IN_LIST):
        query = select(*_COLUMNS).where(
            states.c.tenant == tx.tenant,
            tuple_(states.c.rule_id, states.c.series_id).in_(refs[start : start + _IN_LIST]),
        )
        for row in tx.conn.execute(query.with_for_update() if lock else query):
            state = _state(row)
            found[state.rule_id, state.series_id] = state
    return found


def save(tx: Tx, changed: Sequence[SeriesState]) -> None:
    """Write states whose rows are locked, each with its version raised by one."""
    tx.upsert(states, [_row(state) for state in changed])


def _row(state: SeriesState) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(state, name) for name in _NAMES}
    row["phase"] = state.phase.value
    row["changes"] = " ".join(str(slot) for slot in state.changes)
    row["text"], row["reason"] = state.text[:500], state.reason[:200]
    row["version"] = state.version + 1
    row["active"] = state.active
    return row


def add_transitions(tx: Tx, rows: Sequence[tuple[SeriesState, Transition, str]]) -> None:
    """Append transitions (with what holds their telling back) to the history of their series."""
    tx.insert_missing(
        transitions,
        [
            {
                "rule_id": state.rule_id,
                "series_id": state.series_id,
                "slot": step.at,
                "change": step.change.value,
                "alert_id": state.alert_id,
                "level": step.level,
                "value": step.value,
                "reason": step.reason[:200],
                "held_by": held_by,
            }
            for state, step, held_by in rows
        ],
    )


def known_series(tx: Tx) -> Iterator[str]:
    """Every rule id and series id that were ever seen together, as one text: series ids are all equally long. Read it
    to its end before the transaction is used for anything else."""
    known = select(series.c.rule_id + series.c.series_id).where(series.c.tenant == tx.tenant)
    yield from tx.conn.execute(known, execution_options={"stream_results": True}).scalars()


def expected_series(tx: Tx, rule_ids: Sequence[str]) -> list[tuple[str, str, str]]:
    """(rule id, series id, key) of every series that these rules ever saw."""
    found: list[tuple[str, str, str]] = []
    for start in range(0, len(rule_ids), _IN_LIST):
        query = select(series.c.rule_id, series.c.series_id, series.c.key).where(
            series.c.tenant == tx.tenant, series.c.rule_id.in_(rule_ids[start : start + _IN_LIST])
        )
        found += [(row.rule_id, row.series_id, row.key) for row in tx.conn.execute(query)]
    return found


def see_series(tx: Tx, rows: Sequence[tuple[str, str, str]], slot: int) -> None:
    """Record (rule id, series id, key) as seen in `slot`: new ones appear, known ones move their `last_seen`."""
    tx.upsert(
        series,
        [
            {"rule_id": rule_id, "series_id": series_id, "key": key, "first_seen": slot, "last_seen": slot}
            for rule_id, series_id, key in rows
        ],
        update=("last_seen",),
    )


def troubled(tx: Tx) -> dict[str, RuleHealth]:
    """The rules whose health is not ok."""
    query = select(
        rule_status.c.rule_id, rule_status.c.health, rule_status.c.health_reason, rule_status.c.health_since
    ).where(rule_status.c.tenant == tx.tenant, rule_status.c.health != Health.OK.value)
    return {
        row.rule_id: RuleHealth(Health(row.health), row.health_reason, row.health_since)
        for row in tx.conn.execute(query)
    }


def set_health(tx: Tx, changed: Mapping[str, RuleHealth]) -> None:
    """Write the health of rules where it changed."""
    tx.upsert(
        rule_status,
        [
            {
                "rule_id": rule_id,
                "health": item.health.value,
                "health_reason": item.reason[:500],
                "health_since": item.since,
            }
            for rule_id, item in sorted(changed.items())
        ],
    )


@dataclass(frozen=True, slots=True)
class RuleCounter:
    """How far a rule's notifications are numbered, and until when further series wait to join one message."""

    seq: int
    grouped_until: int


def lock_counters(tx: Tx, rule_ids: Sequence[str]) -> dict[str, RuleCounter]:
    """The counters of these rules, locked until the commit; missing rows are made."""
    tx.insert_missing(rule_status, [{"rule_id": rule_id} for rule_id in sorted(set(rule_ids))])
    return {
        row.rule_id: RuleCounter(row.seq, row.grouped_until)
        for row in tx.conn.execute(_counters(tx, rule_ids))
    }


def _counters(tx: Tx, rule_ids: Sequence[str]) -> Select[str, int, int]:
    return (
        select(rule_status.c.rule_id, rule_status.c.seq, rule_status.c.grouped_until)
        .where(rule_status.c.tenant == tx.tenant, rule_status.c.rule_id.in_(rule_ids))
        .order_by(rule_status.c.rule_id)
        .with_for_update()
    )


def set_counters(tx: Tx, counters: Mapping[str, RuleCounter]) -> None:
    """Write counters whose rows are locked."""
    tx.upsert(
        rule_status,
        [
            {"rule_id": rule_id, "seq": counter.seq, "grouped_until": counter.grouped_until}
            for rule_id, counter in counters.items()
        ],
    )
