"""The tests' own tools do what they say: waiting ends, the guard refuses, children die, functions run."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import urllib3

from tests.support import servers
from tests.support.functions import child_environment, event_headers, post_event, post_tick, running_function
from tests.support.guard import NetworkForbidden, is_local
from tests.support.processes import ROOT, Child, accepts_connections, free_port
from tests.support.sink import arrival
from tests.support.waiting import wait_until

DOCUMENTATION_ADDRESS = "192.0.2.1"  # RFC 5737: belongs to nobody


# ------------------------------------------------------------------ waiting


def test_a_condition_that_never_holds_is_an_error_that_names_it() -> None:
    with pytest.raises(AssertionError, match=r"the moon to rise: not within 0\.05 seconds"):
        wait_until(lambda: None, "the moon to rise", within=0.05)


def test_waiting_returns_the_value_that_held() -> None:
    values = iter([0, None, 7])

    assert wait_until(lambda: next(values), "a number") == 7


# ------------------------------------------------------------------ guard


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.10", "::1", "localhost", b"127.0.0.1", "::ffff:127.0.0.1"]
)
def test_this_machine_is_local(host: object) -> None:
    assert is_local(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "10.0.0.1", "192.168.1.1", "::", "fe80::1", "example.com", "127.0.0.1.x"]
)
def test_any_other_host_is_not_local(host: str) -> None:
    assert not is_local(host)


def test_a_connection_to_another_machine_is_refused_before_any_packet() -> None:
    started = time.monotonic()
    with socket.socket() as tcp, pytest.raises(NetworkForbidden, match=DOCUMENTATION_ADDRESS):
        tcp.connect((DOCUMENTATION_ADDRESS, 80))
    with socket.socket() as tcp, pytest.raises(NetworkForbidden):
        tcp.connect_ex((DOCUMENTATION_ADDRESS, 80))

    assert time.monotonic() - started < 0.5, "a packet that nobody answers would have taken longer"


def test_a_datagram_to_another_machine_is_refused() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as udp, pytest.raises(NetworkForbidden):
        udp.sendto(b"hello", (DOCUMENTATION_ADDRESS, 53))
    with socket.socket(type=socket.SOCK_DGRAM) as udp, pytest.raises(NetworkForbidden):
        udp.sendto(b"hello", 0, (DOCUMENTATION_ADDRESS, 53))


def test_a_name_is_not_looked_up() -> None:
    with pytest.raises(NetworkForbidden, match=r"example\.com"):
        socket.getaddrinfo("example.com", 443)
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("nobody.invalid", 443)


def test_a_client_library_is_refused_too() -> None:
    pool = urllib3.PoolManager(timeout=2, retries=False)
    with pytest.raises(NetworkForbidden):
        pool.request("GET", f"http://{DOCUMENTATION_ADDRESS}/")


def test_a_child_process_is_refused_too() -> None:
    code = f"import socket; socket.create_connection(({DOCUMENTATION_ADDRESS!r}, 80), 2)"

    done = subprocess.run(
        [sys.executable, "-c", code],
        env=child_environment({}),
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )

    assert done.returncode == 1
    assert "NetworkForbidden" in done.stderr


@pytest.mark.parametrize("name", ["TOCSIN_DATABASE_URL", "K_SINK", "PORT", "https_proxy", "FUNCTION_TARGET"])
def test_a_test_sees_no_setting_of_the_person_who_runs_it(
    pytester_free_env: dict[str, str], name: str
) -> None:
    code = "import os; from tests.conftest import foreign_names; print(*foreign_names(os.environ))"

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**pytester_free_env, name: "x"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )

    assert done.stdout.split() == [name]
    assert name not in os.environ


@pytest.fixture
def pytester_free_env() -> dict[str, str]:
    return child_environment({})


# ------------------------------------------------------------------ processes


def test_a_request_is_as_old_as_its_last_byte_however_late_it_is_read() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        accepted, _ = server.accept()
        with accepted:
            client.sendall(b"x")
            sent = time.monotonic()
            wait_until(lambda: time.monotonic() - sent > 0.3, "a busy machine")
            assert abs(arrival(accepted) - sent) < 0.1


def test_a_killed_child_is_gone_with_everything_it_started(tmp_path: Path) -> None:
    port = free_port()
    script = f"import http.server as h; h.HTTPServer(('127.0.0.1', {port}), h.BaseHTTPRequestHandler).serve_forever()"
    child = Child(["sh", "-c", f'"{sys.executable}" -c "{script}" & wait'], tmp_path)
    child.wait_ready(lambda: accepts_connections(port), 20)

    child.kill()

    assert not child.running
    wait_until(lambda: not accepts_connections(port), "the grandchild gone")


def test_a_child_that_ends_early_shows_its_output(tmp_path: Path) -> None:
    child = Child(["sh", "-c", "echo out; echo sorry >&2; exit 3"], tmp_path)

    with pytest.raises(AssertionError, match=r"(?s)sh ended with 3\nout\n.*sorry"):
        child.wait_ready(lambda: False, 10)


@pytest.mark.skipif(servers.find("setpriv") is None, reason="needs setpriv (Linux)")
def test_children_die_with_the_process_that_started_them(tmp_path: Path) -> None:
    port = free_port()
    code = (
        "import sys; from pathlib import Path; from tests.support.processes import *\n"
        f"command = [sys.executable, '-m', 'http.server', '--bind', '127.0.0.1', '{port}']\n"
        f"child = Child(command, Path({str(tmp_path)!r}))\n"
        f"child.wait_ready(lambda: accepts_connections({port}), 20); print('up', flush=True); child.process.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        parent.send_signal(signal.SIGKILL)

    wait_until(lambda: not accepts_connections(port), "the child gone")


# ------------------------------------------------------------------ functions

FUNCTION = """
import functions_framework, json, os, sys

@functions_framework.cloud_event
def probe(event):
    print(json.dumps({"type": event["type"], "data": event.data, "env": os.environ.get("TOCSIN_X")}))
    print("to stderr", file=sys.stderr)
"""


def test_a_function_runs_for_real_and_takes_events(tmp_path: Path) -> None:
    source = tmp_path / "main.py"
    source.write_text(FUNCTION)
    attributes = {"id": "1", "source": "/tests", "type": "dev.tocsin.alert.test", "toslack": "true"}
    with running_function("probe", {"TOCSIN_X": "set"}, source=source, ready=None) as function:
        event = post_event(function.url, event_headers(attributes), {"a": 1})
        tick = post_tick(function.url, 1_767_225_600_000, shard=0, of=2)
        function.kill()

        assert (event.status_code, tick.status_code) == (200, 200)
        assert [line["type"] for line in function.logs] == [
            "dev.tocsin.alert.test",
            "dev.knative.sources.ping",
        ]
        assert function.logs[0]["env"] == "set"
        assert function.logs[1]["data"] == {"interval_seconds": 30, "shard": 0, "of": 2}
        assert "to stderr" in function.stderr
        assert not function.running
        with pytest.raises(httpx.ConnectError):
            httpx.get(function.url, timeout=2, trust_env=False)


def test_a_function_that_cannot_start_says_why(tmp_path: Path) -> None:
    source = tmp_path / "main.py"
    source.write_text("raise RuntimeError('no such thing')")

    with pytest.raises(AssertionError, match="no such thing"), running_function("probe", source=source):
        pass
