"""The command line as people meet it: on an empty folder, with wrong input, in a narrow terminal, in a pipe."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared import cli
from shared.settings import settings
from tests.support.manage import CHANNELS, wiring
from tests.support.rows import add_alert

PROGRAM = [sys.executable, "-c", "from shared.cli import main; main()"]


@dataclass(frozen=True)
class Ran:
    """What one command came to."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Tocsin = Callable[..., Ran]


@pytest.fixture
def tocsin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tocsin:
    """`tocsin …` in this process, 80 columns wide, with its state in a new folder."""
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

    return run


@pytest.fixture(autouse=True)
def same_zone_and_settings_afterwards(monkeypatch: pytest.MonkeyPatch) -> Any:
    yield
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


def test_a_first_rule_takes_two_commands(tocsin: Tocsin) -> None:
    added = tocsin(
        "monitors", "add", "Bitcoin", "-m", "coin", "--where", "symbol=btc", "--where", "symbol=eth"
    )
    assert re.fullmatch(r"Added monitor mon_[0-9a-f]{10}: Bitcoin\n", added.out)
    assert "no points yet" in added.err

    condition = '{"type":"threshold","field":"price","operator":">","value":60000}'
    made = tocsin(
        *[
            "rules",
            "add",
            "Bitcoin high",
            "--monitor",
            "Bitcoin",
            "--condition",
            condition,
            "--severity",
            "high",
        ],
        *["--cooldown", "5m", "--channel", "ops", "--label", "team=core", "--json"],
    )

    rule = made.json()
    assert (made.status, made.err) == (0, "")
    assert (rule["severity"], rule["cooldown_seconds"], rule["channels"]) == ("high", 300, ["ops"])
    assert rule["condition"] == json.loads(condition)
    assert tocsin("monitors", "list", "--json").json()["items"][0]["where"] == {"symbol": ["btc", "eth"]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rules", "show", "nope"], "rule 'nope' not found; there are 'Bitcoin high'"),
        (["rules", "show", "Bitcoin hihg"], "did you mean 'Bitcoin high'?"),
        (["rules", "add", "x", "--monitor", "Bitcoin", "--when", "price"], "such as 'price > 60000'"),
        (["rules", "add", "x", "--monitor", "Bitcoin"], "a rule needs --when"),
        (["rules", "add", "x", "--monitor", "Bitcoin", "--condition", "{"], "expected JSON"),
        (["rules", "add", "x", "--monitor", "Bitcoin", "--condition", "[]"], "a JSON object"),
        (["rules", "add", "x", "--monitor", "Bitcoin", "--condition", "{}", "--when", "a > 1"], "not both"),
        (
            ["rules", "add", "x", "--monitor", "Bitcoin", "--when", "a > 1", "--channel", "opps"],
            "Did you mean 'ops'",
        ),
        (
            ["rules", "add", "x", "--monitor", "Bitcoin", "--when", "a > 1", "--cooldown", "soon"],
            "--cooldown",
        ),
        (["rules", "add", "x", "--monitor", "Bitcoin", "--when", "a > 1", "--label", "team"], "KEY=VALUE"),
        (["rules", "add", "x", "--when", "a > 1"], "either a monitor"),
        (["rules", "edit", "Bitcoin high"], "give at least one of title"),
        (["rules", "list", "--cursor", "x"], "the page before"),
        (["alerts", "show", "alert_x"], "list the alerts"),
        (["alerts", "list", "--since", "long ago"], "a duration like 90s"),
        (["alerts", "list", "--state", "open"], "valid are firing, resolved"),
        (["monitors", "delete", "Bitcoin"], "rules need it: 'Bitcoin high'"),
        (["demo"], "the database is not empty"),
        (["tick", "--interval", "0"], "at least one second"),
    ],
)
def test_wrong_input_is_one_sentence_on_stderr_and_status_2(
    filled: Tocsin, arguments: list[str], words: str
) -> None:
    ran = filled(*arguments)

    assert (ran.status, ran.out) == (2, "")
    assert words in ran.err
    assert ran.err.startswith("Error: ")
    assert ran.err.count("\n") == 1
    assert "Traceback" not in ran.err


def test_an_unknown_command_or_option_is_status_2(tocsin: Tocsin) -> None:
    assert tocsin("rules", "lst").status == 2
    assert tocsin("rules", "list", "--nope").status == 2


