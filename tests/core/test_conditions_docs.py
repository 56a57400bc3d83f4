"""The page about conditions is true: every example on it is played, and comes out as it says."""

import json

import pytest

from shared import conditions
from shared.conditions._aggregations import AGGREGATIONS
from shared.conditions._compare import OPERATORS
from tests.support import docs
from tests.support.examples import Example, check, parsed

PAGE = "docs/conditions.md"
EXAMPLES = [parsed(block) for block in docs.blocks(PAGE, "example")]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_comes_out_as_the_page_says(number: int) -> None:
    example = EXAMPLES[number]
    assert conditions.canonical(example.condition) == example.condition
    check(example)


def test_every_type_is_shown_in_an_example() -> None:
    assert {example.condition["type"] for example in EXAMPLES} == set(conditions.types())


def test_every_aggregation_and_operator_has_its_row() -> None:
    rows = docs.rows(docs.section(PAGE, "Aggregations"))
    assert {name for cell, *_ in rows for name in docs.code(cell)} == set(AGGREGATIONS)
    rows = docs.rows(docs.section(PAGE, "Operators"))
    assert {name for cell, *_ in rows for name in docs.code(cell)} == set(OPERATORS)


def test_every_condition_that_is_shown_reads_as_the_page_says() -> None:
    rows = docs.rows(docs.section(PAGE, "In words"))
    assert rows
    for condition, words in rows:
        assert (
            conditions.describe(conditions.canonical(json.loads(docs.code(condition)[0])))
            == docs.code(words)[0]
        )


@pytest.mark.parametrize(
    ("expected", "says"),
    [
        ({"state": "ok ok"}, "state, column 2: firing instead of ok"),
        ({"state": "ok firing:critical"}, "column 2: firing instead of firing:critical"),
        ({"reading": "5 _"}, "reading, column 2: 90.0 instead of _"),
        ({"health": "ok error"}, "health, column 2: ok instead of error"),
        ({"state": "ok"}, "state has no column 2"),
        ({}, "expects something"),
    ],
)  # fmt: skip
def test_an_example_that_is_wrong_is_found(expected: dict[str, str], says: str) -> None:
    condition = {"type": "threshold", "field": "usage", "operator": ">", "value": 80}
    with pytest.raises(AssertionError, match=says):
        check(Example(condition, {"usage": "5 90"}, expected))
