"""HTTP servers and ports of the stack's own parts, all on the loopback interface.

Must not listen anywhere else: the parts served here know no password.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from knative.local.addresses import LOOPBACK
from knative.local.errors import LocalError


def bind(port: int, needed_by: str = "") -> socket.socket:
    """A listening-ready socket on `port`, or on any free port for 0; LocalError when it is taken or no port at all."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((LOOPBACK, port))
    except (OSError, OverflowError) as error:
        found.close()
        option = {"inbox": "--inbox-port", "broker": "--port-base", "demo-site": "--port-base"}.get(
            needed_by, "--port"
        )
        why = getattr(error, "strerror", None) or "ports go from 0 to 65535"
        raise LocalError(
            f"port {port} for the {needed_by} can't be used: {why}; choose another with {option}"
        ) from error
    return found


class Ports:
    """Hands out ports: from `base` upwards where free, so that addresses stay the same from run to run; else any.

    A port is held open until `release`, so that no other process takes it before its owner listens.
    """

    def __init__(self, base: int) -> None:
        self._next, self._held = base, dict[int, socket.socket]()

    def take(self) -> int:
        """A free port that nobody else gets from here."""
        while self._next:
            self._next += 1
            try:
                return self._hold(bind(self._next - 1))
            except LocalError:
                continue
        return self._hold(bind(0))

    def take_fixed(self, port: int, owner: str) -> int:
        """This port and no other, for the Service `owner`; LocalError when it is taken."""
        return self._hold(bind(port, owner))

    def _hold(self, held: socket.socket) -> int:
        port: int = held.getsockname()[1]
        self._held[port] = held
        return port

    def hold(self, port: int) -> None:
        """Keep a port whose owner has stopped listening: connections are refused, and nobody else gets it."""
        self._hold(bind(port))

    def release(self, port: int) -> None:
        """Let its owner listen now."""
        held = self._held.pop(port, None)
        if held is not None:
            held.close()

    def close(self) -> None:
        """Let go of every port."""
        for held in self._held.values():
            held.close()
        self._held.clear()


@dataclass
class Serving:
    """One running server."""

    server: uvicorn.Server
    task: asyncio.Task[None]
    port: int

    async def stop(self) -> None:
        """Stop listening and wait for the end; what is open is cut, as its other end is going too."""
        self.server.should_exit = True
        self.server.force_exit = True
        await self.task


async def serve(app: ASGIApp, listening: socket.socket) -> Serving:
    """Serve `app` on a bound socket; returns when it accepts connections."""
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    port = listening.getsockname()[1]
    task = asyncio.create_task(server.serve(sockets=[listening]), name=f"server on {port}")
    while not server.started:
        if task.done():
            task.result()
            raise LocalError(f"the server on port {port} ended before it began")
        await asyncio.sleep(0.01)
    return Serving(server, task, port)


class Door:
    """A server at one address that may go away and come back; meanwhile connections are refused there."""

    def __init__(self, app: ASGIApp, port: int, name: str, ports: Ports) -> None:
        self._app, self._port, self._name, self._ports = app, port, name, ports
        self._serving: Serving | None = None

    async def open(self) -> None:
        """Serve; nothing happens when it does already."""
        if self._serving is None:
            self._ports.release(self._port)
            self._serving = await serve(self._app, bind(self._port, self._name))

    async def shut(self) -> None:
        """Cut what is open and refuse connections; nothing happens when it is away already."""
        if self._serving is not None:
            serving, self._serving = self._serving, None
            await serving.stop()
            self._ports.hold(self._port)
