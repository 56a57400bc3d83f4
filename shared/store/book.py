"""What changed since a revision: the rows from which the rule book is compiled.

Rows stay rows: the JSON in them is not read and nothing is validated here, because 100,000 of them are loaded at a cold
start.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from sqlalchemy import Boolean, Table, func, select

from shared.model import BookRows, MonitorRow, RuleRow
from shared.store import revisions
from shared.store.engine import Tx
from shared.store.tables import monitors, rules

_MONITOR = MonitorRow._fields
_RULE = RuleRow._fields
_AT_ONCE = 2_000
_ALIKE = frozenset(
    {"id", "monitor_id", "selector", "condition", "cooldown_seconds", "channels", "labels"}
    | {"measurement", "key", "kind"}
)
"""Columns whose values come again: each is one object, however many rows have it, because the book keeps them all."""


def changed_since(tx: Tx, revision: int) -> BookRows:
    """Every monitor and rule that was written after `revision` (0: all of them), deleted ones marked as such.

    The counter is read first: a row that is written meanwhile comes now and once more the next time. Rules are read
    before monitors, so that the monitor of a rule that has just been made is there too.
    """
    newest = revisions.current(tx)
    if newest <= revision:
        return BookRows(newest, (), ())
    alike: dict[Any, Any] = {}
    changed_rules = tuple(map(RuleRow._make, _written(tx, rules, _RULE, revision, alike)))
    changed_monitors = tuple(map(MonitorRow._make, _written(tx, monitors, _MONITOR, revision, alike)))
    return BookRows(newest, changed_monitors, changed_rules)


def _written(
    tx: Tx, table: Table, names: Sequence[str], revision: int, alike: dict[Any, Any]
) -> Iterator[list[Any]]:
    """These columns of the rows. The database packs each row into one JSON array, because taking a text apart in C is
    several times cheaper than a driver in Python that reads every column by itself."""
    columns = {column.name: column for column in table.c} | {"deleted": table.c.deleted_at.is_not(None)}
    packed = select(func.json_array(*(columns[name] for name in names)))
    found = tx.conn.execute(
        packed.where(table.c.tenant == tx.tenant, table.c.revision > revision),
        execution_options={"stream_results": True},
    )
    # JSON has booleans, and not every database has.
    flags = [at for at, name in enumerate(names) if isinstance(columns[name].type, Boolean)]
    shared = [at for at, name in enumerate(names) if name in _ALIKE]
    for some in found.scalars().partitions(_AT_ONCE):
        for row in orjson.loads(f"[{','.join(some)}]"):
            for flag in flags:
                row[flag] = bool(row[flag])
            for at in shared:
                row[at] = alike.setdefault(row[at], row[at])
            yield row
