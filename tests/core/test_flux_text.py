"""Statements of Flux: what they say, and that no name or value of others can leave its literal."""

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.columns import AggregateQuery, Part, SampleQuery
from shared.metrics import _flux_text as flux
from tests.support.fluxscan import Token, scan

T0 = 1_700_000_000_000
ODD = [
    "a$\\",
    '" or true) |> count() //',
    "${1+1}",
    "\\",
    '"',
    "$",
    "x\n",
    "é網",
    "\x00",
    'a$"b',
    "\\x41",
    "{}",
    "/*",
]

texts = st.one_of(st.sampled_from(ODD), st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
names = texts.filter(lambda text: text and not text.startswith("_"))
queries = st.builds(
    SampleQuery,
    measurement=texts,
    tags=st.lists(names, max_size=3).map(tuple),
    fields=st.lists(texts, max_size=3).map(tuple),
    start=st.just(T0),
    stop=st.just(T0 + 60_000),
    where=st.lists(st.dictionaries(names, texts, max_size=2), max_size=3).map(tuple),
)


class Harmless(dict[str, str]):
    """A word for every text, always the same; the empty text stays."""

    def __missing__(self, text: str) -> str:
        word = self[text] = f"w{len(self)}" if text else ""
        return word


def harmless(query: SampleQuery, words: Mapping[str, str]) -> SampleQuery:
    return replace(
        query,
        measurement=words[query.measurement],
        tags=tuple(words[tag] for tag in query.tags),
        fields=tuple(words[field] for field in query.fields),
        where=tuple({words[tag]: words[value] for tag, value in tags.items()} for tags in query.where),
    )


def shape(statement: str) -> list[Token]:
    return [token if token.kind != "string" else Token("string", "") for token in scan(statement)]


def strings(statement: str) -> list[str]:
    return [token.text for token in scan(statement) if token.kind == "string"]


@given(texts)
def test_a_literal_is_one_token_that_means_the_text(text: str) -> None:
    assert list(scan(flux.literal(text))) == [Token("string", text)]


def test_escaping_by_backslash_would_let_a_value_leave_its_literal() -> None:
    naive = [
        '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${") + '"'
        for text in ("a$\\", " or true) |> count() //")
    ]
    tokens = list(scan(f"r.id == {naive[0]} and r.n == {naive[1]})"))

    assert Token("word", "count") in tokens


@given(queries, texts)
def test_a_read_says_the_same_whatever_its_names_and_values_are(query: SampleQuery, bucket: str) -> None:
    words = Harmless()
    plain = flux.select(harmless(query, words), words[bucket])
    found = flux.select(query, bucket)

    assert shape(found) == shape(plain)
    meant = {word: text for text, word in words.items()}
    assert strings(found) == [meant.get(word, word) for word in strings(plain)]


@given(queries, texts)
def test_an_aggregate_says_the_same_whatever_its_names_and_values_are(
    query: SampleQuery, bucket: str
) -> None:
    words = Harmless()
    plain = harmless(query, words)
    asked, safe = (
        AggregateQuery(
            q.measurement, q.tags, tuple(Part(name, ("count", "sum"), 0, 9) for name in q.fields), "", q.where
        )
        for q in (query, plain)
    )

    found = flux.aggregate(asked, bucket)
    assert shape(found) == shape(flux.aggregate(safe, words[bucket]))


@given(texts, st.lists(st.tuples(texts, names), max_size=3))
def test_discovery_says_the_same_whatever_the_names_are(bucket: str, keys: list[tuple[str, str]]) -> None:
    words = Harmless()
    plain = [(words[name], words[tag]) for name, tag in keys]
    measurements = [name for name, _ in keys]

    found = flux.tag_values(bucket, keys, 20) + flux.tag_keys(bucket, measurements)
    safe = flux.tag_values(words[bucket], plain, 20) + flux.tag_keys(words[bucket], [n for n, _ in plain])
    assert shape(found) == shape(safe)


def test_a_read_is_one_statement_with_its_rows_and_their_count() -> None:
    query = SampleQuery(
        "http response",
        ("host", "host", "_field"),
        ("a", "b"),
        T0,
        T0 + 30_500,
        where=({"host": "h1"}, {"host": "h2", "dc": ""}),
    )
    lines = flux.select(query, "telegraf/autogen").splitlines()

    assert lines[:7] == [
        'import "csv"',
        'rows = from(bucket: "telegraf/autogen")',
        "  |> range(start: 2023-11-14T22:13:20.000Z, stop: 2023-11-14T22:13:50.500Z)",
        '  |> filter(fn: (r) => r["_measurement"] == "http response"'
        ' and (r["_field"] == "a" or r["_field"] == "b")'
        ' and ((r["host"] == "h1") or (r["host"] == "h2" and not exists r["dc"])))',
        '  |> keep(columns: ["_field", "_time", "_value", "host"])',
        '  |> group(columns: ["_field"])',
        'rows |> yield(name: "rows")',
    ]
    assert lines[-1] == (
        'union(tables: [zero, rows |> count() |> group()]) |> group() |> sum() |> yield(name: "count")'
    )
    assert next(text for text in strings(lines[7]) if "," in text).splitlines() == [
        "#datatype,string,long,long",
        "#group,false,false,false",
        "#default,_result,,",
        ",result,table,_value",
        ",,0,0",
    ]


def test_without_fields_and_with_an_open_alternative_only_the_measurement_is_filtered() -> None:
    query = SampleQuery("m", (), (), T0, T0 + 1, where=({"a": "x"}, {}))

    assert '|> filter(fn: (r) => r["_measurement"] == "m")\n' in flux.select(query, "b")


def test_every_function_of_an_aggregate_is_a_chain_of_its_own_and_all_are_counted() -> None:
    parts = (Part("v", ("latest",), T0, T0 + 60_000), Part("v", ("count", "max"), T0, T0 + 30_000))
    statement = flux.aggregate(AggregateQuery("m", ("id",), parts), "b")

    assert re.findall(r"\|> (\w+)\(\) \|> keep\(columns: (\[.*?\])\)", statement) == [
        ("last", '["_value", "_time", "id"]'),
        ("count", '["_value", "id"]'),
        ("max", '["_value", "id"]'),
    ]
    assert re.findall(r'yield\(name: "(.*?)"\)', statement) == ["0 latest", "1 count", "1 max", "count"]
    assert statement.count("from(bucket:") == 3
    assert "stop: 2023-11-14T22:13:49.999999999Z" in statement
    assert "[zero, part0latest |> count() |> group(), part1count |> count() |> group()" in statement


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (T0 + 7, "2023-11-14T22:13:20.007Z"), (-1, "1969-12-31T23:59:59.999Z")],
)
def test_times_are_written_to_the_millisecond(ms: int, text: str) -> None:
    assert flux.moment(ms) == text
