"""Opening the database and running transactions: every difference between SQLite and MySQL lives here.

Verbs in the neighbouring files take a `Tx` and never open, commit or retry by themselves. A dialect is imported where
it is spoken: nobody speaks both, and a function that starts pays for each.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.errors import Refused, TocsinError, Unavailable

T = TypeVar("T")

_MYSQL_REPEATABLE = (1205, 1213)
"""Lock wait timeout and deadlock: the transaction is undone, and the same one may well pass now."""
_MYSQL_DOWN = (
    *(2002, 2003, 2006, 2013, 1053, 1927),  # nobody answers, or the server is going
    *(1040, 1129, 1203, 1226),  # it takes no more connections
    *(1044, 1045, 1049, 1130, 1290, 1836),  # not with this user or database, or it only reads now
)
_SQLITE_DOWN = (
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN),
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY),
    *(sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB),
)
_BUSY_TIMEOUT_MS = 5_000
_MYSQL_SESSION = (
    "SET SESSION innodb_lock_wait_timeout = 5, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"
)
"""A lock that somebody holds for longer than a few seconds is not worth the lease; nothing is ever cut silently."""
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Tx:
    """One open transaction of one tenant."""

    conn: Connection
    tenant: str

    def now(self) -> int:
        """The database's clock, epoch milliseconds: for leases, `next_at` and deadlines only."""
        if self.conn.dialect.name == "sqlite":
            query = "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
        else:
            # Not UNIX_TIMESTAMP(NOW(3)): when a server's own zone sets its clocks back, that jumps by an hour.
            query = "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000"
        return int(self.conn.execute(text(query)).scalar_one())

    def insert(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows (without `tenant`) in one statement per 500."""
        for chunk in self._chunks(rows):
            self.conn.execute(table.insert(), chunk)

    def insert_missing(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert the rows whose unique keys are not there yet; the others stay as they are."""
        for chunk in self._chunks(rows):
            if self.conn.dialect.name == "sqlite":
                from sqlalchemy.dialects import sqlite

                self.conn.execute(sqlite.insert(table).on_conflict_do_nothing(), chunk)
            else:
                from sqlalchemy.dialects import mysql

                first = next(iter(table.primary_key.columns))
                statement = mysql.insert(table).on_duplicate_key_update({first.name: first})
                self.conn.execute(statement, chunk)

    def upsert(self, table: Table, rows: Sequence[Mapping[str, Any]], update: Iterable[str] = ()) -> None:
        """Insert rows, or overwrite the columns `update` (default: all that are given) where the primary key exists."""
        if not rows:
            return
        keys = [column.name for column in table.primary_key.columns]
        names = list(update) or [name for name in rows[0] if name not in keys]
        for chunk in self._chunks(rows):
            if self.conn.dialect.name == "sqlite":
                from sqlalchemy.dialects import sqlite

                new = sqlite.insert(table)
                given = {name: new.excluded[name] for name in names}
                self.conn.execute(new.on_conflict_do_update(index_elements=keys, set_=given), chunk)
            else:
                from sqlalchemy.dialects import mysql

                other = mysql.insert(table)
                self.conn.execute(
                    other.on_duplicate_key_update({name: other.inserted[name] for name in names}), chunk
                )

    def _chunks(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[list[dict[str, Any]]]:
        """A statement's rows at a time, each with the tenant: there may be 100,000 of them."""
        for start in range(0, len(rows), _CHUNK):
            yield [{"tenant": self.tenant, **row} for row in rows[start : start + _CHUNK]]


class Store:
    """A database and a tenant. Connections are made on first use, so that a process may fork before."""

    def __init__(self, engine: Engine, tenant: str, url: str) -> None:
        self.engine, self.tenant, self.url = engine, tenant, url

    def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in one transaction and commit; on a deadlock everything is rolled back and run once more.

        `work` may therefore run twice, and must not change anything but the database. Raises Unavailable, and Refused
        for a row that the database doesn't take.
        """
        with self._translating():
            try:
                return self._once(work)
            except OperationalError as error:
                if _code(error) not in _MYSQL_REPEATABLE:
                    raise
            return self._once(work)

    def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on a connection whose changes are rolled back. Raises Unavailable."""
        with self._translating(), self.engine.connect() as conn:
            return work(Tx(conn, self.tenant))

    def for_tenant(self, tenant: str) -> "Store":
        """The same database seen by another tenant."""
        return Store(self.engine, tenant, self.url)

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    def _once(self, work: Callable[[Tx], T]) -> T:
        with self.engine.connect() as conn:
            if conn.dialect.name == "sqlite":
                # A deferred transaction that writes after reading fails at once when another writer was
                # faster; taking the write lock first waits for it instead.
                conn.exec_driver_sql("BEGIN IMMEDIATE")
            result = work(Tx(conn, self.tenant))
            conn.commit()
            return result

    @contextmanager
    def _translating(self) -> Iterator[None]:
        """What no caller can help becomes Unavailable or Refused; any other error of the database is a bug of ours."""
        try:
            yield
        except PoolTimeout as error:
            raise self._unavailable("all of this process's connections are in use") from error
        except DBAPIError as error:
            ours = self._translated(error)
            if ours is None:
                raise
            raise ours from error

    def _translated(self, error: DBAPIError) -> TocsinError | None:
        if isinstance(error, DataError | IntegrityError):
            return Refused(f"the database refused a row: {_words(error)}")
        down = _code(error) in (*_MYSQL_DOWN, *_MYSQL_REPEATABLE) or _sqlite_code(error) in _SQLITE_DOWN
        return self._unavailable(_words(error)) if down or error.connection_invalidated else None

    def _unavailable(self, why: str) -> Unavailable:
        return Unavailable("the database", self.url, why, "TOCSIN_DATABASE_URL")


def _code(error: DBAPIError) -> int:
    arguments = error.orig.args if error.orig is not None else ()
    return arguments[0] if arguments and isinstance(arguments[0], int) else 0


def _sqlite_code(error: DBAPIError) -> int:
    """SQLite's primary result code; the upper bits of an extended one only say more about it."""
    return error.orig.sqlite_errorcode & 0xFF if isinstance(error.orig, sqlite3.DatabaseError) else 0


def _words(error: DBAPIError) -> str:
    arguments = error.orig.args if error.orig is not None else ()
    return str(arguments[-1]) if arguments else "no reason given"


def open_store(url: str, tenant: str, state_dir: Path = Path()) -> Store:
    """A store for `sqlite:///file` (relative files live in `state_dir`) or `mysql+pymysql://…`. Doesn't connect."""
    if urlsplit(url).scheme == "sqlite":
        path = _file(url, state_dir)
        return Store(_sqlite(path), tenant, f"sqlite:///{path}")
    return Store(_mysql(url), tenant, url)


def _file(url: str, state_dir: Path) -> Path:
    """The file of a SQLite URL, in a folder that exists."""
    path = (state_dir / (make_url(url).database or "tocsin.db")).absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = f"the folder {path.parent} can't be used: {error.strerror}"
        raise Unavailable("the database", url, why, "TOCSIN_DATABASE_URL and TOCSIN_STATE_DIR") from error
    return path


def _sqlite(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}", hide_parameters=True, connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000}
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where this file says so
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")

    return engine


def _mysql(url: str) -> Engine:
    return create_engine(
        url,
        isolation_level="READ COMMITTED",
        # Kept, and not made anew whenever more than a few threads are at work; the last one used is taken first.
        pool_size=6,
        max_overflow=0,
        pool_use_lifo=True,
        pool_pre_ping=True,
        pool_recycle=300,
        pool_timeout=10,
        # What is still open is rolled back when a connection is given back; the pool would do it after a commit too.
        pool_reset_on_return=None,
        hide_parameters=True,
        connect_args={
            "connect_timeout": 3,
            "read_timeout": 30,
            "write_timeout": 30,
            "charset": "utf8mb4",
            "init_command": _MYSQL_SESSION,
        },
    )