def test_tables_fit_into_80_columns_and_never_cut_an_id(filled: Tocsin, tmp_path: Path) -> None:
    long = "A rule whose title is as long as titles of people in a hurry tend to be, and then some"
    filled(
        "rules", "add", long, "--monitor", "Bitcoin", "--when", "a_field_with_a_long_name > 1 over 1h for 10m"
    )
    store = wiring(tmp_path).store
    add_alert(
        store,
        "alert_0123456789abcdef0123",
        key='["mon_btc",[["host","a-rather-long-host-name.example.org"]]]',
    )
    store.close()

    for command in (
        ["rules", "list"],
        ["monitors", "list"],
        ["alerts", "list"],
        ["channels", "list"],
        ["alerts", "show", "alert_0"],
    ):
        ran = filled(*command)
        assert ran.status == 0
        assert max(len(line) for line in ran.out.splitlines()) <= 80
    assert "alert_0123456789abcdef0123" in filled("alerts", "list").out
    assert "rule_btc" in filled("rules", "list").out


def test_times_are_shown_in_the_local_zone_with_its_offset(filled: Tocsin, tmp_path: Path) -> None:
    store = wiring(tmp_path).store
    add_alert(store, "alert_a")
    store.close()

    assert "2023-11-15 03:43:20 +05:30" in filled("alerts", "show", "alert_a").out


def test_text_from_outside_can_not_steer_the_terminal(filled: Tocsin, tmp_path: Path) -> None:
    store = wiring(tmp_path).store
    add_alert(
        store, "alert_a", title="[bold]x[/bold] \x1b[2J", key='["mon_btc",[["host","\\u001b]0;evil\\u0007"]]]'
    )
    store.close()

    for command in (["alerts", "list"], ["alerts", "show", "alert_a"]):
        out = filled(*command).out
        assert "\x1b" not in out
        assert "\x07" not in out
        assert "[bold]" in out


def test_rules_are_disabled_enabled_edited_and_deleted(filled: Tocsin) -> None:
    assert filled("rules", "disable", "Bitcoin high").out == "Disabled rule rule_btc: Bitcoin high\n"
    assert "disabled" in filled("rules", "list").out
    assert filled("rules", "enable", "rule_btc").status == 0
    filled("rules", "edit", "rule_btc", "--title", "Bitcoin", "--cooldown", "0", "--channel", "team")
    rule = filled("rules", "show", "rule_btc", "--json").json()["rule"]
    assert (rule["title"], rule["cooldown_seconds"], rule["channels"]) == ("Bitcoin", 0, ["team"])
    filled("rules", "edit", "rule_btc", "--default-channels", "--match", "kind=coin", "--match", "team=core")
    rule = filled("rules", "show", "rule_btc", "--json").json()["rule"]
    assert rule["selector"] == {"kind": "coin", "labels": {"team": "core"}}
    assert (rule["monitor_id"], rule["channels"]) == (None, None)
    assert filled("rules", "delete", "rule_btc").status == 0
    assert "There are no rules" in filled("rules", "list").out


def test_an_alert_is_acknowledged_for_a_while_and_taken_back(filled: Tocsin, tmp_path: Path) -> None:
    store = wiring(tmp_path).store
    add_alert(store, "alert_abc")
    store.close()

    acked = filled("alerts", "ack", "alert_a", "--note", "on it", "--until", "2h", "--by", "Ann")
    assert re.fullmatch(r"Acknowledged alert_abc: Bitcoin high until \S+ \S+ \+05:30\n", acked.out)
    detail = filled("alerts", "show", "alert_abc", "--json").json()["alert"]
    assert (detail["acked_by"], detail["ack_note"]) == ("Ann", "on it")
    assert "acknowledged" in filled("alerts", "list", "--acked").out
    assert filled("alerts", "ack", "alert_abc", "--undo").status == 0
    assert "No alert matches" in filled("alerts", "list", "--acked").out


def test_pages_go_on_where_the_last_one_ended(filled: Tocsin) -> None:
    filled("rules", "add", "Second", "--monitor", "Bitcoin", "--when", "price < 5")
    first = filled("rules", "list", "--limit", "1")
    cursor = re.search(r"--cursor (\S+)", first.out)

    assert cursor is not None
    second = filled("rules", "list", "--limit", "1", "--cursor", cursor[1])
    assert "Second" in second.out
    assert "More:" not in second.out


def test_the_demo_is_seeded_once(tocsin: Tocsin) -> None:
    assert "Added" in tocsin("demo", "--if-empty").out
    again = tocsin("demo", "--if-empty")

    assert (again.status, again.err) == (0, "")
    assert "nothing was added" in again.out


