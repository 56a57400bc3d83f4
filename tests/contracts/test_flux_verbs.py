"""Reducing, writing and discovering over Flux, with a sink in the place of InfluxDB."""

import re
from collections.abc import Iterator

import numpy as np
import pytest

from shared.columns import AggregateQuery, Discovered, Part
from shared.errors import InvalidInput, QueryFailed, TocsinError, Unavailable
from shared.metrics import MetricStore, open_metrics
from tests.support.flux_answers import EMPTY, ERROR, T0, count, partial
from tests.support.fluxscan import scan
from tests.support.sink import Reply, Request, Sink


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as opened:
        yield opened


@pytest.fixture
def store(sink: Sink) -> Iterator[MetricStore]:
    opened = open_metrics(f"flux+http://127.0.0.1:{sink.port}/tele%20graf?org=my%20org", "t0ken-secret")
    yield opened
    opened.close()


# ------------------------------------------------------------------ aggregates


def test_aggregates_are_merged_by_the_tags_that_were_asked_for(sink: Sink, store: MetricStore) -> None:
    query = AggregateQuery(
        "m",
        ("a",),
        (Part("v", ("latest",), T0, T0 + 9), Part("v", ("count", "sum", "min", "max"), T0, T0 + 5)),
    )
    body = count(10) + partial("1 max", "9,x", "7,y", kind="long") + partial("1 sum", "10,x", "1.5,x", "7,y")
    body += partial("0 latest", "2023-11-14T22:13:20.001Z,up,x", kind="string", time_column=True)
    body += partial("1 count", "2,x", "1,x", kind="long") + partial("1 min", "1,x", "-1,x")
    sink.reply(Reply(body=body))

    found = store.aggregate(query, 5)

    values = found.tags["a"].values
    told = {
        (part, values[code]): [found.numbers[name][row] for name in ("count", "sum", "min", "max")]
        for row, (part, code) in enumerate(zip(found.part.tolist(), found.tags["a"].codes, strict=True))
    }
    np.testing.assert_equal(
        told,
        {
            (0, "x"): [np.nan] * 4,
            (1, "x"): [3, 11.5, -1, 9],
            (1, "y"): [np.nan, 7, np.nan, 7],
        },
    )
    latest = found.part.tolist().index(0)
    assert found.time[latest] == T0 + 1
    assert found.latest.texts[found.latest.codes[latest]] == "up"
    assert found.bytes_read == len(body)


def test_aggregates_that_lack_a_row_are_a_failed_query(sink: Sink, store: MetricStore) -> None:
    query = AggregateQuery("m", ("a",), (Part("v", ("count",), T0, T0 + 9),))
    sink.reply(Reply(body=partial("0 count", "2,x", kind="long") + count(2)))
    with pytest.raises(QueryFailed, match="stopped before its end"):
        store.aggregate(query, 5)


def test_aggregates_of_nothing_are_no_rows(sink: Sink, store: MetricStore) -> None:
    sink.reply(Reply(body=EMPTY))
    found = store.aggregate(AggregateQuery("m", (), (Part("v", ("sum",), T0, T0 + 9),)), 5)
    assert len(found) == 0


# ------------------------------------------------------------------ writing and discovering


def test_writing_names_bucket_and_precision_and_sends_the_bytes(sink: Sink, store: MetricStore) -> None:
    sink.reply(Reply(204), Reply(204))
    assert store.write(b"m v=1 1\n# note\nm v=2 2", precision="u") == 2
    assert store.write(b"m v=3", database="other", precision="ms") == 1
    assert [request.path for request in sink.requests] == [
        "/api/v2/write?org=my+org&bucket=tele+graf&precision=us",
        "/api/v2/write?org=my+org&bucket=other&precision=ms",
    ]
    assert sink.requests[0].body == b"m v=1 1\n# note\nm v=2 2"


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, InvalidInput), (422, InvalidInput), (404, QueryFailed), (503, Unavailable), (500, QueryFailed)],
)
def test_a_refused_write_says_why(
    sink: Sink, store: MetricStore, status: int, error: type[TocsinError]
) -> None:
    sink.reply(Reply(status, body={"code": "unprocessable entity", "message": "field type conflict"}))
    with pytest.raises(error, match="field type conflict"):
        store.write(b"m v=1")


def test_an_unknown_precision_is_refused_with_the_valid_ones(store: MetricStore) -> None:
    with pytest.raises(InvalidInput, match="ns, us, ms, s"):
        store.write(b"m v=1", precision="h")


def discovered(request: Request) -> Reply:
    """A bucket with measurement `m`, tag `host`, fields `v` and `ok`, as a server that is asked in Flux tells it."""
    statement = request.json()["query"]
    if "first()" in statement:
        head = "#datatype,string,long,string,string,{}\r\n#group,false,false,true,true,false\r\n#default,rows,,,,\r\n"
        head += ",result,table,_measurement,_field,_value\r\n"
        found = head.format("double") + ",,0,m,v,1\r\n\r\n" + head.format("boolean") + ",,1,m,ok,true\r\n\r\n"
        return Reply(body=found)
    values = ["_start", "_stop", "_measurement", "_field", "host"] if "keys()" in statement else ["h1", "h,2"]
    head = (
        "#datatype,string,long,string\r\n#group,false,false,false\r\n#default,0,,\r\n,result,table,_value\r\n"
    )
    quoted = (f'"{value}"' if "," in value else value for value in values)
    return Reply(body=head + "".join(f",,0,{value}\r\n" for value in quoted) + "\r\n")


def test_discovery_tells_measurements_tags_with_values_and_typed_fields(
    sink: Sink, store: MetricStore
) -> None:
    sink.answer = discovered

    (found,) = store.discover(measurement="m")

    assert found == Discovered("m", {"host": ("h1", "h,2")}, {"v": "float", "ok": "boolean"})
    asked = [request.json()["query"] for request in sink.requests]
    assert len(asked) == 3
    assert all(list(scan(statement)) for statement in asked)
    assert re.search(r"limit\(n: 20\)", asked[2])


def test_an_empty_bucket_has_nothing_to_discover(sink: Sink, store: MetricStore) -> None:
    sink.reply(Reply(body=b"\r\n"))
    assert store.discover() == []


def test_discovery_that_fails_says_why(sink: Sink, store: MetricStore) -> None:
    sink.reply(Reply(body=ERROR.format(words="schema collision")))
    with pytest.raises(QueryFailed, match="discover: the metric store says: schema collision"):
        store.discover()
