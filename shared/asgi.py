"""The asynchronous edge of functions-framework: an application with a lifespan, behind health routes and JSON logs.

functions-framework's ASGI server tells its function nothing of its start and end. The application's own lifespan is
therefore held by one task, begun by the first request: in a cluster, the readiness probe. Nothing here connects, forks
or starts a thread at import.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import cast

import functions_framework.aio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from shared import function, telemetry
from shared.errors import InvalidInput
from shared.settings import SettingsError
from shared.wiring import Wiring, process_wiring

Factory = Callable[[Wiring], Starlette]
FrameworkHandler = Callable[[Request], Awaitable[ASGIApp]]


class Lifespan:
    """Keeps an application started for as long as its event loop runs; a new loop gets a new application."""

    def __init__(self, factory: Callable[[], Starlette], first: Starlette | None = None) -> None:
        """`first` is an application that was made already and never started."""
        self._factory, self._first = factory, first
        self._app: Starlette | None = None
        self._ready: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def app(self) -> Starlette:
        """The started application. Raises what its start raised; the next call then tries again."""
        loop = asyncio.get_running_loop()
        if (
            self._ready is None
            or self._task is None
            or self._task.done()
            or self._task.get_loop() is not loop
        ):
            self._app, self._ready = self._first or self._factory(), loop.create_future()
            self._first = None  # an application can be started once
            self._task = loop.create_task(self._hold(self._app, self._ready), name="lifespan")
        # Shielded: a client that hangs up during the start must not end it for all.
        await asyncio.shield(self._ready)
        assert self._app is not None
        return self._app

    @staticmethod
    async def _hold(app: Starlette, ready: "asyncio.Future[None]") -> None:
        try:
            async with app.router.lifespan_context(app):
                ready.set_result(None)
                await asyncio.Event().wait()  # until the loop ends, which cancels this task
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise


def _recorded(name: str, app: ASGIApp) -> ASGIApp:
    """The application, with a span around each request."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        telemetry.begin(name)
        with telemetry.span(name, "server"):
            await app(scope, receive, send)

    return answer


def http(factory: Factory) -> FrameworkHandler:
    """Register a function whose requests are answered by the application that `factory(wiring)` makes.

    A setting that it refuses (InvalidInput) ends the process at its start.
    """
    name, first = factory.__name__, None
    if os.environ.get("FUNCTION_TARGET") == name:  # the framework loads the module that it will serve
        function.prepare(name)
        try:
            first = factory(process_wiring())
        except InvalidInput as error:
            raise SettingsError(str(error)) from None
    lifespan = Lifespan(lambda: factory(process_wiring()), first)

    async def serve(request: Request) -> ASGIApp:
        if request.url.path == "/health/liveness":
            return PlainTextResponse("ok\n")
        app = await lifespan.app()
        return PlainTextResponse("ok\n") if request.url.path == "/health/readiness" else _recorded(name, app)

    serve.__name__ = serve.__qualname__ = name
    # The framework's types know responses only; Starlette calls whatever an endpoint returns.
    register = cast("Callable[[FrameworkHandler], FrameworkHandler]", functions_framework.aio.http)
    return register(serve)
