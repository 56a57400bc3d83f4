"""How clients find out where to get a token: the metadata of a protected resource (RFC 9728).

It is at the address that belongs to the resource's path, which 401s name, and at the one without a path, which some
clients try first.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from shared.conversation.access import Scope
from shared.conversation.guard import Challenge
from shared.settings import Settings

PATH = "/mcp"
_WELL_KNOWN = "/.well-known/oauth-protected-resource"


def challenge(settings: Settings) -> Challenge:
    """What a 401 says: where the metadata is, and what to ask for."""
    parts = urlsplit(settings.mcp_url)
    url = f"{parts.scheme}://{parts.netloc}{_WELL_KNOWN}{parts.path.rstrip('/')}"
    return Challenge(url, tuple(Scope))


def routes(settings: Settings) -> Sequence[Route]:
    """The metadata, for everybody. A gateway may have put a path in front of ours."""
    document = {
        "resource": settings.mcp_url,
        "authorization_servers": [settings.mcp_issuer],
        "scopes_supported": [scope.value for scope in Scope],
        "bearer_methods_supported": ["header"],
        "resource_name": "Tocsin",
    }

    async def metadata(_request: Request) -> JSONResponse:
        # Clients that run in a browser read it from their own pages; it says nothing that is not public.
        return JSONResponse(
            document, headers={"Access-Control-Allow-Origin": "*", "Cache-Control": "max-age=300"}
        )

    paths = dict.fromkeys(("", PATH, urlsplit(settings.mcp_url).path.rstrip("/")))
    return [Route(f"{_WELL_KNOWN}{path}", metadata, methods=["GET"]) for path in paths]
