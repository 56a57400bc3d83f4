"""Bringing a database to the newest schema, whoever else is doing the same.

SQLite migrates itself at start; MySQL is migrated on purpose (`tocsin migrate`), before the new functions roll out.
Alembic is imported only when there is something to migrate: every function asks `ensure_migrated` at its start.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from shared.errors import InProgress, NotMigrated
from shared.store.engine import Store

if TYPE_CHECKING:
    from alembic.config import Config

NEWEST = "0010"
"""The newest file in `migrations/versions/`. Revisions are numbers with leading zeros, so that they sort."""

_LOCK = "tocsin migrate"
_LOCK_WAIT_SECONDS = 20  # below the read timeout of a connection
_LOCK_TRIES = 3


def migrate(store: Store) -> str:
    """Migrate to the newest schema and return its revision. Safe to run from many processes at once.

    Raises InProgress when another process holds the lock of a MySQL database for a minute, and Unavailable when the
    database doesn't answer.
    """
    if store.engine.dialect.name == "sqlite":
        # A write transaction holds SQLite's only lock: whoever comes second waits, and finds nothing left to do.
        store.write(lambda tx: _upgrade(tx.conn))
    else:
        store.write(lambda tx: _upgrade_locked(tx.conn))
    return NEWEST


def revision(store: Store) -> str:
    """The schema revision of the database; empty when it was never migrated."""
    return store.read(lambda tx: _revision(tx.conn))


def is_current(store: Store) -> bool:
    """Whether the tables are what this program needs. A newer database is: migrations run before a roll-out."""
    return revision(store) >= NEWEST


def ensure_migrated(store: Store) -> None:
    """One query when all is well; else migrate SQLite, and raise NotMigrated for MySQL."""
    found = revision(store)
    if found >= NEWEST:
        return
    if store.engine.dialect.name != "sqlite":
        raise NotMigrated(store.url, found, NEWEST)
    migrate(store)


def _revision(conn: Connection) -> str:
    if not inspect(conn).has_table("alembic_version"):
        return ""
    found = conn.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return str(found or "")


def _upgrade_locked(conn: Connection) -> None:
    name = f"{_LOCK} {conn.engine.url.database}"[:64]
    for _ in range(_LOCK_TRIES):
        wait = conn.execute(text("SELECT GET_LOCK(:name, :wait)"), {"name": name, "wait": _LOCK_WAIT_SECONDS})
        if wait.scalar_one():
            break
    else:
        waited = _LOCK_TRIES * _LOCK_WAIT_SECONDS
        raise InProgress(
            f"another process has been migrating this database for {waited} seconds; try again later"
        )
    try:
        _upgrade(conn)
    finally:
        conn.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": name})


def _upgrade(conn: Connection) -> None:
    if _revision(conn) >= NEWEST:
        return
    from alembic import command

    command.upgrade(alembic_config(conn), "head")


def alembic_config(conn: Connection) -> "Config":
    """Alembic's configuration over an open connection: there is no alembic.ini, so any folder will do."""
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = conn
    return config
