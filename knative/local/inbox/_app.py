"""The inbox as a web application: vendors' endpoints, a page for people, JSON for programs, faults for tests.

Must not name a vendor: they are found in this folder.
"""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import time
from collections.abc import Callable
from json import JSONDecodeError
from pathlib import Path
from typing import cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from knative.local.inbox._faults import FaultError, Faults
from knative.local.inbox._messages import Incoming, Message, Messages, Vendor
from knative.local.inbox._page import PAGE_POLICY, PART_POLICY, Page

FOLDER = Path(__file__).parent


def vendors() -> dict[str, Vendor]:
    """Every vendor file in this folder, by its name."""
    names = sorted(m.name for m in pkgutil.iter_modules([str(FOLDER)]) if not m.name.startswith("_"))
    return {name: cast(Vendor, importlib.import_module(f"{__package__}.{name}")) for name in names}


class Inbox:
    """The inbox's state and its application; `on_message` hears every message that was taken."""

    def __init__(self, on_message: Callable[[Message], None] = lambda message: None) -> None:
        self.messages, self.faults = Messages(), Faults()
        self._vendors, self._on_message = vendors(), on_message
        self._page = Page(self._vendors)
        routes = [
            Route("/", self._index),
            Route("/messages.json", self._list),
            Route("/messages", self._clear, methods=["DELETE"]),
            Route("/clear", self._clear_and_return, methods=["POST"]),
            Route("/messages/{number:int}/part.html", self._part),
            Route("/faults", self._fault, methods=["GET", "POST", "DELETE"]),
            Route("/health/readiness", lambda request: Response()),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
        ]
        for name, vendor in self._vendors.items():
            for route in vendor.ROUTES:
                method, _, path = route.rpartition(" ")
                routes.append(Route(path, self._endpoint(name, vendor), methods=[method or "POST"]))
        self.app = Starlette(routes=routes)

    def _endpoint(self, file: str, vendor: Vendor) -> Callable[[Request], object]:
        async def receive(request: Request) -> Response:
            path = request.url.path
            incoming = Incoming(
                path,
                str(request.path_params.get("name", "")),
                dict(request.headers),
                await request.body(),
                time.time_ns() // 1_000_000,
                dict(request.query_params),
                str(request.path_params.get("message", "")),
            )
            fault = self.faults.meet(path)
            if fault is not None and fault.status:
                await asyncio.sleep(fault.delay_seconds)
                return Response(fault.body, fault.status, fault.headers)
            receipt = vendor.receive(incoming)
            if receipt.content is not None and incoming.edits:
                if not self.messages.edit(file, incoming.edits, receipt):
                    return Response(status_code=404)
            elif receipt.content is not None:
                self._on_message(self.messages.add(file, vendor.KIND, incoming, receipt))
            if fault is not None:
                # The message was taken: only its answer is late, as when a sender times out after the last byte.
                await asyncio.sleep(fault.delay_seconds)
            return Response(receipt.body, receipt.status, dict(receipt.headers))

        return receive

    async def _index(self, request: Request) -> Response:
        kind = request.query_params.get("kind", "")
        found = self.messages.find(kind=kind)
        html = self._page.render(
            list(reversed(found)), kind, self.messages.total, time.time_ns() // 1_000_000
        )
        return HTMLResponse(html, headers=PAGE_POLICY)

    async def _list(self, request: Request) -> Response:
        asked = request.query_params
        since = asked.get("since", "0")
        if not since.isdigit():
            return JSONResponse({"error": f"since must be a message's number, not {since!r}"}, 400)
        found = self.messages.find(kind=asked.get("kind", ""), name=asked.get("name", ""), since=int(since))
        counts = {"total": self.messages.total, "edits": self.messages.edits}
        return JSONResponse({**counts, "messages": [m.as_json() for m in found]})

    async def _part(self, request: Request) -> Response:
        message = self.messages.get(request.path_params["number"])
        html = message and self._vendors[message.vendor].view(message).get("html")
        if not html:
            return Response("there is no such message, or it has no HTML part", 404)
        return HTMLResponse(html, headers=PART_POLICY)

    async def _clear(self, request: Request) -> Response:
        self.messages.clear()
        return Response(status_code=204)

    async def _clear_and_return(self, request: Request) -> Response:
        self.messages.clear()
        return RedirectResponse("/", 303)

    async def _fault(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.faults.clear()
        if request.method == "POST":
            try:
                self.faults.add(await request.json())
            except (FaultError, JSONDecodeError) as error:
                return JSONResponse({"error": f"expected {error}"}, 400)
        return JSONResponse({"faults": [vars(fault) for fault in self.faults.waiting]})
