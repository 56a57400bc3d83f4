"""Metrics in one SQLite file: the same columns as InfluxDB's, with no server to run.

For a laptop and small installations. One file is one database, so the name of a database or bucket that a writer
or a query gives makes no difference. A point overwrites the fields of the same series and time, as in InfluxDB;
a field keeps its first type; points live for seven days.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shared.columns import AggregateQuery, Discovered, Partials, SampleQuery, Samples
from shared.errors import InvalidInput, NotNow, Unavailable, redact_url
from shared.metrics import SETTING, VALID_URLS
from shared.metrics import _embedded_aggregates as aggregates
from shared.metrics import _embedded_rows as rows
from shared.metrics._line_protocol import parse

KEEP_NS = 7 * 86_400 * 1_000_000_000
PURGE_EVERY_NS = 3_600 * 1_000_000_000
SAMPLE_VALUES = 20
BUSY_SECONDS = 5.0

_STEPS_BETWEEN_CHECKS = 20_000  # SQLite's virtual machine makes some 10 to 100 million steps per second
_NOW = "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000000"

# Points are clustered by field and time: what a query reads stands together, and so does what a purge deletes.
_SCHEMA = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY AUTOINCREMENT, measurement TEXT NOT NULL, tags TEXT NOT NULL, last INTEGER NOT NULL,
    UNIQUE (measurement, tags)
);
CREATE TABLE fields (
    id INTEGER PRIMARY KEY AUTOINCREMENT, measurement TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,
    last INTEGER NOT NULL, UNIQUE (measurement, name)
);
CREATE TABLE points (
    field INTEGER NOT NULL, time INTEGER NOT NULL, series INTEGER NOT NULL, value NOT NULL,
    PRIMARY KEY (field, time, series)
) WITHOUT ROWID;
CREATE TABLE purges (at INTEGER NOT NULL);
"""
_VERSION = 1


class EmbeddedStore:
    """One file. Opened on first use; several processes may read and write it at once."""

    reduces = True

    def __init__(self, path: Path, url: str, setting: str = SETTING) -> None:
        self._path, self._url, self._setting = path, url, setting
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    @classmethod
    def of_url(cls, url: str, state_dir: Path, setting: str = SETTING) -> "EmbeddedStore":
        """`embedded:///file`, relative to `state_dir`, or `embedded:////absolute/file`."""
        parts = urlsplit(url)
        name = unquote(parts.path.removeprefix("/"))
        if parts.netloc or parts.query or not name:
            raise InvalidInput(setting, redact_url(url), VALID_URLS)
        return cls(state_dir / name, url, setting)

    def read(self, query: SampleQuery, timeout_seconds: float) -> Samples:
        """See `MetricStore.read`."""
        with self._used() as connection, _deadline(connection, query.measurement, timeout_seconds):
            return rows.read(connection, query)

    def aggregate(self, query: AggregateQuery, timeout_seconds: float) -> Partials:
        """See `MetricStore.aggregate`."""
        with self._used() as connection, _deadline(connection, query.measurement, timeout_seconds):
            return aggregates.aggregate(connection, query)

    def discover(self, database: str = "", measurement: str | None = None) -> list[Discovered]:
        """See `MetricStore.discover`; the estimate is the number of series of the last seven days."""
        with self._used() as connection:
            names = connection.execute("SELECT DISTINCT measurement FROM fields ORDER BY 1").fetchall()
            wanted = [name for (name,) in names if measurement in (None, name)]
            return [self._describe(connection, name) for name in wanted]

    @staticmethod
    def _describe(connection: sqlite3.Connection, name: str) -> Discovered:
        fields = connection.execute(
            "SELECT name, type FROM fields WHERE measurement = ? ORDER BY name", (name,)
        )
        series = connection.execute("SELECT tags FROM series WHERE measurement = ?", (name,)).fetchall()
        values: dict[str, set[str]] = {}
        for (tags,) in series:
            for tag, value in json.loads(tags).items():
                values.setdefault(tag, set()).add(value)
        samples = {tag: tuple(sorted(found)[:SAMPLE_VALUES]) for tag, found in sorted(values.items())}
        return Discovered(name, samples, dict(fields.fetchall()), series_estimate=len(series))

    def write(self, lines: bytes, database: str = "", precision: str = "ns") -> int:
        """See `MetricStore.write`. Lines without a timestamp get SQLite's clock. All of a batch is kept or nothing."""
        with self._used() as connection:
            (now,) = connection.execute(_NOW).fetchone()
            points = parse(lines, precision, now)
            with _transaction(connection):
                _purge(connection, now)
                rows.write(connection, points)
        return len(points)

    def ping(self, timeout_seconds: float) -> None:
        """See `MetricStore.ping`: the file can be opened."""
        with self._used() as connection:
            connection.execute("SELECT 1 FROM fields LIMIT 1").fetchall()

    def close(self) -> None:
        """Close the file. The next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _used(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time; SQLite's errors become ours."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = _open(self._path)
                yield self._connection
            except (sqlite3.Error, OSError) as error:
                raise Unavailable("the metric store", self._url, str(error), self._setting) from error


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        with _transaction(connection):
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"INSERT INTO purges {_NOW}")
                connection.execute(f"PRAGMA user_version={_VERSION}")
            elif version != _VERSION:
                raise sqlite3.DatabaseError(f"the file has version {version}, this program knows {_VERSION}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Take the write lock first: a transaction that reads before it writes fails when another writer was faster."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


@contextmanager
def _deadline(connection: sqlite3.Connection, what: str, seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS_BETWEEN_CHECKS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        raise NotNow(f"{what}: the metric store gave no complete answer within {seconds:g} seconds") from None
    finally:
        connection.set_progress_handler(None, 0)


def _purge(connection: sqlite3.Connection, now: int) -> None:
    """Delete what is older than seven days, at most once an hour, and forget series and fields that have no points."""
    (last,) = connection.execute("SELECT at FROM purges").fetchone()
    if now - last < PURGE_EVERY_NS:
        return
    oldest = now - KEEP_NS
    for (field,) in connection.execute("SELECT id FROM fields").fetchall():
        connection.execute("DELETE FROM points WHERE field = ? AND time < ?", (field, oldest))
    connection.execute("DELETE FROM series WHERE last < ?", (oldest,))
    connection.execute("DELETE FROM fields WHERE last < ?", (oldest,))
    connection.execute("UPDATE purges SET at = ?", (now,))
