"""Tokens of the MCP server: who gets in, what they see and may do, and in whose name it is done."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from shared.conversation.turns import PER_MINUTE
from shared.settings import Settings
from shared.store import audit
from shared.wiring import Wiring
from tests.support.mcp import ERAS, Conversation, running_server

pytestmark = pytest.mark.timeout(90)
ANN, READER, OTHER, OLD = (
    f"{name}-token-of-the-test-32-bytes!" for name in ("ann", "reader", "other", "old")
)
CONDITION = {"type": "threshold", "field": "price", "operator": ">", "value": 70000}


def entry(name: str, token: str, **given: Any) -> dict[str, Any]:
    return {"id": name, "sha256": hashlib.sha256(token.encode()).hexdigest(), **given}


def write(path: Path, *entries: dict[str, Any]) -> None:
    """As a mounted Secret changes: a new file takes the place of the old one."""
    new = path.with_suffix(".new")
    new.write_text(yaml.safe_dump({"tokens": list(entries)}), encoding="utf-8")
    os.replace(new, path)  # noqa: PTH105  # the name says what Kubernetes does


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("mcp")
    write(
        made / "tokens.yaml",
        entry("ann", ANN),
        entry("reader", READER, scopes=["alerts:read"]),
        entry("other", OTHER, tenant="acme"),
        entry("old", OLD, expires="2020-01-01T00:00:00Z"),
    )
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Conversation]:
    env = {"TOCSIN_MCP_AUTH": "tokens", "TOCSIN_MCP_TOKENS_FILE": str(folder / "tokens.yaml")}
    with running_server(folder, **env) as process:
        yield Conversation(process.url)


def status(server: Conversation, token: str | None) -> httpx.Response:
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    return httpx.post(f"{server.url}/mcp", headers=headers, json=body, timeout=20, trust_env=False)


@pytest.mark.parametrize("token", [None, "wrong", OLD, ANN[:-1], ANN.upper()])
def test_nobody_gets_in_without_a_token_that_holds(server: Conversation, token: str | None) -> None:
    answer = status(server, token)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert "resource_metadata" not in answer.headers["www-authenticate"], (
        "there is no authorization server to ask"
    )
    assert ANN not in answer.text


def test_health_needs_no_token(server: Conversation) -> None:
    for path in ("/health/liveness", "/health/readiness"):
        assert httpx.get(server.url + path, timeout=20, trust_env=False).status_code == 200


@pytest.mark.parametrize("era", ERAS)
def test_a_token_shows_the_tools_of_its_scopes_and_no_others_can_be_called(
    server: Conversation, era: str
) -> None:
    reader = Conversation(server.url, era).with_token(READER)
    ann = Conversation(server.url, era).with_token(ANN)

    shown = reader.tools()
    assert {tool.annotations and tool.annotations.read_only_hint for tool in shown.values()} == {True}
    assert set(shown) < set(ann.tools())
    refused = reader.refusal("silence_alerts", reason="quiet", duration="1h", at_least="info")
    assert refused.startswith("silence_alerts needs the scope alerts:act, which this token doesn't have")
    assert ann.ask("list_silences")["items"] == []


def test_another_tenants_things_do_not_exist(server: Conversation) -> None:
    ann, other = server.with_token(ANN), server.with_token(OTHER)
    monitor = ann.ask("add_monitor", name="Bitcoin", measurement="coin")["monitor"]["id"]
    rule = ann.ask("create_alert_rule", monitor_id=monitor, title="High", condition=CONDITION)["rule"]["id"]

    assert other.ask("list_monitors")["items"] == other.ask("list_alert_rules")["items"] == []
    for tool, given in (
        ("describe_monitor", {"monitor_id": monitor}),
        ("get_alert_rule", {"rule_id": rule}),
        ("update_alert_rule", {"rule_id": rule, "severity": "info"}),
        ("delete_alert_rule", {"rule_id": rule, "confirm_title": "High"}),
        ("create_alert_rule", {"monitor_id": monitor, "title": "High", "condition": CONDITION}),
    ):
        assert "not found; there are no" in other.refusal(tool, **given), tool
    assert ann.ask("get_alert_rule", rule_id=rule)["severity"] == "warning"


def test_a_cursor_of_another_tenant_is_refused(server: Conversation) -> None:
    ann, other = server.with_token(ANN), server.with_token(OTHER)
    for number in range(2):
        ann.ask("add_monitor", name=f"Page {number}", measurement="m")
    cursor = ann.ask("list_monitors", query="Page", limit=1)["next_cursor"]

    assert ann.ask("list_monitors", query="Page", limit=1, cursor=cursor)["items"][0]["name"] == "Page 1"
    assert "another list" in other.refusal("list_monitors", query="Page", limit=1, cursor=cursor)
    assert "another list" in ann.refusal("list_monitors", query="Other", limit=1, cursor=cursor)


def test_what_is_done_is_written_down_in_the_name_of_the_token(server: Conversation, folder: Path) -> None:
    made = server.with_token(ANN).ask("silence_alerts", reason="tidy up", duration="1h", at_least="info")

    assert made["silence"]["created_by"] == "ann"
    wiring = Wiring(Settings(state_dir=folder), {})
    (row,) = wiring.store.read(lambda tx: audit.page(tx, about=made["silence"]["id"])).items
    wiring.close()
    assert (row.actor, row.action) == ("mcp:ann", "silence.create")


def test_a_changed_file_counts_at_once_and_a_broken_one_locks_nobody_out(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    env = {"TOCSIN_MCP_AUTH": "tokens", "TOCSIN_MCP_TOKENS_FILE": str(file)}
    with running_server(tmp_path, **env) as process:
        server = Conversation(process.url)
        assert status(server, ANN).status_code == 401, "the Secret is not there yet"
        write(file, entry("ann", ANN))
        assert status(server, ANN).status_code == 200
        file.write_text("tokens: [{id: ann, sha256: plain}]", encoding="utf-8")
        assert status(server, ANN).status_code == 200
        write(file, entry("reader", READER))
        assert [status(server, token).status_code for token in (ANN, READER)] == [401, 200]
        process.stop()
        assert ANN not in process.stdout + process.stderr
        assert any("the last good tokens stay" in one["message"] for one in process.logs)
        assert any("nobody can use the MCP server yet" in one["message"] for one in process.logs)


def test_a_file_that_can_not_be_used_ends_the_process_and_repeats_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "tokens.yaml").write_text("tokens: [{id: ann, sha256: sesame}]", encoding="utf-8")
    env = {"TOCSIN_MCP_AUTH": "tokens", "TOCSIN_MCP_TOKENS_FILE": str(tmp_path / "tokens.yaml")}

    with (
        pytest.raises(AssertionError, match="TOCSIN_MCP_TOKENS_FILE") as ended,
        running_server(tmp_path, **env),
    ):
        pass

    assert "tokens.0.sha256" in str(ended.value)
    assert "sesame" not in str(ended.value)


@pytest.mark.parametrize("counted", ["here", "in Redis"])
def test_a_token_that_calls_all_the_time_has_to_wait_and_others_don_t(
    tmp_path: Path, redis_url: str, counted: str
) -> None:
    write(tmp_path / "tokens.yaml", entry("ann", ANN), entry("reader", READER))
    env = {
        "TOCSIN_MCP_AUTH": "tokens",
        "TOCSIN_MCP_TOKENS_FILE": str(tmp_path / "tokens.yaml"),
        "TOCSIN_REDIS_URL": redis_url if counted == "in Redis" else "",
    }
    headers = {"authorization": f"Bearer {ANN}", "content-type": "application/json"}
    with running_server(tmp_path, **env) as process, httpx.Client(headers=headers, trust_env=False) as client:
        # Not what is asked counts, but how often: these are refused for their method.
        codes = [client.get(f"{process.url}/mcp").status_code for _ in range(PER_MINUTE)]
        # Turns come back while these are taken, but far more slowly.
        late = next(one for _ in range(1000) if (one := client.get(f"{process.url}/mcp")).status_code != 405)
        assert set(codes) == {405}
        assert late.status_code == 429
        assert 1 <= int(late.headers["retry-after"]) <= 60
        assert late.json()["error"]["message"].startswith("this token made 300 calls in a minute; call again")
        assert status(Conversation(process.url), READER).status_code == 200
