"""The use cases of people: what they check, what they write, what they say. On a real SQLite file and channels file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared import manage
from shared.errors import Conflict, InvalidInput, NotFound
from shared.model import Selector, Severity
from shared.store import audit, revisions
from shared.store.audit import AuditRow
from shared.wiring import Wiring
from tests.support.manage import wiring as made
from tests.support.rows import add_alert

NOW = 1_700_000_000_000
ABOVE = {"type": "threshold", "field": "price", "operator": ">", "value": 60_000}


@pytest.fixture
def wiring(tmp_path: Path) -> Iterator[Wiring]:
    one = made(tmp_path)
    yield one
    one.close()


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


# ------------------------------------------------------------------ monitors


def test_a_monitor_is_stored_with_who_made_it(wiring: Wiring) -> None:
    added = add_monitor(wiring, where={"coin": ["btc", "eth"]}, key=["coin"])

    assert added.warnings == ()
    assert manage.get_monitor(wiring, "bitcoin") == (added.monitor, [])
    row = written(wiring)[0]
    assert (row.actor, row.action, row.object, row.at, row.before) == (
        "test",
        "monitor.create",
        "mon_btc",
        NOW,
        None,
    )
    assert json.loads(row.after or "")["where"] == {"coin": ["btc", "eth"]}


def test_two_monitors_never_have_one_name(wiring: Wiring) -> None:
    add_monitor(wiring)
    with pytest.raises(InvalidInput, match="another monitor has this name"):
        add_monitor(wiring, " Bitcoin ", monitor_id="mon_other")

    assert [monitor.id for monitor in manage.list_monitors(wiring).items] == ["mon_btc"]
    assert len(written(wiring)) == 1


def test_the_fields_of_a_monitor_are_looked_up_when_they_are_not_given(wiring: Wiring) -> None:
    wiring.metrics().write(b"coin,symbol=btc price=1.5,open=true 1700000000", precision="s")

    added = add_monitor(wiring, fields=None, key=["symbol"])
    assert added.monitor.fields.keys() == {"price", "open"}
    assert added.warnings == ()


def test_a_monitor_without_points_yet_or_with_an_unknown_tag_is_stored_with_a_warning(wiring: Wiring) -> None:
    assert "no points yet" in add_monitor(wiring, fields=None).warnings[0]
    wiring.metrics().write(b"coin,symbol=btc price=1.5 1700000000", precision="s")
    tagged = add_monitor(wiring, "other", fields=None, monitor_id=None, key=["simbol"])

    assert "has no tag 'simbol'; its tags are symbol" in tagged.warnings[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " "},
        {"name": "x" * 201},
        {"name": "a\nb"},
        {"measurement": ""},
        {"key": ["a", "a"]},
        {"key": [""]},
        {"where": {"": "x"}},
        {"where": {"coin": []}},
        {"kind": "k" * 65},
        {"database": "d" * 201},
        {"source": "other"},
        {"labels": {"a": "b" * 201}},
        {"monitor_id": "btc"},
        {"fields": {"price": 5}},
    ],
)
def test_a_monitor_that_can_not_be_is_refused_and_nothing_is_written(
    wiring: Wiring, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput):
        add_monitor(wiring, **wrong)

    assert (written(wiring), revision(wiring)) == ((), 0)


def test_a_monitor_that_a_rule_needs_stays(wiring: Wiring) -> None:
    add_monitor(wiring)
    add_rule(wiring)
    with pytest.raises(InvalidInput, match=r"rules need it: 'Bitcoin high'"):
        manage.delete_monitor(wiring, "Bitcoin", actor="test", now=NOW)
    manage.delete_rule(wiring, "rule_btc", actor="test", now=NOW)
    manage.delete_monitor(wiring, "Bitcoin", actor="test", now=NOW)

    assert manage.list_monitors(wiring).items == ()
    assert [row.action for row in written(wiring)].count("monitor.delete") == 1


def test_what_the_metric_store_holds_is_suggested_with_what_reads_it_already(wiring: Wiring) -> None:
    wiring.metrics().write(
        b"coin,symbol=btc price=1.5 1700000000\ncpu,host=a usage_active=5 1700000000", precision="s"
    )
    add_monitor(wiring)

    found = {one.proposal.measurement: one for one in manage.discover_monitors(wiring)}
    assert found["coin"].covered_by == ("Bitcoin",)
    assert found["cpu"].covered_by == ()
    assert found["cpu"].proposal.key == ("host",)


# ------------------------------------------------------------------ rules


def test_a_rule_is_stored_as_described(wiring: Wiring) -> None:
    add_monitor(wiring)
    made = add_rule(wiring, severity="medium", channels=["team", "team"], labels={"a": "b"})

    assert made.warnings == ()
    assert (made.rule.monitor_id, made.rule.severity, made.rule.channels) == (
        "mon_btc",
        Severity.WARNING,
        ("team",),
    )
    assert made.rule.condition == ABOVE
    detail = manage.get_rule(wiring, "bitcoin HIGH")
    assert (detail.rule, detail.told, detail.condition_text) == (
        made.rule,
        ("team",),
        "price > 60000 (latest, 5 min)",
    )
    assert {row.action for row in written(wiring)} == {"monitor.create", "rule.create"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"condition": {**ABOVE, "type": "treshold"}}, "Did you mean 'threshold'"),
        ({"condition": {**ABOVE, "feild": "x"}}, "valid keys are"),
        ({"condition": {}}, "condition.type"),
        ({"severity": "hi"}, "valid are critical"),
        ({"channels": ["opps"]}, "Did you mean 'ops'"),
        ({"title": ""}, "one line"),
        ({"title": "x" * 201}, "title"),
        ({"cooldown_seconds": -1}, "cooldown_seconds"),
        ({"cooldown_seconds": 700_000}, "cooldown_seconds"),
        ({"runbook_url": "javascript:alert(1)"}, "https://"),
        ({"id": "btc"}, "rule_"),
        ({"monitor": None}, "either a monitor"),
        ({"selector": {"kind": "host"}}, "either a monitor"),
        ({"labels": {"": "x"}}, "labels"),
    ],
)
def test_a_rule_that_can_not_be_is_refused_and_nothing_is_written(
    wiring: Wiring, wrong: dict[str, Any], words: str
) -> None:
    add_monitor(wiring)
    with pytest.raises(InvalidInput, match=words):
        add_rule(wiring, **wrong)

    assert (len(written(wiring)), revision(wiring)) == (1, 1)


def test_a_rule_on_a_monitor_that_is_not_there_names_the_closest(wiring: Wiring) -> None:
    add_monitor(wiring)
    with pytest.raises(NotFound, match="did you mean 'Bitcoin'"):
        add_rule(wiring, monitor="Bitcon")

    assert revision(wiring) == 1


def test_what_may_not_be_meant_is_stored_with_a_warning(wiring: Wiring) -> None:
    add_monitor(wiring)
    field = add_rule(wiring, condition={**ABOVE, "field": "prize"})
    assert "field 'prize'; it has price, volume. Did you mean 'price'?" in field.warnings[0]
    twin = add_rule(wiring, id=None, channels=[])
    assert twin.warnings == (
        "it has no channels, so nobody will be told",
        "another rule is called 'Bitcoin high' too",
    )
    nothing = add_rule(wiring, id=None, title="t", monitor=None, selector={"kind": "host"})
    assert nothing.warnings == ("no monitor matches the selector yet",)


def test_without_a_default_channel_a_rule_says_that_nobody_will_be_told(tmp_path: Path) -> None:
    wiring = made(tmp_path, None)
    add_monitor(wiring)

    assert add_rule(wiring).warnings == ("there is no default channel, so nobody will be told",)
    wiring.close()


def test_a_change_touches_only_what_is_given(wiring: Wiring) -> None:
    add_monitor(wiring)
    before = add_rule(wiring, channels=["team"], severity="high").rule
    after = change(wiring, title="Bitcoin very high", cooldown_seconds=60).rule

    expected = {"title": "Bitcoin very high", "cooldown_seconds": 60, "version": 2, "updated_at": NOW + 1}
    assert after == before.model_copy(update=expected)
    row = written(wiring)[0]
    assert (row.action, json.loads(row.before or "")["title"]) == ("rule.update", "Bitcoin high")
    assert change(wiring, channels=None).rule.channels is None


def test_a_rule_moves_between_monitors_and_selectors(wiring: Wiring) -> None:
    add_monitor(wiring)
    add_monitor(wiring, "Ether", monitor_id="mon_eth", kind="coin")
    add_rule(wiring)

    moved = change(wiring, selector={"kind": "coin"})
    assert (moved.rule.monitor_id, moved.rule.selector, moved.warnings) == (None, Selector(kind="coin"), ())
    assert change(wiring, title="Other").rule.selector == Selector(kind="coin")
    back = change(wiring, monitor="Ether").rule
    assert (back.monitor_id, back.selector) == ("mon_eth", None)
    with pytest.raises(InvalidInput, match="either"):
        change(wiring, monitor="Ether", selector={"kind": "coin"})


def test_a_selector_can_not_be_taken_away_without_a_monitor(wiring: Wiring) -> None:
    add_rule(wiring, monitor=None, selector={"kind": "coin"})
    with pytest.raises(InvalidInput, match="either a monitor"):
        change(wiring, selector=None)


def test_a_change_from_an_old_version_is_refused(wiring: Wiring) -> None:
    add_monitor(wiring)
    add_rule(wiring)
    change(wiring, version=1, title="Mine")
    with pytest.raises(Conflict, match="version 2, not 1"):
        change(wiring, version=1, title="Theirs")

    assert manage.get_rule(wiring, "rule_btc").rule.title == "Mine"


@pytest.mark.parametrize(
    "wrong", [{"condition": {"type": "x"}}, {"channels": ["nope"]}, {"severity": "x"}, {"title": ""}]
)
def test_a_wrong_change_leaves_the_rule_as_it_was(wiring: Wiring, wrong: dict[str, Any]) -> None:
    add_monitor(wiring)
    before = add_rule(wiring).rule
    with pytest.raises(InvalidInput):
        change(wiring, **wrong)

    assert manage.get_rule(wiring, "rule_btc").rule == before


def test_enabling_twice_changes_nothing(wiring: Wiring) -> None:
    add_monitor(wiring)
    add_rule(wiring)
    off = manage.set_enabled(wiring, "rule_btc", False, actor="test", now=NOW)
    again = manage.set_enabled(wiring, "rule_btc", False, actor="test", now=NOW + 9)

    assert (off.enabled, off.version, again) == (False, 2, off)
    assert [row.action for row in written(wiring)].count("rule.disable") == 1


def test_rules_are_listed_with_their_monitor_and_how_they_do(wiring: Wiring) -> None:
    add_monitor(wiring)
    add_rule(wiring)
    add_rule(wiring, id="rule_off", title="Off", enabled=False)
    add_alert(wiring.store, "alert_a")

    items = {item.rule.id: item for item in manage.list_rules(wiring).items}
    assert (items["rule_btc"].monitor_name, items["rule_btc"].standing.firing) == ("Bitcoin", 1)
    assert [item.rule.id for item in manage.list_rules(wiring, enabled=False).items] == ["rule_off"]
    assert manage.list_rules(wiring, monitor="Bitcoin", severity="low").items == ()


# ------------------------------------------------------------------ alerts, channels, demo


def test_an_alert_is_acknowledged_and_taken_back(wiring: Wiring) -> None:
    add_alert(wiring.store, "alert_abc")
    until = NOW + 60_000
    acked = manage.acknowledge(
        wiring, "alert_a", by="Ann", note="on it", until=until, actor="cli:ann", now=NOW
    )

    assert (acked.acked_by, acked.ack_note, acked.acked_until) == ("Ann", "on it", until)
    assert [alert.id for alert in manage.list_alerts(wiring, acknowledged=True, state="firing").items] == [
        "alert_abc"
    ]
    back = manage.withdraw_acknowledgement(wiring, "alert_abc", actor="cli:ann", now=NOW)
    assert back.acked_at is None
    with pytest.raises(InvalidInput, match="not acknowledged"):
        manage.withdraw_acknowledgement(wiring, "alert_abc", actor="cli:ann", now=NOW)
    assert len(written(wiring)) == 2


def test_an_acknowledgement_that_can_not_be_is_refused(wiring: Wiring) -> None:
    add_alert(wiring.store, "alert_open")
    add_alert(wiring.store, "alert_done", phase="ok")

    with pytest.raises(InvalidInput, match="in the future"):
        manage.acknowledge(wiring, "alert_open", by="Ann", until=NOW, actor="a", now=NOW)
    with pytest.raises(Conflict, match="not open any more"):
        manage.acknowledge(wiring, "alert_done", by="Ann", actor="a", now=NOW)
    with pytest.raises(NotFound):
        manage.acknowledge(wiring, "alert_none", by="Ann", actor="a", now=NOW)
    assert written(wiring) == ()


def test_a_state_that_alerts_do_not_have_gets_a_hint(wiring: Wiring) -> None:
    with pytest.raises(InvalidInput, match="Did you mean 'firing'"):
        manage.list_alerts(wiring, state="fireing")


def test_channels_are_listed_with_their_health(wiring: Wiring) -> None:
    assert [(one.channel.name, one.channel.default, one.health) for one in manage.list_channels(wiring)] == [
        ("ops", True, "ok"),
        ("team", False, "ok"),
    ]


def test_the_demo_fills_an_empty_database_once(wiring: Wiring) -> None:
    seeded = manage.seed_demo(wiring, if_empty=True, actor="demo", now=NOW)
    assert {rule.id for rule in seeded.rules} >= {"rule_demo_site_down", "rule_cpu_busy"}
    assert len(written(wiring)) == len(seeded.monitors) + len(seeded.rules)

    assert manage.seed_demo(wiring, if_empty=True, actor="demo", now=NOW) == manage.Seeded()
    with pytest.raises(Conflict, match="not empty"):
        manage.seed_demo(wiring, actor="demo", now=NOW)


def test_a_demo_that_was_deleted_does_not_come_back(wiring: Wiring) -> None:
    for rule in manage.seed_demo(wiring, actor="demo", now=NOW).rules:
        manage.delete_rule(wiring, rule.id, actor="test", now=NOW)

    assert manage.seed_demo(wiring, if_empty=True, actor="demo", now=NOW) == manage.Seeded()
    assert manage.list_rules(wiring).items == ()
