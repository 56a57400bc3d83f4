"""What InfluxDB may answer besides good rows, played by a sink: errors inside 200, parts, drops, delays."""

import base64
import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import parse_qs

import numpy as np
import pytest

from shared.columns import SampleQuery
from shared.errors import InvalidInput, QueryFailed, TocsinError, Unavailable
from shared.metrics import MetricStore, open_metrics
from tests.support.processes import free_port
from tests.support.sink import Reply, Request, Sink

QUERY = SampleQuery("m", ("a",), ("v", "w"), 0, 1_000)
COLUMNS = ["time", "a", "v", "w"]


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as opened:
        yield opened


@pytest.fixture
def store(sink: Sink) -> Iterator[MetricStore]:
    opened = open_metrics(f"influxql+http://127.0.0.1:{sink.port}/db")
    yield opened
    opened.close()


def chunk(*rows: list[object], partial: bool = False, columns: list[str] | None = None) -> bytes:
    """One document of a chunked answer."""
    series = {"name": "m", "columns": columns or COLUMNS, "values": list(rows)}
    more = {"partial": True} if partial else {}
    return json.dumps({"results": [{"statement_id": 0, "series": [series | more], **more}]}).encode() + b"\n"


def form(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.text).items()}


def test_the_statement_is_one_raw_read_with_quoted_names_and_bound_values(sink: Sink) -> None:
    sink.reply(Reply(body=b'{"results":[{"statement_id":0}]}\n'))
    store = open_metrics(f"influxql+http://127.0.0.1:{sink.port}/my%20db?rp=two%22weeks")
    query = SampleQuery('m"x', ("a\\b", "a\\b"), ("v",), 5, 9, where=({"t": "x'y"},))
    assert len(store.read(query, 5)) == 0
    store.close()
    (request,) = sink.requests
    sent = form(request)
    assert (request.method, request.path) == ("POST", "/query")
    assert sent["db"] == "my db"
    assert sent["q"] == (
        'SELECT "a\\\\b"::tag, "v"::field FROM "two\\"weeks"."m\\"x" '
        'WHERE time >= 5ms AND time < 9ms AND (("t"::tag = $p0))'
    )
    assert json.loads(sent["params"]) == {"p0": "x'y"}
    assert (sent["epoch"], sent["chunked"]) == ("ms", "true")


def test_chunks_are_one_answer_and_types_may_change_between_them(sink: Sink, store: MetricStore) -> None:
    first = chunk([1, "x", 1, True], [2, None, None, False], partial=True)
    second = chunk([3, "y", "text", 7], [4, "x", 2.5, None], [5, "", False, None])
    sink.reply(Reply(body=first + second))
    samples = store.read(QUERY, 5)
    assert samples.time.tolist() == [1, 2, 3, 4, 5]
    tag, v, w = samples.tags["a"], samples.fields["v"], samples.fields["w"]
    assert [tag.values[code] for code in tag.codes] == ["x", "", "y", "x", ""]
    assert (v.kind, w.kind) == ("mixed", "mixed")
    assert v.present.tolist() == [True, False, True, True, True]
    np.testing.assert_array_equal(v.numbers, [1, np.nan, np.nan, 2.5, 0])
    assert [v.texts[code] if code >= 0 else None for code in v.codes] == [None, None, "text", None, None]
    assert samples.bytes_read == len(first + second) - 2


def test_rows_at_or_after_the_stop_are_dropped_and_counted(sink: Sink, store: MetricStore) -> None:
    sink.reply(Reply(body=chunk([999, "x", 1, 1], [1_000, "x", 2, 2], [5_000, "x", 3, 3])))
    samples = store.read(QUERY, 5)
    assert (samples.time.tolist(), samples.dropped_future) == ([999], 2)
    assert samples.fields["v"].numbers.tolist() == [1.0]


def test_numbers_that_are_none_are_absent(sink: Sink, store: MetricStore) -> None:
    body = chunk([1, "x", 0, 0]).replace(b"0, 0]", b"NaN, -Infinity]")
    sink.reply(Reply(body=body))
    samples = store.read(QUERY, 5)
    assert samples.fields["v"].present.tolist() == samples.fields["w"].present.tolist() == [False]
    assert np.isnan(samples.fields["w"].numbers).all()


