"""What the store makes of a database's troubles, on every database: our own errors, one repetition, a steady clock."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, select, text, update

from shared.errors import Refused, Unavailable
from shared.store import ticks
from shared.store.engine import Store, Tx, open_store
from shared.store.tables import rule_status, series, states
from tests.support.rows import store_with_tables

LONGEST_KEY = '["mon_a",[["host","' + "ü" * 65_000 + '"]]]'
"""A series' tags may fill 64 KB in InfluxDB."""


@pytest.fixture
def mariadb_url(new_mariadb_url: str) -> str:
    """These tests make a table of their own."""
    return new_mariadb_url


@pytest.fixture
def sqlite_url(new_sqlite_url: str) -> str:
    """These tests make a table of their own."""
    return new_sqlite_url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = store_with_tables(database_url)
    yield opened
    opened.close()


def rules_of(store: Store) -> list[str]:
    return store.read(lambda tx: list(tx.conn.execute(select(rule_status.c.rule_id)).scalars()))


def test_a_row_that_does_not_fit_is_refused_and_nothing_of_its_transaction_stays(store: Store) -> None:
    def work(tx: Tx) -> None:
        tx.insert(rule_status, [{"rule_id": "rule_a"}])
        tx.insert(rule_status, [{"rule_id": "rule_b"}, {"rule_id": "rule_b"}])

    with pytest.raises(Refused, match="the database refused a row"):
        store.write(work)

    assert rules_of(store) == []


def test_a_key_as_long_as_a_metric_store_allows_is_kept_whole(store: Store) -> None:
    row = {"rule_id": "rule_a", "series_id": "s1", "key": LONGEST_KEY}
    store.write(lambda tx: tx.insert(states, [{**row, "alert_id": "", "announced_alert": ""}]))
    store.write(lambda tx: tx.insert(series, [row]))

    both = select(states.c.key, series.c.key).join(series, series.c.series_id == states.c.series_id)
    assert store.read(lambda tx: tuple(tx.conn.execute(both).one())) == (LONGEST_KEY, LONGEST_KEY)


def test_a_process_whose_connections_are_all_in_use_says_so(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tocsin.db'}"
    small = Store(create_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.05), "default", url)

    with small.engine.connect(), pytest.raises(Unavailable, match="all of this process's connections"):
        small.read(lambda tx: tx.now())
    small.close()


def test_a_locked_sqlite_file_is_unavailable_and_not_a_bug(sqlite_url: str) -> None:
    opened = store_with_tables(sqlite_url)
    event.listen(opened.engine, "connect", lambda conn, _: conn.execute("PRAGMA busy_timeout=20"))
    opened.engine.dispose()
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(Unavailable, match=r"database is locked.*TOCSIN_DATABASE_URL"):
            opened.write(lambda tx: tx.now())
        other.execute("ROLLBACK")
    other.close()
    opened.close()


def test_a_file_that_is_no_database_is_unavailable_and_named(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("not a database, but long enough to look like a file of one")
    opened = open_store("sqlite:///notes.db", "default", tmp_path)

    with pytest.raises(
        Unavailable, match=r"sqlite:////.*/notes\.db can't be reached: file is not a database"
    ):
        opened.read(lambda tx: tx.now())
    opened.close()


def test_an_address_that_says_nothing_of_tls_is_connected_to(mariadb_url: str) -> None:
    plain = mariadb_url.partition("?")[0]
    assert plain != mariadb_url
    opened = open_store(plain, "default")
    assert opened.read(lambda tx: tx.now()) > 0
    opened.close()


def test_of_two_transactions_in_a_deadlock_both_pass_and_one_ran_twice(mariadb_url: str) -> None:
    store = store_with_tables(mariadb_url)
    store.write(lambda tx: tx.insert(rule_status, [{"rule_id": "rule_a"}, {"rule_id": "rule_b"}]))
    both, runs = threading.Barrier(2), list[str]()

    def crossing(first: str, second: str) -> None:
        def work(tx: Tx) -> None:
            runs.append(first)
            for rule_id in (first, second):
                raised = update(rule_status).values(seq=rule_status.c.seq + 1)
                tx.conn.execute(raised.where(rule_status.c.rule_id == rule_id))
                if rule_id == first and len(runs) < 3:
                    both.wait(10)

        store.write(work)

    threads = [
        threading.Thread(target=crossing, args=pair) for pair in (("rule_a", "rule_b"), ("rule_b", "rule_a"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(runs) == 3
    assert store.read(lambda tx: list(tx.conn.execute(select(rule_status.c.seq)).scalars())) == [2, 2]
    store.close()


def test_a_lock_that_is_not_let_go_is_unavailable_and_not_a_bug(mariadb_url: str) -> None:
    store = store_with_tables(mariadb_url)
    hurry = "SET SESSION innodb_lock_wait_timeout = 1"
    event.listen(store.engine, "connect", lambda conn, _: conn.cursor().execute(hurry))
    store.engine.dispose()
    claimed = store.write(lambda tx: ticks.claim(tx, "0/1", 30_000, 30, "a"))
    assert claimed is not None
    with store.engine.connect() as other:
        other.execute(text("SELECT * FROM tick_lease FOR UPDATE"))

        with pytest.raises(Unavailable, match="Lock wait timeout"):
            store.write(lambda tx: ticks.hold(tx, claimed))
    store.close()


AUTUMN = 1_761_440_400
"""2025-10-26 at 01:00Z: the clocks of Berlin go back from 3 to 2 o'clock, and the hour between comes twice."""


@pytest.fixture
def berlin(mariadb_url: str) -> Iterator[Store]:
    """A database in a zone that sets its clocks back; a server knows only the zones that it was given."""
    store = store_with_tables(mariadb_url)
    zone = (
        "INSERT INTO mysql.time_zone VALUES (999, 'N')",
        "INSERT INTO mysql.time_zone_name VALUES ('Test/Berlin', 999)",
        "INSERT INTO mysql.time_zone_transition_type VALUES (999, 0, 7200, 1, 'CEST'), (999, 1, 3600, 0, 'CET')",
        f"INSERT INTO mysql.time_zone_transition VALUES (999, 1743296400, 0), (999, {AUTUMN}, 1)",
    )
    store.write(lambda tx: [tx.conn.execute(text(statement)) for statement in zone])
    event.listen(
        store.engine,
        "connect",
        lambda conn, _: conn.cursor().execute("SET SESSION time_zone = 'Test/Berlin'"),
    )
    store.engine.dispose()
    yield store
    tables = ("time_zone", "time_zone_name", "time_zone_transition_type", "time_zone_transition")
    store.write(
        lambda tx: [
            tx.conn.execute(text(f"DELETE FROM mysql.{name} WHERE Time_zone_id = 999")) for name in tables
        ]
    )
    store.close()


@pytest.mark.parametrize("moment", [AUTUMN - 1800, AUTUMN + 1800], ids=["summer time", "an hour later"])
def test_the_clock_does_not_jump_when_the_server_sets_its_own_back(berlin: Store, moment: int) -> None:
    def work(tx: Tx) -> int:
        tx.conn.execute(text(f"SET SESSION timestamp = {moment}.25"))
        return tx.now()

    assert berlin.read(work) == moment * 1000 + 250
