"""One event to one address, as Knative's dispatcher and broker filter do it together: attempts, waits, verdicts.

Sources: kncloudevents/retries.go (SelectiveRetry), event_dispatcher.go, broker/filter/filter_handler.go.
Must not choose destinations or know triggers.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import httpx

from knative.local.cloudevent import Event, MalformedEventError, read
from knative.local.resources import Delivery

LONGEST_SECONDS = 600.0
"""A Service's largest timeoutSeconds: Knative itself sets no limit on an attempt without `delivery.timeout`."""
ERROR_DATA_LIMIT = 1024
"""Characters of base64 in `knativeerrordata` (attributes/knative_error.go)."""
_PASSED_ON = ("x-request-id", "retry-after", "traceparent", "tracestate")
_PASSED_ON_PREFIXES = ("knative-", "x-b3-")


@dataclass(frozen=True)
class Answer:
    """How an attempt chain ended. `explained`: whether the dead letter will say who failed, and with what."""

    status: int
    url: str
    body: bytes = b""
    reply: Event | None = None
    explained: bool = False
    attempts: int = 1

    @property
    def failed(self) -> bool:
        return not 200 <= self.status < 300

    def error_attributes(self) -> dict[str, str]:
        """The extensions of the dead letter; none after a time-out or a reply that is no CloudEvent."""
        if not self.explained:
            return {}
        data = base64.b64encode(self.body).decode()[:ERROR_DATA_LIMIT]
        found = {"knativeerrordest": self.url, "knativeerrorcode": str(self.status)}
        return found | ({"knativeerrordata": data} if data else {})


def retried(status: int) -> bool:
    """Whether Knative tries again after this status."""
    return status >= 500 or status in (404, 408, 409, 429)


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that survive a hop through the broker (utils/headers.go, and W3C trace context)."""
    return {k: v for k, v in headers.items() if k in _PASSED_ON or k.startswith(_PASSED_ON_PREFIXES)}


def new_client() -> httpx.AsyncClient:
    """A client that opens a connection per attempt: functions close idle ones after 2 s, which would fail a POST."""
    return httpx.AsyncClient(
        timeout=LONGEST_SECONDS, limits=httpx.Limits(max_keepalive_connections=0), trust_env=False
    )


async def attempt(
    client: httpx.AsyncClient, event: Event, url: str, headers: Mapping[str, str], timeout: float
) -> Answer:
    """POST once, in binary mode; `timeout` in seconds, 0 for none."""
    try:
        async with asyncio.timeout(timeout or LONGEST_SECONDS):
            response = await client.post(url, content=event.data, headers={**headers, **event.headers()})
    except TimeoutError:
        return Answer(500, url, b"time-out")
    except httpx.HTTPError as error:
        # The filter answers its dispatcher with this text, so a refused connection is explained.
        return Answer(500, url, f"dispatch error: {type(error).__name__}: {error}".encode(), explained=True)
    if not response.is_success:
        return Answer(response.status_code, url, response.content, explained=True)
    try:
        reply = read(response.headers, response.content)
    except MalformedEventError as error:
        return Answer(502, url, str(error).encode())
    if reply is None and response.content:
        return Answer(502, url, b"received a non-empty response not recognized as CloudEvent")
    return Answer(response.status_code, url, reply=reply)


async def with_retries(
    once: Callable[[], Awaitable[Answer]], delivery: Delivery, on_retry: Callable[[int, Answer, float], None]
) -> Answer:
    """Repeat `once` as `delivery` says; `on_retry` hears the retry's number, what failed and the wait in seconds."""
    retry = 0
    while True:
        answer = await once()
        if not answer.failed or not retried(answer.status) or retry >= delivery.retry:
            return Answer(answer.status, answer.url, answer.body, answer.reply, answer.explained, retry + 1)
        wait = delivery.wait_before(retry)
        on_retry(retry + 1, answer, wait)
        await asyncio.sleep(wait)
        retry += 1
