"""Growing columns: types, absences and codes, whatever the chunks were."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.columns import FieldColumn, FieldKind
from shared.metrics._columns import FieldBuilder, TagBuilder, empty_field, scattered

_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**64), 2**64),
    st.floats(),
    st.text(),
    st.sampled_from(["1", "nan", ""]),
)


def built(*chunks: list[Any]) -> FieldColumn:
    builder = FieldBuilder()
    for chunk in chunks:
        builder.add(chunk)
    return builder.build()


def values(column: FieldColumn) -> list[object]:
    """Every row as None, a float or a string."""
    rows = zip(column.present.tolist(), column.numbers.tolist(), column.codes.tolist(), strict=True)
    return [
        None if not there else (column.texts[code] if code >= 0 else number) for there, number, code in rows
    ]


def expected(value: Any) -> object:
    if value is None or isinstance(value, str):
        return value
    return float(value) if math.isfinite(value) else None


@given(st.lists(st.lists(_VALUES)))
def test_a_field_holds_what_was_added(chunks: list[list[Any]]) -> None:
    column = built(*chunks)
    assert values(column) == [expected(value) for chunk in chunks for value in chunk]
    assert np.isnan(column.numbers[~column.present]).all()
    assert len(set(column.texts)) == len(column.texts)


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        ([[]], "empty"),
        ([[None, None]], "empty"),
        ([[1, 2.5, None]], "number"),
        ([[True], [None, False]], "boolean"),
        ([["1", None]], "string"),
        ([[1], ["a"]], "mixed"),
        ([[True, 1]], "mixed"),
        ([["a", False, None]], "mixed"),
    ],
)
def test_the_kind_says_what_was_seen(chunks: list[list[Any]], kind: FieldKind) -> None:
    assert built(*chunks).kind == kind


@given(st.lists(st.lists(st.one_of(st.none(), st.text()))))
def test_a_tag_holds_what_was_added_and_a_missing_one_is_empty(chunks: list[list[str | None]]) -> None:
    builder = TagBuilder()
    for chunk in chunks:
        builder.add(chunk)
    column = builder.build()
    added = [value or "" for chunk in chunks for value in chunk]
    assert [column.values[code] for code in column.codes.tolist()] == added


def test_a_missing_tag_has_one_code_however_it_was_said() -> None:
    builder = TagBuilder()
    builder.add([None, "", "a"])
    codes = builder.build().codes.tolist()
    assert codes[0] == codes[1] != codes[2]


def test_scattered_values_stand_at_their_new_rows_and_the_others_are_empty() -> None:
    column = scattered(built([1, "x", 3.5]), np.array([4, 0, 2]), 5)
    assert values(column) == ["x", None, 3.5, None, 1.0]
    assert values(empty_field(2)) == [None, None]
