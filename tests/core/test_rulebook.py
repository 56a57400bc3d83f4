"""The rule book: what it compiles, what it makes of rows it can't use, and that a change equals a fresh start."""

import json
import random
from typing import Any

import numpy as np
import pytest

from shared.errors import NotFound
from shared.model import BookRows, Health, MonitorRow, RuleRow
from shared.rulebook import RuleBook, updated
from shared.series import series_key
from tests.support.series import EPOCH, book, monitor_row, read, rows, rule_row, threshold


def test_an_entry_has_everything_a_decision_and_a_message_need() -> None:
    condition = threshold("usage > 80", for_seconds=60, keep_firing_seconds=30, no_data="alert")
    made = book(
        [monitor_row()],
        [
            rule_row(
                condition=condition, channels=["ops"], severity=4, labels={"team": "a"}, cooldown_seconds=10
            )
        ],
    )
    entry = made.entry("rule_r")
    assert entry.condition == condition
    assert (
        entry.condition_text
        == "usage > 80 (latest, 5 min) for 1 min; resolves after 30 s clean; missing data alerts"
    )
    assert (entry.threshold, entry.fields, entry.severity, entry.channels) == (80.0, ("usage",), 4, ("ops",))
    assert (entry.monitors, entry.labels, entry.error, entry.ended) == (("mon_m",), {"team": "a"}, "", "")
    assert (entry.decide.for_ms, entry.decide.keep_firing_ms, entry.decide.no_data) == (
        60_000,
        30_000,
        "alert",
    )
    assert (entry.decide.severity, entry.decide.tenant, entry.announce.cooldown_ms) == (4, "default", 10_000)
    assert made.expecting() == {"rule_r"}
    assert made.entry("rule_r") is entry


def test_without_channels_the_default_ones_are_meant() -> None:
    assert book([monitor_row()], [rule_row()]).entry("rule_r").channels is None
    assert book([monitor_row()], [rule_row(channels=[])]).entry("rule_r").channels == ()


def test_an_unknown_rule_or_monitor_is_not_found() -> None:
    made = book([], [])
    with pytest.raises(NotFound):
        made.entry("rule_x")
    with pytest.raises(NotFound):
        made.monitor("mon_x")


def test_rules_that_read_one_measurement_share_one_query() -> None:
    monitors = [
        monitor_row("a", filter={"env": "prod"}, key=["host"]),
        monitor_row("b", filter={}, key=["path", "host"]),
        monitor_row("c", measurement="disk", database="other"),
    ]
    rules = [
        rule_row("1", threshold("usage > 1", window_seconds=60), monitor_id="mon_a"),
        rule_row("2", threshold("idle < 1", window_seconds=600), monitor_id="mon_b"),
        rule_row("3", "used > 1", monitor_id="mon_c"),
    ]
    cpu, disk = book(monitors, rules).groups
    assert (cpu.source, cpu.database, cpu.measurement, cpu.lookback_ms) == ("default", "", "cpu", 600_000)
    assert (cpu.tags, cpu.fields) == (("env", "host", "path"), ("idle", "usage"))
    assert (disk.database, disk.measurement, disk.rule_ids) == ("other", "disk", ("rule_3",))
    assert cpu.id != disk.id
    assert len(cpu.id) == 20


def test_a_query_may_be_narrowed_when_few_combinations_are_wanted() -> None:
    monitors = [
        monitor_row("a", filter={"host": ["x", "y"], "env": "prod"}),
        monitor_row("b", filter={"host": "z"}),
    ]
    rules = [rule_row("a", monitor_id="mon_a"), rule_row("b", monitor_id="mon_b")]
    group = book(monitors, rules).groups[0]
    assert sorted(map(json.dumps, group.narrowing(3))) == sorted(
        json.dumps(wanted) for wanted in
        ({"env": "prod", "host": "x"}, {"env": "prod", "host": "y"}, {"host": "z"})
    )  # fmt: skip
    assert group.narrowing(2) == ()
    everything = book([*monitors, monitor_row("c")], [*rules, rule_row("c", monitor_id="mon_c")]).groups[0]
    assert everything.narrowing() == ()


BROKEN: list[dict[str, Any]] = [
    {"condition": "{"},
    {"condition": "[]"},
    {"condition": {"type": "unheard of"}},
    {"condition": {"type": "threshold", "field": "a", "operator": "~", "value": 1}},
    {"condition": {"type": "threshold", "field": "a", "operator": ">", "value": 1, "aggregation": "mode"}},
    {"severity": 9},
    {"monitor_id": "mon_x"},
    {"monitor_id": None, "selector": "{"},
]


