"""Migrations make exactly the tables that the code knows, on both databases, whoever runs them and however often."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from shared.errors import NotMigrated, Unavailable
from shared.store import migrate, tables
from shared.store.engine import Store, open_store
from tests.support.processes import free_port


@pytest.fixture
def mariadb_url(new_mariadb_url: str) -> str:
    """Tables are what these tests are about."""
    return new_mariadb_url


@pytest.fixture
def sqlite_url(new_sqlite_url: str) -> str:
    """Tables are what these tests are about."""
    return new_sqlite_url


@pytest.fixture
def store(database_url: str) -> Store:
    return open_store(database_url, "default")


@pytest.fixture
def mysql_store(mariadb_url: str) -> Store:
    return open_store(mariadb_url, "default")


def _other_default(
    _context: object, _there: object, _known: object, there: str | None, known: object, rendered: str | None
) -> bool:
    """Whether two defaults differ. Alembic's own comparison takes an empty text for no default at all."""
    return (there is None) != (known is None) or (there or "").strip("(')") != (rendered or "").strip("(')")


def _differences(store: Store) -> list[object]:
    with store.engine.connect() as conn:
        options = {"compare_type": True, "compare_server_default": _other_default}
        return list(compare_metadata(MigrationContext.configure(conn, opts=options), tables.metadata))


def test_migrating_from_nothing_makes_exactly_the_known_tables(store: Store) -> None:
    migrate.migrate(store)

    assert _differences(store) == []


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE audit",
        "ALTER TABLE audit ADD COLUMN more INTEGER",
        "ALTER TABLE silences RENAME COLUMN reason TO why",
    ],
)
def test_a_table_that_differs_is_noticed(store: Store, change: str) -> None:
    migrate.migrate(store)
    store.write(lambda tx: tx.conn.execute(text(change)))

    assert _differences(store) != []


def test_a_default_that_differs_is_noticed(mysql_store: Store) -> None:
    migrate.migrate(mysql_store)
    mysql_store.write(
        lambda tx: tx.conn.execute(text("ALTER TABLE rules ALTER COLUMN group_seconds SET DEFAULT 61"))
    )

    assert len(_differences(mysql_store)) == 1


def test_names_compare_by_code_point_in_every_table_of_mysql(mysql_store: Store) -> None:
    migrate.migrate(mysql_store)

    columns = mysql_store.read(
        lambda tx: tx.conn.execute(
            text(
                "SELECT table_name, column_name, collation_name FROM information_schema.columns WHERE "
                "table_schema = DATABASE() AND collation_name IS NOT NULL AND table_name != 'alembic_version'"
            )
        ).all()
    )

    assert {(column[0], column[2]) for column in columns} == {
        (table.name, "utf8mb4_bin") for table in tables.metadata.sorted_tables
    }


def test_long_texts_and_bytes_are_medium_on_mysql(mysql_store: Store) -> None:
    migrate.migrate(mysql_store)

    found = {
        column["name"]: str(column["type"]) for column in inspect(mysql_store.engine).get_columns("outbox")
    }

    assert found["attributes"].startswith("MEDIUMTEXT")
    assert found["body"] == "MEDIUMBLOB"


def test_migrating_twice_changes_nothing(store: Store) -> None:
    assert not migrate.is_current(store)
    assert migrate.migrate(store) == migrate.NEWEST
    store.write(lambda tx: tx.insert(tables.revisions, [{"revision": 7}]))

    assert migrate.migrate(store) == migrate.NEWEST
    assert migrate.is_current(store)
    assert store.read(lambda tx: tx.conn.execute(text("SELECT revision FROM revisions")).scalar_one()) == 7


def test_a_mysql_migration_that_was_killed_half_way_is_run_again(mysql_store: Store) -> None:
    migrate.migrate(mysql_store)
    mysql_store.write(lambda tx: tx.conn.execute(text("DROP INDEX alerts_rule ON alerts")))
    mysql_store.write(lambda tx: tx.conn.execute(text("DROP TABLE query_groups")))
    mysql_store.write(lambda tx: tx.conn.execute(text("UPDATE alembic_version SET version_num = '0001'")))

    migrate.migrate(mysql_store)

    assert _differences(mysql_store) == []


_PROGRAM = """
import sys
from shared.store.engine import open_store
from shared.store.migrate import migrate, is_current
sys.stdin.readline()
store = open_store(sys.argv[1], "default")
migrate(store)
print(is_current(store))
"""


def test_many_processes_may_migrate_at_once(database_url: str) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(5)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    answers = [child.communicate(timeout=50) for child in children]

    assert [out.strip() for out, _ in answers] == ["True"] * 5, [err for _, err in answers]


def test_sqlite_migrates_itself_when_it_is_first_used(sqlite_url: str) -> None:
    store = open_store(sqlite_url, "default")

    migrate.ensure_migrated(store)

    assert migrate.is_current(store)


def test_mysql_without_tables_says_which_command_makes_them(mysql_store: Store) -> None:
    with pytest.raises(NotMigrated, match=r"has no tables yet.*run `tocsin migrate`") as caught:
        migrate.ensure_migrated(mysql_store)

    assert isinstance(caught.value, Unavailable)
    assert "tocsin:tocsin" not in str(caught.value)


def test_mysql_with_older_tables_says_so(mysql_store: Store) -> None:
    migrate.migrate(mysql_store)
    mysql_store.write(lambda tx: tx.conn.execute(text("UPDATE alembic_version SET version_num = '0001'")))

    with pytest.raises(NotMigrated, match="revision 0001"):
        migrate.ensure_migrated(mysql_store)


def test_a_newer_database_is_good_enough(store: Store) -> None:
    migrate.migrate(store)
    store.write(lambda tx: tx.conn.execute(text("UPDATE alembic_version SET version_num = '9999'")))

    migrate.ensure_migrated(store)

    assert migrate.is_current(store)


def test_a_database_that_refuses_connections_is_unavailable() -> None:
    store = open_store(f"mysql+pymysql://u:secret@127.0.0.1:{free_port()}/tocsin", "default")

    with pytest.raises(Unavailable, match="can't be reached") as caught:
        migrate.migrate(store)

    assert "secret" not in str(caught.value)


def test_the_newest_revision_is_the_head_of_one_line_of_history(sqlite_url: str) -> None:
    store = open_store(sqlite_url, "default")
    with store.engine.connect() as conn:
        scripts = ScriptDirectory.from_config(migrate.alembic_config(conn))

    assert scripts.get_heads() == [migrate.NEWEST]
    numbers = [script.revision for script in scripts.walk_revisions()]
    assert numbers == sorted(numbers, reverse=True)
    assert all(Path(script.path).name.startswith(script.revision) for script in scripts.walk_revisions())
