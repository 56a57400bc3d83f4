"""Databases of earlier and later versions: what a migration does to them, and rows as they were written then."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from alembic import command
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, event, inspect, select, text

from shared.store import migrate
from shared.store.engine import Store, Tx

FIRST_WHOLE = "0003"
"""The oldest revision that has every table a tick needs."""
_HARMLESS = re.compile(
    r"\s*(SELECT|PRAGMA|CREATE TABLE|CREATE INDEX|ALTER TABLE \S+ ADD COLUMN|SHOW|DESCRIBE"
    r"|(INSERT INTO|UPDATE) alembic_version)\b",
    re.IGNORECASE,
)


def scripts(conn: Connection) -> list[ModuleType]:
    """The migrations, oldest first."""
    found = ScriptDirectory.from_config(migrate.alembic_config(conn)).walk_revisions()
    return [script.module for script in found][::-1]


def revisions(store: Store) -> list[str]:
    """The names of the migrations, oldest first."""
    with store.engine.connect() as conn:
        return [script.revision for script in scripts(conn)]


def upgrade_to(store: Store, revision: str) -> None:
    """Migrate as a program did whose newest revision was this one."""
    store.write(lambda tx: command.upgrade(migrate.alembic_config(tx.conn), revision))


@contextmanager
def _statements(conn: Connection) -> Iterator[list[str]]:
    said: list[str] = []

    def hear(_conn: object, _cursor: object, statement: str, *_more: object) -> None:
        said.append(statement)

    event.listen(conn, "before_cursor_execute", hear)
    yield said
    event.remove(conn, "before_cursor_execute", hear)


def takes_away(conn: Connection, upgrade: Callable[[], None]) -> list[str]:
    """What an upgrade does that a program of the version before would not survive; empty for one that only adds."""
    before = _shape(conn)
    with _statements(conn) as said, Operations.context(MigrationContext.configure(conn)):
        upgrade()
    after = _shape(conn)
    wrong = [" ".join(statement.split())[:80] for statement in said if not _HARMLESS.match(statement)]
    for name, was in before.items():
        if after.get(name) != was:
            wrong.append(f"{name} was changed or dropped")
    for name, column in after.items():
        is_new = isinstance(column, dict) and name not in before and name.partition(".")[0] in before
        if is_new and not column["nullable"] and column["default"] in (None, "NULL"):
            wrong.append(f"{name} has to be written, and older programs don't")
    return wrong


def _shape(conn: Connection) -> dict[str, Any]:
    """Tables, columns and unique keys by name."""
    seen, found = inspect(conn), dict[str, Any]()
    for table in seen.get_table_names():
        found[table] = seen.get_pk_constraint(table)["constrained_columns"]
        for column in seen.get_columns(table):
            plain = {"nullable": column["nullable"], "default": column["default"]}
            found[f"{table}.{column['name']}"] = {**plain, "type": str(column["type"])}
        for index in seen.get_indexes(table):
            if index["unique"]:
                found[f"{table} unique {index['name']}"] = index["column_names"]
    return found


def copy_rows(newer: Store, older: Store) -> None:
    """Fill a database of an earlier version with a later one's rows, as far as it has tables and columns for them."""
    there = MetaData()
    there.reflect(older.engine)
    with newer.engine.connect() as source:
        found = {
            table: [dict(row._mapping) for row in source.execute(select(*table.columns))]
            for table in there.sorted_tables
            if table.name != "alembic_version"
        }

    def write(tx: Tx) -> None:
        for table, rows in found.items():
            tx.conn.execute(table.insert(), rows) if rows else None

    older.write(write)


def widen(store: Store) -> None:
    """Do what a later version may do: a column more in every table, with a default or none needed, and a table more."""

    def work(conn: Connection) -> None:
        for table in inspect(conn).get_table_names():
            if table != "alembic_version":
                conn.execute(text(f"ALTER TABLE {table} ADD COLUMN later VARCHAR(20) NULL"))
                conn.execute(text(f"ALTER TABLE {table} ADD COLUMN counted INTEGER NOT NULL DEFAULT 7"))
        conn.execute(text("CREATE TABLE of_later (tenant VARCHAR(64) PRIMARY KEY)"))
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    store.write(lambda tx: work(tx.conn))
