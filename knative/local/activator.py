"""Scale to zero and back: what Knative's activator and autoscaler do for a Service without a `min-scale`.

Requests come here first. After a while without any, the process is ended; the next one starts it, waits until it is
ready and then passes. Must not choose who is scaled: running.py does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from knative.local.errors import LocalError
from knative.local.journal import Journal
from knative.local.processes import Keeper

_PER_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)


class Activator:
    """An ASGI application in front of one Service. `ready` returns when its process answers, `changed` hears of ends
    and starts; `after` is in seconds without a request."""

    def __init__(
        self,
        keeper: Keeper,
        url: str,
        client: httpx.AsyncClient,
        journal: Journal,
        ready: Callable[[], Awaitable[None]],
        changed: Callable[[], None],
        *,
        after: float,
        grace: float,
    ) -> None:
        self._keeper, self._url, self._client, self._journal = keeper, url, client, journal
        self._ready, self._changed, self._after, self._grace = ready, changed, after, grace
        self._lock = asyncio.Lock()
        self._under_way, self._last = 0, time.monotonic()
        self.closing = False
        """Nobody is woken any more, as everything ends."""

    async def run(self) -> None:
        """End the process whenever it has been idle for long enough, until cancelled."""
        self._last = time.monotonic()
        while True:
            idle = 0.0 if self._under_way else time.monotonic() - self._last
            if idle < self._after or not self._keeper.watched:
                await asyncio.sleep(max(self._after - idle, 0.01))
                continue
            async with self._lock:
                if not self._under_way:
                    await self._keeper.stop(self._grace)
                    self._note(f"idle for {self._after:g} s, scaled to zero")

    async def _wake(self) -> None:
        """Return when the process is ready; whoever comes while it starts waits here."""
        async with self._lock:
            if self._keeper.watched:
                return
            if self.closing:
                raise LocalError("the stack stops")
            began = time.monotonic()
            await self._keeper.start()
            try:
                await self._ready()
            except BaseException:
                # Not left half started: the next request tries anew.
                await self._keeper.stop(0)
                raise
            self._keeper.watch()
            self._note(f"scaled from zero in {time.monotonic() - began:.1f} s")

    def _note(self, text: str) -> None:
        self._journal.note(self._keeper.command.name, text)
        self._changed()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self._under_way += 1
        try:
            await self._pass(Request(scope, receive), send)
        finally:
            self._under_way -= 1
            self._last = time.monotonic()

    async def _pass(self, request: Request, send: Send) -> None:
        asked = await self._asked(request)
        try:
            await self._wake()
            try:
                answer = await self._client.send(asked, stream=True)
            except httpx.ConnectError:  # it died, and its successor is on its way
                await self._ready()
                answer = await self._client.send(asked, stream=True)
        except LocalError as error:
            if not self.closing:
                self._journal.note(self._keeper.command.name, error.text, level="error")
            await Response(status_code=503)(request.scope, request.receive, send)
            return
        except httpx.HTTPError:  # it died with the request
            await Response(status_code=502)(request.scope, request.receive, send)
            return
        try:
            passed = StreamingResponse(answer.aiter_raw(), answer.status_code)
            passed.raw_headers = _kept(answer.headers.raw)
            await passed(request.scope, request.receive, send)
        finally:
            await answer.aclose()

    async def _asked(self, request: Request) -> httpx.Request:
        path, query = request.scope["raw_path"].decode("latin-1"), request.url.query
        url = f"{self._url}{path}" + (f"?{query}" if query else "")
        headers = [pair for pair in _kept(request.headers.raw) if pair[0].lower() != b"content-length"]
        return self._client.build_request(request.method, url, headers=headers, content=await request.body())


def _kept(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [pair for pair in headers if pair[0].lower() not in _PER_HOP]
