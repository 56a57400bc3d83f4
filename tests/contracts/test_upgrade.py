"""An upgrade while the old version runs: migrations only add, old rows are worked on, later columns are put up with."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from shared import retention
from shared.store import migrate, tables
from shared.store.engine import Store, open_store
from tests.support import schemas_before
from tests.support.sink import Reply, Sink
from tests.support.world import World

CONTRACT = "contract"
"""A migration that takes something away says so, `phase = "contract"`, and why no running version needs it any more."""


@pytest.fixture
def empty(new_sqlite_url: str) -> Iterator[Store]:
    store = open_store(new_sqlite_url, "default")
    yield store
    store.close()


def test_every_migration_only_adds_unless_it_says_that_nobody_needs_what_goes(empty: Store) -> None:
    with empty.engine.connect() as conn:
        for script in schemas_before.scripts(conn):
            wrong = schemas_before.takes_away(conn, script.upgrade)
            assert wrong == [] or getattr(script, "phase", "") == CONTRACT, f"{script.__name__}: {wrong}"


@pytest.mark.parametrize(
    ("upgrade", "says"),
    [
        (lambda: op.drop_table("audit"), "DROP TABLE audit"),
        (lambda: op.rename_table("audit", "changes"), "ALTER TABLE audit RENAME TO changes"),
        (lambda: op.drop_column("audit", "actor"), "audit.actor was changed or dropped"),
        (lambda: op.execute("UPDATE audit SET actor = ''"), "UPDATE audit SET actor = ''"),
        (lambda: op.execute("DELETE FROM audit"), "DELETE FROM audit"),
        (lambda: op.alter_column("audit", "actor", new_column_name="by"), "audit.actor was changed"),
        (lambda: op.create_index("one", "audit", ["at"], unique=True), "CREATE UNIQUE INDEX one ON audit"),
        (
            lambda: op.execute("ALTER TABLE audit ADD COLUMN more INTEGER NOT NULL DEFAULT NULL"),
            "audit.more has to be written, and older programs don't",
        ),
    ],
)
def test_a_migration_that_takes_something_away_is_noticed(
    empty: Store, upgrade: Callable[[], None], says: str
) -> None:
    migrate.migrate(empty)

    with empty.engine.connect() as conn:
        found = schemas_before.takes_away(conn, upgrade)

    assert any(says in one for one in found), found


@pytest.mark.parametrize(
    "upgrade",
    [
        lambda: op.create_table("more", sa.Column("tenant", sa.String(64), primary_key=True)),
        lambda: op.create_index("audit_actor", "audit", ["actor"]),
        lambda: op.add_column("audit", sa.Column("more", sa.Integer, nullable=True)),
        lambda: op.add_column("audit", sa.Column("more", sa.Integer, nullable=False, server_default="0")),
    ],
)
def test_a_migration_that_adds_is_fine(empty: Store, upgrade: Callable[[], None]) -> None:
    migrate.migrate(empty)

    with empty.engine.connect() as conn:
        assert schemas_before.takes_away(conn, upgrade) == []


# ------------------------------------------------------------------ rows of an earlier version


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink(Reply(202)) as opened:
        yield opened


def _busy(world: World) -> None:
    """A rule that fires, one that resolved, and one that is held back."""
    for name in "abc":
        world.add_monitor(f"mon_{name}", where={"host": name}, key=["host"])
        world.add_rule(f"rule_{name}", f"mon_{name}", cooldown_seconds=3600 if name == "c" else 0)
    world.play(
        *(
            [f"m,host={name} value={value}" for name, value in zip("abc", values, strict=True)]
            for values in ((11, 11, 11), (11, 9, 9), (11, 9, 11))
        )
    )


@pytest.fixture
def before(request: pytest.FixtureRequest, tmp_path: Path, sink: Sink, sqlite_url: str) -> Iterator[World]:
    """A busy evaluator on today's tables."""
    made = World(tmp_path, sink, sqlite_url, "embedded:///metrics.db")
    _busy(made)
    yield made
    made.wiring.close()


def _revisions(conn: Connection) -> list[str]:
    return [script.revision for script in schemas_before.scripts(conn)]


def check_it_goes_on(before: World, old: Store, sink: Sink, folder: Path) -> None:
    """Migrate the old database and tick it: what fired resolves, once, and nothing fires anew."""
    schemas_before.copy_rows(before.wiring.store, old)
    told = len(sink.requests)
    migrate.migrate(old)
    after = World(folder, sink, old.url, "embedded:///metrics.db")
    after.first = before.first
    after.write(4, "m,host=a value=9", "m,host=b value=9", "m,host=c value=11")
    assert after.ran(4).error == ""
    after.write(5, "m,host=a value=9", "m,host=b value=11", "m,host=c value=11")
    assert after.ran(5).error == ""
    assert after.told()[told:] == ["resolved rule_a", "firing rule_b"]
    assert retention.run(after.wiring, after.wiring.clock()).finished
    after.wiring.close()


@pytest.mark.parametrize("back", [1, 5])
def test_rows_of_earlier_versions_are_worked_on_after_migrating(
    before: World, sink: Sink, tmp_path: Path, back: int
) -> None:
    old = open_store(f"sqlite:///{tmp_path}/old.db", "default")
    known = schemas_before.revisions(old)
    revision = known[-1 - back]
    if revision < schemas_before.FIRST_WHOLE:
        raise AssertionError(f"{revision} has not all tables; test fewer versions back")
    schemas_before.upgrade_to(old, revision)

    check_it_goes_on(before, old, sink, tmp_path)
    old.close()


def test_rows_of_the_version_before_are_worked_on_after_migrating_mysql(
    before: World, sink: Sink, tmp_path: Path, new_mariadb_url: str
) -> None:
    old = open_store(new_mariadb_url, "default")
    schemas_before.upgrade_to(old, schemas_before.revisions(old)[-2])

    check_it_goes_on(before, old, sink, tmp_path)
    old.close()


def test_columns_and_tables_of_a_later_version_are_put_up_with(world: World) -> None:
    schemas_before.widen(world.wiring.store)

    _busy(world)

    ended = ["resolved rule_b", "resolved rule_c"]
    assert sorted(world.told()) == ["firing rule_a", "firing rule_b", "firing rule_c", *ended]
    assert {row["state"] for row in world.rows(tables.alerts)} == {"firing", "resolved"}
    assert retention.run(world.wiring, world.wiring.clock()).finished
