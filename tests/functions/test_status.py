"""`GET /status` of the MCP server, as machines ask for it, and `tocsin status`."""

import hashlib
from collections.abc import Iterator

import httpx
import pytest
import yaml

from tests.support.cli import Tocsin
from tests.support.collector import Collector
from tests.support.functions import FunctionProcess
from tests.support.mcp import running_server
from tests.support.waiting import wait_until

READER, WRITER, OTHER = (f"{name}-token-of-the-test-32-bytes!" for name in ("reader", "writer", "other"))


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as opened:
        yield opened


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[FunctionProcess]:
    folder = tmp_path_factory.mktemp("status")
    given: dict[str, dict[str, object]] = {
        READER: {"id": "reader", "scopes": ["alerts:read"]},
        WRITER: {"id": "writer", "scopes": ["rules:write"]},
        OTHER: {"id": "other", "tenant": "acme"},
    }
    tokens = [
        {**entry, "sha256": hashlib.sha256(token.encode()).hexdigest()} for token, entry in given.items()
    ]
    (folder / "tokens.yaml").write_text(yaml.safe_dump({"tokens": tokens}), encoding="utf-8")
    env = {"TOCSIN_MCP_AUTH": "tokens", "TOCSIN_MCP_TOKENS_FILE": str(folder / "tokens.yaml")}
    with running_server(folder, **env, **collector.environment(OTEL_BSP_SCHEDULE_DELAY="50")) as process:
        yield process


def ask(server: FunctionProcess, token: str = "", method: str = "GET", **headers: str) -> httpx.Response:
    sent = {**headers, **({"authorization": f"Bearer {token}"} if token else {})}
    return httpx.request(method, f"{server.url}/status", headers=sent, timeout=20, trust_env=False)


def test_whoever_may_read_alerts_gets_the_state_of_their_tenant(server: FunctionProcess) -> None:
    answer = ask(server, READER)

    assert answer.status_code == 200
    found = answer.json()
    assert (found["tenant"], found["problems"]) == ("default", ["there was no tick yet"])
    assert found["schema"] == found["schema_needed"]
    assert answer.headers["cache-control"] == "no-store"
    assert ask(server, OTHER).json()["tenant"] == "acme"


def test_nobody_else_does(server: FunctionProcess) -> None:
    assert ask(server).status_code == 401
    assert ask(server, "wrong").status_code == 401
    refused = ask(server, WRITER)
    assert refused.status_code == 403
    assert "alerts:read" in refused.json()["error"]
    challenge = refused.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="rules:write alerts:read"' in challenge


def test_it_takes_get_only_and_knows_its_own_names_only(server: FunctionProcess) -> None:
    assert ask(server, READER, "POST").status_code == 405
    assert ask(server, READER, Host="evil.example").status_code == 421
    assert ask(server, READER, Origin="https://evil.example").status_code == 403


def test_each_request_of_the_server_is_a_span_and_its_health_is_none(
    server: FunctionProcess, collector: Collector
) -> None:
    ask(server, READER)
    wait_until(collector.spans, "a span of the server")

    assert {(span.service, span.name, span.parent) for span in collector.spans()} == {
        ("mcp_server", "mcp_server", "")
    }


def test_the_command_shows_it_too(filled: Tocsin) -> None:
    assert filled("tick", "--interval", "30s").status in (0, 2)

    shown = filled("status")

    assert "Rules         1 no_data" in shown.out
    assert "Open alerts   none" in shown.out
    found = filled("status", "--json").json()
    assert (found["rules"]["no_data"], len(found["ticks"])) == (1, 1)


def test_the_command_says_what_is_wrong_first(tocsin: Tocsin) -> None:
    shown = tocsin("status")

    assert shown.status == 0
    assert shown.err == "Note: there was no tick yet\n"
    assert "Newest tick   none yet" in shown.out
