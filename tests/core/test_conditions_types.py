"""What holds for every type of condition in the folder."""

import json
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from shared import conditions
from shared.errors import InvalidInput
from tests.support.conditions import PLAIN, Condition, whole

SCHEMA = Draft202012Validator(conditions.json_schema())


def test_there_is_an_instance_of_every_type_to_test_with() -> None:
    assert set(PLAIN) == set(conditions.types())


@given(whole())
def test_what_is_stored_means_what_was_given(condition: Condition) -> None:
    stored = conditions.canonical(condition)
    assert stored == condition
    assert conditions.parse(json.loads(json.dumps(stored))) == conditions.parse(condition)
    assert conditions.canonical(stored) == stored


@given(whole())
def test_what_can_be_stored_can_be_worded_measured_and_satisfies_the_schema(condition: Condition) -> None:
    made = conditions.compiled(conditions.canonical(condition), 2)
    assert conditions.describe(condition)
    assert made.type == condition["type"]
    assert made.lookback_ms == max(ask.window_ms + ask.before_ms for ask in made.asks)
    assert set(made.fields) == {ask.field for ask in made.asks}
    assert (made.for_ms, made.no_data) == (
        condition.get("for_seconds", 0) * 1000,
        condition.get("no_data", "keep"),
    )
    assert not list(SCHEMA.iter_errors(condition))


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_a_key_that_does_not_exist_is_named_with_the_closest_one(name: str) -> None:
    keys = conditions.condition_type(name).Params.model_fields
    for key in set(keys) - {"type"}:
        wrong = key[:-1] + "x" + key[-1]
        with pytest.raises(InvalidInput) as caught:
            conditions.parse(PLAIN[name] | {wrong: 1})
        assert caught.value.field == f"condition.{wrong}"
        assert caught.value.hint == f"Did you mean {key!r}?"
        assert list(SCHEMA.iter_errors(PLAIN[name] | {wrong: 1}))


@pytest.mark.parametrize("key", ["for_seconds", "keep_firing_seconds", "no_data"])
def test_a_part_has_no_key_of_the_whole_and_is_told_where_it_goes(key: str) -> None:
    value = "ok" if key == "no_data" else 60
    condition = {"type": "any", "conditions": [PLAIN["absence"], PLAIN["threshold"] | {key: value}]}
    with pytest.raises(InvalidInput, match=f"Put {key} beside `conditions`") as caught:
        conditions.parse(condition)
    assert caught.value.field == f"condition.conditions.1.{key}"
    assert list(SCHEMA.iter_errors(condition))


def of(*parts: Any, name: str = "all") -> Condition:
    return {"type": name, "conditions": list(parts)}


PART, NESTED = PLAIN["threshold"], PLAIN["any"]
DEEP = of(PART, of(PART, NESTED, name="any"))


@pytest.mark.parametrize(
    ("condition", "field", "says"),
    [
        (of(PART), "conditions", "2 to 8"),
        (of(*[PART] * 9), "conditions", "2 to 8"),
        ({"type": "all", "conditions": PART}, "conditions", "2 to 8"),
        ({"type": "all"}, "conditions", "required"),
        ({"type": "all", "condition": []}, "condition", "Did you mean 'conditions'?"),
        (of(PART, "b > 2"), "conditions.1", "object"),
        (of(PART, {"field": "a"}), "conditions.1.type", "valid are absence"),
        (of(PART, {"type": "tresholds"}), "conditions.1.type", "Did you mean 'threshold'?"),
        (of(PART, PART | {"feild": "a"}), "conditions.1.feild", "Did you mean 'field'?"),
        (of(PART, PART | {"recovery_value": 9}), "conditions.1.recovery_value", "at most 2"),
        (of(PART, of(PART, PART | {"value": "x"}, name="any")), "conditions.1.conditions.1.operator", "=="),
        (DEEP, "conditions.1.conditions.1", "one level"),
        (PLAIN["change"] | {"value": -5}, "value", "direction down"),
        (PLAIN["change"] | {"levels": [{"severity": "critical", "value": -1}]}, "levels", "direction down"),
        (PLAIN["change"] | {"value": None}, "value", "required"),
        (PLAIN["change"] | {"value": True}, "value", "number"),
        (PLAIN["change"] | {"direction": "both"}, "direction", "Did you mean 'either'?"),
        (PLAIN["change"] | {"unit": "%"}, "unit", "Did you mean 'percent'?"),
        (PLAIN["change"] | {"compare_seconds": 0}, "compare_seconds", "greater"),
        (PLAIN["change"] | {"operator": "==", "recovery_value": 1}, "recovery_value", "> < >= <="),
        (PLAIN["absence"] | {"no_data": "alert"}, "no_data", "valid keys"),
        (PLAIN["absence"] | {"window_seconds": 0}, "window_seconds", "greater"),
        ({"type": "and"}, "type", "Did you mean 'all'?"),
    ],
)  # fmt: skip
def test_an_error_names_the_place_and_what_is_valid(condition: Condition, field: str, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        conditions.parse(condition)
    assert caught.value.field == f"condition.{field}"
    assert says in str(caught.value)


def test_the_schema_allows_one_level_of_nesting_and_no_more() -> None:
    Draft202012Validator.check_schema(SCHEMA.schema)
    assert not list(SCHEMA.iter_errors(of(PART, NESTED)))
    assert list(SCHEMA.iter_errors(DEEP))
    assert list(SCHEMA.iter_errors(of(PART)))


@pytest.mark.parametrize("name", sorted(PLAIN))
@pytest.mark.parametrize(
    "wrong", [{"field": 7}, {"window_seconds": "a"}, {"for_seconds": 1.5}, {"conditions": 3}]
)
def test_a_stored_condition_of_wrong_types_is_refused(name: str, wrong: dict[str, Any]) -> None:
    (key,) = wrong
    if key not in conditions.condition_type(name).Params.model_fields:
        return
    with pytest.raises((InvalidInput, KeyError, TypeError, ValueError)):
        conditions.compiled(PLAIN[name] | wrong, 2)
