"""What InfluxDB may answer to Flux besides good rows, played by a sink: errors inside 200, parts, drops, delays."""

import gzip
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from shared.columns import SampleQuery
from shared.errors import InvalidInput, QueryFailed, Unavailable
from shared.metrics import MetricStore, open_metrics
from tests.support.flux_answers import EMPTY, ERROR, HEAD, T0, count, rows
from tests.support.processes import free_port
from tests.support.sink import Reply, Sink

QUERY = SampleQuery("m", ("a",), ("v",), T0, T0 + 30_000)


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as opened:
        yield opened


@pytest.fixture
def store(sink: Sink) -> Iterator[MetricStore]:
    opened = open_metrics(f"flux+http://127.0.0.1:{sink.port}/tele%20graf?org=my%20org", "t0ken-secret")
    yield opened
    opened.close()


def test_a_read_is_one_request_in_the_dialect_that_is_read(sink: Sink, store: MetricStore) -> None:
    sink.reply(Reply(body=EMPTY), Reply(body=EMPTY))
    store.read(QUERY, 5)
    store.read(SampleQuery("m", (), ("v",), 0, 9, database="db/week"), 5)

    first, second = sink.requests
    assert (first.method, first.path) == ("POST", "/api/v2/query?org=my+org")
    assert (first.headers["authorization"], first.headers["accept"]) == (
        "Token t0ken-secret",
        "application/csv",
    )
    assert first.json()["dialect"] == {
        "header": True,
        "delimiter": ",",
        "annotations": ["datatype", "group", "default"],
        "commentPrefix": "#",
        "dateTimeFormat": "RFC3339",
    }
    assert 'from(bucket: "tele graf")' in first.json()["query"]
    assert 'from(bucket: "db/week")' in second.json()["query"]


def test_version_1_8_takes_user_and_password_as_a_token_and_has_no_org(sink: Sink) -> None:
    store = open_metrics(f"flux+http://me:p%40ss@127.0.0.1:{sink.port}/db/rp")
    sink.reply(Reply(body=EMPTY), Reply(204), Reply(204))
    store.read(QUERY, 5)
    store.write(b"m v=1")
    store.ping(5)
    store.close()

    assert {request.headers["authorization"] for request in sink.requests} == {"Token me:p@ss"}
    assert [request.path for request in sink.requests] == [
        "/api/v2/query",
        "/api/v2/write?bucket=db%2Frp&precision=ns",
        "/ping",
    ]


def test_an_answer_that_arrives_in_many_parts_is_one(sink: Sink, store: MetricStore) -> None:
    times = [f"2023-11-14T22:13:{second:02}Z" for second in range(20, 40)]
    body = HEAD.format(type="long") + "".join(
        f",,0,v,{times[number % 20]},{number},é{number % 7}\r\n" for number in range(25_000)
    )
    sink.reply(Reply(body=body + "\r\n" + count(25_000)))

    samples = store.read(QUERY, 5)

    assert len(samples) == 25_000
    assert samples.fields["v"].numbers.sum() == 25_000 * 24_999 / 2
    assert sorted(samples.tags["a"].values) == [f"é{number}" for number in range(7)]


def test_rows_at_or_after_the_stop_are_dropped_and_counted(sink: Sink, store: MetricStore) -> None:
    late = "".join(
        f",,0,v,2023-11-14T22:13:{second}Z,{second},x\r\n" for second in ("20", "49.999999999", "50", "51")
    )
    sink.reply(Reply(body=HEAD.format(type="double").replace("{value}", "1") + late + "\r\n" + count(4)))

    samples = store.read(QUERY, 5)

    assert (samples.time.tolist(), samples.dropped_future) == ([T0, T0 + 29_999], 2)
    assert samples.fields["v"].numbers.tolist() == [20.0, 49.999999999]


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", ""])
def test_numbers_that_are_none_are_absent(sink: Sink, store: MetricStore, value: str) -> None:
    sink.reply(Reply(body=rows("1", value) + count(2)))

    column = store.read(QUERY, 5).fields["v"]

    assert column.present.tolist() == [True, False]
    np.testing.assert_array_equal(column.numbers, [1, np.nan])
    assert column.kind == "number"


