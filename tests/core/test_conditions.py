"""Conditions: what people may write, what they are told when it can't be used, and how it reads in words."""

from pathlib import Path
from typing import Any

import pytest

from shared import conditions
from shared.errors import InvalidInput
from tests.support.series import threshold

PRICE: dict[str, Any] = {
    "type": "threshold", "field": "price", "operator": ">", "value": 60000, "aggregation": "latest"
}  # fmt: skip


def test_the_folder_is_the_list_of_types() -> None:
    folder = Path(conditions.__file__).parent
    assert conditions.types() == tuple(
        sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("_"))
    )
    assert "threshold" in conditions.types()


def test_the_stored_condition_is_what_the_customer_wrote() -> None:
    assert conditions.canonical(PRICE) == PRICE
    assert list(conditions.canonical(PRICE)) == list(PRICE)


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"feild": 1}, "condition.feild", "Did you mean 'field'?"),
        ({"windw_seconds": 60}, "condition.windw_seconds", "Did you mean 'window_seconds'?"),
        ({"operator": "above"}, "condition.operator", "Did you mean '>'?"),
        ({"operator": "=>"}, "condition.operator", "Did you mean '>='?"),
        ({"aggregation": "mean"}, "condition.aggregation", "Did you mean 'avg'?"),
        ({"value": "60000"}, "condition.operator", "without quotes"),
        ({"value": True}, "condition.operator", "==, !="),
        ({"value": float("nan")}, "condition.value", "finite"),
        ({"value": float("inf")}, "condition.value", "finite"),
        ({"value": [1]}, "condition.value", "number"),
        ({"value": None}, "condition.value", "required"),
        ({"value": "up", "operator": "==", "aggregation": "avg"}, "condition.aggregation", "latest"),
        ({"window_seconds": "5m"}, "condition.window_seconds", "integer"),
        ({"window_seconds": 0}, "condition.window_seconds", "greater"),
        ({"for_seconds": -1}, "condition.for_seconds", "greater"),
        ({"no_data": "fire"}, "condition.no_data", "keep, alert, ok"),
        ({"recovery_value": 60001}, "condition.recovery_value", "at most 60000"),
        ({"operator": "<", "recovery_value": 59999}, "condition.recovery_value", "at least 60000"),
        ({"operator": "==", "recovery_value": 1}, "condition.recovery_value", "> < >= <="),
        ({"aggregation": "avg", "max_age_seconds": 60}, "condition.max_age_seconds", "latest"),
        ({"levels": [{"severity": "bad", "value": 1}]}, "condition.levels.severity", "critical, high"),
        (
            {"levels": [{"severity": "high", "value": 5}, {"severity": "critical", "value": 3}]},
            "condition.levels",
            "critical must be beyond high (5)",
        ),
        (
            {"levels": [{"severity": "low", "value": 1}, {"severity": "info", "value": 2}]},
            "condition.levels",
            "once",
        ),
        ({"type": "treshold"}, "condition.type", "Did you mean 'threshold'?"),
    ],
)
def test_an_error_names_the_key_and_what_is_valid(change: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        conditions.parse(PRICE | change)
    assert caught.value.field == field
    assert says in str(caught.value)


@pytest.mark.parametrize("key", ["field", "operator", "type"])
def test_a_key_that_is_missing_is_named(key: str) -> None:
    with pytest.raises(InvalidInput, match=f"condition.{key}"):
        conditions.parse({name: value for name, value in PRICE.items() if name != key})


def test_a_recovery_value_equal_to_the_threshold_is_on_the_clean_side() -> None:
    conditions.parse(PRICE | {"recovery_value": 60000})


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (PRICE, "price > 60000 (latest, 5 min)"),
        ({"type": "threshold", "field": "price", "operator": ">", "value": 60000}, "price > 60000 (latest, 5 min)"),
        (threshold("usage >= 80.5", aggregation="p95", window_seconds=90), "usage >= 80.5 (p95, 90 s)"),
        (threshold('status == "up"'), 'status == "up" (latest, 5 min)'),
        (threshold("ok != true"), "ok != true (latest, 5 min)"),
        (
            threshold("usage > 90", recovery_value=80, for_seconds=120, no_data="alert"),
            "usage > 90 (latest, 5 min) for 2 min; clean at <= 80; missing data alerts",
        ),
        (
            threshold("usage > 80", levels=[{"severity": "critical", "value": 95}], window_seconds=3600),
            "usage > 80, > 95 critical (latest, 1 h)",
        ),
    ],
)  # fmt: skip
def test_a_condition_reads_in_words(condition: dict[str, Any], words: str) -> None:
    conditions.parse(condition)
    assert conditions.describe(condition) == words


def test_every_type_has_a_schema_that_names_its_discriminator() -> None:
    schema = conditions.json_schema()
    named = [place["$ref"].rsplit("/", 1)[1] for place in schema["oneOf"]]
    assert sorted(schema["$defs"][name]["properties"]["type"]["const"] for name in named) == list(
        conditions.types()
    )


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"type": "nothing"},
        {"type": "threshold"},
        PRICE | {"operator": "~"},
        PRICE | {"aggregation": "mode"},
        PRICE | {"value": {}},
        PRICE | {"field": 7},
        PRICE | {"window_seconds": "a"},
        PRICE | {"levels": [{"severity": "?", "value": 1}]},
    ],
)
def test_a_stored_condition_that_nobody_validated_is_refused_and_not_half_understood(
    stored: dict[str, Any],
) -> None:
    with pytest.raises((InvalidInput, KeyError, TypeError, ValueError)):
        conditions.compiled(stored, 2)
