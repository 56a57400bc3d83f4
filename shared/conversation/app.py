"""The conversation over HTTP: `/mcp`, and `/status` for machines; guarded by tokens, or by the loopback address alone.

The server keeps nothing between two requests, so any replica may answer any of them. Streams that only listen (GET)
are refused: they would keep a pod from scaling to zero and never say anything.
"""

import ipaddress
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

# The event loop's own half of anyio; left to its first use, the first request pays for it.
import anyio._backends._asyncio  # noqa: F401
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.conversation import discovery
from shared.conversation.access import SETTING, Caller, Tokens, Verifier
from shared.conversation.discovery import PATH
from shared.conversation.guard import Challenge, Guard
from shared.conversation.server import Conversation
from shared.conversation.status_page import PATH as STATUS
from shared.conversation.status_page import StatusPage
from shared.conversation.tooling import Ports
from shared.conversation.turns import PER_MINUTE, Turns
from shared.errors import InvalidInput
from shared.settings import Settings

MAX_BODY_BYTES = 256 * 1024
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
log = logging.getLogger("tocsin.mcp")


def application(ports: Ports, host: str) -> Starlette:
    """The application, to be started by its lifespan once. `host` is the address that the process listens on.

    Raises InvalidInput for settings that would let strangers in, or a file of tokens that can't be used.
    """
    settings = ports.settings
    if settings.mcp_auth == "none" and not _is_loopback(host):
        raise InvalidInput(
            "TOCSIN_MCP_AUTH",
            "none",
            f"it is for this machine only, and the server listens on {host}",
            f"Set HOST=127.0.0.1, or TOCSIN_MCP_AUTH=tokens and {SETTING}",
        )
    conversation = Conversation(ports)
    inner = conversation.streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        json_response=False,
        max_request_body_size=MAX_BODY_BYTES,
        transport_security=_security(settings),
    )
    (route,) = [route for route in inner.routes if isinstance(route, Route)]
    # One guard for both, so that a caller's turns are counted together.
    status = StatusPage(ports, _security(settings), _challenge(settings))
    pages: dict[str, ASGIApp] = {PATH: _OnlyPost(route.app), STATUS: status}
    answering = _guarded(_Pages(pages), ports, conversation)
    routes = [Route(path, endpoint=answering) for path in pages]
    if settings.mcp_auth == "oauth":
        routes += discovery.routes(settings)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with inner.router.lifespan_context(inner):
            yield

    app = Starlette(
        routes=routes,
        exception_handlers={HTTPException: _as_json},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = (
        False  # its redirect names an absolute address, with the wrong scheme behind TLS
    )
    return app


def _guarded(app: ASGIApp, ports: Ports, conversation: Conversation) -> ASGIApp:
    """`app` for those who may use it. Raises InvalidInput for settings that don't say who that is."""
    settings = ports.settings
    if settings.mcp_auth == "none":
        return app

    def taken(caller: Caller) -> int:
        return ports.of_tenant(caller.tenant).leases.take(f"mcp:{caller.id}", PER_MINUTE, 60_000)

    oauth_mode = settings.mcp_auth == "oauth"
    return Guard(
        app,
        _by_oauth(settings) if oauth_mode else _by_file(settings),
        ports.clock,
        challenge=_challenge(settings),
        turns=Turns(),
        taken_elsewhere=taken if settings.redis_url.get_secret_value() else None,
        needs=conversation.scope_of if oauth_mode else None,
        max_body_bytes=MAX_BODY_BYTES,
    )


def _challenge(settings: Settings) -> Challenge:
    return discovery.challenge(settings) if settings.mcp_auth == "oauth" else Challenge()


def _by_oauth(settings: Settings) -> Verifier:
    # Only here: cryptography takes a while to import, and tokens of a file don't need it.
    from shared.conversation import oauth
    from shared.conversation.issuer_keys import IssuerKeys

    return oauth.OAuthTokens(oauth.claims_of(settings), IssuerKeys(settings.mcp_issuer))


def _by_file(settings: Settings) -> Verifier:
    tokens = Tokens(settings.mcp_tokens_file)
    if not len(tokens):
        log.warning("nobody can use the MCP server yet: %s names no token", SETTING)
    return tokens


class _Pages:
    """Passes a request on by its path, which is one of these."""

    def __init__(self, pages: Mapping[str, ASGIApp]) -> None:
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._pages[scope["path"]](scope, receive, send)


class _OnlyPost:
    """Refuses every method but POST."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] != "POST":
            answer = JSONResponse({"error": "only POST"}, 405, {"Allow": "POST"})
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _security(settings: Settings) -> TransportSecuritySettings:
    """Host and Origin, against pages that make a browser on this machine ask for them."""
    own = urlsplit(settings.mcp_url).hostname
    hosts = [*_LOOPBACK, *([own] if own else []), *_names(settings.mcp_hosts)]
    origins = [f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
    return TransportSecuritySettings(allowed_hosts=_any_port(hosts), allowed_origins=_any_port(origins))


def _names(text: str) -> Sequence[str]:
    return [name for part in text.split(",") if (name := part.strip().lower())]


def _any_port(names: Sequence[str]) -> list[str]:
    return [*names, *(f"{name}:*" for name in names)]


async def _as_json(_request: Request, error: Exception) -> Response:
    """Clients look for documents of OAuth at well-known addresses, and read the answer as JSON."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"error": f"there is nothing here; the tools are on {PATH}"}, status)