@pytest.mark.parametrize("change", BROKEN)
def test_a_row_that_cant_be_used_is_an_error_of_its_own(change: dict[str, Any]) -> None:
    made = book([monitor_row()], [rule_row("bad", **change), rule_row("good")])
    assert made.problems["rule_bad"][0] is Health.ERROR
    assert made.entry("rule_bad").error
    assert set(made.problems) == {"rule_bad"}
    readings = read(made.groups[0], rows({"usage{host=a}": "99"}), EPOCH + 1)
    assert [readings.rule_id(i) for i in readings.breaching()] == ["rule_good"]


@pytest.mark.parametrize("change", [{"filter": "{"}, {"filter": {"a": 5}}, {"key": "7"}, {"labels": "["}])
def test_a_monitor_that_cant_be_read_is_an_error_of_its_rules(change: dict[str, Any]) -> None:
    made = book([monitor_row(**change), monitor_row("n")], [rule_row(), rule_row("n", monitor_id="mon_n")])
    assert dict(made.problems) == {"rule_r": (Health.ERROR, "monitor mon_m does not exist")}


def test_a_selector_that_matches_nothing_is_without_data_and_no_error() -> None:
    made = book([monitor_row()], [rule_row(monitor_id=None, selector={"kind": "website"})])
    assert dict(made.problems) == {"rule_r": (Health.NO_DATA, "no monitor matches the selector")}
    assert made.groups == ()


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ({}, "abc"), ({"kind": "host"}, "ab"), ({"labels": {"env": "prod"}}, "ac"),
        ({"kind": "host", "labels": {"env": "prod"}}, "a"), ({"labels": {"env": "prod", "team": "x"}}, "c"),
        ({"labels": {"env": "dev"}}, ""), ({"labels": {"": "host"}}, ""),
    ],
)  # fmt: skip
def test_a_selector_matches_by_kind_and_all_labels(selector: dict[str, Any], names: str) -> None:
    monitors = [
        monitor_row("a", labels={"env": "prod"}),
        monitor_row("b"),
        monitor_row("c", kind="website", labels={"env": "prod", "team": "x"}),
    ]
    made = book(monitors, [rule_row(monitor_id=None, selector=selector)])
    assert made.entry("rule_r").monitors == tuple(f"mon_{name}" for name in names)


def test_deleted_and_disabled_rules_are_known_but_not_evaluated() -> None:
    made = book(
        [monitor_row()], [rule_row("gone", deleted=True), rule_row("off", enabled=False), rule_row("on")]
    )
    assert dict(made.inactive) == {"rule_gone": "rule deleted", "rule_off": "rule disabled"}
    assert (len(made), made.groups[0].rule_ids) == (1, ("rule_on",))
    assert (made.entry("rule_gone").title, made.entry("rule_gone").ended) == ("gone", "rule deleted")
    back = book([], [rule_row("off")], made)
    assert dict(back.inactive) == {"rule_gone": "rule deleted"}
    assert set(back.groups[0].rule_ids) == {"rule_on", "rule_off"}


def test_a_book_whose_rules_are_all_disabled_keeps_what_it_knows() -> None:
    made = book([monitor_row()], [rule_row(enabled=False)])
    assert (len(made), bool(made)) == (0, True)
    assert book([], [rule_row()], made).groups[0].rule_ids == ("rule_r",)


def test_a_series_belongs_while_its_monitor_and_its_key_tags_do() -> None:
    made = book(
        [monitor_row(), monitor_row("n", kind="website")], [rule_row(), rule_row("bad", condition="{")]
    )
    key = series_key("mon_m", [("host", "a")])
    assert made.belongs("rule_r", key)
    assert made.belongs("rule_bad", key), "an error is no reason to close an alert"
    assert not made.belongs("rule_r", series_key("mon_n", [("host", "a")]))
    assert not made.belongs("rule_r", series_key("mon_m", [("path", "/")]))
    assert not book([monitor_row(key=["path"])], [], made).belongs("rule_r", key)
    assert not book([], [rule_row(monitor_id=None, selector={"kind": "website"})], made).belongs(
        "rule_r", key
    )
    assert book([], [rule_row(monitor_id=None, selector={"kind": "host"})], made).belongs("rule_r", key)


def test_a_change_lays_out_only_the_groups_it_touches() -> None:
    monitors = [monitor_row("a"), monitor_row("b", measurement="disk")]
    before = book(monitors, [rule_row("a", monitor_id="mon_a"), rule_row("b", monitor_id="mon_b")])
    after = book([], [rule_row("a", "usage > 5", monitor_id="mon_a")], before)
    assert after.groups[1] is before.groups[1]
    assert after.groups[0] is not before.groups[0]
    assert after.revision == before.revision + 1


