"""A wiring as the command line makes it: real adapters on files in one folder, with two channels and some points."""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from shared import manage
from shared.settings import Settings
from shared.store import audit, revisions
from shared.store.audit import AuditRow
from shared.wiring import Wiring
from tests.support.databases import sqlite

NOW = 1_700_000_000_000
ABOVE = {"type": "threshold", "field": "price", "operator": ">", "value": 60_000}

CHANNELS = """
channels:
  - {name: ops, kind: slack, default: true}
  - {name: team, kind: slack}
"""


def wiring(folder: Path, channels: str | None = CHANNELS) -> Wiring:
    """Everything in `folder`; without `channels` none are configured."""
    file = None
    if not (folder / "tocsin.db").exists():
        sqlite(folder / "tocsin.db")
    if channels is not None:
        file = folder / "channels.yaml"
        file.write_text(channels, encoding="utf-8")
    return Wiring(Settings(state_dir=folder, channels_file=file, redis_url=SecretStr("")), {})


def add_monitor(wiring: Wiring, name: str = "Bitcoin", **given: Any) -> manage.AddedMonitor:
    plain = {"measurement": "coin", "fields": {"price": "float", "volume": "float"}, "monitor_id": "mon_btc"}
    return manage.add_monitor(wiring, name=name, **{**plain, **given}, actor="test", now=NOW)


def add_rule(wiring: Wiring, **given: Any) -> manage.RuleWritten:
    plain = {"title": "Bitcoin high", "monitor": "Bitcoin", "condition": ABOVE, "id": "rule_btc"}
    return manage.create_rule(wiring, manage.draft_rule({**plain, **given}), actor="test", now=NOW)


def change(wiring: Wiring, version: int | None = None, **given: Any) -> manage.RuleWritten:
    changes = manage.changes_of_rule(given)
    return manage.update_rule(wiring, "rule_btc", changes, version=version, actor="test", now=NOW + 1)


def written(wiring: Wiring) -> tuple[AuditRow, ...]:
    return wiring.store.read(lambda tx: audit.page(tx)).items


def revision(wiring: Wiring) -> int:
    return wiring.store.read(revisions.current)
