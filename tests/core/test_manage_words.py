"""The short form of a condition, durations, and what people give, checked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import conditions
from shared.errors import InvalidInput
from shared.manage import changes_of_rule, condition_of, draft_rule, seconds_of
from shared.manage.checks import labels_of, new_id, one_line, severity_of
from shared.manage.demo import read_demo
from shared.model import Severity


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("price > 60000", {"field": "price", "operator": ">", "value": 60000}),
        ("price>=6e4", {"field": "price", "operator": ">=", "value": 60000.0}),
        ("  price   <  -1.5 ", {"field": "price", "operator": "<", "value": -1.5}),
        ("price > 60_000", {"field": "price", "operator": ">", "value": 60000}),
        ("is_up = 0", {"field": "is_up", "operator": "==", "value": 0}),
        ("is_up == false", {"field": "is_up", "operator": "==", "value": False}),
        ("status != ok", {"field": "status", "operator": "!=", "value": "ok"}),
        ("status == 'not ok'", {"field": "status", "operator": "==", "value": "not ok"}),
        ('code == "0"', {"field": "code", "operator": "==", "value": "0"}),
        ("used space > 5", {"field": "used space", "operator": ">", "value": 5}),
        (
            "avg(usage_active) >= 90 over 5m for 2m",
            {
                "field": "usage_active",
                "operator": ">=",
                "value": 90,
                "aggregation": "avg",
                "window_seconds": 300,
                "for_seconds": 120,
            },
        ),
        ("price > 1 for 90", {"field": "price", "operator": ">", "value": 1, "for_seconds": 90}),
        ("price > 1 over 1.5h", {"field": "price", "operator": ">", "value": 1, "window_seconds": 5400}),
    ],
)
def test_the_short_form_means_the_same_as_json(words: str, expected: dict[str, object]) -> None:
    condition = condition_of(words)

    assert condition == {"type": "threshold", **expected}
    assert type(condition["value"]) is type(expected["value"])
    conditions.parse(condition)


@pytest.mark.parametrize(
    "words", ["", "price", "> 5", " <0", "price >", "avg(price > 5", "avg() > 5", "price 5"]
)
def test_a_short_form_that_can_not_be_read_shows_how_it_looks(words: str) -> None:
    with pytest.raises(InvalidInput, match="such as 'price > 60000'"):
        condition_of(words)


@pytest.mark.parametrize("words", ["avg(load) > 0 over 5x", "load > 0 for 2min", "load > 0 over 5m for 1w"])
def test_a_duration_that_can_not_be_read_is_not_taken_for_a_text(words: str) -> None:
    with pytest.raises(InvalidInput, match="a duration is expected, such as 90s"):
        condition_of(words)


def test_a_text_in_quotes_may_end_like_a_duration() -> None:
    assert condition_of("state == 'out for 2 days'")["value"] == "out for 2 days"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("300", 300), ("90s", 90), ("5m", 300), ("1.5h", 5400), ("2d", 172_800), (" 5 m ", 300), ("0", 0)],
)
def test_durations_are_read_as_people_write_them(text: str, expected: int) -> None:
    assert seconds_of("--cooldown", text) == expected


@pytest.mark.parametrize("text", ["", "5 minutes", "-5", "1.5", "5w", "m", "1e3"])
def test_a_duration_that_can_not_be_read_names_its_option(text: str) -> None:
    with pytest.raises(InvalidInput, match="--cooldown"):
        seconds_of("--cooldown", text)


@given(st.text(max_size=40))
def test_no_text_breaks_the_short_form(words: str) -> None:
    try:
        condition = condition_of(words)
    except InvalidInput:
        return
    assert condition["field"]
    assert condition["operator"] in (">", "<", ">=", "<=", "==", "!=")


def test_ids_are_short_and_different_and_may_be_chosen() -> None:
    assert len({new_id("rule", None) for _ in range(1_000)}) == 1_000
    assert len(new_id("rule", None)) == 15
    assert new_id("mon", "mon_my-site_2") == "mon_my-site_2"


@pytest.mark.parametrize(
    "given_id", ["", "mon_a", "rule_", "rule_A", "rule_a ", "rule_ä", "rule_" + "a" * 60, "rule_a\n"]
)
def test_an_id_of_another_shape_is_refused(given_id: str) -> None:
    with pytest.raises(InvalidInput, match="rule_"):
        new_id("rule", given_id)


@pytest.mark.parametrize("text", ["", "   ", "a\nb", "a\x1b[31m", "a\u2028b", "\x00"])
def test_a_title_is_one_line_that_can_be_shown(text: str) -> None:
    with pytest.raises(InvalidInput, match="one line"):
        one_line("title", text)


def test_a_severity_may_be_called_by_its_alias_and_a_wrong_one_gets_a_hint() -> None:
    assert severity_of(" Medium ") is Severity.WARNING
    with pytest.raises(InvalidInput, match="Did you mean 'critical'"):
        severity_of("critcal")


def test_labels_have_a_sensible_size() -> None:
    assert labels_of({"team": "core"}) == {"team": "core"}
    for labels in ({"a": "x" * 201}, {"": "x"}, {str(number): "" for number in range(51)}):
        with pytest.raises(InvalidInput, match="labels"):
            labels_of(labels)


def test_an_unknown_key_names_the_valid_ones_and_the_closest() -> None:
    with pytest.raises(InvalidInput, match=r"valid are title, condition.*Did you mean 'cooldown_seconds'"):
        draft_rule({"title": "a", "condition": {}, "cooldown_second": 5})
    with pytest.raises(InvalidInput, match="title is missing; it is required"):
        draft_rule({"condition": {}})


def test_only_what_is_given_is_a_change() -> None:
    assert changes_of_rule({"channels": None, "severity": "high"}).given() == {
        "channels": None,
        "severity": Severity.HIGH,
    }
    with pytest.raises(InvalidInput, match="give at least one of title"):
        changes_of_rule({}).given()


def test_the_demo_is_valid_and_only_its_site_is_critical() -> None:
    demo = read_demo()

    assert len({monitor.name for monitor in demo.monitors}) == len(demo.monitors) >= 4
    assert [rule.id for rule in demo.rules if rule.severity is Severity.CRITICAL] == ["rule_demo_site_down"]
    fields = {monitor.id: monitor.fields for monitor in demo.monitors}
    for rule in demo.rules:
        assert rule.monitor_id is not None
        assert (
            set(conditions.compiled(rule.condition, rule.severity).fields) <= fields[rule.monitor_id].keys()
        )