def test_discovered_measurements_become_monitors(tocsin: Tocsin, tmp_path: Path) -> None:
    one = wiring(tmp_path)
    one.metrics().write(b"cpu,host=a,cpu=cpu-total usage_active=5 1700000000", precision="s")
    one.close()

    assert "usage_active" in tocsin("monitors", "discover").out
    assert "Added monitor" in tocsin("monitors", "discover", "--add").out
    assert tocsin("monitors", "discover", "--add").out == "There was nothing to add.\n"
    assert "cpu" in tocsin("monitors", "list").out


def test_a_dry_run_writes_nothing_and_a_tick_is_done_once(filled: Tocsin, tmp_path: Path) -> None:
    dry = filled("tick", "--dry-run", "--json")
    assert (dry.status, dry.json()["rules"]) == (0, 1)
    one = wiring(tmp_path)
    count = one.store.read(lambda tx: tx.conn.exec_driver_sql("SELECT count(*) FROM ticks").scalar_one())
    one.close()
    assert count == 0

    now = str(int(time.time()) // 3600 * 3600)
    at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(int(now)))
    assert filled("tick", "--at", at, "--interval", "1h", "--json").json()["rules"] == 1
    assert filled("tick", "--at", at, "--interval", "1h").out == "Nothing was evaluated.\n"
    assert filled("tick", "--at", at, "--interval", "1h", "--json").json() is None


def test_a_tick_that_could_not_read_says_so_in_its_status(
    filled: Tocsin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_METRICS_URL", "influxql+http://u:hunter2@127.0.0.1:1/x")

    ran = filled("tick", "--dry-run")

    assert ran.status == 2
    assert "u:***@127.0.0.1:1" in ran.out


def test_a_measurement_that_does_not_exist_is_named(tocsin: Tocsin) -> None:
    assert "no measurement 'nope'" in tocsin("monitors", "discover", "nope").out


def test_migrating_says_where_it_stands(tocsin: Tocsin) -> None:
    assert "now at revision" in tocsin("migrate").out
    assert "up to date" in tocsin("migrate").out


def test_the_channels_of_a_running_stack_are_found_without_configuration(
    tocsin: Tocsin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOCSIN_CHANNELS_FILE")
    assert "No channels" in tocsin("channels", "list").out
    folder = tmp_path / "mounts" / "evaluate" / "channels"
    folder.mkdir(parents=True)
    (folder / "channels.yaml").write_text(CHANNELS, encoding="utf-8")

    assert "ops" in tocsin("channels", "list").out


def _process(*arguments: str, cwd: Path, **variables: str) -> Ran:
    root = str(Path(cli.__file__).parents[2])
    ended = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), "PYTHONPATH": root, **variables},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return Ran(ended.returncode, ended.stdout, ended.stderr)


def test_without_any_configuration_everything_lives_in_one_folder(tmp_path: Path) -> None:
    ran = _process("demo", cwd=tmp_path)

    assert (ran.status, ran.err) == (0, "")
    assert (tmp_path / ".tocsin" / "tocsin.db").is_file()


def test_a_state_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    ran = _process("rules", "list", cwd=tmp_path, TOCSIN_STATE_DIR=str(tmp_path / "file"))

    assert (ran.status, ran.out) == (2, "")
    assert "can't be used: File exists. It is set by TOCSIN_DATABASE_URL and TOCSIN_STATE_DIR" in ran.err


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    ran = _process("rules", "list", cwd=tmp_path, TOCSIN_DATABASE_URL="postgres://u:hunter2@h/x")

    assert ran.status == 2
    assert "TOCSIN_DATABASE_URL" in ran.err
    assert "hunter2" not in ran.err


def test_mysql_that_was_never_migrated_says_what_to_do(tmp_path: Path, mariadb_url: str) -> None:
    before = _process("rules", "list", cwd=tmp_path, TOCSIN_DATABASE_URL=mariadb_url)
    assert (before.status, "run `tocsin migrate` first" in before.err) == (2, True)

    assert _process("migrate", cwd=tmp_path, TOCSIN_DATABASE_URL=mariadb_url).status == 0
    assert (
        "There are no rules" in _process("rules", "list", cwd=tmp_path, TOCSIN_DATABASE_URL=mariadb_url).out
    )


def test_serve_hands_its_options_to_the_local_stack(tmp_path: Path) -> None:
    ran = _process("serve", "--help", cwd=tmp_path)

    assert ran.status == 0
    assert "--overlay" in ran.out
