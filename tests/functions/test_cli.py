"""The command line as people work with it: rules, alerts, pages, ticks."""

import json
import re
import time
from pathlib import Path

import pytest

from tests.support.cli import Tocsin
from tests.support.deliveries import announce, notification
from tests.support.manage import CHANNELS, wiring
from tests.support.rows import add_alert


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


def test_migrating_says_where_it_stands(tocsin: Tocsin, tmp_path: Path) -> None:
    (tmp_path / "tocsin.db").unlink()
    assert "now at revision" in tocsin("migrate").out
    assert "up to date" in tocsin("migrate").out


def test_the_channels_of_a_running_stack_are_found_without_configuration(
    tocsin: Tocsin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOCSIN_CHANNELS_FILE")
    assert "No channels" in tocsin("channels", "list").out
    (tmp_path / "environments").mkdir()
    (tmp_path / "theirs.yaml").write_text(CHANNELS, encoding="utf-8")
    theirs = {"TOCSIN_CHANNELS_FILE": str(tmp_path / "theirs.yaml"), "TOCSIN_TENANT": "acme", "PATH": "/x"}
    (tmp_path / "environments" / "evaluate.json").write_text(json.dumps(theirs), encoding="utf-8")
    monkeypatch.setenv("TOCSIN_TENANT", "default")

    assert "ops" in tocsin("channels", "list").out


def test_a_list_of_deliveries_says_which_rule_each_was_about(filled: Tocsin, tmp_path: Path) -> None:
    store = wiring(tmp_path).store
    about = {"id": "rule_btc", "title": "Bitcoin high"}
    announce(store, notification(rule=about), [("ops", "slack", "")])
    store.close()
    filled("rules", "delete", "Bitcoin high")

    assert "Bitcoin high" in filled("deliveries", "list").out


def test_json_names_severities_of_alerts_and_rules_alike(filled: Tocsin, tmp_path: Path) -> None:
    store = wiring(tmp_path).store
    add_alert(store, "alert_abc", severity=4)
    store.close()

    (alert,) = filled("alerts", "list", "--json").json()["items"]
    rule = filled("rules", "show", "Bitcoin high", "--json").json()["rule"]

    assert (alert["severity"], rule["severity"]) == ("critical", "warning")


def test_a_rule_on_no_monitor_is_explained_in_a_sentence(filled: Tocsin) -> None:
    filled("rules", "add", "Nothing", "--match", "kind=nothing", "--when", "price > 1")

    out = filled("rules", "explain", "Nothing").out
    assert "The last slots can't be shown: no monitor matches its selector\n" in out
