"""A model asks for a tool (MCP over streamable HTTP): the verbs of the command line, for a conversation."""

import os

from starlette.applications import Starlette

from shared import asgi
from shared.conversation.app import application
from shared.wiring import Wiring


@asgi.http
def mcp_server(wiring: Wiring) -> Starlette:
    """The application on `/mcp`. Without tokens it refuses to be reachable from other machines."""
    return application(wiring, os.environ.get("HOST", "0.0.0.0"))
