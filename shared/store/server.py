"""What the database server says of itself, for `tocsin doctor`. Nothing here writes or locks."""

from dataclasses import dataclass

from sqlalchemy import select, text

from shared.store.engine import Tx
from shared.store.tables import monitors

_FOREIGN = """
SELECT COUNT(*) FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'
AND (engine <> 'InnoDB' OR table_collation NOT LIKE 'utf8mb4%')
"""


@dataclass(frozen=True, slots=True)
class Server:
    """`dialect` is sqlite, mysql or mariadb; `version` its numbers. `foreign_tables` are not InnoDB in utf8mb4.

    `isolation` is what transactions here get; both are empty or 0 for SQLite, which has no choice.
    """

    dialect: str
    version: str
    isolation: str = ""
    foreign_tables: int = 0


def describe(tx: Tx) -> Server:
    """What it is, and how it treats us."""
    if tx.conn.dialect.name == "sqlite":
        return Server("sqlite", str(tx.conn.execute(text("SELECT sqlite_version()")).scalar_one()))
    version = str(tx.conn.execute(text("SELECT VERSION()")).scalar_one())
    foreign = int(tx.conn.execute(text(_FOREIGN)).scalar_one())
    dialect = "mariadb" if "mariadb" in version.lower() else "mysql"
    return Server(dialect, version.partition("-")[0], str(tx.conn.get_isolation_level()), foreign)


def monitor_sources(tx: Tx) -> frozenset[str]:
    """The names of the metric stores that monitors read."""
    live = (monitors.c.tenant == tx.tenant, monitors.c.deleted_at.is_(None))
    return frozenset(tx.conn.execute(select(monitors.c.source).where(*live).distinct()).scalars())
