"""The write function in its own process, as Telegraf, client libraries and our monitors meet it."""

import gzip
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException

from shared.columns import SampleQuery
from shared.metrics import MetricStore, open_metrics
from tests.support.functions import FunctionProcess, running_function
from tests.support.processes import free_port

T0 = 1_700_000_000_000
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def process(state_dir: Path) -> Iterator[FunctionProcess]:
    with running_function("write", {"TOCSIN_STATE_DIR": str(state_dir)}) as running:
        yield running


@pytest.fixture
def store(state_dir: Path) -> Iterator[MetricStore]:
    opened = open_metrics("embedded:///metrics.db", state_dir=state_dir)
    yield opened
    opened.close()


@pytest.fixture
def client(process: FunctionProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=process.url, timeout=20, trust_env=False) as opened:
        yield opened


def points(store: MetricStore, measurement: str, *tags: str) -> list[tuple[object, ...]]:
    """Every point as (tags…, v)."""
    samples = store.read(SampleQuery(measurement, tags, ("v",), 0, 2**42), 5)
    columns = [[column.values[code] for code in column.codes] for column in samples.tags.values()]
    return list(zip(*columns, samples.fields["v"].numbers.tolist(), strict=True))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/write?db=telegraf&rp=week&precision=ms", "v1"),
        ("/write?precision=ms", "plain"),
        ("/api/v2/write?bucket=b&org=o&precision=ms", "v2"),
    ],
)
def test_points_are_kept_and_the_answer_is_204_and_empty(
    client: httpx.Client, store: MetricStore, path: str, name: str
) -> None:
    reply = client.post(path, content=f"{name},host=a v=1 {T0}\n{name},host=b v=2 {T0}\n")
    assert (reply.status_code, reply.content) == (204, b"")
    assert sorted(points(store, name, "host")) == [("a", 1.0), ("b", 2.0)]


def test_a_compressed_batch_is_kept(client: httpx.Client, store: MetricStore) -> None:
    body = gzip.compress(b"zipped v=3\n")
    reply = client.post("/write", content=body, headers={"Content-Encoding": "gzip"})
    assert reply.status_code == 204
    assert points(store, "zipped") == [(3.0,)]


def test_a_batch_that_calls_itself_a_form_is_kept(client: httpx.Client, store: MetricStore) -> None:
    curl = {"Content-Type": "application/x-www-form-urlencoded"}  # what `curl --data-binary` says
    assert client.post("/write?db=x", content=b"form,a=b v=1\n", headers=curl).status_code == 204
    assert points(store, "form", "a") == [("b", 1.0)]


def test_a_batch_in_pieces_without_a_length_is_kept(client: httpx.Client, store: MetricStore) -> None:
    reply = client.post("/write", content=iter([b"pieces v=1\n", b"pieces,a=b v=2\n"]))
    assert reply.status_code == 204
    assert sorted(points(store, "pieces", "a")) == [("", 1.0), ("b", 2.0)]


@pytest.mark.parametrize("compressed", [False, True])
def test_influxdbs_own_client_can_write(
    process: FunctionProcess, store: MetricStore, compressed: bool
) -> None:
    name = f"client_{compressed}"
    tags = {"city": 'São "Paulo", x=y'}
    point = {"measurement": name, "tags": tags, "fields": {"v": 21.5, "n": 3}, "time": T0}
    with (
        InfluxDBClient(process.url, token="any", org="o", enable_gzip=compressed) as influxdb,
        influxdb.write_api(write_options=SYNCHRONOUS) as api,
    ):
        assert influxdb.ping()
        api.write("bucket", record=point, write_precision=WritePrecision.MS)
        with pytest.raises(ApiException) as refused:
            api.write("bucket", record=f'{name} v="text"')
    assert points(store, name, "city") == [('São "Paulo", x=y', 21.5)]
    assert refused.value.status == 400


def test_a_bad_line_is_named_and_nothing_of_its_batch_is_kept(
    client: httpx.Client, store: MetricStore
) -> None:
    for path in ("/write", "/api/v2/write"):
        reply = client.post(path, content=f"half v=1 {T0}\nhalf v=… soon\n")
        assert reply.status_code == 400
        body = reply.json()
        message = body["message"] if path.startswith("/api") else body["error"]
        assert message.startswith("unable to parse: line 2: ")
        assert "expected: measurement,tag=value" in message
        assert path == "/write" or body["code"] == "invalid"
        assert path == "/api/v2/write" or reply.headers["x-influxdb-error"].startswith(
            "unable to parse: line 2"
        )
    assert points(store, "half") == []


@pytest.mark.parametrize(
    ("content", "headers", "status", "words"),
    [
        (b"m v=1", {"Content-Encoding": "gzip"}, 400, "not gzip"),
        (gzip.compress(b"m v=1", mtime=0)[:-9], {"Content-Encoding": "gzip"}, 400, "ends too early"),
        (b"m v=1", {"Content-Encoding": "br"}, 400, "valid are gzip and identity"),
        (b"#" * (5 * MIB + 1), {}, 413, "5 MiB"),
        (b"#" * (12 * MIB), {}, 413, "5 MiB"),
        (gzip.compress(b"#" * (200 * MIB)), {"Content-Encoding": "gzip"}, 413, "5 MiB"),
        (b"m v=1", {"X-Precision": "hours"}, 400, "valid are ns, us, ms, s"),
    ],
)
def test_a_body_that_can_not_be_used_says_why(
    client: httpx.Client, content: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    precision = headers.get("X-Precision", "ns")
    reply = client.post(f"/write?precision={precision}", content=content, headers=headers)
    assert reply.status_code == status
    assert words in reply.json()["error"]


def test_a_body_of_exactly_the_limit_is_taken(client: httpx.Client) -> None:
    line = b"limit v=1\n"
    assert client.post("/write", content=line + b"#" * (5 * MIB - len(line))).status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ping", 204),
        ("HEAD", "/ping", 204),
        ("GET", "/health", 200),
        ("GET", "/health/liveness", 200),
        ("GET", "/health/readiness", 200),
        ("POST", "/query?q=CREATE%20DATABASE%20%22telegraf%22", 200),
        ("POST", "/query?q=SELECT%201", 404),
        ("GET", "/write", 405),
        ("GET", "/api/v2/query", 404),
    ],
)
def test_writers_find_the_paths_that_they_ask_before_writing(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    assert client.request(method, path).status_code == status


def test_what_telegraf_sends_when_it_starts_is_understood(client: httpx.Client) -> None:
    reply = client.post("/query", data={"q": 'CREATE DATABASE "telegraf"'})
    assert reply.json() == {"results": [{"statement_id": 0}]}


def test_a_store_out_of_reach_is_503_and_its_password_stays_secret() -> None:
    url = f"influxql+http://me:s3cret@127.0.0.1:{free_port()}/db"
    with running_function("write", {"TOCSIN_METRICS_URL": url}) as process:
        reply = httpx.post(f"{process.url}/write", content=b"m v=1", trust_env=False, timeout=20)
        told = reply.text + process.stdout + process.stderr
    assert reply.status_code == 503
    assert "TOCSIN_METRICS_URL" in reply.json()["error"]
    assert "s3cret" not in told


def test_a_body_that_ends_early_is_refused_and_not_kept(process: FunctionProcess, store: MetricStore) -> None:
    host, port = process.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\ngone v=1\n")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 400 ")
    assert points(store, "gone") == []
