"""What changed since a revision: the rows from which the rule book is compiled.

Rows stay rows: no JSON is read and nothing is validated here, because 100,000 of them are loaded at a cold start.
"""

from typing import Any

from sqlalchemy import Column, Select, Table, select

from shared.model import BookRows, MonitorRow, RuleRow
from shared.store import managed, revisions
from shared.store.engine import Tx
from shared.store.tables import monitors, rules

_MONITOR = [monitors.c[name] for name in MonitorRow.__slots__ if name != "deleted"]
_RULE = [rules.c[name] for name in RuleRow.__slots__ if name != "deleted"]


def changed_since(tx: Tx, revision: int) -> BookRows:
    """Every monitor and rule that was written after `revision` (0: all of them), deleted ones marked as such.

    The counter is read first: a row that is written meanwhile comes now and once more the next time. Rules are read
    before monitors, so that the monitor of a rule that has just been made is there too.
    """
    newest = revisions.current(tx)
    if newest <= revision:
        return BookRows(newest, (), ())
    changed_rules = managed.records(tx, RuleRow, _written(tx, rules, _RULE, revision))
    changed_monitors = managed.records(tx, MonitorRow, _written(tx, monitors, _MONITOR, revision))
    return BookRows(newest, tuple(changed_monitors), tuple(changed_rules))


def _written(tx: Tx, table: Table, columns: list[Column[Any]], revision: int) -> Select[Any]:
    deleted = table.c.deleted_at.is_not(None)
    return select(*columns, deleted).where(table.c.tenant == tx.tenant, table.c.revision > revision)