def test_a_field_whose_type_changed_holds_both(sink: Sink, store: MetricStore) -> None:
    body = rows("18446744073709551615", kind="unsignedLong") + rows("up", kind="string") + count(2)
    sink.reply(Reply(body=body))

    column = store.read(QUERY, 5).fields["v"]

    assert column.kind == "mixed"
    assert column.present.all()
    assert float(np.nanmax(column.numbers)) == 2.0**64
    assert [column.texts[code] for code in column.codes if code >= 0] == ["up"]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (
            Reply(body=rows("1") + ERROR.format(words='"engine: unknown field type, for x"')),
            "unknown field type, for x",
        ),
        (
            Reply(body=ERROR.format(words="schema collision")[2:]),
            "m: the metric store says: schema collision",
        ),
        (Reply(body=rows("1")), "stopped before its end"),
        (Reply(body=rows("1") + count(2)), "stopped before its end"),
        (Reply(body=count(1)), "stopped before its end"),
        (Reply(body=b"\r\n"), "stopped before its end"),
        (Reply(body=b""), "stopped before its end"),
        (Reply(body=rows("1") + count(1)[:-30]), "stopped before its end|readable CSV"),
        (Reply(body=rows("1")[:-12] + "\r\n" + count(1)), "readable CSV: a row doesn't have 7 cells"),
        (Reply(body=rows('"open') + count(1)), "readable CSV"),
        (Reply(body=rows("abc") + count(1)), "bad value: .*abc"),
        (Reply(body=rows("maybe", kind="boolean") + count(1)), "bad value: 'maybe' is no boolean"),
        (Reply(body=rows("5m", kind="duration") + count(1)), "no field has the type duration"),
        (Reply(body=rows("1").replace("20Z", "20+01:00") + count(1)), "a time that is not UTC"),
        (Reply(body=rows("1").replace(",_time,", ",time,") + count(1)), "is no '_time'"),
        (Reply(body=rows("1").replace("rows", "else") + count(1)), "is no 'else'"),
        (Reply(body="<html>\r\n<b>login, please</b>"), "readable CSV: a line begins with '<html>'"),
        (Reply(body=b"\xff\xfe\r\n"), "readable CSV"),
        (Reply(body=rows("1").encode() + gzip.compress(b"x")), "readable CSV"),
        (
            Reply(400, body={"code": "invalid", "message": "queue length exceeded"}),
            "400: queue length exceeded",
        ),
        (Reply(500, body={"code": "internal error", "message": "panic: x"}), "500: panic: x"),
        (Reply(404, body={"code": "not found", "message": 'could not find bucket "b"'}), 'find bucket "b"'),
        (
            Reply(401, body={"code": "unauthorized", "message": "unauthorized access with t0ken-secret"}),
            r"credentials: unauthorized access with \*\*\*.*TOCSIN_METRICS",
        ),
        (Reply(403, body="Flux query service disabled."), "credentials: Flux query service disabled"),
        (Reply(302, headers={"Location": "https://elsewhere.invalid/"}), "answered 302"),
        (Reply(body=rows("1") + count(1), drop="halfway"), "stopped before its end"),
    ],
)
def test_an_error_or_a_part_of_an_answer_is_a_failed_query(
    sink: Sink, store: MetricStore, reply: Reply, words: str
) -> None:
    sink.reply(reply)
    with pytest.raises(QueryFailed, match=words) as failure:
        store.read(QUERY, 5)
    assert "t0ken-secret" not in str(failure.value)


@pytest.mark.parametrize("reply", [Reply(503, body="starting"), Reply(502), Reply(drop="unanswered")])
def test_a_server_that_is_not_there_yet_is_unavailable(sink: Sink, store: MetricStore, reply: Reply) -> None:
    sink.reply(reply)
    with pytest.raises(Unavailable, match="TOCSIN_METRICS_URL"):
        store.read(QUERY, 5)


def test_a_refused_connection_is_unavailable_and_the_password_is_hidden() -> None:
    store = open_metrics(f"flux+http://me:s3cret@127.0.0.1:{free_port()}/db")
    for call in (lambda: store.read(QUERY, 5), lambda: store.ping(5), lambda: store.write(b"m v=1")):
        with pytest.raises(Unavailable, match=r"me:\*\*\*@127\.0\.0\.1") as failure:
            call()
        assert "s3cret" not in str(failure.value)
    store.close()


def test_an_answer_that_stalls_ends_at_the_deadline(sink: Sink, store: MetricStore) -> None:
    release = threading.Event()
    sink.reply(Reply(body=EMPTY, hold=release))
    started = time.monotonic()
    with pytest.raises(QueryFailed, match=r"no complete answer within 0\.3 seconds"):
        store.read(QUERY, 0.3)
    assert time.monotonic() - started < 2
    release.set()
    sink.reply(Reply(body=EMPTY))
    assert len(store.read(QUERY, 5)) == 0


def test_a_compressed_answer_is_read(sink: Sink, store: MetricStore) -> None:
    body = (rows("1") + count(1)).encode()
    sink.reply(Reply(body=gzip.compress(body), headers={"Content-Encoding": "gzip"}))
    assert len(store.read(QUERY, 5)) == 1
    assert "gzip" not in sink.requests[0].headers.get("accept-encoding", "")


@pytest.mark.parametrize(
    "url", ["flux+http://h:8086", "flux+http:///b", "flux+http://h/b?orgid=1", "flux://h/b"]
)
def test_a_url_that_names_no_bucket_says_which_are_valid(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"TOCSIN_METRICS_URL: .*flux\+http://HOST:8086/BUCKET\?org=ORG"):
        open_metrics(url)
