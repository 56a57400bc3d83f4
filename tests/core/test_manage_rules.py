"""The use cases on rules: what they check, what they write, what they say. On a real SQLite file and channels file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared import manage
from shared.errors import Conflict, InvalidInput, NotFound
from shared.model import Selector, Severity
from shared.wiring import Wiring
from tests.support.manage import ABOVE, NOW, add_monitor, add_rule, change, revision, written
from tests.support.manage import wiring as made
from tests.support.rows import add_alert


@pytest.fixture
def wiring(tmp_path: Path) -> Iterator[Wiring]:
    one = made(tmp_path)
    yield one
    one.close()


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
