"""Rules in a file that can't be applied: each problem has the path of its entry, and says what is valid."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from shared import manage
from shared.errors import InvalidInput
from shared.manage import exporting, planning, rules_file
from shared.manage.exporting import Everything
from shared.model import Monitor, Rule
from shared.wiring import Wiring
from tests.support import docs
from tests.support.manage import wiring as new_wiring
from tests.support.rows import CONDITION, NOW, add_rule
from tests.support.rules_file import applied, document, everything, exported, fill, planned


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Wiring]:
    made = new_wiring(tmp_path)
    yield fill(made, made.store)
    made.close()


@settings(max_examples=50, deadline=None)
@given(everything())
def test_whatever_is_stored_is_the_same_when_its_file_is_read(made: tuple[list[Monitor], list[Rule]]) -> None:
    known = Everything({one.id: one for one in made[0]}, {one.id: one for one in made[1]}, {})

    def no_channels() -> Any:
        raise AssertionError("rules that stay as they are need none")

    read = rules_file.read(exporting.text_of(known))
    wanted = planning.wanted_of(read, known, no_channels, prune=True, now=NOW)

    assert wanted.problems == []
    assert wanted.monitors.keys() == known.monitors.keys()
    assert wanted.rules.keys() == known.rules.keys()
    assert all(planning.same(one, known.rules[key]) for key, one in wanted.rules.items())
    assert all(planning.same(one, known.monitors[key]) for key, one in wanted.monitors.items())


def test_everything_that_is_wrong_is_named_at_once_and_nothing_is_written(filled: Wiring) -> None:
    before = exported(filled)
    file = document(filled)
    file["rules"][0]["severity"] = "high"
    file["rules"][1]["condition"]["window_seconds"] = 0
    file["rules"].append({"title": "New", "monitor": "Bitcion", "condition": CONDITION})
    file["rules"].append({"title": "New", "monitor": "Bitcoin", "condition": CONDITION, "channels": ["opss"]})
    file["rules"].append({"title": "Third", "monitor": "Bitcoin", "conditon": CONDITION})

    plan = planned(filled, file)

    assert sorted(problem.field for problem in plan.problems) == [
        "rules[1].condition.window_seconds",
        "rules[2].monitor",
        "rules[3].channels",
        "rules[4].conditon",
    ]
    hints = {problem.field: str(problem) for problem in plan.problems}
    assert "Did you mean 'Bitcoin'?" in hints["rules[2].monitor"]
    assert "Did you mean 'ops'?" in hints["rules[3].channels"]
    assert "Did you mean 'condition'?" in hints["rules[4].conditon"]
    with pytest.raises(InvalidInput):
        applied(filled, file)
    assert exported(filled) == before


RULES = [
    (0, {"title": "Bitcoin low"}, "title", "is called so, too. Choose one that tells them apart"),
    (1, {"id": "rule_btc"}, "id", "rules[0] is the same one already"),
    (0, {"id": "btc"}, "id", "expected rule_ and then"),
    (0, {"monitor": None}, "monitor", "either a monitor (id or name) or a selector"),
    (0, {"selector": {"kind": "coin"}}, "monitor", "either a monitor (id or name) or a selector"),
    (0, {"selector": {"knd": "x"}}, "selector.knd", "valid are kind, labels. Did you mean 'kind'?"),
    (0, {"labels": {"a": 5}}, "labels.a", "valid string"),
    (0, {"title": "two\nlines"}, "title", "expected one line"),
    (0, {"severity": "urgent"}, "severity", "valid are critical, high"),
    (0, {"runbook_url": "ftp://x"}, "runbook_url", "begins with https://"),
    (0, {"cooldown_seconds": -1}, "cooldown_seconds", "greater than or equal to 0"),
    (0, {"version": 0}, "version", "greater than or equal to 1"),
    (0, {"condition": {"type": "treshold"}}, "condition.type", "Did you mean 'threshold'?"),
]
MONITORS = [
    ({"key": ["a", "a"]}, "key", "each key tag is given once"),
    ({"measurement": ""}, "measurement", "expected one line"),
    ({"mesurement": "m"}, "mesurement", "Did you mean 'measurement'?"),
    ({"where": {"host": []}}, "where.host", "a filter needs a tag and at least one value"),
]
SILENCES = [
    ({"rules": ["Bitcoin hihg"]}, "rules[0]", "Did you mean 'Bitcoin high'?"),
    ({"ends_at": "2030-01-31T18:00"}, "ends_at", "expected a time with a zone"),
    ({"ends_at": None}, "ends_at", "an end, or weekly hours"),
    ({"ends_at": "2001-01-31T18:00Z"}, "ends_at", "after the beginning"),
    ({"rules": []}, "", "give at least one of rules"),
    ({"weekly": {"days": ["mon"], "strat": "1"}}, "weekly.strat", "Did you mean 'start'?"),
    ({"reason": ""}, "reason", "say why"),
]
EVERY = [
    *((f"rules[{place}]", *rest) for place, *rest in RULES),
    *(("monitors[0]", *rest) for rest in MONITORS),
    *(("silences[0]", *rest) for rest in SILENCES),
]


@pytest.mark.parametrize(("entry", "change", "field", "hint"), EVERY)
def test_an_entry_that_can_not_be_used_is_named_by_its_path(
    filled: Wiring, entry: str, change: dict[str, Any], field: str, hint: str
) -> None:
    file = document(filled)
    section, place = entry.removesuffix("]").split("[")
    file[section][int(place)].update(change)

    found = {problem.field: str(problem) for problem in planned(filled, file).problems}

    assert hint in found[f"{entry}.{field}".rstrip(".")]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("", "expected `schema: 1`"),
        ("- a", "expected `schema: 1`"),
        ("schema: 2", "schema: 2 is not valid; this Tocsin reads schema 1"),
        ("rules: []", "schema is missing"),
        ("schema: 1\nrulez: []", "Did you mean 'rules'?"),
        ("schema: 1\nrules: {a: 1}", "rules: {'a': 1} is not valid; expected a list"),
    ],
)
def test_what_is_no_such_file_is_refused(filled: Wiring, file: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        manage.plan_rules(filled, file, now=NOW)

    assert said in str(refused.value)


def test_the_file_that_the_page_shows_can_be_applied(filled: Wiring) -> None:
    (shown,) = docs.blocks("docs/rules-as-files.md", "yaml")

    plan = manage.plan_rules(filled, shown.replace("ops-slack", "ops"), force=True, now=NOW)

    assert plan.problems == ()
    assert {one.kind for one in plan.changes} == {"monitor", "rule", "silence"}


def test_two_stored_rules_of_one_title_may_stay_but_get_no_third(filled: Wiring) -> None:
    add_rule(filled.store, "rule_twin")
    file = document(filled)
    assert applied(filled, file).changes == ()

    file["rules"][0]["severity"] = "info"
    assert len(applied(filled, file).changes) == 1
    file["rules"].append(
        {"id": "rule_third", "title": "Bitcoin high", "monitor": "Bitcoin", "condition": CONDITION}
    )
    (problem,) = planned(filled, file).problems
    assert problem.field == "rules[3].title"
    del file["rules"][0]["id"]
    assert "Give an id: rule_btc, rule_twin" in str(planned(filled, file).problems[0])


def test_a_rule_that_can_not_fire_is_noted(filled: Wiring) -> None:
    file = document(filled)
    file["rules"][0]["condition"]["field"] = "prize"

    (note,) = planned(filled, file).notes

    assert note.startswith("rules[0]: monitor 'Bitcoin' is not known to have a field 'prize'")
