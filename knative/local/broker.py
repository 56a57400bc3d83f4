"""The Broker: Knative's MT channel-based broker over an in-memory channel, as observed.

`POST /<namespace>/<broker>` takes one event and fans it out to the Triggers whose attributes match exactly.
Must not store anything: like InMemoryChannel it forgets what was under way when it ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from knative.local.addresses import Addresses
from knative.local.cloudevent import Event, MalformedEventError, problems, read, utc_text
from knative.local.delivery import Answer, attempt, passed_on, with_retries
from knative.local.faults import Dice
from knative.local.journal import Journal
from knative.local.resources import Broker, Delivery, Destination, Trigger

TTL = "knativebrokerttl"
ARRIVAL = "knativearrivaltime"
MAX_TTL = 255
"""Hops that an event may make through replies (broker/ttl.go)."""


class BrokerServer:
    """All Brokers of an overlay behind one address."""

    def __init__(
        self,
        brokers: Iterable[Broker],
        triggers: Iterable[Trigger],
        addresses: Addresses,
        client: httpx.AsyncClient,
        journal: Journal,
        dice: Dice | None = None,
    ) -> None:
        self._dice = dice or Dice(journal)
        self._brokers = {(b.namespace, b.name): b for b in brokers}
        self._triggers = list(triggers)
        self._addresses, self._client, self._journal = addresses, client, journal
        self._under_way: set[asyncio.Task[bool]] = set()
        methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        self.app = Starlette(routes=[Route("/{path:path}", self._ingress, methods=methods)])

    @property
    def holds(self) -> int:
        """How many deliveries are under way: events times Triggers."""
        return len(self._under_way)

    async def close(self) -> int:
        """Drop what is under way, as the death of an in-memory channel does; how many deliveries those were."""
        lost = list(self._under_way)
        for task in lost:
            task.cancel()
        await asyncio.gather(*lost, return_exceptions=True)
        return len(lost)

    async def _ingress(self, request: Request) -> Response:
        allow = {"Allow": "POST, OPTIONS"}
        if request.method == "OPTIONS":
            return Response(headers=allow | {"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"})
        if request.method != "POST":
            return Response(status_code=405, headers=allow)
        if request.url.path == "/":
            return Response(status_code=404, headers=allow)
        parts = request.url.path.removesuffix("/").split("/")
        if len(parts) != 3:
            return Response(status_code=400, headers=allow)
        try:
            event = read(request.headers, await request.body())
        except MalformedEventError as error:
            return self._refused(request, str(error), allow)
        found = ["not a CloudEvent"] if event is None else problems(event)
        if event is None or found:
            return self._refused(request, "; ".join(found), allow)
        broker = self._brokers.get((parts[1], parts[2]))
        if broker is None:
            self._journal.note("broker", f"unknown broker {parts[1]}/{parts[2]}", level="warning")
            return Response(status_code=404, headers=allow)
        status = await self._while_connected(request, broker, event)
        return Response(status_code=status, headers=allow)

    def _refused(self, request: Request, why: str, headers: dict[str, str]) -> Response:
        self._journal.count("refused")
        self._journal.note("broker", f"refused an event at {request.url.path}: {why}", level="warning")
        return Response(status_code=400, headers=headers)

    async def _while_connected(self, request: Request, broker: Broker, event: Event) -> int:
        """Receive the event; a producer that leaves a synchronous broker cancels everything, dead letters included."""
        work = asyncio.ensure_future(self.receive(broker, event, passed_on(request.headers)))
        if broker.answers_at_once:
            return await work
        leaving = asyncio.ensure_future(request.receive())
        await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            self._journal.count("cancelled")
            text = f"{_called(event)}: the producer left, deliveries were cancelled"
            self._journal.note("broker", text, level="error")
            return 499
        return work.result()

    async def receive(self, broker: Broker, event: Event, headers: Mapping[str, str]) -> int:
        """Take one valid event; the status that the ingress answers: 202, 400 (its hops are spent) or 500."""
        ttl = _ttl(event)
        if ttl <= 0:
            self._journal.note("broker", f"{_called(event)}: its {MAX_TTL} hops are spent", level="warning")
            return 400
        event = event.having(**{TTL: str(ttl), ARRIVAL: utc_text(time.time())})
        self._journal.count("accepted")
        matching = [trigger for trigger in self._of(broker) if _matches(trigger.attributes, event)]
        if not matching:
            self._journal.count("unmatched")
            self._journal.note("broker", f"{_called(event)}: no Trigger matches, dropped", level="warning")
        fate = self._dice.fate(_called(event))
        tasks = [
            asyncio.ensure_future(self._deliver_later(wait, broker, trigger, event, headers))
            for wait in fate.waits
            for trigger in matching
        ]
        for task in tasks:
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        if broker.answers_at_once:
            return 202
        try:
            return 202 if all(await asyncio.gather(*tasks)) else 500
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            raise

    def _of(self, broker: Broker) -> list[Trigger]:
        return [t for t in self._triggers if (t.namespace, t.broker) == (broker.namespace, broker.name)]

    async def _deliver_later(
        self, wait: float, broker: Broker, trigger: Trigger, event: Event, headers: Mapping[str, str]
    ) -> bool:
        if wait:
            await asyncio.sleep(wait)
        return await self._deliver(broker, trigger, event, headers)

    async def _deliver(
        self, broker: Broker, trigger: Trigger, event: Event, headers: Mapping[str, str]
    ) -> bool:
        """Subscriber, then its reply, then the dead letter sink; whether the event found a home."""
        delivery = trigger.delivery or broker.delivery
        sink = delivery.dead_letter_sink or broker.delivery.dead_letter_sink
        carried = {**headers, "kn-namespace": trigger.namespace}
        # Only the subscriber's request asks for a reply, and only it is freed of the broker's own hop count.
        answer = await self._send(
            trigger, event.without(TTL), trigger.subscriber, delivery, {**carried, "prefer": "reply"}
        )
        if not answer.failed and answer.reply is not None:
            reply = answer.reply.having(**{TTL: event.attributes[TTL]})
            answer = await self._republish(broker, trigger, reply, delivery)
        if not answer.failed:
            self._journal.count("delivered")
            self._journal.note("broker", f"{_called(event)} -> {trigger.name}: {answer.status}", detail=True)
            return True
        return await self._bury(trigger, event, answer, sink, delivery, carried)

    async def _republish(self, broker: Broker, trigger: Trigger, reply: Event, delivery: Delivery) -> Answer:
        url = self._addresses.broker_url(broker.namespace, broker.name)

        async def once() -> Answer:
            status = 400 if problems(reply) else await self.receive(broker, reply, {})
            return Answer(status, url, explained=True)

        return await with_retries(once, delivery, self._retry_note(trigger, reply))

    async def _bury(
        self,
        trigger: Trigger,
        event: Event,
        answer: Answer,
        sink: Destination | None,
        delivery: Delivery,
        headers: Mapping[str, str],
    ) -> bool:
        reason = f"{_called(event)} -> {trigger.name}: {answer.status} after {answer.attempts} attempts"
        if sink is None:
            self._journal.count("lost")
            self._journal.note("broker", f"{reason}; no dead letter sink, lost", level="error")
            return False
        dead = event.having(**answer.error_attributes())
        buried = await self._send(trigger, dead, sink, delivery, headers)
        if buried.failed:
            self._journal.count("lost")
            self._journal.note(
                "broker", f"{reason}; the dead letter sink answered {buried.status}, lost", level="error"
            )
            return False
        self._journal.count("dead_lettered")
        self._journal.note("broker", f"{reason}; sent to the dead letter sink", level="warning")
        return True

    async def _send(
        self, trigger: Trigger, event: Event, to: Destination, delivery: Delivery, headers: Mapping[str, str]
    ) -> Answer:
        url = self._addresses.resolve(to)

        async def once() -> Answer:
            return await attempt(self._client, event, url, headers, delivery.timeout)

        return await with_retries(once, delivery, self._retry_note(trigger, event))

    def _retry_note(self, trigger: Trigger, event: Event) -> _RetryNote:
        return _RetryNote(self._journal, trigger, event)


class _RetryNote:
    """Says that a delivery is tried again."""

    def __init__(self, journal: Journal, trigger: Trigger, event: Event) -> None:
        self._journal, self._text = journal, f"{_called(event)} -> {trigger.name}"

    def __call__(self, retry: int, answer: Answer, wait: float) -> None:
        self._journal.count("retried")
        text = f"{self._text}: {answer.status}, retry {retry} in {wait:g} s"
        self._journal.note("broker", text, level="warning")


def _called(event: Event) -> str:
    return f"{event.attributes.get('type')} {event.attributes.get('subject') or event.attributes.get('id')}"


def _ttl(event: Event) -> int:
    text = event.attributes.get(TTL)
    if text is None:
        return MAX_TTL
    return max(int(text) - 1, 0) if text.lstrip("+-").isdigit() else MAX_TTL


def _matches(wanted: Mapping[str, str], event: Event) -> bool:
    """Exact match of every attribute; "" asks for any value, but for one (eventfilter/attributes/filter.go)."""
    for name, value in wanted.items():
        found = event.attributes.get(name, "")
        if not found or (value and value != found):
            return False
    return True
