"""Line protocol: which lines there are in a batch, what a line says, and what is told about a bad one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.metrics._line_protocol import Point, parse, split
from shared.monitors import points as monitors

NOW = 1_700_000_000_123_456_789


def one(line: str, precision: str = "ns") -> Point:
    (point,) = parse(line.encode(), precision, NOW)
    return point


def test_a_whole_line_is_read() -> None:
    point = one('cpu,host=a\\ b,zone=x\\,y\\=z load=1.5,n=-3i,up=t,down=FALSE,s="a \\"b\\" \\\\" 12')
    assert point == Point(
        "cpu",
        {"host": "a b", "zone": "x,y=z"},
        {"load": 1.5, "n": -3, "up": True, "down": False, "s": 'a "b" \\'},
        12,
    )
    assert [type(value) for value in point.fields.values()].count(bool) == 2


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("m v=1", 1.0),
        ("m v=-.5", -0.5),
        ("m v=1e3", 1000.0),
        ("m v=7u", 7),
        ("m v=18446744073709551615u", 2**64 - 1),
        ("m v=-9223372036854775808i", -(2**63)),
        ("m v=T", True),
        ("m v=false", False),
        ('m v=""', ""),
        ('m v="é 網"', "é 網"),
        ('m v="C:\\dir"', "C:\\dir"),
        ("  m v=1  ", 1.0),
        ("m v=1\r", 1.0),
    ],
)
def test_values_have_the_type_that_their_spelling_says(line: str, value: object) -> None:
    (found,) = one(line).fields.values()
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("precision", "unit"),
    [
        ("", 1),
        ("ns", 1),
        ("n", 1),
        ("us", 10**3),
        ("u", 10**3),
        ("ms", 10**6),
        ("s", 10**9),
        ("m", 60 * 10**9),
        ("h", 3600 * 10**9),
    ],
)
def test_times_are_in_the_precision_and_missing_ones_are_now_rounded_down_to_it(
    precision: str, unit: int
) -> None:
    assert one("m v=1 5", precision).time == 5 * unit
    assert one("m v=1 -5", precision).time == -5 * unit
    assert one("m v=1", precision).time == NOW // unit * unit


def test_comments_and_empty_lines_are_no_points_and_texts_may_go_over_lines() -> None:
    text = '\n# a "comment\n \t\nm v="one\ntwo # three\n" 1\n  # note\nm,a=q"t v=2\nm v="x",w="\\"\n" 3\n'
    assert list(split(text)) == [
        (4, 'm v="one\ntwo # three\n" 1'),
        (8, 'm,a=q"t v=2'),
        (9, 'm v="x",w="\\"\n" 3'),
    ]
    assert parse(b"\n# only this\n", "ns", NOW) == []


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        (b"m v=1\n\nm", "line 3", "measurement,tag=value number=1.5"),
        (b"m v=1\nm v=1,", "line 2", "expected"),
        (b"m v=1\nm,a= v=1", "line 2", "tag"),
        (b"# one\nm v=nan", "line 2", "field value"),
        (b"m v=1 tomorrow", "line 1", "timestamp"),
        (b'm v=1\nm v="a\nb', "line 2", "doesn't end"),
        (b'm v="a\nb"\nm v=x', "line 3", "field value"),
        (b"m v=1\nm v=\xff", "line 2", "UTF-8"),
        (b"m,time=x v=1", "line 1", "time is the timestamp's name"),
        (b"m time=1,v=1", "line 1", "time is the timestamp's name"),
        (b"m,a=1,a=2 v=1", "line 1", "tag"),
    ],
)
def test_a_bad_line_is_named_with_what_is_valid(body: bytes, field: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        parse(body, "ns", NOW)
    assert refused.value.field == field


def test_a_timestamp_in_the_wrong_unit_is_noticed_when_it_leaves_the_calendar() -> None:
    with pytest.raises(InvalidInput, match=r"line 1: .*1677 and 2262 in s.*precision"):
        parse(f"m v=1 {NOW}".encode(), "s", NOW)


def test_an_unknown_precision_names_the_valid_ones() -> None:
    with pytest.raises(InvalidInput, match="precision: 'minutes' is not valid; valid are ns, us, ms, s"):
        parse(b"m v=1", "minutes", NOW)


_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r"), min_size=1).filter(
    lambda name: (
        name == name.strip()
        and not re.search(r"\\(?:[,= ]|\Z)", name)
        and not name.startswith("#")
        and name != "time"
    )
)
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
_VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    _TEXTS,
)


@given(
    _NAMES,
    st.dictionaries(_NAMES, _NAMES),
    st.dictionaries(_NAMES, _VALUES, min_size=1),
    st.integers(0, 2**42),
)
def test_what_a_monitor_writes_is_read_as_it_was(
    measurement: str, tags: dict[str, str], fields: dict[str, bool | int | float | str], time: int
) -> None:
    line = monitors.line(monitors.Point(measurement, tags, fields, time))
    assert one(line, "ms") == Point(measurement, tags, fields, time * 1_000_000)


@pytest.mark.parametrize("name", ["\\=", "a\\, b", "a\\\\ b", "a\\\nb", "a\\"])
def test_a_backslash_that_would_escape_what_follows_is_left_out(name: str) -> None:
    point = one(monitors.line(monitors.Point(name, {name: name}, {name: 1}, 5)), "ms")
    plain = name.replace("\\", "").replace("\n", " ")
    assert point == Point(plain, {plain: plain}, {plain: 1}, 5_000_000)


@given(st.lists(_TEXTS, min_size=1))
def test_lines_are_told_apart_whatever_their_texts_hold(texts: list[str]) -> None:
    seen = [monitors.Point("m", {"n": str(number)}, {"v": text}, number) for number, text in enumerate(texts)]
    body = "\n".join(monitors.line(point) for point in seen).encode()
    assert [point.fields["v"] for point in parse(body, "ms", NOW)] == texts
