"""What changed since a revision: the rows from which the rule book is compiled.

Rows stay rows: the JSON in them is not read and nothing is validated here, because 100,000 of them are loaded at a cold
start.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import orjson
from sqlalchemy import Boolean, Table, func, select

from shared.model import BookRows, MonitorRow, RuleRow
from shared.store import revisions
from shared.store.engine import Tx
from shared.store.tables import monitors, rules

_AT_ONCE = 2_000
_ALIKE = frozenset(
    {"id", "monitor_id", "selector", "condition", "cooldown_seconds", "channels", "labels"}
    | {"measurement", "key", "kind"}
)
"""Columns whose values come again: each is one object, however many rows have it, because the book keeps them all."""

Row = TypeVar("Row", MonitorRow, RuleRow)


def changed_since(tx: Tx, revision: int) -> BookRows:
    """Every monitor and rule that was written after `revision` (0: all of them), deleted ones marked as such.

    The counter is read first: a row that is written meanwhile comes now and once more the next time. Rules are read
    before monitors, so that the monitor of a rule that has just been made is there too.
    """
    newest = revisions.current(tx)
    if newest <= revision:
        return BookRows(newest, (), ())
    alike: dict[Any, Any] = {}
    changed_rules = _Packed(tx, rules, RuleRow._fields, RuleRow._make, revision, alike)
    changed_monitors = _Packed(tx, monitors, MonitorRow._fields, MonitorRow._make, revision, alike)
    return BookRows(newest, changed_monitors, changed_rules)


class _Packed(Collection[Row]):
    """Rows as the database packed them, each unpacked when its turn comes: 100,000 rows of objects at once would lie
    between those that the rule book keeps, and the process would stay as large as both together.

    The database packs a row into one JSON array, because taking a text apart in C is several times cheaper than a
    driver in Python that reads every column by itself.
    """

    def __init__(
        self,
        tx: Tx,
        table: Table,
        names: Sequence[str],
        make: Callable[[Iterable[Any]], Row],
        revision: int,
        alike: dict[Any, Any],
    ) -> None:
        """Read them. `alike` has the values that many rows have in common, of all tables."""
        columns = {column.name: column for column in table.c} | {"deleted": table.c.deleted_at.is_not(None)}
        packed = select(func.json_array(*(columns[name] for name in names)))
        found = tx.conn.execute(
            packed.where(table.c.tenant == tx.tenant, table.c.revision > revision),
            execution_options={"stream_results": True},
        )
        self._count, self._texts = 0, list[str]()
        for some in found.scalars().partitions(_AT_ONCE):
            self._count += len(some)
            self._texts.append(f"[{','.join(some)}]")
        self._make: Callable[[Iterable[Any]], Row] = make
        self._alike = alike
        # JSON has booleans, and not every database has.
        self._flags = [at for at, name in enumerate(names) if isinstance(columns[name].type, Boolean)]
        self._shared = [at for at, name in enumerate(names) if name in _ALIKE]

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Row]:
        for text in self._texts:
            for row in orjson.loads(text):
                for flag in self._flags:
                    row[flag] = bool(row[flag])
                for at in self._shared:
                    row[at] = self._alike.setdefault(row[at], row[at])
                yield self._make(row)

    def __contains__(self, row: object) -> bool:
        return any(row == one for one in self)
