"""In front of everything that needs a caller: who asks, how often, and whether the token is enough for what is asked.

Every refusal is HTTP's own (401, 403, 429, 503) for clients that act on it, with a JSON-RPC error as its body, because
that is the text that a model gets to read.
"""

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.authentication import AuthCredentials
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.conversation import access
from shared.conversation.access import Caller, Verifier
from shared.conversation.turns import PER_MINUTE, Turns
from shared.errors import TokenRefused, Unavailable
from shared.model import Millis

REFUSED = -32001
"""The code of every refusal: one of those that JSON-RPC leaves to servers."""
REALM = 'realm="tocsin"'

SharedTurns = Callable[[Caller], int]
Needs = Callable[[str], access.Scope | None]


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a 401 tells a client about getting a token; without an OAuth server there is nothing to tell."""

    metadata_url: str = ""
    scopes: Sequence[access.Scope] = ()

    def header(self, error: str = "", why: str = "", scopes: Sequence[access.Scope] = ()) -> dict[str, str]:
        """WWW-Authenticate (RFC 6750); `scopes` replace the usual ones."""
        parts = {
            "error": error,
            "error_description": why,
            "resource_metadata": self.metadata_url,
            "scope": " ".join(scope.value for scope in scopes or self.scopes),
        }
        said = ", ".join(f'{name}="{value}"' for name, value in parts.items() if value)
        return {"WWW-Authenticate": f"Bearer {said or REALM}"}


class Guard:
    """Lets callers through to `app`, where `get_access_token()` then says who they are."""

    def __init__(
        self,
        app: ASGIApp,
        verifier: Verifier,
        clock: Callable[[], Millis],
        *,
        challenge: Challenge,
        turns: Turns,
        taken_elsewhere: SharedTurns | None = None,
        needs: Needs | None = None,
        max_body_bytes: int = 0,
    ) -> None:
        """`taken_elsewhere` counts over all replicas and blocks: milliseconds to wait. `needs`, where a token can be
        replaced by one of more scopes, names the scope of a tool; bodies are then read here."""
        self._app, self._verifier, self._clock = AuthContextMiddleware(app), verifier, clock
        self._challenge, self._turns, self._taken_elsewhere = challenge, turns, taken_elsewhere
        self._needs, self._max_body_bytes = needs, max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        found = await self._let_in(Request(scope))
        if isinstance(found, Response):
            return await found(scope, receive, send)
        if self._needs is not None:
            try:
                body, receive = await _read_ahead(receive, self._max_body_bytes)
            except ClientDisconnect:
                return None
            if (lacks := self._lacking(found, body)) is not None:
                return await self._insufficient(found, lacks)(scope, receive, send)
        token = AccessToken(
            token=found.id,
            client_id=found.id,
            subject=found.id,
            scopes=[one.value for one in found.scopes],
            claims={"tenant": found.tenant, "name": found.name},
        )
        scope["user"], scope["auth"] = AuthenticatedUser(token), AuthCredentials(token.scopes)
        await self._app(scope, receive, send)
        return None

    async def _let_in(self, request: Request) -> Caller | Response:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            return _refusal(401, "this server needs an access token", self._challenge.header())
        try:
            caller = await self._verifier.caller(token.strip(), self._clock())
        except TokenRefused as error:
            return _refusal(401, str(error), self._challenge.header("invalid_token", str(error)))
        except Unavailable as error:
            why = f"who asks can't be found out now: {error}"
            return _refusal(503, why, {"Retry-After": "5"})
        if not caller.scopes:
            return self._insufficient(caller, access.Scope.READ)
        wait = self._turns.take(f"{caller.tenant}:{caller.id}")
        if not wait and self._taken_elsewhere is not None:
            wait = await asyncio.to_thread(self._taken_elsewhere, caller) / 1000
        if wait:
            seconds = str(math.ceil(wait))
            why = f"this token made {PER_MINUTE} calls in a minute; call again in {seconds} s"
            return _refusal(429, why, {"Retry-After": seconds})
        return caller

    def _lacking(self, caller: Caller, body: bytes) -> access.Scope | None:
        """The scope that this call needs and the caller doesn't have."""
        try:
            asked = json.loads(body)
            name = asked["params"]["name"] if asked["method"] == "tools/call" else None
        except (ValueError, TypeError, KeyError, RecursionError):
            return None  # whoever reads it next says what is wrong with it
        needed = self._needs(name) if self._needs is not None and isinstance(name, str) else None
        return None if needed in caller.scopes else needed

    def _insufficient(self, caller: Caller, lacks: access.Scope) -> Response:
        why = f"it needs the scope {lacks.value}, which this token doesn't have"
        # With what it has: a client asks for exactly these, and must not lose any.
        return _refusal(403, why, self._challenge.header("insufficient_scope", why, [*caller.scopes, lacks]))


async def _read_ahead(receive: Receive, most: int) -> tuple[bytes, Receive]:
    """The body, and what to read it from again. Of a larger one than `most` the application reads the rest, or not."""
    body, read = bytearray(), list[Message]()
    while len(body) <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        read.append(message)
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    rest = iter(read)

    async def again() -> Message:
        return next(rest, None) or await receive()

    return bytes(body), again


def _refusal(status: int, why: str, headers: dict[str, str]) -> Response:
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": REFUSED, "message": why}}
    return JSONResponse(body, status, headers)
