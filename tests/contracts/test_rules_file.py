"""Rules in a file, on both databases: an export changes nothing, a changed one exactly what is different."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from shared import manage
from shared.manage import yaml_text
from shared.manage.rules_file import shown_time
from shared.model import Monitor, Rule
from shared.store import audit, monitors, rules, silences
from shared.store.engine import Store
from shared.wiring import Wiring
from tests.support.rows import CONDITION, NOW, add_monitor, add_rule
from tests.support.rules_file import (
    Statements,
    applied,
    document,
    everything,
    exported,
    fill,
    planned,
    said,
    silence,
)  # fmt: skip

TENANTS = itertools.count()
DAY = 86_400_000


def written(store: Store) -> list[tuple[str, str]]:
    rows = store.read(lambda tx: audit.page(tx)).items
    return sorted((row.action, row.object) for row in rows)


@pytest.fixture
def filled(wiring: Wiring, store: Store) -> Wiring:
    return fill(wiring, store)


# ------------------------------------------------------------------ there and back


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(everything())
def test_applying_an_export_changes_nothing_and_makes_the_same_elsewhere(
    wiring: Wiring, made: tuple[list[Monitor], list[Rule]]
) -> None:
    number = next(TENANTS)
    here, there = wiring.of_tenant(f"from{number}"), wiring.of_tenant(f"to{number}")
    here.store.write(lambda tx: (monitors.put(tx, made[0], NOW), rules.put(tx, made[1], NOW)))
    text = exported(here)

    again = applied(here, text)
    assert (again.changes, again.unchanged) == ((), len(made[0]) + len(made[1]))
    assert here.store.read(lambda tx: audit.page(tx)).items == ()

    # Elsewhere what is new is checked: channels must be there, and titles must be unlike.
    file = yaml_text.read(text)
    for place, rule in enumerate(file["rules"]):
        rule.pop("channels", None)
        rule["title"] = f"{place}{rule['title']}"[:200]
    applied(there, file)
    found = document(there)
    assert sorted(found["rules"], key=_id) == sorted(file["rules"], key=_id)
    assert found["monitors"] == file["monitors"]
    assert applied(there, found).changes == ()


def _id(entry: dict[str, Any]) -> str:
    return str(entry["id"])


def test_silences_come_back_as_they_are(wiring: Wiring, store: Store) -> None:
    add_monitor(store)
    add_rule(store)
    silence(wiring, rules=("rule_btc",), monitors=("mon_btc",), at_least="high", labels={"team": "a"})
    weekly = {"days": ["mon"], "start": "22:00", "end": "06:00", "zone": "Europe/Berlin"}
    silence(wiring, weekly=weekly, duration_seconds=None, starts_at=NOW + 1)
    silence(wiring, rules=("rule_btc",), at_least=None, reason="Of a rule that goes")
    manage.delete_rule(wiring, "rule_btc", actor="test", now=NOW + 1)

    file = document(wiring)

    assert applied(wiring, file).changes == ()
    assert [one.get("ends_at") for one in file["silences"]] == ["2023-11-14T23:13:20Z"] * 2 + [None]
    assert file["silences"][2]["weekly"] == weekly


# ------------------------------------------------------------------ what is written


def test_what_differs_is_written_with_its_audit_and_nothing_else(filled: Wiring, store: Store) -> None:
    file = document(filled)
    high, low = file["rules"]
    high["condition"]["value"] = 70_000
    high["title"] = "Bitcoin very high"
    low["labels"] = {"team": "coins"}
    file["monitors"].append(
        {"id": "mon_eth", "name": "Ether", "measurement": "coin", "where": {"symbol": "eth"}}
    )
    file["rules"].append({"title": "Ether high", "monitor": "Ether", "condition": CONDITION})
    file["silences"][0] |= {"reason": "Still moving", "rules": ["Bitcoin very high"]}
    file["silences"].append({"monitors": ["Ether"], "ends_at": shown_time(NOW + DAY), "reason": "New"})
    before = len(written(store))

    plan = planned(filled, file)
    assert said(plan) == [
        ("added", "monitor", "Ether"),
        ("changed", "rule", "Bitcoin high"),
        ("changed", "rule", "Bitcoin low"),
        ("added", "rule", "Ether high"),
        ("changed", "silence", "Moving"),
        ("added", "silence", "New"),
    ]
    fields = [(one.field, one.old, one.new) for one in plan.changes[1].fields]
    assert fields == [
        ("title", "Bitcoin high", "Bitcoin very high"),
        ("condition.value", 60_000, 70_000),
    ]
    assert len(written(store)) == before, "a plan writes nothing"

    assert applied(filled, file, seen=plan) == plan
    rule = store.read(lambda tx: rules.get(tx, "rule_btc"))
    assert (rule.title, rule.condition["value"], rule.version, rule.created_at) == (
        "Bitcoin very high", 70_000, 2, NOW
    )  # fmt: skip
    new = store.read(lambda tx: rules.find(tx, "Ether high"))
    assert (new.monitor_id, new.version) == ("mon_eth", 1)
    made = store.read(lambda tx: silences.not_over(tx, NOW + 5))
    assert sorted((one.reason, one.created_by) for one in made) == [("New", "Ann"), ("Still moving", "Bob")]
    last = store.read(lambda tx: audit.page(tx, about="rule_btc")).items[0]
    assert (last.action, last.actor) == ("rule.apply", "cli:ann")
    assert '"value":60000' in (last.before or "")
    assert '"value":70000' in (last.after or "")
    assert len(written(store)) == before + 6
    assert planned(filled, file).changes == ()


def test_without_ids_things_are_known_by_name_so_that_repeating_it_adds_nothing(filled: Wiring) -> None:
    file = document(filled)
    for entry in (*file["monitors"], *file["rules"], *file["silences"]):
        del entry["id"]
    del file["silences"][0]["starts_at"]
    file["rules"][0]["severity"] = "info"

    assert said(planned(filled, file)) == [("changed", "rule", "Bitcoin high")]
    applied(filled, file)
    assert applied(filled, file, now=NOW + 60_000).changes == ()


def test_only_with_prune_is_removed_what_the_file_does_not_name(filled: Wiring, store: Store) -> None:
    file = {"schema": 1, "monitors": document(filled)["monitors"]}

    assert applied(filled, file).changes == ()
    assert said(planned(filled, file, prune=True)) == [
        ("removed", "rule", "Bitcoin high"),
        ("removed", "rule", "Bitcoin low"),
        ("removed", "silence", "Moving"),
    ]
    applied(filled, file, prune=True)
    assert document(filled)["rules"] == document(filled)["silences"] == []
    assert [row for row in written(store) if row[0].startswith("rule.")] == [
        ("rule.remove_by_apply", "rule_btc"),
        ("rule.remove_by_apply", "rule_low"),
    ]
    assert said(applied(filled, {"schema": 1}, prune=True)) == [("removed", "monitor", "Bitcoin")]
    # What was removed can be brought back.
    manage.add_monitor(filled, name="Bitcoin", measurement="coin", actor="test", now=NOW)


def test_a_monitor_that_a_rule_of_the_file_needs_is_not_removed(filled: Wiring) -> None:
    file = document(filled)
    file["monitors"] = []

    plan = planned(filled, file, prune=True)

    assert [problem.field for problem in plan.problems] == ["rules[0].monitor", "rules[1].monitor"]
    assert "not in the file, and what is not in it is removed" in str(plan.problems[0])


# ------------------------------------------------------------------ tenants


def test_another_tenant_is_neither_exported_nor_changed(filled: Wiring) -> None:
    other = filled.of_tenant("other")
    assert document(other) == {"schema": 1, "monitors": [], "rules": [], "silences": []}

    file = document(filled)
    file["rules"][0]["severity"] = "info"
    applied(other, file)

    assert document(filled)["rules"][0].get("severity") is None
    assert document(other)["rules"][0]["severity"] == "info"
    applied(other, {"schema": 1}, prune=True)
    assert len(document(filled)["rules"]) == 2


def test_a_rule_whose_monitor_is_gone_stays_as_it_is(filled: Wiring, store: Store) -> None:
    store.write(lambda tx: monitors.delete(tx, "mon_btc", 1, NOW))
    file = document(filled)

    assert [rule["monitor"] for rule in file["rules"]] == ["mon_btc", "mon_btc"]
    assert applied(filled, file).changes == ()
    assert applied(filled, file, prune=True).changes == ()


def test_many_rules_are_applied_in_a_few_statements(wiring: Wiring, store: Store) -> None:
    monitor = {"id": "mon_m", "name": "M", "measurement": "m"}
    made = [{"title": f"Rule {n}", "monitor": "M", "condition": CONDITION} for n in range(500)]
    file = {"schema": 1, "monitors": [monitor], "rules": made}
    counted = Statements(store)

    applied(wiring, file)

    assert len(document(wiring)["rules"]) == 500
    assert counted.number < 60
