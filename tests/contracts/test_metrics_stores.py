"""One contract for every metric store: the same line protocol gives the same columns, errors and discoveries."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.columns import SampleQuery, Samples
from shared.errors import InvalidInput, QueryFailed
from shared.metrics import MetricStore, open_metrics

T0 = 1_700_000_000_000
BEFORE, AFTER = T0 - 60_000, T0 + 60_000


@pytest.fixture(params=["embedded", "influxql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MetricStore]:
    """An empty store of each kind."""
    embedded = request.param == "embedded"
    url = "embedded:///metrics.db" if embedded else str(request.getfixturevalue("influxdb_url"))
    opened = open_metrics(url, state_dir=tmp_path)
    yield opened
    opened.close()


def query(measurement: str = "m", *tags: str, fields: tuple[str, ...] = ("v",), **more: Any) -> SampleQuery:
    return SampleQuery(measurement, tags, fields, **{"start": BEFORE, "stop": AFTER, **more})


def value_at(samples: Samples, field: str, row: int) -> object:
    """The usable value of a row: None, a number, a bool or a string."""
    column = samples.fields[field]
    if not column.present[row]:
        assert math.isnan(column.numbers[row])
        assert column.codes[row] == -1
        return None
    if column.codes[row] >= 0:
        return column.texts[column.codes[row]]
    number = float(column.numbers[row])
    return bool(number) if column.kind == "boolean" else number


def table(samples: Samples) -> list[tuple[object, ...]]:
    """The rows as (time after T0, tags…, fields…), in the order of the answer."""
    rows = []
    for row, time in enumerate(samples.time.tolist()):
        tags = [column.values[column.codes[row]] for column in samples.tags.values()]
        rows.append((time - T0, *tags, *(value_at(samples, name, row) for name in samples.fields)))
    return rows


def write(store: MetricStore, *lines: str) -> int:
    return store.write("\n".join(lines).encode(), precision="ms")


def test_every_type_of_field_comes_back_as_it_was_written(store: MetricStore) -> None:
    assert write(store, f'm f=1.5,i=3i,t=true,n=false,s="text" {T0}') == 1
    samples = store.read(query(fields=("f", "i", "t", "n", "s")), 5)
    assert table(samples) == [(0, 1.5, 3.0, True, False, "text")]
    kinds = {name: column.kind for name, column in samples.fields.items()}
    assert kinds == {"f": "number", "i": "number", "t": "boolean", "n": "boolean", "s": "string"}
    assert samples.fields["t"].numbers.tolist() == [1.0]


def test_strings_that_look_like_numbers_stay_strings(store: MetricStore) -> None:
    write(store, f'm v="12" {T0}', f'm v="" {T0 + 1}')
    samples = store.read(query(), 5)
    assert table(samples) == [(0, "12"), (1, "")]
    assert samples.fields["v"].kind == "string"
    assert samples.fields["v"].present.tolist() == [True, True]


def test_integers_beyond_what_a_double_holds_are_close_enough(store: MetricStore) -> None:
    write(store, f"m v={2**63 - 1}i {T0}", f"m v=-{2**53 + 1}i {T0 + 1}")
    numbers = store.read(query(), 5).fields["v"].numbers
    assert numbers.tolist() == pytest.approx([2**63, -(2**53)], rel=1e-12)


def test_missing_tags_are_empty_and_missing_fields_are_absent(store: MetricStore) -> None:
    write(store, f"m,a=x v=1,w=2 {T0}", f"m,b=y v=3 {T0 + 1}", f'm w=4,s="t" {T0 + 2}')
    samples = store.read(query("m", "a", "b", fields=("v", "w", "s")), 5)
    assert table(samples) == [
        (0, "x", "", 1.0, 2.0, None),
        (1, "", "y", 3.0, None, None),
        (2, "", "", None, 4.0, "t"),
    ]


def test_rows_without_any_wanted_field_are_left_out(store: MetricStore) -> None:
    write(store, f"m,a=x v=1 {T0}", f"m,a=y w=1 {T0}")
    assert table(store.read(query("m", "a"), 5)) == [(0, "x", 1.0)]


def test_without_fields_every_row_answers_with_its_tags(store: MetricStore) -> None:
    write(store, f"m,a=x v=1 {T0}", f"m,a=y w=1 {T0 + 1}")
    samples = store.read(query("m", "a", fields=()), 5)
    assert table(samples) == [(0, "x"), (1, "y")]
    assert samples.fields == {}


def test_unknown_tags_and_fields_are_there_and_empty(store: MetricStore) -> None:
    write(store, f"m,a=x v=1 {T0}")
    samples = store.read(query("m", "nope", fields=("v", "neither")), 5)
    assert table(samples) == [(0, "", 1.0, None)]
    assert samples.fields["neither"].kind == "empty"


def test_an_unknown_measurement_has_no_rows(store: MetricStore) -> None:
    write(store, f"m v=1 {T0}")
    samples = store.read(query("other", "a"), 5)
    assert len(samples) == 0
    assert (list(samples.tags), list(samples.fields)) == (["a"], ["v"])
    assert len(samples.tags["a"].codes) == len(samples.fields["v"].numbers) == 0


def test_names_that_differ_in_case_accents_or_blanks_are_different(store: MetricStore) -> None:
    names = [
        "web",
        "Web",
        "wéb",
        "we\u0301b",
        "web\\ ",
        "\\ web",
        "w\\,b",
        "w\\=b",
        'w"b',
        "w'b",
        "網頁",
        "a\\b",
    ]
    write(store, *(f"m,name={name} v={number} {T0}" for number, name in enumerate(names)))
    rows = table(store.read(query("m", "name"), 5))
    told = {str(row[1]): row[2] for row in rows}
    expected = [name.replace("\\ ", " ").replace("\\,", ",").replace("\\=", "=") for name in names]
    assert told == {name: float(number) for number, name in enumerate(expected)}


def test_measurements_tags_and_fields_may_have_odd_names(store: MetricStore) -> None:
    write(store, f'odd\\ "M\\,x,tag\\ "k=v field\\ "f\\,g=1 {T0}', f"select v=9 {T0}", f"Odd v=9 {T0}")
    samples = store.read(query('odd "M,x', 'tag "k', fields=('field "f,g',)), 5)
    assert table(samples) == [(0, "v", 1.0)]
    assert table(store.read(query("select"), 5)) == [(0, 9.0)]


def test_a_tag_and_a_field_may_share_their_name(store: MetricStore) -> None:
    write(store, f"m,a=tag a=1,b=2 {T0}")
    assert table(store.read(query("m", "a", fields=("a", "b")), 5)) == [(0, "tag", 1.0, 2.0)]


def test_texts_may_hold_quotes_backslashes_and_line_ends(store: MetricStore) -> None:
    write(store, f'm v="a \\"b\\" \\\\ c,d=e\nsecond # line" {T0}', f"m w=1 {T0 + 1}")
    assert table(store.read(query(), 5)) == [(0, 'a "b" \\ c,d=e\nsecond # line')]


def test_the_window_includes_its_start_and_not_its_stop(store: MetricStore) -> None:
    write(store, *(f"m v={n} {T0 + n}" for n in range(5)))
    samples = store.read(query(start=T0 + 1, stop=T0 + 4), 5)
    assert table(samples) == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert samples.dropped_future == 0


def test_points_of_the_future_are_not_part_of_the_answer(store: MetricStore) -> None:
    write(store, f"m v=1 {T0}", f"m v=2 {AFTER}", f"m v=3 {AFTER + 86_400_000}")
    assert table(store.read(query(), 5)) == [(0, 1.0)]


def test_a_point_written_again_overwrites_its_fields_and_keeps_the_others(store: MetricStore) -> None:
    for _ in range(2):
        write(store, f"m,a=x v=1,w=1 {T0}")
    write(store, f"m,a=x v=2 {T0}", f"m,a=x v=3 {T0}")
    assert table(store.read(query("m", "a", fields=("v", "w")), 5)) == [(0, "x", 3.0, 1.0)]


def test_points_of_one_millisecond_stay_apart_and_the_last_comes_last(store: MetricStore) -> None:
    ns = T0 * 1_000_000
    store.write(f"m v=2 {ns + 200}\nm v=1 {ns + 100}".encode())
    assert table(store.read(query(), 5)) == [(0, 1.0), (0, 2.0)]


@pytest.mark.parametrize(("precision", "factor"), [("ns", 10**6), ("us", 10**3), ("ms", 1)])
def test_precision_is_the_unit_of_the_timestamps(store: MetricStore, precision: str, factor: int) -> None:
    store.write(f"m v=1 {(T0 + 7) * factor}".encode(), precision=precision)
    assert table(store.read(query(), 5)) == [(7, 1.0)]


def test_seconds_are_a_precision_too(store: MetricStore) -> None:
    store.write(f"m v=1 {T0 // 1000}".encode(), precision="s")
    assert table(store.read(query(), 5)) == [(0, 1.0)]


def test_lines_without_a_time_get_the_stores_clock(store: MetricStore) -> None:
    assert store.write(b"m v=1\n\n# a comment\n  \nm,a=x v=2\n") == 2
    assert table(store.read(query(start=0, stop=T0), 5)) == []
    assert len(store.read(query(start=T0, stop=2**42), 5)) == 2


def test_an_or_chain_narrows_to_the_tags_that_it_names(store: MetricStore) -> None:
    hostile = "x') OR ('1'='1"
    escaped = hostile.replace(" ", "\\ ").replace("=", "\\=")
    write(store, f"m,a=x,b=1 v=1 {T0}", f"m,a=x,b=2 v=2 {T0}", f"m,a=y v=3 {T0}", f"m,a={escaped} v=4 {T0}")
    both = store.read(query("m", "a", where=({"a": "x", "b": "2"}, {"a": "y", "b": ""})), 5)
    assert sorted(table(both)) == [(0, "x", 2.0), (0, "y", 3.0)]
    assert table(store.read(query("m", "a", where=({"a": hostile},)), 5)) == [(0, hostile, 4.0)]
    assert len(store.read(query("m", "a", where=({"a": "x"}, {})), 5)) == 4


def test_a_field_does_not_change_its_type(store: MetricStore) -> None:
    write(store, f"m v=1 {T0}")
    with pytest.raises(InvalidInput, match=r"float.*string|string.*float"):
        write(store, f'm v="text" {T0 + 1}')
    assert table(store.read(query(), 5)) == [(0, 1.0)]


@pytest.mark.parametrize(
    "line", ["m", "m v=", "m,a v=1", ",a=1 v=1", "m v=1 soon", "m v=nan", 'm v="open', "m v=1,"]
)
def test_a_line_that_is_none_is_refused(store: MetricStore, line: str) -> None:
    with pytest.raises(InvalidInput):
        store.write(line.encode())
    assert store.discover() == []


def test_an_unknown_precision_is_refused_with_the_valid_ones(store: MetricStore) -> None:
    with pytest.raises(InvalidInput, match="ns, us, ms, s"):
        store.write(b"m v=1", precision="minutes")


def test_discovery_tells_measurements_tags_with_values_and_typed_fields(store: MetricStore) -> None:
    write(
        store, f'a\\ b,host=h1,zone=é v=1,n=2i,ok=true,s="x" {T0}', f"a\\ b,host=h2 v=1 {T0}", f"c w=1 {T0}"
    )
    first, second = store.discover()
    assert (first.measurement, second.measurement) == ("a b", "c")
    assert {tag: sorted(values) for tag, values in first.tags.items()} == {
        "host": ["h1", "h2"],
        "zone": ["é"],
    }
    assert first.fields == {"v": "float", "n": "integer", "ok": "boolean", "s": "string"}
    assert (second.tags, second.fields) == ({}, {"w": "float"})
    assert [found.measurement for found in store.discover(measurement="a b")] == ["a b"]
    assert store.discover(measurement="nope") == []


def test_discovery_tells_only_a_few_values_of_a_tag(store: MetricStore) -> None:
    write(store, *(f"m,id=i{number:03} v=1 {T0}" for number in range(50)))
    (found,) = store.discover()
    assert len(found.tags["id"]) == 20


def test_an_empty_store_has_nothing_to_discover_and_can_be_reached(store: MetricStore) -> None:
    store.ping(5)
    assert store.discover() == []


def test_an_answer_that_is_late_is_a_failed_query(store: MetricStore) -> None:
    write(store, *(f"m,id=i{number} v=1 {T0}" for number in range(20_000)))
    with pytest.raises(QueryFailed, match=r"within 0\.001 seconds"):
        store.read(query("m", "id"), 0.001)
    assert len(store.read(query("m", "id"), 20)) == 20_000