def test_one_number_that_is_none_costs_no_other_row(sink: Sink, store: MetricStore) -> None:
    body = chunk([1, "NaN", 5, "Infinity"], [2, "y", 0, None]).replace(b"0, null]", b"NaN, null]")
    sink.reply(Reply(body=body))
    samples = store.read(QUERY, 5)
    tag, text = samples.tags["a"], samples.fields["w"]
    assert [tag.values[code] for code in tag.codes] == ["NaN", "y"]
    assert samples.fields["v"].present.tolist() == [True, False]
    assert [text.texts[code] if code >= 0 else None for code in text.codes] == ["Infinity", None]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(body={"results": [{"statement_id": 0, "error": "timeout"}]}), "m: .*says: timeout"),
        (Reply(body={"error": "database is locked"}), "database is locked"),
        (
            Reply(body=chunk([1, "x", 1, 1], partial=True) + b'{"error":"max-select-point"}'),
            "max-select-point",
        ),
        (Reply(body=chunk([1, "x", 1, 1], partial=True)), "stopped before its end"),
        (Reply(body=chunk([1, 1], columns=["time", "v"])), "expected 4 columns"),
        (Reply(body=b""), "stopped before its end"),
        (Reply(body=b"{}"), "no results"),
        (Reply(body=b'{"results":null}'), "no results"),
        (Reply(body=b"<html>login</html>"), "no JSON"),
        (Reply(body=b"[1]"), "no JSON object"),
        (Reply(body=b"[" * 100_000), "no JSON"),
        (Reply(body=chunk([1, "\ud800", 1, 1])), "no JSON"),  # half a character, which no database takes
        (
            # What 1.6.7 answers, with status 200, to a sum beyond the largest double.
            Reply(body=b"json: error calling MarshalJSON for type *query.Result: unsupported value: +Inf"),
            r"no JSON.*unsupported value: \+Inf",
        ),
        (
            Reply(400, body={"code": "invalid", "message": "queue length exceeded"}),
            "400: queue length exceeded",
        ),
        (Reply(500, body={"error": "runtime panic"}), "500: runtime panic"),
        (
            Reply(401, body={"error": "authorization failed"}),
            "credentials: authorization failed.*TOCSIN_METRICS",
        ),
        (Reply(302, headers={"Location": "https://elsewhere.invalid/"}), "answered 302"),
        (Reply(body=chunk([1, "x", 1, 1]), drop="halfway"), "stopped before its end"),
    ],
)
def test_an_error_or_a_part_of_an_answer_is_a_failed_query(
    sink: Sink, store: MetricStore, reply: Reply, words: str
) -> None:
    sink.reply(reply)
    with pytest.raises(QueryFailed, match=words):
        store.read(QUERY, 5)


@pytest.mark.parametrize("reply", [Reply(503, body="starting"), Reply(502), Reply(drop="unanswered")])
def test_a_server_that_is_not_there_yet_is_unavailable(sink: Sink, store: MetricStore, reply: Reply) -> None:
    sink.reply(reply)
    with pytest.raises(Unavailable, match="TOCSIN_METRICS_URL"):
        store.read(QUERY, 5)


def test_a_refused_connection_is_unavailable_and_the_password_is_hidden() -> None:
    store = open_metrics(f"influxql+http://me:s3cret@127.0.0.1:{free_port()}/db")
    for call in (lambda: store.read(QUERY, 5), lambda: store.ping(5), lambda: store.write(b"m v=1")):
        with pytest.raises(Unavailable, match=r"me:\*\*\*@127\.0\.0\.1") as failure:
            call()
        assert "s3cret" not in str(failure.value)
    store.close()


