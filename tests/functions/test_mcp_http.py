"""What HTTP reaches of the MCP server: one path, one method, known hosts, small bodies; and when it won't start."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.functions import FunctionProcess
from tests.support.mcp import Conversation, running_server

pytestmark = pytest.mark.timeout(90)
_CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "list_alerts", "arguments": {}},
}
_JSON = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionProcess]:
    with running_server(tmp_path_factory.mktemp("mcp"), TOCSIN_MCP_HOSTS="tocsin.example.com") as process:
        yield process


def ask(server: FunctionProcess, method: str = "POST", path: str = "/mcp", **given: Any) -> httpx.Response:
    headers = {**_JSON, **given.pop("headers", {})}
    return httpx.request(method, server.url + path, headers=headers, timeout=20, trust_env=False, **given)


def test_a_plain_request_without_any_handshake_is_answered(server: FunctionProcess) -> None:
    answer = ask(server, json=_CALL)

    assert answer.status_code == 200
    assert '"items":[]' in answer.text.replace("\\", "")


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT"])
def test_a_stream_that_only_listens_is_refused_at_once(server: FunctionProcess, method: str) -> None:
    answer = ask(server, method)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/", "/mcp/", "/.well-known/oauth-protected-resource/mcp", "/register"])
def test_every_other_address_says_in_json_that_nothing_is_there(server: FunctionProcess, path: str) -> None:
    for method in ("GET", "POST"):
        answer = ask(server, method, path)

        assert answer.status_code == 404
        assert "/mcp" in answer.json()["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example.com"}, 421),
        ({"host": "127.0.0.1.evil.example.com"}, 421),
        ({"origin": "https://evil.example.com"}, 403),
        ({"origin": "null"}, 403),
        ({"content-type": "text/plain"}, 400),
        ({"host": "tocsin.example.com", "origin": "https://tocsin.example.com"}, 200),
        ({"host": "localhost:80", "origin": "http://localhost:6274"}, 200),
    ],
)
def test_only_known_hosts_and_origins_are_answered(
    server: FunctionProcess, headers: dict[str, str], status: int
) -> None:
    assert ask(server, json=_CALL, headers=headers).status_code == status


def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_its_size(server: FunctionProcess) -> None:
    large = json.dumps({**_CALL, "padding": "x" * 300_000}).encode()

    assert ask(server, content=large).status_code == 413
    assert ask(server, content=iter([large])).status_code == 413


def test_many_first_requests_at_once_are_answered_though_the_very_first_is_given_up(tmp_path: Path) -> None:
    with running_server(tmp_path) as fresh:

        def impatient(_number: int) -> int:
            return ask(fresh, json=_CALL).status_code

        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{fresh.url}/mcp", headers=_JSON, json=_CALL, timeout=0.001, trust_env=False)
        with ThreadPoolExecutor(20) as pool:
            assert set(pool.map(impatient, range(40))) == {200}


def test_it_ends_when_asked_to_and_its_logs_name_tools_and_not_arguments(tmp_path: Path) -> None:
    with running_server(tmp_path) as process:
        Conversation(process.url).refusal("get_alert", alert_id="alert_sesame")
        Conversation(process.url).ask("list_alerts")
        begun = time.monotonic()
        process.stop()

        assert time.monotonic() - begun < 5
        lines = (process.stdout + process.stderr).splitlines()
        told = [(one["message"], one["caller"], one["refused"]) for one in process.logs if "caller" in one]
    assert [line for line in lines if line.strip() and not line.startswith("{")] == []
    assert told == [
        ("tool 'get_alert' was called", "everybody", True),
        ("tool 'list_alerts' was called", "everybody", False),
    ]
    assert "sesame" not in "".join(lines)


def test_without_tokens_it_starts_only_where_no_other_machine_reaches_it(tmp_path: Path) -> None:
    why = "it is for this machine only, and the server listens on"
    with pytest.raises(AssertionError, match=why), running_server(tmp_path, HOST="0.0.0.0"):
        pass
