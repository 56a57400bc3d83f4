"""The servers and the wire-level fake of the tests: they answer, they start empty, they fail as they are told."""

import threading
from pathlib import Path

import httpx
import pytest
import redis
from sqlalchemy import create_engine, make_url, text

from tests.support import servers
from tests.support.sink import Reply, Sink


def client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=2, trust_env=False)


# ------------------------------------------------------------------ servers


def test_every_test_gets_an_empty_database_of_its_own(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE only_here (id INTEGER)"))
        connection.execute(text("INSERT INTO only_here VALUES (1)"))
        assert connection.execute(text("SELECT id FROM only_here")).all() == [(1,)]
    engine.dispose()


def test_a_mariadb_database_can_be_dropped_while_a_transaction_holds_it(mariadb: servers.MariaDB) -> None:
    with mariadb.database() as url:
        engine = create_engine(url)
        connection = engine.connect()
        connection.execute(text("CREATE TABLE held (id INTEGER) ENGINE=InnoDB"))
        connection.execute(text("INSERT INTO held VALUES (1)"))

    assert mariadb.query(f"SHOW DATABASES LIKE '{make_url(url).database}'") == []
    connection.invalidate()
    engine.dispose()


@pytest.mark.parametrize(
    ("left", "again"),
    [
        ("INSERT INTO forgotten VALUES ('t', 'r', 's', 'k', 1)", True),
        ("ALTER TABLE rules DROP COLUMN title", False),
    ],
    ids=["a row", "another table"],
)
def test_a_database_is_used_again_without_what_was_left_in_it_unless_its_tables_are_others(
    mariadb: servers.MariaDB, left: str, again: bool
) -> None:
    with mariadb.migrated() as first:
        mariadb.query(f"USE {make_url(first).database}", left)
    with mariadb.migrated() as second:
        assert (second == first) == again
        name = make_url(second).database
        assert mariadb.query(f"SELECT COUNT(*) FROM {name}.forgotten") == [(0,)]
        assert mariadb.query(f"SELECT COUNT(title) FROM {name}.rules") == [(0,)]


def test_redis_starts_empty_in_every_test(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as connection:
        assert connection.dbsize() == 0
        assert connection.set("key", "value", nx=True)
        assert connection.eval("return redis.call('GET', KEYS[1])", 1, "key") == b"value"


def test_redis_starts_empty_in_the_next_test_as_well(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as connection:
        assert connection.dbsize() == 0


def test_the_laptops_redis_speaks_the_same_protocol(fake_redis_url: str) -> None:
    with redis.Redis.from_url(fake_redis_url) as connection:
        assert connection.set("key", "value", nx=True, px=60_000)
        assert not connection.set("key", "other", nx=True)
        assert connection.get("key") == b"value"


def test_a_refused_redis_refuses(refused_redis_url: str) -> None:
    with redis.Redis.from_url(refused_redis_url) as connection, pytest.raises(redis.ConnectionError):
        connection.ping()


def test_influxdb_keeps_points_in_a_database_of_the_tests_own(influxdb_url: str) -> None:
    base, _, database = influxdb_url.removeprefix("influxql+").rpartition("/")
    with client(base) as influx:
        written = influx.post(
            "/write", params={"db": database}, content="price,symbol=BTC value=1.5 1000000000"
        )
        found = influx.get("/query", params={"db": database, "q": "SELECT value FROM price", "epoch": "ms"})

    assert written.status_code == 204
    assert found.json()["results"][0]["series"][0]["values"] == [[1000, 1.5]]


def test_a_missing_server_skips_the_test_here_and_fails_it_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "false")
    with pytest.raises(pytest.skip.Exception, match="no-such-server is not installed"):
        servers.require("no-such-server")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-server is not installed"):
        servers.require("no-such-server")


def test_a_program_that_fails_is_reported_with_all_that_it_said() -> None:
    with pytest.raises(AssertionError, match=r"(?s)sh ended with 3.*on the way.*no luck"):
        servers.run("sh", "-c", "echo on the way; echo no luck >&2; exit 3")


def test_a_redis_that_was_killed_comes_back_empty_at_the_same_address(folder: Path) -> None:
    with servers.redis_server(folder) as server, redis.Redis.from_url(server.url) as connection:
        connection.set("key", "value")
        server.kill()
        with pytest.raises(redis.ConnectionError):
            connection.ping()
        server.start()
        assert connection.dbsize() == 0


# ------------------------------------------------------------------ sink


def test_the_sink_records_requests_and_plays_its_script_in_order() -> None:
    with Sink(default=Reply(204)) as sink, client(sink.url) as http:
        sink.reply(Reply(503, {"Retry-After": "3"}, "busy"), Reply(200, body={"ok": True}))
        first = http.post("/hook?x=1", json={"text": "hi"})
        second, third = http.put("/hook"), http.post("/hook", content=iter([b"in ", b"pieces"]))

    assert (first.status_code, first.headers["retry-after"], first.text) == (503, "3", "busy")
    assert (second.status_code, second.json()) == (200, {"ok": True})
    assert (third.status_code, third.content) == (204, b"")
    assert [request.method for request in sink.requests] == ["POST", "PUT", "POST"]
    assert sink.requests[0].path == "/hook?x=1"
    assert sink.requests[0].json() == {"text": "hi"}
    assert sink.requests[0].headers["content-type"] == "application/json"
    assert sink.requests[2].text == "in pieces"


def test_the_sink_scripts_one_path_apart_from_the_others() -> None:
    with Sink() as sink, client(sink.url) as http:
        sink.reply(Reply(500), path="/second")

        assert [http.get(path).status_code for path in ("/first", "/second", "/second")] == [200, 500, 200]


def test_the_sink_answers_by_looking_at_the_request() -> None:
    with Sink(answer=lambda request: Reply(int(request.path[1:]))) as sink, client(sink.url) as http:
        assert http.get("/418").status_code == 418


@pytest.mark.parametrize(
    ("reply", "error", "recorded"),
    [
        (Reply(drop="unread"), (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError), 0),
        (Reply(drop="unanswered"), httpx.RemoteProtocolError, 1),
        (Reply(body="half", drop="halfway"), httpx.RemoteProtocolError, 1),
        (Reply(delay=30), httpx.ReadTimeout, 1),
        (Reply(hold=threading.Event()), httpx.ReadTimeout, 1),
    ],
    ids=["unread", "unanswered", "halfway", "delay", "hold"],
)
def test_the_sink_fails_on_the_wire(
    reply: Reply, error: type[Exception] | tuple[type[Exception], ...], recorded: int
) -> None:
    with Sink() as sink, client(sink.url) as http:
        sink.reply(reply)
        with pytest.raises(error):
            http.post("/", content=b"x", timeout=0.2)

        assert len(sink.requests) == recorded


def test_a_held_reply_is_sent_when_it_is_let_go() -> None:
    hold, got = threading.Event(), list[int]()
    with Sink() as sink, client(sink.url) as http:
        sink.reply(Reply(201, hold=hold))
        asker = threading.Thread(target=lambda: got.append(http.get("/").status_code))
        asker.start()
        sink.wait_for(1)
        assert got == []
        hold.set()
        asker.join(5)

    assert got == [201]