def facts(made: RuleBook) -> dict[str, Any]:
    """Everything that can be asked of a book, in an order that doesn't depend on its history."""
    return {
        "inactive": dict(made.inactive),
        "problems": dict(made.problems),
        "entries": {rule_id: made.entry(rule_id) for rule_id in made.rows},
        "expecting": made.expecting(),
        "groups": [
            (group.id, group.tags, group.fields, group.lookback_ms, sorted(group.target_index))
            for group in made.groups
        ],
    }


@pytest.mark.parametrize("seed", range(30))
def test_a_book_that_was_changed_step_by_step_equals_one_made_at_once(seed: int) -> None:
    chance = random.Random(seed)
    made: RuleBook | None = None
    monitors: dict[str, MonitorRow] = {}
    rules: dict[str, RuleRow] = {}
    for _ in range(8):
        new_monitors = [_any_monitor(chance) for _ in range(chance.randrange(3))]
        new_rules = [_any_rule(chance) for _ in range(chance.randrange(4))]
        monitors.update((row.id, row) for row in new_monitors)
        rules.update((row.id, row) for row in new_rules)
        made = book(new_monitors, new_rules, made)
        assert facts(made) == facts(book(list(monitors.values()), list(rules.values())))
    assert made is not None
    fresh = book(list(monitors.values()), list(rules.values()))
    points = rows({f"usage{{host=h{n},env=e{n % 2}}}": str(n * 10) for n in range(10)})
    for old_group, new_group in zip(made.groups, fresh.groups, strict=True):
        old, new = read(old_group, points, EPOCH + 1), read(new_group, points, EPOCH + 1)
        assert sorted(old.present(old.breaching())) == sorted(new.present(new.breaching()))
        assert np.array_equal(np.sort(old.fingerprints()), np.sort(new.fingerprints()))


def _any_monitor(chance: random.Random) -> MonitorRow:
    return monitor_row(
        chance.choice("abc"),
        kind=chance.choice(["host", "website"]),
        measurement=chance.choice(["cpu", "disk"]),
        filter=chance.choice([{}, {"env": "e0"}, {"env": ["e0", "e1"]}, {"host": "h3"}]),
        key=chance.choice([["host"], ["env"], []]),
        labels=chance.choice([{}, {"team": "x"}]),
        deleted=chance.random() < 0.2,
    )


def _any_rule(chance: random.Random) -> RuleRow:
    conditions: list[Any] = ["usage > 20", "usage < 50", threshold("usage > 5", no_data="alert"), "{"]
    conditions += [threshold("usage > 5", window_seconds=600), threshold("idle < 5", aggregation="avg")]
    selector = chance.choice([None, None, {"kind": "host"}, {"labels": {"team": "x"}}])
    return rule_row(
        chance.choice("pqrst"),
        chance.choice(conditions),
        monitor_id=None if selector else f"mon_{chance.choice('abc')}",
        selector=selector,
        enabled=chance.random() < 0.8,
        deleted=chance.random() < 0.1,
    )


@pytest.mark.parametrize(
    "edited", ["usage > 50", threshold("usage > 50", window_seconds=60), threshold("idle > 5")], ids=str
)
def test_an_edited_condition_moves_its_rule_and_lays_nothing_out_again(edited: Any) -> None:
    monitors = [monitor_row(name, filter={"host": name}, key=[]) for name in "ab"]
    rules = [rule_row("1", "usage > 20", monitor_id="mon_a"), rule_row("2", monitor_id="mon_b")]
    old = book(monitors, rules)

    changed = rule_row("1", edited, monitor_id="mon_a")
    made, fresh = book([], [changed], old), book(monitors, [changed, rules[1]])

    (group,), (wanted,) = made.groups, fresh.groups
    assert group.shapes[0].vocabulary is old.groups[0].shapes[0].vocabulary
    assert (group.fields, group.lookback_ms) == (wanted.fields, wanted.lookback_ms)
    points = rows({"usage{host=a}": "30", "idle{host=a}": "30", "usage{host=b}": "90"})
    readings = [read(one, points, EPOCH + 1) for one in (group, wanted)]
    found, expected = (sorted(one.present(one.breaching())) for one in readings)
    assert found == expected


def test_without_changes_the_book_keeps_what_it_has_made() -> None:
    made = updated(None, BookRows(1, (), ()))

    same = updated(made, BookRows(4, (), ()))

    assert same.revision == 4
    assert same.groups is made.groups
    assert same.rows is made.rows
