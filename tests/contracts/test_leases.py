"""Leases over every Redis that there may be: a real one, the laptop's, a broken one, and none."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import redis

from shared.errors import InvalidInput
from shared.leases import PAUSE_SECONDS, TIMEOUT_SECONDS, Leases
from tests.support.waiting import wait_until

NOW = 1_700_000_000_000


@pytest.fixture(params=["redis_url", "fake_redis_url"])
def working_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def leases(working_url: str) -> Iterator[Leases]:
    with closing(Leases(working_url, "default")) as made:
        yield made


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.fixture
def confused_url() -> Iterator[str]:
    """A server that speaks another protocol."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(1000)
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.fixture(params=["refused_redis_url", "silent_url", "confused_url", ""])
def useless_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param)) if request.param else ""


def test_a_running_cooldown_is_known_until_it_ends(leases: Leases, working_url: str) -> None:
    leases.hold_cooldowns([("rule_a", "s1", NOW + 300_000), ("rule_a", "s2", NOW + 80)], NOW)

    found = leases.cooldowns([("rule_a", "s1"), ("rule_a", "missing")])
    assert found == {("rule_a", "s1"): NOW + 300_000}
    wait_until(lambda: not leases.cooldowns([("rule_a", "s2")]), "the short cooldown ends by itself")
    with closing(redis.Redis.from_url(working_url, protocol=2)) as client:
        assert 290_000 < client.pttl("tocsin:default:cooldown:rule_a:s1") <= 300_000


def test_a_cooldown_that_is_over_is_not_held(leases: Leases) -> None:
    leases.hold_cooldowns([("rule_a", "s1", NOW), ("rule_a", "s2", NOW - 1)], NOW)

    assert leases.cooldowns([("rule_a", "s1"), ("rule_a", "s2")]) == {}


def test_thousands_of_cooldowns_travel_in_batches(leases: Leases) -> None:
    pairs = [(f"rule_{number}", "s") for number in range(2_500)]
    leases.hold_cooldowns([(rule, series, NOW + 60_000) for rule, series in pairs], NOW)

    assert len(leases.cooldowns(pairs)) == 2_500


def test_tenants_do_not_see_each_other(leases: Leases, working_url: str) -> None:
    leases.hold_cooldowns([("rule_a", "s1", NOW + 300_000)], NOW)
    leases.put_snapshot("book", b"7")

    with closing(Leases(working_url, "other")) as other:
        assert other.cooldowns([("rule_a", "s1")]) == {}
        assert other.get_snapshot("book") is None


def test_a_bucket_gives_its_turns_and_then_says_how_long_to_wait(leases: Leases) -> None:
    assert [leases.take("slack:ops", 2, 300) for _ in range(2)] == [0, 0]
    wait = leases.take("slack:ops", 2, 300)
    assert 0 < wait <= 300
    assert leases.take("slack:dev", 2, 300) == 0
    wait_until(lambda: leases.take("slack:ops", 2, 300) == 0, "the next period has turns again")


def test_a_snapshot_comes_back_byte_for_byte(leases: Leases) -> None:
    data = bytes(range(256)) * 100
    leases.put_snapshot("book", data)

    assert leases.get_snapshot("book") == data
    assert leases.get_snapshot("other") is None


def test_without_a_working_redis_every_verb_has_a_neutral_answer(useless_url: str) -> None:
    for _ in range(2):
        leases = Leases(useless_url, "default")
        leases.hold_cooldowns([("rule_a", "s1", NOW + 1_000)], NOW)
        assert leases.cooldowns([("rule_a", "s1")]) == {}
        assert leases.take("slack:ops", 1, 1_000) == 0
        assert leases.take("slack:ops", 1, 1_000) == 0
        leases.put_snapshot("book", b"7")
        assert leases.get_snapshot("book") is None
        assert not leases.available
        leases.close()


def test_a_slow_redis_costs_one_short_wait_and_is_then_left_alone(silent_url: str) -> None:
    leases = Leases(silent_url, "default")
    began = time.monotonic()
    for _ in range(100):
        leases.get_snapshot("book")

    assert time.monotonic() - began < TIMEOUT_SECONDS * 4
    leases.close()


def test_an_outage_is_logged_once_and_redis_is_used_again_after_it(
    working_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [1_000.0]
    leases = Leases(working_url, "default", lambda: clock[0])
    with closing(redis.Redis.from_url(working_url, protocol=2)) as client:
        client.lpush("tocsin:default:snapshot:book", "not a text")
        with caplog.at_level(logging.WARNING):
            assert leases.get_snapshot("book") is None
            clock[0] += PAUSE_SECONDS + 1
            assert leases.get_snapshot("book") is None
        assert len(caplog.records) == 1

        client.delete("tocsin:default:snapshot:book")
        leases.put_snapshot("book", b"7")
        assert leases.get_snapshot("book") is None, "still left alone"
        clock[0] += PAUSE_SECONDS + 1
        leases.put_snapshot("book", b"7")
        assert leases.get_snapshot("book") == b"7"
    leases.close()


def test_the_password_of_redis_is_never_logged(
    caplog: pytest.LogCaptureFixture, refused_redis_url: str
) -> None:
    with closing(Leases(refused_redis_url.replace("redis://", "redis://me:hunter2@"), "default")) as leases:
        leases.get_snapshot("book")

    assert "left alone" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_url_of_another_kind_is_refused_at_once() -> None:
    with pytest.raises(InvalidInput, match="TOCSIN_REDIS_URL") as caught:
        Leases("http://me:hunter2@redis", "default")

    assert "hunter2" not in str(caught.value)
