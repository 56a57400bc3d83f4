"""Annotated CSV to columns: however an answer arrives and in whatever order, the rows are those of the points."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.columns import SampleQuery
from shared.errors import QueryFailed
from shared.metrics._annotated_csv import Chunk, chunks, nanoseconds
from shared.metrics._flux_rows import LongRows

STOP = 50
QUERY = SampleQuery("m", ("a", "b"), ("v", "w"), 0, STOP)
HEAD = "#datatype,string,long,{types}\r\n#group,false,false,{groups}\r\n#default,rows,,{empty}\r\n"
HEAD += ",result,table,{names}\r\n"


@dataclass(frozen=True)
class Value:
    """One long row. `time` is in nanoseconds."""

    time: int
    a: str
    b: str
    field: str
    value: float


values = st.lists(
    st.builds(
        Value,
        time=st.sampled_from([0, 1, 1_000_000, 2_000_001, 49_999_999, 50_000_000, 60_000_000]),
        a=st.sampled_from(["", "x", "y"]),
        b=st.sampled_from(["", "x"]),
        field=st.sampled_from(["v", "w"]),
        value=st.floats(-9, 9),
    ),
    max_size=30,
)


def chunk(rows: list[Value]) -> Chunk:
    columns = {
        "_time": tuple(f"1970-01-01T00:00:00.{row.time:09}Z" for row in rows),
        "_value": tuple(repr(row.value) for row in rows),
        "_field": tuple(row.field for row in rows),
        "a": tuple(row.a for row in rows),
        "b": tuple(row.b for row in rows),
    }
    return Chunk("rows", {"_value": "double"}, columns, len(rows))


def expected(rows: list[Value]) -> Counter[tuple[object, ...]]:
    """The rows by hand: the n-th value of each field of a time and its tags stands in the n-th row of these."""
    found: dict[tuple[int, str, str, int], dict[str, float]] = {}
    seen: Counter[tuple[int, str, str, str]] = Counter()
    for row in rows:
        nth = seen[row.time, row.a, row.b, row.field]
        seen[row.time, row.a, row.b, row.field] += 1
        found.setdefault((row.time, row.a, row.b, nth), {})[row.field] = row.value
    return Counter(
        (time // 1_000_000, a, b, fields.get("v"), fields.get("w"))
        for (time, a, b, _), fields in found.items()
        if time < STOP * 1_000_000
    )


@given(values, st.integers(1, 7))
def test_long_rows_become_one_row_per_time_and_series(rows: list[Value], size: int) -> None:
    collected = LongRows(QUERY)
    for start in range(0, len(rows), size):
        collected.add(chunk(rows[start : start + size]))
    samples = collected.build(7)

    told: list[list[object]] = [samples.time.tolist()]
    told += [[tag.values[code] for code in tag.codes] for tag in samples.tags.values()]
    told += [
        [number if there else None for number, there in zip(f.numbers.tolist(), f.present, strict=True)]
        for f in samples.fields.values()
    ]
    assert Counter(zip(*told, strict=True)) == expected(rows)
    assert samples.time.tolist() == sorted(samples.time.tolist())
    beyond = [row for row in rows if row.time >= STOP * 1_000_000]
    assert (samples.dropped_future > 0) == bool(beyond)


def body() -> bytes:
    """Two schemas and an empty line, a quoted cell over two lines, characters of several bytes."""
    first = HEAD.format(types="string", groups="false", empty="", names="_value")
    second = HEAD.format(types="long,string", groups="false,true", empty=",", names="_value,result")
    return f'{first},,0,"é, ""x""\r\n網"\r\n,,0,\r\n\r\n{second},,1,5,ok\r\n\r\n'.encode()


def in_parts(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_an_answer_may_be_cut_into_parts_anywhere(size: int) -> None:
    first, second = chunks(in_parts(body(), size), "m")

    assert (first.result, first.values(), first.rows) == ("rows", ['é, "x"\n網', ""], 2)
    assert second.values() == [5.0]
    assert second.columns["result"] == ("ok",)


def test_a_cell_larger_than_the_reader_takes_is_a_failed_query() -> None:
    head = HEAD.format(types="string", groups="false", empty="", names="_value").encode()
    with pytest.raises(QueryFailed, match=r"m: .*field larger than field limit"):
        list(chunks([head, b",,0," + b"x" * 200_000], "m"))


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2023-11-14T22:13:20.5Z", 1_700_000_000_500_000_000),
        ("2023-11-14T22:13:20.000000001Z", 1_700_000_000_000_000_001),
        ("1969-12-31T23:59:59.999Z", -1_000_000),
    ],
)
def test_times_are_read_to_the_nanosecond(text: str, ns: int) -> None:
    assert nanoseconds([text]).tolist() == [ns]
