"""YAML that every reader reads the same."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.manage import yaml_text

WORDS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(
        ["no", "on", "22:00", "06:00", "1e5", "0x1f", "0o17", "1_000", "~", "", "=", "<<", "- x"]
    ),
    st.from_regex(r"[-+]?[0-9_:.eox]{1,8}", fullmatch=True),
)
PLAIN = st.recursive(
    st.one_of(
        WORDS, st.booleans(), st.none(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(PLAIN)
def test_what_is_written_is_read_again_by_us_and_by_others(value: Any) -> None:
    written = yaml_text.write(value)

    assert repr(yaml_text.read(written)) == repr(value)
    assert repr(yaml.safe_load(written)) == repr(value)


def test_words_that_other_readers_take_for_something_else_are_texts() -> None:
    text = "a: no\nb: on\nc: 22:00\nd: 2030-01-31\ne: 1e5\nf: 0x10\ng: 007"

    assert yaml_text.read(text) == {
        "a": "no", "b": "on", "c": "22:00", "d": "2030-01-31", "e": 100000.0, "f": "0x10", "g": 7,
    }  # fmt: skip


def test_lists_of_words_stay_in_one_line_and_long_texts_are_blocks() -> None:
    assert yaml_text.write({"key": ["a", "b"], "text": "one\ntwo", "list": [{"a": 1}]}) == (
        "key: [a, b]\ntext: |-\n  one\n  two\nlist:\n- a: 1\n"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", "'a' is not valid; line 3 gives this key a second time"),
        ("a:\n  b: [1", "line 3, column 1: did not find expected"),
        ("1: a", "file: 1 is not valid; line 1: keys are words"),
        ("[a]: b", "line 1: keys are words"),
        ("a: \x00", "control characters are not allowed"),
        ("a: !!python/object/apply:os.system [echo]", "could not determine a constructor"),
        ("a: *there", "found undefined alias"),
        ("[" * 5000, "it is no YAML"),
    ],
)
def test_what_can_not_be_read_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        yaml_text.read(text)

    assert said in str(refused.value)
