"""Retention as people and PingSources run it: a real process that answers with nothing, and a command that counts."""

import json
from pathlib import Path

from sqlalchemy import select

from shared.store import tables
from shared.store.engine import open_store
from tests.support import old_rows
from tests.support.cli import Tocsin
from tests.support.functions import post_tick, running_function
from tests.support.old_rows import DAY, everything


def test_the_function_removes_what_is_old_whatever_time_its_event_says(
    sqlite_url: str, tmp_path: Path
) -> None:
    store = open_store(sqlite_url, "default")
    now = store.read(lambda tx: tx.now())
    old_rows.fill(store, 1, now)
    before = everything(store)
    env = {
        "TOCSIN_DATABASE_URL": store.url,
        "TOCSIN_STATE_DIR": str(tmp_path),
        "TOCSIN_KEEP_AUDIT_DAYS": "0",
    }
    with running_function("retention", env) as process:
        answers = [post_tick(process.url, now + years * 365 * DAY, 86_400) for years in (0, 100)]
        logs = process.logs

    after = everything(store)
    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 2
    assert after["audit"] == before["audit"]
    assert 0 < len(after["outbox"]) < len(before["outbox"])
    first, second = [line for line in logs if "removed" in line]
    assert first["removed"]["outbox"] == len(before["outbox"]) - len(after["outbox"])
    assert (second["removed"], second["finished"]) == ({}, True)
    store.close()


def test_a_database_that_is_away_is_asked_again(tmp_path: Path) -> None:
    env = {
        "TOCSIN_DATABASE_URL": "mysql+pymysql://u:secret@127.0.0.1:1/tocsin",
        "TOCSIN_STATE_DIR": str(tmp_path),
    }
    with running_function("retention", env) as process:
        answer, printed = post_tick(process.url, 0, 86_400), process.stdout

    assert answer.status_code == 503
    assert "can't be reached" in printed
    assert "secret" not in answer.text + printed


def test_the_command_shows_what_would_go_and_then_removes_it(tocsin: Tocsin, tmp_path: Path) -> None:
    store = open_store("sqlite:///tocsin.db", "default", tmp_path)
    now = store.read(lambda tx: tx.now())
    ticks = [{"shard": "0/1", "slot": now - age * DAY, "stages_ms": "{}"} for age in (1, 20, 30)]
    store.write(lambda tx: tx.insert(tables.ticks, ticks))

    counted, removed, again = tocsin("retain", "--dry-run"), tocsin("retain"), tocsin("retain")

    assert counted.out.split() == ["Table", "Would", "go", "─" * 16, "ticks", "2"]
    assert removed.out.split() == ["Table", "Removed", "─" * 15, "ticks", "2"]
    assert again.out == "Nothing was kept long enough to go.\n"
    assert json.loads(tocsin("retain", "--json").out)["finished"] is True
    assert store.read(lambda tx: tx.conn.execute(select(tables.ticks.c.slot)).scalars().all()) == [now - DAY]
    store.close()
