"""The official client signs in by itself: from a 401 over the metadata to a token, and from a 403 to a better one."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp_types import CallToolResult

from tests.support.issuer import AUDIENCE, Issuer
from tests.support.mcp import ERAS, running_server

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer("/realms/ops", "/.well-known/oauth-authorization-server/realms/ops") as made:
        yield made


@pytest.fixture(scope="module")
def url(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("mcp")
    env = {"TOCSIN_MCP_AUTH": "oauth", "TOCSIN_MCP_ISSUER": issuer.url, "TOCSIN_MCP_URL": AUDIENCE}
    with running_server(folder, **env) as process:
        yield process.url


class Gateway(httpx2.AsyncHTTPTransport):
    """What stands in front of the server: its public address leads here, and keeps its name."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._port = urlsplit(url).port

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host == urlsplit(AUDIENCE).hostname:
            request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port)
        return await super().handle_async_request(request)


class Memory:
    """What a client remembers."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Person:
    """Somebody who agrees to reading at first, and then to all that is asked."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self.asked: list[dict[str, str]] = []

    async def see(self, address: str) -> None:
        asked = {name: found[0] for name, found in parse_qs(urlsplit(address).query).items()}
        self._issuer.granted = asked["scope"] if self.asked else "alerts:read"
        self.asked.append(asked)

    async def agree(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(code="agreed", state=self.asked[-1]["state"])


@pytest.mark.parametrize("era", ERAS)
def test_a_client_signs_in_by_itself_and_gets_the_scope_that_it_needs_later(
    url: str, issuer: Issuer, era: str
) -> None:
    memory, person = Memory(), Person(issuer)
    metadata = OAuthClientMetadata.model_validate(
        {"redirect_uris": ["http://localhost:9/callback"], "client_name": "Tests"}
    )
    provider = OAuthClientProvider(AUDIENCE, metadata, memory, person.see, person.agree)

    async def story() -> tuple[CallToolResult, CallToolResult]:
        async with (
            httpx2.AsyncClient(auth=provider, transport=Gateway(url), timeout=30) as http,
            Client(streamable_http_client(AUDIENCE, http_client=http), mode=era) as client,
        ):
            read = await client.call_tool("list_silences", {})
            given = {"reason": "moving", "duration": "1h", "at_least": "info"}
            written = await client.call_tool("silence_alerts", given)
        assert isinstance(read, CallToolResult)
        assert isinstance(written, CallToolResult)
        return read, written

    read, written = asyncio.run(story())

    assert (read.is_error, written.is_error) == (False, False)
    assert memory.client is not None
    assert memory.client.client_id == "client-1"
    first, second = person.asked
    assert first["resource"] == second["resource"] == AUDIENCE
    assert "alerts:read" in first["scope"].split()
    assert {"alerts:read", "alerts:act"} <= set(second["scope"].split())
