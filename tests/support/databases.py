"""Databases with all tables and nothing in them. To make the tables takes longer than most tests, so it is done once:
an SQLite file is copied, and a MariaDB database is emptied and used again."""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pymysql

from shared.store.engine import open_store
from shared.store.migrate import migrate

Columns = list[tuple[object, ...]]


def sqlite(path: Path) -> str:
    """Write an SQLite file with all tables and nothing in them, and return its URL."""
    path.write_bytes(_sqlite_file())
    return f"sqlite:///{path}"


@cache
def _sqlite_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tocsin.db"
        store = open_store(f"sqlite:///{path}", "default")
        migrate(store)
        store.close()
        return path.read_bytes()


@dataclass(frozen=True, slots=True)
class MariaDB:
    """A running MariaDB whose user may create databases."""

    port: int
    user: str = "tocsin"
    password: str = "tocsin"
    spare: dict[str, Columns] = field(default_factory=dict)
    """Databases with all tables and nothing in them, by name, and what their tables look like."""

    def query(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements as its owner; the rows of the last one."""
        with (
            pymysql.connect(
                host="127.0.0.1",
                port=self.port,
                user=self.user,
                password=self.password,
                connect_timeout=5,
                ssl_disabled=True,
            ) as connection,
            connection.cursor() as cursor,
        ):
            for sql in statements:
                cursor.execute(sql)
            connection.commit()
            return list(cursor.fetchall())

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a new empty database, dropped afterwards."""
        name = self._created()
        yield self.url_of(name)
        self._let_go(name)
        self.query(f"DROP DATABASE {name}")

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """The URL of a database with all tables and nothing in them.

        Making the tables takes most of a second, so one that a test has used is emptied for the next; it is dropped
        if that test has changed a table.
        """
        name, columns = self.spare.popitem() if self.spare else self._with_tables()
        yield self.url_of(name)
        self._let_go(name)
        if self._columns(name) != columns:
            self.query(f"DROP DATABASE {name}")
            return
        tables = sorted({str(table) for table, *_ in columns} - {"alembic_version"})
        self.query(*(f"DELETE FROM {name}.{table}" for table in tables))
        self.spare[name] = columns

    def _created(self) -> str:
        name = f"t_{uuid.uuid4().hex[:12]}"
        self.query(f"CREATE DATABASE {name}")
        return name

    def url_of(self, name: str) -> str:
        """Without TLS: to get ready for it takes every new connection some 20 ms, before the server is even asked."""
        place = f"{self.user}:{self.password}@127.0.0.1:{self.port}"
        return f"mysql+pymysql://{place}/{name}?ssl_disabled=true"

    def _with_tables(self) -> tuple[str, Columns]:
        name = self._created()
        store = open_store(self.url_of(name), "default")
        migrate(store)
        store.close()
        return name, self._columns(name)

    def _columns(self, name: str) -> Columns:
        """What its tables are made of, the version of the schema included."""
        found = self.query(
            "SELECT table_name, column_name, column_type, column_key FROM information_schema.columns "
            f"WHERE table_schema = '{name}' ORDER BY 1, 2"
        )
        if ("alembic_version",) not in self.query(f"SHOW TABLES IN {name}"):
            return []
        return [
            *found,
            *(("alembic_version", *row) for row in self.query(f"SELECT * FROM {name}.alembic_version")),
        ]

    def _let_go(self, name: str) -> None:
        """A test that failed may hold a transaction open, and whoever cleans up would wait for it."""
        for row in self.query(f"SELECT id FROM information_schema.processlist WHERE db = '{name}'"):
            self._end(row[0])

    def _end(self, connection: object) -> None:
        try:
            self.query(f"KILL {connection}")
        except pymysql.err.OperationalError as error:
            if error.args[0] != pymysql.constants.ER.NO_SUCH_THREAD:
                raise
