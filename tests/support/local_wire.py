"""Sinks at the wire for the tests of knative.local: real HTTP on loopback, scripted answers, recorded requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from knative.local.addresses import Addresses
from knative.local.broker import BrokerServer
from knative.local.delivery import new_client
from knative.local.faults import Dice, Faults
from knative.local.journal import Journal
from knative.local.resources import Broker, Delivery, Destination, Trigger
from knative.local.servers import Serving, bind, serve
from tests.support.waiting import until

NS = "tocsin"


@dataclass(frozen=True)
class Seen:
    """One request that a sink got."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Sink:
    """Answers from a script, and repeats its last line; a `slow` one answers nobody before `release`."""

    answers: Sequence[tuple[int, bytes, dict[str, str]]] = ((204, b"", {}),)
    slow: bool = False
    seen: list[Seen] = field(default_factory=list)
    server: Serving | None = None
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    async def _answer(self, request: Request) -> Response:
        self.seen.append(Seen(request.url.path, dict(request.headers), await request.body()))
        status, body, headers = self.answers[min(len(self.seen), len(self.answers)) - 1]
        if self.slow:
            await self._released.wait()
        return Response(body, status, headers)

    async def start(self) -> int:
        route = Route("/{path:path}", self._answer, methods=["POST"])
        self.server = await serve(Starlette(routes=[route]), bind(0))
        return self.server.port

    def release(self) -> None:
        """Let a slow sink answer everybody who waits, and those who come later."""
        self._released.set()

    async def stop(self) -> None:
        """Answer whoever still waits, then close."""
        self.release()
        if self.server is not None:
            await self.server.stop()


def statuses(*wanted: int) -> Sink:
    """A sink that answers these statuses, empty, the last one for ever."""
    return Sink([(status, b"", {}) for status in wanted])


def to(name: str, uri: str = "") -> Destination:
    """The Service of that name."""
    return Destination("Service", NS, name, uri)


def trigger(name: str, delivery: Delivery | None = None, broker: str = "main", **attributes: str) -> Trigger:
    """A Trigger to the sink of the same name."""
    return Trigger(NS, name, broker, attributes, to(name), delivery)


@dataclass
class Bench:
    """A broker with its sinks, and a producer's client."""

    client: httpx.AsyncClient
    url: str
    journal: Journal
    sinks: dict[str, Sink]
    server: BrokerServer

    async def post(self, **changes: str) -> httpx.Response:
        """Send one binary event; `changes` set attributes."""
        attributes = {"specversion": "1.0", "id": "1", "source": "/test", "type": "test.fired"} | changes
        headers = {f"ce-{name}": value for name, value in attributes.items()}
        return await self.client.post(
            self.url, content=b'{"a": 1}', headers=headers | {"content-type": "application/json"}
        )

    async def until(self, what: str, times: int = 1) -> None:
        """Wait until the broker counted `what` so often."""
        await until(lambda: self.journal.counts[what] >= times, f"the broker counted {what}", 5)


@asynccontextmanager
async def broker_bench(
    triggers: Sequence[Trigger],
    sinks: dict[str, Sink],
    *,
    at_once: bool = False,
    delivery: Delivery | None = None,
    faults: Faults | None = None,
) -> AsyncIterator[Bench]:
    """A broker `main` with these Triggers and faults; one without a sink of its name leads to a refused connection."""
    journal, client = Journal(), new_client()
    listening = bind(0)
    ports = {(NS, name): await sink.start() for name, sink in sinks.items()}
    closed = bind(0)
    ports |= {(NS, t.name): closed.getsockname()[1] for t in triggers if (NS, t.name) not in ports}
    addresses = Addresses(ports, listening.getsockname()[1], {})
    brokers = [Broker(NS, "main", at_once, delivery or Delivery())]
    server = BrokerServer(brokers, triggers, addresses, client, journal, Dice(journal, faults or Faults()))
    serving = await serve(server.app, listening)
    try:
        yield Bench(client, addresses.broker_url(NS, "main"), journal, sinks, server)
    finally:
        await server.close()
        await asyncio.gather(serving.stop(), *(sink.stop() for sink in sinks.values()))
        await client.aclose()
        closed.close()
