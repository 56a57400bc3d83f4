"""What was kept long enough goes; what is open, owed, referred to, young or somebody else's stays."""

import random
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from shared import manage, retention
from shared.errors import ClocksDiffer, Unfinished
from shared.settings import KEPT, Settings
from shared.store import retention as verbs
from shared.store import sweeps, tables
from shared.store.engine import Store
from shared.wiring import Wiring
from tests.support import old_rows
from tests.support.old_rows import DAY, everything

AGED = {
    "ticks": ("ticks", "slot"),
    "query_groups": ("ticks", "slot"),
    "transitions": ("steps", "slot"),
    "outbox": ("notifications", "created_at"),
    "dead_letters": ("dead_letters", "last_at"),
    "alerts": ("alerts", "resolved_at"),
    "rules": ("rules", "deleted_at"),
    "monitors": ("rules", "deleted_at"),
    "audit": ("audit", "at"),
}
"""By table what says how long it is kept, and since when; None: it is not over."""


@pytest.fixture
def ports(database_url: str, tmp_path: Path) -> Iterator[Wiring]:
    """A process on an empty database."""
    made = Wiring(Settings.model_validate({"database_url": database_url, "state_dir": tmp_path}), {})
    yield made
    made.close()


@pytest.fixture
def store(ports: Wiring) -> Store:
    return ports.store


@pytest.fixture
def now(store: Store) -> int:
    return store.read(lambda tx: tx.now())


def ids(rows: old_rows.Rows, table: str) -> set[str]:
    name = "event_id" if table == "dead_letters" else "id"
    return {row[name] for row in rows[table]}


def keeping(ports: Wiring, tmp_path: Path, days: Mapping[str, int]) -> Wiring:
    """The same process, which keeps things for so many days."""
    settings = ports.settings.model_dump() | {f"keep_{what}_days": count for what, count in days.items()}
    return Wiring(Settings.model_validate(settings), {})


def random_days(seed: int) -> dict[str, int]:
    """The defaults, and then any: what refers to something may be kept longer than that, or shorter."""
    rng = random.Random(seed)
    chosen = {what: rng.choice([5, 30, 90, 365, 600]) for what in KEPT}
    return chosen if seed else {what: Settings.model_fields[f"keep_{what}_days"].default for what in KEPT}


