"""What the tables that people manage have in common: versions, revisions, soft deletion, names, pages.

The files of the tables say what a row means; nothing here knows a monitor from a rule. MySQL takes 'a' and 'a ' for
equal, SQLite doesn't: whatever is looked up by a text is compared once more in Python.
"""

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, ColumnElement, Row, Select, Table, and_, func, literal, or_, select, update

from shared.errors import Conflict, InvalidInput, NotFound
from shared.model import Millis
from shared.store import revisions
from shared.store.engine import Tx

T = TypeVar("T")

MAX_PAGE = 500
COUNTED = 1_000
"""Counting stops here: nobody reads so many rows, and a page must not cost more because a table is long."""
_NAMES_COMPARED = 5_000
_IN_LIST = 400


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, and where to go on: `cursor` is empty on the last page. `total` counts all pages, up to `COUNTED`."""

    items: tuple[T, ...]
    cursor: str = ""
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A managed table, what people call one of its rows, and the column that holds the name they gave it."""

    table: Table
    word: str
    label: str


def dump(value: object) -> str:
    """JSON as it is stored: readable, the same for equal values."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def insert(tx: Tx, kind: Kind, row: Mapping[str, Any], now: Millis) -> None:
    """Insert a new row with version 1. Raises InvalidInput when its id was ever taken."""
    revision = revisions.bump(tx)
    if by_id(tx, kind, row["id"], deleted=True) is not None:
        raise InvalidInput(
            "id", row["id"], f"another {kind.word} has or had it", "Choose another or leave it out"
        )
    stamp = {"version": 1, "revision": revision, "created_at": now, "updated_at": now, "deleted_at": None}
    tx.insert(kind.table, [{**row, **stamp}])


def change(tx: Tx, kind: Kind, row_id: str, values: Mapping[str, Any], expected: int, now: Millis) -> None:
    """Write `values` if the row still has version `expected`; its version becomes the next one.

    Raises Conflict when somebody changed it since, NotFound when it is not there.
    """
    revision = revisions.bump(tx)
    row = by_id(tx, kind, row_id)
    if row is None:
        raise missing(tx, kind, row_id)
    table = kind.table
    done = tx.conn.execute(
        update(table)
        .where(table.c.tenant == tx.tenant, table.c.id == row_id, table.c.version == expected)
        .values({**values, "version": expected + 1, "revision": revision, "updated_at": now})
    )
    if done.rowcount != 1:
        raise Conflict(
            f"{kind.word} {row_id} is at version {row.version}, not {expected}: "
            "it changed since it was read; read it again and repeat the change"
        )


def by_id(tx: Tx, kind: Kind, row_id: str, *, deleted: bool = False) -> Row[Any] | None:
    """The row with exactly this id, or None."""
    query = select(kind.table).where(kind.table.c.tenant == tx.tenant, kind.table.c.id == row_id)
    if not deleted:
        query = query.where(kind.table.c.deleted_at.is_(None))
    row = tx.conn.execute(query).one_or_none()
    return row if row is not None and row.id == row_id else None


def deleted(tx: Tx, kind: Kind, wanted: str) -> str:
    """The id of the deleted row with this id, or of the one with this name that was deleted last. Raises NotFound."""
    row = by_id(tx, kind, wanted, deleted=True)
    if row is not None and row.deleted_at is not None:
        return str(row.id)
    table = kind.table
    query = select(table.c.id, table.c[kind.label]).where(
        table.c.tenant == tx.tenant, table.c.deleted_at.is_not(None), table.c[kind.label] == wanted
    )
    named = [row[0] for row in tx.conn.execute(query.order_by(table.c.deleted_at.desc())) if row[1] == wanted]
    if not named:
        raise NotFound(f"deleted {kind.word}", wanted, "give its id, or its title exactly as it was")
    return str(named[0])


def restore(tx: Tx, kind: Kind, row_id: str, now: Millis) -> None:
    """Take back that a row was deleted; its version becomes the next one."""
    revision, table = revisions.bump(tx), kind.table
    tx.conn.execute(
        update(table)
        .where(table.c.tenant == tx.tenant, table.c.id == row_id, table.c.deleted_at.is_not(None))
        .values(deleted_at=None, version=table.c.version + 1, revision=revision, updated_at=now)
    )


def put(tx: Tx, kind: Kind, rows: Mapping[str, Mapping[str, Any]], now: Millis) -> dict[str, int]:
    """Write whole rows by id, new ones and those that are there; what was deleted is back. Returns their versions.

    In bulk and unguarded: hold the revision and read what is there before deciding what to write.
    """
    revision, table, ids = revisions.bump(tx), kind.table, list(rows)
    known: dict[str, tuple[int, int]] = {}
    for start in range(0, len(ids), _IN_LIST):
        query = select(table.c.id, table.c.version, table.c.created_at).where(
            table.c.tenant == tx.tenant, table.c.id.in_(ids[start : start + _IN_LIST])
        )
        known |= {row[0]: (row[1], row[2]) for row in tx.conn.execute(query)}
    stamp = {"revision": revision, "updated_at": now, "deleted_at": None}
    written = []
    for row_id, columns in rows.items():
        version, created_at = known.get(row_id, (0, now))
        written.append({"id": row_id, **columns, **stamp, "version": version + 1, "created_at": created_at})
    tx.upsert(table, written)
    return {row["id"]: row["version"] for row in written}


def remove(tx: Tx, kind: Kind, ids: Sequence[str], now: Millis) -> None:
    """Mark rows as deleted, in bulk and unguarded, as `put`."""
    revision, table = revisions.bump(tx), kind.table
    gone = {"deleted_at": now, "updated_at": now, "revision": revision, "version": table.c.version + 1}
    for start in range(0, len(ids), _IN_LIST):
        some = table.c.id.in_(ids[start : start + _IN_LIST])
        tx.conn.execute(
            update(table).where(table.c.tenant == tx.tenant, some, table.c.deleted_at.is_(None)).values(gone)
        )


def deleted_ones(tx: Tx, kind: Kind, ids: Sequence[str]) -> dict[str, Millis]:
    """Those of the ids that are of deleted rows, and when they were deleted."""
    found: dict[str, Millis] = {}
    for start in range(0, len(ids), _IN_LIST):
        query = select(kind.table.c.id, kind.table.c.deleted_at).where(
            kind.table.c.tenant == tx.tenant,
            kind.table.c.id.in_(ids[start : start + _IN_LIST]),
            kind.table.c.deleted_at.is_not(None),
        )
        found |= {row[0]: row[1] for row in tx.conn.execute(query)}
    return found


def by_id_or_name(tx: Tx, kind: Kind, wanted: str) -> Row[Any]:
    """The row with this id, else the only one with this name, else the only one with it in another case.

    Raises InvalidInput that lists the ids when several have the name, and NotFound with the closest name.
    """
    row = by_id(tx, kind, wanted)
    if row is not None:
        return row
    matches = [row_id for row_id, name in _names(tx, kind, wanted) if name == wanted]
    if not matches:
        folded = wanted.strip().casefold()
        matches = [row_id for row_id, name in _names(tx, kind) if name.strip().casefold() == folded]
    if len(matches) > 1:
        ids = ", ".join(sorted(matches)[:5]) + (", …" if len(matches) > 5 else "")
        raise InvalidInput(
            kind.word, wanted, f"{len(matches)} {kind.word}s have that {kind.label}", f"Give an id: {ids}"
        )
    row = by_id(tx, kind, matches[0]) if matches else None
    if row is None:
        raise missing(tx, kind, wanted)
    return row


def missing(tx: Tx, kind: Kind, wanted: str) -> NotFound:
    """The error that says that nothing has this id or name, and what comes closest."""
    names = _names(tx, kind)[:_NAMES_COMPARED]
    known = {text.casefold(): text for row_id, name in names for text in (row_id, name)}
    close = difflib.get_close_matches(wanted.strip().casefold(), known, n=1, cutoff=0.5)
    if close:
        return NotFound(kind.word, wanted, f"did you mean {known[close[0]]!r}?")
    if not names:
        return NotFound(kind.word, wanted, f"there are no {kind.word}s yet")
    known_names = list(dict.fromkeys(name for _, name in names))
    some = ", ".join(repr(name) for name in known_names[:5]) + (", …" if len(known_names) > 5 else "")
    return NotFound(kind.word, wanted, f"there are {some}")


def _names(tx: Tx, kind: Kind, wanted: str | None = None) -> list[tuple[str, str]]:
    """(id, name) of what is not deleted: of all, or of what the database takes for the wanted name."""
    table, label = kind.table, kind.table.c[kind.label]
    query = select(table.c.id, label).where(table.c.tenant == tx.tenant, table.c.deleted_at.is_(None))
    if wanted is not None:
        query = query.where(label == wanted)
    return [(row[0], row[1]) for row in tx.conn.execute(query.order_by(table.c.id))]


def containing(column: ColumnElement[str], words: str) -> ColumnElement[bool]:
    """Whether a text contains these words, whatever their case (ASCII only on SQLite)."""
    return func.lower(column).contains(words.lower(), autoescape=True)


def records(tx: Tx, record: Callable[..., T], query: Select[Any]) -> list[T]:
    """The rows of a query as records whose fields are its columns, in that order."""
    return [record(*row) for row in tx.conn.execute(query)]


def page(
    tx: Tx,
    query: Select[Any],
    by: tuple[Column[int], Column[str]],
    limit: int,
    cursor: str,
    *,
    newest_first: bool = False,
) -> tuple[list[Any], str]:
    """One page of a query in the order of a time and an id, which are among its columns."""
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput("limit", limit, f"expected 1 to {MAX_PAGE}")
    at, key = by
    if cursor:
        time, row_id = _read_cursor(cursor)
        further, other = (at < time, key < row_id) if newest_first else (at > time, key > row_id)
        query = query.where(or_(further, and_(at == time, other)))
    order = (at.desc(), key.desc()) if newest_first else (at, key)
    rows = list(tx.conn.execute(query.order_by(*order).limit(limit + 1)))
    if len(rows) <= limit:
        return rows, ""
    last = rows[limit - 1]
    return rows[:limit], f"{getattr(last, at.name)}.{getattr(last, key.name)}"


def total(tx: Tx, query: Select[Any]) -> int:
    """How many rows a query has, or `COUNTED` when there are so many or more."""
    some = query.with_only_columns(literal(1).label("one")).limit(COUNTED).subquery()
    return tx.conn.execute(select(func.count()).select_from(some)).scalar_one()


def _read_cursor(cursor: str) -> tuple[int, str]:
    time, _, row_id = cursor.partition(".")
    if not row_id or not time.removeprefix("-").isdecimal():
        raise InvalidInput("cursor", cursor, "expected the cursor that the page before gave")
    return int(time), row_id
