"""The command line in a new folder, empty or with a first rule."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import cli
from shared.settings import settings
from tests.support.cli import Ran, Tocsin
from tests.support.databases import sqlite
from tests.support.manage import CHANNELS


@pytest.fixture
def tocsin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Tocsin]:
    """`tocsin …` in this process, 80 columns wide, with its state in a new folder."""
    sqlite(tmp_path / "tocsin.db")
    (tmp_path / "channels.yaml").write_text(CHANNELS, encoding="utf-8")
    monkeypatch.setenv("TOCSIN_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("TOCSIN_CHANNELS_FILE", str(tmp_path / "channels.yaml"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()

    def run(*arguments: str) -> Ran:
        settings.cache_clear()
        monkeypatch.setattr(sys, "argv", ["tocsin", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return Ran(int(ended.value.code or 0), printed.out, printed.err)

    yield run
    monkeypatch.undo()
    time.tzset()
    settings.cache_clear()


@pytest.fixture
def filled(tocsin: Tocsin) -> Tocsin:
    """With one monitor and one rule."""
    assert (
        tocsin("monitors", "add", "Bitcoin", "-m", "coin", "--id", "mon_btc", "--key", "symbol").status == 0
    )
    rule = [
        "rules",
        "add",
        "Bitcoin high",
        "--monitor",
        "Bitcoin",
        "--when",
        "price > 60000",
        "--id",
        "rule_btc",
    ]
    assert tocsin(*rule).status == 0
    return tocsin