@pytest.mark.parametrize("seed", range(4))
def test_nothing_goes_that_is_young_open_owed_or_referred_to(
    ports: Wiring, store: Store, now: int, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 2:  # so that many batches are needed, and some of them have nothing that may go
        monkeypatch.setattr(sweeps, "BATCH", 7)
        monkeypatch.setattr(verbs, "NOTIFICATIONS", 3)
    old_rows.fill(store, seed, now)
    old_rows.fill(store.for_tenant("other"), seed, now)
    before, others, days = everything(store), everything(store.for_tenant("other")), random_days(seed)
    assert old_rows.dangling(before) == []

    with closing(keeping(ports, tmp_path, days)) as process:
        report = retention.run(process, now)

    after = everything(store)
    assert report.finished
    assert everything(store.for_tenant("other")) == others
    assert report.rows == {table: len(before[table]) - len(after[table]) for table in report.rows}
    assert old_rows.dangling(after) == []
    needed = old_rows.needed(before, now - days["notifications"] * DAY)
    for table, kept in needed.items():
        assert kept <= ids(after, table), table
    for table, (what, age) in AGED.items():
        young = [row for row in before[table] if (row[age] or now) >= now - days[what] * DAY]
        assert [row for row in young if row not in after[table]] == [], table
    assert [row for row in before["states"] if row["active"] and row not in after["states"]] == []
    in_force = [row for row in before["silences"] if row["ends_at"] > now and row["ended_at"] is None]
    assert [row for row in in_force if row not in after["silences"]] == []
    firing = {row["id"] for row in before["alerts"] if row["resolved_at"] is None}
    steps = [row for row in before["transitions"] if row["alert_id"] in firing]
    assert [row for row in steps if row not in after["transitions"]] == []


@pytest.mark.parametrize("seed", range(2))
def test_everything_old_goes_that_nothing_needs(
    ports: Wiring, store: Store, now: int, seed: int, tmp_path: Path
) -> None:
    old_rows.fill(store, seed, now)
    before, days = everything(store), random_days(seed)

    with closing(keeping(ports, tmp_path, days)) as process:
        retention.run(process, now)
        assert report_rows(process, now) == {}, "a second run finds nothing"

    after = everything(store)
    cutoff = {what: now - count * DAY for what, count in days.items()}
    needed = old_rows.needed(before, cutoff["notifications"])
    old = {row["id"] for row in before["outbox"] if row["created_at"] < cutoff["notifications"]}
    assert ids(after, "outbox") & old == needed["outbox"] & old
    linked = {row["alert_id"] for row in (*after["notification_alerts"], *after["transitions"])}
    over = {row["id"] for row in before["alerts"] if (row["resolved_at"] or now) < cutoff["alerts"]}
    assert ids(after, "alerts") & over == (needed["alerts"] | linked) & over
    used = {row["rule_id"] for table in ("alerts", "outbox", "transitions", "states") for row in after[table]}
    gone = {row["id"] for row in before["rules"] if (row["deleted_at"] or now) < cutoff["rules"]}
    assert ids(after, "rules") & gone == used & gone
    for table in ("ticks", "query_groups"):
        assert [row for row in after[table] if row["slot"] < cutoff["ticks"]] == []


def report_rows(ports: Wiring, now: int, **how: Any) -> dict[str, int]:
    return {table: count for table, count in retention.run(ports, now, **how).rows.items() if count}


def test_a_dry_run_counts_and_removes_nothing(ports: Wiring, store: Store, now: int) -> None:
    old_rows.fill(store, 1, now)
    before = everything(store)

    counted = report_rows(ports, now, dry_run=True)

    assert everything(store) == before
    removed = report_rows(ports, now)
    exact = ("ticks", "outbox", "deliveries", "notification_alerts")
    assert [removed.get(name) for name in exact] == [counted.get(name) for name in exact]
    assert removed["outbox"] > 0
    # What referred to the others went before them; a dry run leaves it where it is.
    assert all(removed[name] >= count for name, count in counted.items())


def test_what_is_kept_for_0_days_is_kept_for_ever(
    database_url: str, tmp_path: Path, now: int, store: Store
) -> None:
    old_rows.fill(store, 1, now)
    forever = {f"keep_{what}_days": 0 for what in KEPT}
    ports = Wiring(
        Settings.model_validate({"database_url": database_url, "state_dir": tmp_path, **forever}), {}
    )

    assert report_rows(ports, now) == {}
    ports.close()


def test_what_was_told_of_a_firing_alert_stays_until_its_end_was_told(
    ports: Wiring, store: Store, now: int
) -> None:
    old_rows.fill(store, 2, now)
    alert = next(row for row in everything(store)["alerts"] if row["resolved_at"] is None)
    link = {"notification_id": "n_old", "alert_id": alert["id"]}
    body = {"rule_id": alert["rule_id"], "attributes": "{}", "body": b"{}", "created_at": now - 500 * DAY}
    store.write(lambda tx: tx.insert(tables.outbox, [{"id": "n_old", "seq": 500, **body}]))
    store.write(lambda tx: tx.insert(tables.notification_alerts, [link]))

    def there() -> bool:
        retention.run(ports, now)
        return "n_old" in ids(everything(store), "outbox")

    def change(table: Any, **values: Any) -> None:
        mine = table.c.id == alert["id"] if table is tables.alerts else table.c.rule_id == alert["rule_id"]
        store.write(lambda tx: tx.conn.execute(update(table).where(mine).values(**values)))

    change(tables.states, active=False)
    assert there(), "it fires"
    change(tables.alerts, resolved_at=now - DAY, state="resolved", open_key=alert["id"])
    assert there(), "it ended a day ago"
    change(tables.alerts, resolved_at=now - 100 * DAY, state="resolved", open_key=alert["id"])
    change(tables.states, active=True, announced_alert=alert["id"])
    assert there(), "its end is still held back"
    change(tables.states, active=False)
    told = {"rule_id": alert["rule_id"], "seq": 501, "channel": "ops", "id": "d_end", "next_at": now}
    store.write(lambda tx: tx.insert(tables.deliveries, [{**told, "notification_id": "n_end"}]))
    store.write(lambda tx: tx.insert(tables.notification_alerts, [{**link, "notification_id": "n_end"}]))
    store.write(lambda tx: tx.insert(tables.outbox, [{**body, "id": "n_end", "seq": 501, "created_at": now}]))
    assert there(), "its end waits to be sent"
    change(tables.deliveries, next_at=None)
    assert not there()


def test_thousands_of_rows_go_in_batches_and_time_that_is_over_ends_between_two(
    ports: Wiring, store: Store, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [
        {
            "rule_id": f"rule_{n % 7}",
            "series_id": f"s{n}",
            "slot": now - 100 * DAY + n // 3000,
            "change": "fired",
        }
        for n in range(12_000)
    ]
    store.write(lambda tx: tx.insert(tables.transitions, [{**step, "alert_id": ""} for step in steps]))

    with pytest.raises(Unfinished, match="0 rows were removed in time; the rest goes with the next run"):
        retention.run_in_time(ports, now, seconds=0)
    moments = iter([0.0, 0.0, 0.0, 1.0, 2.0, 9.0])
    monkeypatch.setattr(retention, "perf_counter", lambda: next(moments))
    report = retention.run(ports, now, seconds=5)

    assert (report.finished, report.rows["transitions"]) == (False, 10_000)
    monkeypatch.undo()
    assert report_rows(ports, now) == {"transitions": 2_000}


def test_a_wrong_clock_removes_nothing(ports: Wiring, store: Store, now: int) -> None:
    old_rows.fill(store, 1, now)
    before = everything(store)

    with pytest.raises(ClocksDiffer, match=r"differ by 3153[56]\d{4} s; nothing was removed"):
        retention.run(ports, now + 3650 * DAY)

    assert everything(store) == before


def test_every_table_is_swept_unless_something_else_bounds_it(ports: Wiring, now: int) -> None:
    swept = set(retention.run(ports, now).rows)
    one_row_each_of = {"revisions": "tenant", "channel_state": "channel", "tick_lease": "shard"}

    assert {table.name for table in tables.metadata.sorted_tables} - swept == set(one_row_each_of)


def test_a_rule_that_was_made_with_a_key_is_remembered_as_long_as_it_is_there(
    ports: Wiring, store: Store, now: int
) -> None:
    made = {"at": now - 900 * DAY, "action": "rule.create"}
    rule = {"condition": "{}", "labels": "{}"}
    store.write(lambda tx: tx.insert(tables.rules, [{"id": "rule_here", **rule}]))
    changes = [{"id": f"audit_{name}", "object": name, **made} for name in ("rule_here", "rule_gone")]
    store.write(lambda tx: tx.insert(tables.audit, changes))

    retention.run(ports, now)

    assert store.read(lambda tx: tx.conn.execute(select(tables.audit.c.object)).scalars().all()) == [
        "rule_here"
    ]


def test_the_demo_does_not_come_back_when_its_deleted_rules_are_gone(
    ports: Wiring, store: Store, now: int
) -> None:
    seeded = manage.seed_demo(ports, actor="ann", now=now)
    long_ago = {"deleted_at": now - 200 * DAY}
    store.write(lambda tx: tx.conn.execute(update(tables.rules).values(long_ago)))
    store.write(lambda tx: tx.conn.execute(update(tables.monitors).values(long_ago)))

    gone = report_rows(ports, now)

    assert (gone["rules"], gone["monitors"]) == (len(seeded.rules), len(seeded.monitors))
    assert manage.seed_demo(ports, if_empty=True, actor="ann", now=now) == manage.Seeded()
