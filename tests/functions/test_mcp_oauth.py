"""The MCP server in front of which an OAuth server stands: what clients are told, who gets in, and in whose name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from mcp.shared.auth import ProtectedResourceMetadata

from shared.conversation.app import application
from shared.errors import InvalidInput
from shared.settings import Settings
from shared.store import audit
from shared.wiring import Wiring
from tests.support.issuer import AUDIENCE, Issuer, made_key
from tests.support.mcp import ERAS, Conversation, running_server
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(90)
ALL = "alerts:read alerts:act rules:write rules:delete notify:test"
METADATA = "https://tocsin.example.com/.well-known/oauth-protected-resource/mcp"
_JSON = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


def env(issuer: Issuer) -> dict[str, str]:
    return {
        "TOCSIN_MCP_AUTH": "oauth",
        "TOCSIN_MCP_ISSUER": issuer.url,
        "TOCSIN_MCP_URL": AUDIENCE,
        "TOCSIN_MCP_TENANT_CLAIM": "tenant",
        "TOCSIN_MCP_NAME_CLAIM": "name",
    }


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mcp")


@pytest.fixture(scope="module")
def url(issuer: Issuer, folder: Path) -> Iterator[str]:
    """A server that began while its issuer was down."""
    issuer.down = True
    with running_server(folder, **env(issuer)) as process:
        answer = post(process.url, issuer.token(tenant="acme"))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "who asks can't be found out now: the OAuth server at" in answer.json()["error"]["message"]
        assert httpx.get(f"{process.url}/health/readiness", trust_env=False).status_code == 200
        issuer.down = False
        wait_until(
            lambda: post(process.url, issuer.token(tenant="acme")).status_code == 200, "the issuer is back"
        )
        yield process.url


def post(url: str, token: str | None, **message: Any) -> httpx.Response:
    """A plain request, of the list of tools if nothing else is asked."""
    headers = _JSON if token is None else {**_JSON, "authorization": f"Bearer {token}"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", **message}
    return httpx.post(f"{url}/mcp", headers=headers, json=body, timeout=20, trust_env=False)


def test_whoever_has_no_token_is_told_where_to_get_one(url: str) -> None:
    answer = post(url, None)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == f'Bearer resource_metadata="{METADATA}", scope="{ALL}"'
    for path in ("/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"):
        found = httpx.get(url + path, headers={"host": "tocsin.example.com"}, trust_env=False)
        assert found.headers["content-type"] == "application/json"
        assert found.headers["access-control-allow-origin"] == "*"
        ProtectedResourceMetadata.model_validate(found.json())
        assert found.json()["resource"] == AUDIENCE
        assert found.json()["scopes_supported"] == ALL.split()


@pytest.mark.parametrize(
    "path", ["/.well-known/oauth-authorization-server", "/.well-known/x", "/register", "/authorize"]
)
def test_it_makes_no_tokens_itself_and_says_so_in_json(url: str, path: str) -> None:
    for method in ("GET", "POST"):
        answer = httpx.request(method, url + path, trust_env=False)
        assert answer.status_code == 404
        assert "/mcp" in answer.json()["error"]


def test_a_token_that_does_not_hold_is_refused_with_the_reason(url: str, issuer: Issuer) -> None:
    forged = jwt.encode(issuer.claims(), made_key("ES256"), "ES256", {"kid": "one"})
    for token, why in (
        (issuer.token(tenant="acme", exp=1_000_000_000), "the token has expired"),
        (
            issuer.token(tenant="acme", aud="https://other.example.com"),
            "the token was made for another audience",
        ),
        (issuer.token(), "the token names no tenant"),
        (forged, "the token's signature is wrong"),
        ("sesame", "the token can't be read"),
    ):
        answer = post(url, token)
        assert answer.status_code == 401
        said = f'Bearer error="invalid_token", error_description="{why}", resource_metadata="{METADATA}"'
        assert answer.headers["www-authenticate"].startswith(said)
        assert answer.json()["error"]["message"] == why
        assert token not in answer.text


def test_a_token_without_any_scope_of_ours_gets_in_nowhere(url: str, issuer: Issuer) -> None:
    answer = post(url, issuer.token(tenant="acme", scope="openid"))

    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert f'resource_metadata="{METADATA}", scope="alerts:read"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("era", ERAS)
def test_a_caller_sees_the_tools_of_the_token_and_is_told_which_scope_another_one_needs(
    url: str, issuer: Issuer, era: str
) -> None:
    reader = Conversation(url, era).with_token(issuer.token(tenant="acme"))

    assert {tool.annotations and tool.annotations.read_only_hint for tool in reader.tools().values()} == {
        True
    }
    assert reader.ask("list_silences")["items"] == []
    asked = {"name": "end_silence", "arguments": {"silence_id": "sil_x"}}
    answer = post(url, issuer.token(tenant="acme"), method="tools/call", params=asked)
    assert answer.status_code == 403
    assert 'scope="alerts:read alerts:act"' in answer.headers["www-authenticate"]
    said = reader.error(lambda client: client.call_tool("end_silence", {"silence_id": "sil_x"}))
    assert said.message == "it needs the scope alerts:act, which this token doesn't have"


@pytest.mark.parametrize("era", ERAS)
def test_what_is_done_is_of_the_tokens_tenant_and_in_the_name_of_its_subject(
    url: str, issuer: Issuer, folder: Path, era: str
) -> None:
    given: dict[str, Any] = {"tenant": "acme", "scope": ALL, "sub": f"user-{era}", "name": "Ann Lee"}
    ann = Conversation(url, era).with_token(issuer.token(**given))
    other = Conversation(url, era).with_token(issuer.token(**{**given, "tenant": "other"}))
    made = ann.ask("silence_alerts", reason="tidy up", duration="1h", at_least="info")["silence"]

    assert made["created_by"] == "Ann Lee"
    assert "not found" in other.refusal("end_silence", silence_id=made["id"])
    wiring = Wiring(Settings(state_dir=folder, tenant="acme"), {})
    (row,) = wiring.store.read(lambda tx: audit.page(tx, about=made["id"])).items
    wiring.close()
    assert (row.actor, row.action) == (f"mcp:user-{era}", "silence.create")


def test_a_new_key_of_the_issuer_counts_at_once(url: str, issuer: Issuer) -> None:
    issuer.keys["new"] = ("ES256", made_key("ES256"))

    assert post(url, issuer.token("new", tenant="acme")).status_code == 200
    assert post(url, issuer.token("one", tenant="acme")).status_code == 200


def test_a_body_that_is_too_large_is_refused_before_it_is_read_whole(url: str, issuer: Issuer) -> None:
    answer = post(url, issuer.token(tenant="acme"), padding="x" * 300_000)

    assert answer.status_code == 413


@pytest.mark.parametrize("lacks", ["mcp_issuer", "mcp_url"])
def test_without_an_issuer_and_an_address_of_its_own_it_does_not_start(tmp_path: Path, lacks: str) -> None:
    given = {"mcp_issuer": "https://id.example.com", "mcp_url": AUDIENCE, lacks: ""}
    wiring = Wiring(Settings.model_validate({"state_dir": tmp_path, "mcp_auth": "oauth", **given}), {})

    with pytest.raises(
        InvalidInput, match=f"TOCSIN_{lacks.upper()} is missing; TOCSIN_MCP_AUTH=oauth needs it"
    ):
        application(wiring, "0.0.0.0")
