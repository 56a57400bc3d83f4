"""Where messages may go, and how long and how much they may take."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpcore
import pytest

from shared.channels._guard import GuardedBackend, Refused, is_public
from shared.channels._http import MAX_REPLY_BYTES, MaybeSent, send
from shared.channels._kind import Call, Reply
from tests.support.sink import Reply as Answer
from tests.support.sink import Sink

LOCAL = frozenset({"127.0.0.1"})


def post(
    url: str, *, hosts: tuple[str, ...] = (), allowed: frozenset[str] = LOCAL, seconds: float = 5.0
) -> Reply:
    return send(
        Call(url, {}, b"{}", hosts, ("t0ps3cret",)), seconds=seconds, allowed=allowed, clock=lambda: 1
    )


@pytest.mark.parametrize(
    "address",
    [
        *(
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
        ),
        *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1"),
        *("255.255.255.255", "168.63.129.16", "::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254"),
        *(
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2001:0:7f00:1::",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1%eth0",
        ),
        *("ff02::1", "::127.0.0.1", "nonsense"),
    ],
)
def test_an_inside_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111"])
def test_an_outside_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://127.0.0.1/x",
            "https://localhost/x",
            "https://[::1]/x",
            "https://2130706433/x",
            "https://127.1/x",
        ),
        *(
            "https://0x7f.1/x",
            "https://017700000001/x",
            "https://169.254.169.254/latest",
            "https://[fd00:ec2::254]/",
        ),
        *("https://[::ffff:127.0.0.1]/x", "https://127.0.0.1:22/x", "http://1.1.1.1/x", "ftp://1.1.1.1/x"),
        *(
            "file:///etc/passwd",
            "https://user:password@1.1.1.1/x",
            "https:///x",
            "not a url",
            "https://[::1",
            "",
        ),
    ],
)
def test_an_address_inside_is_refused_however_it_is_written(url: str) -> None:
    with pytest.raises(Refused):
        post(url, allowed=frozenset())


@pytest.mark.parametrize(
    "url", ["https://hooks.slack.com.evil.example/x", "https://evil.example/", "http://hooks.slack.com/"]
)
def test_a_vendors_channel_calls_no_other_host(url: str) -> None:
    with pytest.raises(Refused):
        post(url, hosts=("hooks.slack.com",))


@pytest.mark.parametrize("value", ["Bearer pl4nt3d é", "Bearer pl4nt3d\nx: y", "Bearer pl4nt3d\x00"])
def test_a_header_that_no_vendor_could_read_is_refused_before_anything_is_sent(value: str) -> None:
    with Sink() as vendor:
        call = Call(vendor.url, {"authorization": value}, b"{}")
        with pytest.raises(Refused, match="a header can't be sent") as refused:
            send(call, seconds=5.0, allowed=LOCAL, clock=lambda: 1)
    assert vendor.requests == []
    assert "pl4nt3d" not in str(refused.value)


def test_the_address_that_was_checked_is_the_one_that_is_called_whatever_the_name_says_next() -> None:
    backend = GuardedBackend(time.monotonic() + 5, free=False)
    with pytest.raises(Refused, match="not public"):
        backend.connect_tcp("localhost", 443)


def test_a_name_that_does_not_exist_is_told_apart_from_one_that_is_refused() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    backend = GuardedBackend(time.monotonic() + 5, free=False, resolve=resolve)
    with pytest.raises(httpcore.ConnectError, match=r"can't be resolved: .*not known"):
        backend.connect_tcp("gone.invalid", 443)


def test_an_address_is_not_looked_up_and_must_be_public_all_the_same() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise AssertionError("nothing is looked up")

    with Sink(Answer(200)) as vendor:
        free = GuardedBackend(time.monotonic() + 5, free=True, resolve=resolve)
        free.connect_tcp("127.0.0.1", vendor.port).close()
        guarded = GuardedBackend(time.monotonic() + 5, free=False, resolve=resolve)
        with pytest.raises(Refused, match="not public"):
            guarded.connect_tcp("127.0.0.1", vendor.port)


def test_a_resolver_that_never_answers_is_given_up_before_anything_was_sent() -> None:
    answered = threading.Event()

    def resolve(host: str, port: int) -> list[str]:
        answered.wait(20)
        return ["1.1.1.1"]

    started = time.monotonic()
    backend = GuardedBackend(started + 20, free=False, resolve=resolve)
    with pytest.raises(httpcore.ConnectTimeout, match="can't be resolved in time"):
        backend.connect_tcp("slow.example", 443, timeout=0.2)
    assert time.monotonic() - started < 5
    answered.set()


def test_a_redirect_is_never_followed() -> None:
    with Sink() as vendor:
        vendor.reply(Answer(307, {"Location": f"{vendor.url}/inside"}))
        assert post(vendor.url).status == 307
        assert len(vendor.requests) == 1


def test_a_long_reply_is_cut_and_a_secret_in_it_is_hidden() -> None:
    with Sink(Answer(200, {"X-Echo": "t0ps3cret"}, body="t0ps3cret /hook/abcdef " + "x" * 200_000)) as vendor:
        reply = post(f"{vendor.url}/hook/abcdef?sig=zyxwvu")
    assert len(reply.text) <= MAX_REPLY_BYTES
    assert "t0ps3cret" not in reply.text + str(reply.headers)
    assert "abcdef" not in reply.text


def test_a_secret_in_a_url_is_hidden_also_when_the_reply_spells_it_out() -> None:
    with Sink(Answer(400, body="unknown sig ab/cd+ef12 for tok:en%20x, tok:en x")) as vendor:
        reply = post(f"{vendor.url}/tok%3Aen%20x/hook?sig=ab%2Fcd%2Bef12")
    assert reply.text == "unknown sig *** for tok:en%20x, ***"


@contextmanager
def dripping() -> Iterator[str]:
    """A server that sends one byte of its header at a time, faster than any read time-out, for ever."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while not stop.wait(0.05):
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        stop.set()
        thread.join(5)


def test_a_slow_drip_ends_at_the_deadline() -> None:
    with dripping() as url:
        started = time.monotonic()
        with pytest.raises(MaybeSent):
            post(url, seconds=0.5)
        assert time.monotonic() - started < 2


def test_credentials_that_are_echoed_are_not_kept_in_any_form() -> None:
    credentials = "QUMxMjM0OnQwcHMzY3JldA=="
    with Sink(Answer(400, body=f"bad: Basic {credentials} of AC1234 t0ps3cret")) as vendor:
        call = Call(
            vendor.url, {"authorization": f"Basic {credentials}"}, b"", secrets=("AC1234", "t0ps3cret")
        )
        reply = send(call, seconds=5.0, allowed=LOCAL, clock=lambda: 1)
    assert reply.text == "bad: Basic *** of *** ***"