def test_an_answer_that_stalls_ends_at_the_deadline(sink: Sink, store: MetricStore) -> None:
    release = threading.Event()
    sink.reply(Reply(body=chunk([1, "x", 1, 1]), hold=release))
    started = time.monotonic()
    with pytest.raises(QueryFailed, match=r"no complete answer within 0\.3 seconds"):
        store.read(QUERY, 0.3)
    assert time.monotonic() - started < 2
    release.set()
    sink.reply(Reply(body=chunk([1, "x", 1, 1])))
    assert len(store.read(QUERY, 5)) == 1


def test_an_answer_that_stalls_halfway_does_not_get_its_time_twice() -> None:
    body = chunk([1, "x", 1, 1], partial=True)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def half_an_answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(head + body)
                over.wait(10)

        thread = threading.Thread(target=half_an_answer)
        thread.start()
        store = open_metrics(f"influxql+http://127.0.0.1:{server.getsockname()[1]}/db")
        started = time.monotonic()
        with pytest.raises(QueryFailed, match=r"no complete answer within 0\.8 seconds"):
            store.read(QUERY, 0.8)
        assert time.monotonic() - started < 1.5
        over.set()
        store.close()
        thread.join(10)


@pytest.mark.parametrize(
    ("user", "token", "header"),
    [
        ("me:p%40ss@", "", "Basic " + base64.b64encode(b"me:p@ss").decode()),
        ("", "abc", "Token abc"),
        ("", "apiv3_abc", "Bearer apiv3_abc"),
        ("", "", None),
    ],
)
def test_credentials_travel_in_the_header(sink: Sink, user: str, token: str, header: str | None) -> None:
    store = open_metrics(f"influxql+http://{user}127.0.0.1:{sink.port}/db", token)
    sink.reply(Reply(body=b'{"results":[{"statement_id":0}]}'), Reply(204), Reply(204))
    store.read(QUERY, 5)
    store.write(b"m v=1")
    store.ping(5)
    store.close()
    assert [request.headers.get("authorization") for request in sink.requests] == [header] * 3


def test_a_compressed_answer_is_read(sink: Sink, store: MetricStore) -> None:
    sink.reply(Reply(body=gzip.compress(chunk([1, "x", 1, 1])), headers={"Content-Encoding": "gzip"}))
    assert len(store.read(QUERY, 5)) == 1
    assert "gzip" not in sink.requests[0].headers.get("accept-encoding", "")


def test_writing_names_database_policy_and_precision_and_sends_the_bytes(sink: Sink) -> None:
    store = open_metrics(f"influxql+http://127.0.0.1:{sink.port}/db?rp=week")
    sink.reply(Reply(204), Reply(204))
    assert store.write(b"m v=1 1\n# note\nm v=2 2", precision="us") == 2
    assert store.write(b"m v=3", database="other") == 1
    store.close()
    assert [request.path for request in sink.requests] == [
        "/write?db=db&precision=u&rp=week",
        "/write?db=other&precision=n&rp=week",
    ]
    assert sink.requests[0].body == b"m v=1 1\n# note\nm v=2 2"


@pytest.mark.parametrize(
    ("status", "error"), [(400, InvalidInput), (404, QueryFailed), (503, Unavailable), (500, QueryFailed)]
)
def test_a_refused_write_says_why(
    sink: Sink, store: MetricStore, status: int, error: type[TocsinError]
) -> None:
    sink.reply(Reply(status, body={"error": "partial write: field type conflict"}))
    with pytest.raises(error, match="field type conflict"):
        store.write(b"m v=1")


def test_discovery_that_lacks_an_answer_is_a_failed_query(sink: Sink, store: MetricStore) -> None:
    sink.reply(Reply(body={"results": [{"statement_id": 0}]}))
    with pytest.raises(QueryFailed, match="2 questions, got 1"):
        store.discover()


@pytest.mark.parametrize(
    "url",
    [
        "influx://h/d",
        "http://h:8086/d",
        "",
        "influxql+http://h:8086",
        "influxql+http:///d",
        "influxql+http://h/d?x=1",
    ],
)
def test_a_url_that_names_no_store_says_which_are_valid(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"TOCSIN_METRICS_URL: .*embedded:///FILE, influxql\+http"):
        open_metrics(url)
