"""The MCP server as a real process, and the official client over real HTTP, in both eras of the protocol."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent, Tool

from tests.support.functions import FunctionProcess, running_function

T = TypeVar("T")
ERAS = ("legacy", "2026-07-28")
"""The handshake that today's clients make, and the protocol without one."""


class Conversation:
    """One client of one server; every call is a connection of its own, as with a stateless server."""

    def __init__(self, url: str, era: str = ERAS[1], headers: Mapping[str, str] | None = None) -> None:
        self.url, self.era, self.headers = url, era, dict(headers or {})

    def with_token(self, token: str) -> "Conversation":
        """The same client as somebody with this token."""
        return Conversation(self.url, self.era, {"Authorization": f"Bearer {token}"})

    def run(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """Do something with a connected client."""

        async def connected() -> T:
            async with httpx2.AsyncClient(headers=self.headers, timeout=30, trust_env=False) as http:
                transport = streamable_http_client(f"{self.url}/mcp", http_client=http)
                async with Client(transport, mode=self.era) as client:
                    return await work(client)

        return asyncio.run(connected())

    def tools(self) -> dict[str, Tool]:
        """The tools that this client is shown, by name."""

        async def work(client: Client) -> dict[str, Tool]:
            return {tool.name: tool for tool in (await client.list_tools()).tools}

        return self.run(work)

    def call(self, tool: str, /, **arguments: Any) -> CallToolResult:
        """Call a tool, whatever comes of it."""

        async def work(client: Client) -> CallToolResult:
            found = await client.call_tool(tool, arguments)
            assert isinstance(found, CallToolResult)
            return found

        return self.run(work)

    def ask(self, tool: str, /, **arguments: Any) -> Any:
        """The structured result of a call that must work."""
        found = self.call(tool, **arguments)
        assert not found.is_error, text_of(found)
        return found.structured_content

    def refusal(self, tool: str, /, **arguments: Any) -> str:
        """What a call that must not work is told."""
        found = self.call(tool, **arguments)
        assert found.is_error, text_of(found)
        return text_of(found)

    def error(self, work: Callable[[Client], Awaitable[object]]) -> MCPError:
        """The error of the protocol itself that this must end with."""

        async def caught(client: Client) -> MCPError:
            try:
                found = await work(client)
            except MCPError as error:
                return error
            raise AssertionError(f"no error but {found!r}")

        return self.run(caught)


def text_of(result: CallToolResult) -> str:
    """The text of a result."""
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


@contextmanager
def running_server(folder: Path, **env: str) -> Iterator[FunctionProcess]:
    """The function on a state folder, open to this machine unless told otherwise."""
    given = {"FUNCTION_USE_ASGI": "true", "TOCSIN_STATE_DIR": str(folder), "TOCSIN_MCP_AUTH": "none", **env}
    with running_function("mcp_server", given) as process:
        yield process
