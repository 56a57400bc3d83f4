"""Removing old rows of one table, a batch at a time, in the caller's transaction. Which may go is said elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, FromClause, Table, and_, delete, or_, select, true, tuple_

from shared.model import Millis
from shared.store.engine import Tx
from shared.store.settled import in_lists

BATCH = 5_000
"""Rows of one transaction: a quarter of a second of work on a small server."""

TUPLES = 50
"""To plan for a list of keys of four columns takes MariaDB time with the square of its length: 1 ms for 20, 4 ms for
50, 13 ms for 100 and 150 ms for 400 of them."""

After = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step removed, rows by table, and after which row the next one goes on; None: nothing is left."""

    gone: Mapping[str, int]
    after: After | None = None


class Step(Protocol):
    """Looks at the rows before `cutoff` that come next `after` the last one, and removes or (`dry`) counts some."""

    def __call__(self, tx: Tx, cutoff: Millis, after: After | None, dry: bool) -> Batch: ...


@dataclass(frozen=True, slots=True)
class Sweep:
    """One thing that goes after a time. `keeps`: the setting that says how long is `keep_<keeps>_days`."""

    keeps: str
    step: Step


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table that go one by one: those of `source` with `age` before the cutoff for which `free` holds.

    They are looked at in the order of `age` and the keys. `with_them`: tables that lose the rows of the same rule.
    """

    table: Table
    age: ColumnElement[Any]
    free: Callable[[Millis], ColumnElement[bool]] = lambda _cutoff: true()
    source: FromClause | None = None
    among: ColumnElement[bool] | None = None
    with_them: Sequence[Table] = ()

    @property
    def keys(self) -> list[ColumnElement[Any]]:
        """The primary key without the tenant."""
        return [column for column in self.table.primary_key.columns if column.name != "tenant"]

    def __call__(self, tx: Tx, cutoff: Millis, after: After | None, dry: bool) -> Batch:
        """Look at the next rows, and remove those that may go."""
        order = [self.age, *(key for key in self.keys if key is not self.age)]
        query = (
            select(*order, self.free(cutoff).label("free"))
            .select_from(self.table if self.source is None else self.source)
            .where(self.table.c.tenant == tx.tenant, self.age < cutoff)
            .order_by(*order)
            .limit(BATCH)
        )
        if self.among is not None:
            query = query.where(self.among)
        if after is not None:
            query = query.where(beyond(order, after))
        rows = tx.conn.execute(query if dry else query.with_for_update()).all()
        names = [_position(order, key) for key in self.keys]
        going = [tuple(row[at] for at in names) for row in rows if row.free]
        gone = {self.table.name: len(going), **{table.name: 0 for table in self.with_them}}
        if not dry:
            for table in self.with_them:
                gone[table.name] = remove(tx, table, [table.c.rule_id], going)
            remove(tx, self.table, self.keys, going)
        return Batch(gone, tuple(rows[-1][:-1]) if len(rows) == BATCH else None)


def _position(columns: Sequence[ColumnElement[Any]], wanted: ColumnElement[Any]) -> int:
    return next(at for at, column in enumerate(columns) if column is wanted)


def beyond(order: Sequence[ColumnElement[Any]], after: After) -> ColumnElement[bool]:
    """Later in the order than `after`. Written so that MySQL, too, begins to read there: it doesn't with tuples."""
    first, rest = order[0], order[1:]
    if not rest:
        after_it: ColumnElement[bool] = first > after[0]
        return after_it
    later: ColumnElement[bool] = and_(first >= after[0], or_(first > after[0], beyond(rest, after[1:])))
    return later


def remove(
    tx: Tx, table: Table, columns: Sequence[ColumnElement[Any]], keys: Sequence[tuple[Any, ...]]
) -> int:
    """Remove the rows with these keys; how many there were."""
    count, mine = 0, delete(table).where(table.c.tenant == tx.tenant)
    if len(columns) > 1:
        for some in in_lists(keys, TUPLES):
            count += tx.conn.execute(mine.where(tuple_(*columns).in_(some))).rowcount
        return count
    for names in in_lists([key[0] for key in keys]):
        count += tx.conn.execute(mine.where(columns[0].in_(names))).rowcount
    return count
