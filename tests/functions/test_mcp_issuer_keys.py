"""The keys of an OAuth server: asked for once, again for an unknown one, and left alone while it is down. Real HTTP."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from shared.conversation import issuer_keys
from shared.conversation.issuer_keys import IssuerKeys
from shared.errors import Unavailable
from tests.support.issuer import Issuer, made_key
from tests.support.sink import Reply, Sink


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as made:
        yield made


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_keys_are_asked_for_once_and_again_for_an_unknown_one_at_most_once_a_minute(issuer: Issuer) -> None:
    async def story() -> None:
        clock = Clock()
        keys = IssuerKeys(issuer.url, clock)
        assert await asyncio.gather(*(keys.key("one") for _ in range(5)))
        assert issuer.looks == 1
        assert await keys.key("two") is None
        assert issuer.looks == 2
        issuer.keys = {"two": ("ES256", made_key("ES256"))}
        clock.now += issuer_keys.UNKNOWN_SECONDS - 1
        assert [await keys.key(name) for name in ("two", "three", "two")] == [None] * 3
        assert issuer.looks == 2
        clock.now += 1
        assert await keys.key("two") is not None
        assert await keys.key("one") is None
        assert issuer.looks == 3

    asyncio.run(story())


@contextmanager
def dripping() -> Iterator[str]:
    """The address of a server whose answer never ends, one byte after the other."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with listening.accept()[0] as one, suppress(OSError):
                one.recv(10_000)
                one.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
                while not over.wait(0.02):
                    one.sendall(b" ")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        over.set()
        thread.join(10)


def test_an_issuer_that_does_not_answer_keeps_nobody_waiting_for_long() -> None:
    with Sink(Reply(200, delay=30)) as silent, dripping() as slow:
        for url in (silent.url, slow):
            begun = time.monotonic()
            with pytest.raises(Unavailable, match="Timeout"):
                asyncio.run(IssuerKeys(url, timeout_seconds=0.3).key("one"))
            assert time.monotonic() - begun < 5


def test_a_withdrawn_key_ends_when_keys_are_read_anew(issuer: Issuer) -> None:
    async def story() -> None:
        clock = Clock()
        keys = IssuerKeys(issuer.url, clock)
        assert await keys.key("one") is not None
        issuer.keys = {"two": ("ES256", made_key("ES256"))}
        clock.now += issuer_keys.FRESH_SECONDS - 1
        assert await keys.key("one") is not None
        clock.now += 1
        assert await keys.key("one") is None

    asyncio.run(story())


def test_an_issuer_that_is_down_is_left_alone_for_a_moment_and_known_keys_go_on_for_an_hour(
    issuer: Issuer,
) -> None:
    async def story() -> None:
        clock, token_key = Clock(), "one"
        keys, issuer.down = IssuerKeys(issuer.url, clock), True
        for _ in range(3):
            with pytest.raises(Unavailable, match=r"the OAuth server at http://127\.0\.0\.1"):
                await keys.key(token_key)
        assert len(issuer.asked) == 1
        issuer.down = False
        clock.now += issuer_keys.PAUSE_SECONDS
        assert await keys.key(token_key) is not None
        issuer.down = True
        clock.now += issuer_keys.STALE_SECONDS - 1
        assert await keys.key(token_key) is not None
        with pytest.raises(Unavailable):
            await keys.key("two")  # nobody can say now whether there is such a key
        clock.now += issuer_keys.UNKNOWN_SECONDS
        with pytest.raises(Unavailable):
            await keys.key(token_key)

    asyncio.run(story())
