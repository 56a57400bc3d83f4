"""`GET /status`: the state of everything as JSON, for whoever may read alerts. Knows no tools."""

import dataclasses
import logging

import anyio.to_thread
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from shared import manage
from shared.conversation import access
from shared.conversation.guard import Challenge
from shared.conversation.tooling import Ports
from shared.errors import TocsinError

PATH = "/status"
log = logging.getLogger("tocsin.mcp")


class StatusPage:
    """Answers for the tenant of the caller's token; stands behind the same guard as the tools."""

    def __init__(self, ports: Ports, security: TransportSecuritySettings, challenge: Challenge) -> None:
        """`challenge`: what those are told who need another token."""
        self._ports, self._security = ports, TransportSecurityMiddleware(security)
        self._challenge = challenge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        answer = await self._security.validate_request(request) or await self._answer(request)
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return JSONResponse({"error": "only GET"}, 405, {"Allow": "GET, HEAD"})
        token, ports = get_access_token(), self._ports
        if token is not None:
            needed = access.Scope.READ.value
            if needed not in token.scopes:
                why = f"it needs the scope {needed}, which this token doesn't have"
                scopes = [*(access.Scope(one) for one in token.scopes), access.Scope.READ]
                header = self._challenge.header("insufficient_scope", why, scopes)
                return JSONResponse({"error": why}, 403, header)
            ports = ports.of_tenant((token.claims or {})["tenant"])
        try:
            found = await anyio.to_thread.run_sync(manage.get_status, ports)
        except TocsinError as error:
            log.warning("the status can't be told: %s", error)
            return JSONResponse({"error": str(error)}, 503, {"Retry-After": "5"})
        return JSONResponse(dataclasses.asdict(found), headers={"Cache-Control": "no-store"})
