"""PingSource: a cron schedule that sends `dev.knative.sources.ping` straight to its sink.

As mtping does: jitter before the time is stamped, a new random id per tick, ticks overlap when the sink is slow,
a missed tick is not made up for, and a tick whose six attempts fail is lost. Must not retry a 500, as Knative does not.
"""

from __future__ import annotations

import asyncio
import base64
import random
import time
import uuid
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx
from croniter import CroniterBadCronError, croniter

from knative.local.cloudevent import Event, utc_text
from knative.local.delivery import LONGEST_SECONDS
from knative.local.errors import LocalError
from knative.local.journal import Journal
from knative.local.resources import PingSource

TYPE = "dev.knative.sources.ping"
JITTER_SECONDS = 0.5
RETRIES = 5
FIRST_WAIT_SECONDS = 0.1
"""ContextWithRetriesExponentialBackoff(50 ms, 5) waits 0.1 + 0.2 + 0.4 + 0.8 + 1.6 s."""
RETRIED = frozenset({404, 413, 425, 429, 502, 503, 504})


class Pinger:
    """One PingSource: `run` ticks until it is cancelled, `tick` sends one event now."""

    def __init__(self, source: PingSource, url: str, client: httpx.AsyncClient, journal: Journal) -> None:
        self.source, self._url, self._client, self._journal = source, url, client, journal
        self._under_way: set[asyncio.Task[bool]] = set()
        next_tick(source, time.time())

    async def run(self) -> None:
        """Tick on schedule; each tick is its own task, so that a slow sink delays none of the next."""
        try:
            while True:
                now = time.time()
                await asyncio.sleep(max(next_tick(self.source, now) - now, 0.001))
                task = asyncio.ensure_future(self.tick(random.uniform(0, JITTER_SECONDS)))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
        finally:
            for task in self._under_way:
                task.cancel()

    async def tick(self, jitter: float = 0.0, *, at: float | None = None) -> bool:
        """Send one event after `jitter` seconds; whether a 2xx came back before the attempts ran out.

        It is stamped with the time of sending, or `at` (epoch seconds).
        """
        await asyncio.sleep(jitter)
        event = make_event(self.source, time.time() if at is None else at)
        self._journal.note(self.source.name, f"tick {event.attributes['time'][11:19]} UTC", detail=True)
        status, reason = await self._post(event)
        for retry in range(RETRIES):
            if status and status not in RETRIED:
                break
            self._journal.note(self.source.name, f"tick: {reason}, will retry", level="warning", detail=True)
            await asyncio.sleep(FIRST_WAIT_SECONDS * 2**retry)
            status, reason = await self._post(event)
        if 200 <= status < 300:
            self._journal.count("ticks")
            return True
        self._journal.count("lost_ticks")
        self._journal.note(self.source.name, f"tick lost: {reason}", level="error")
        return False

    async def _post(self, event: Event) -> tuple[int, str]:
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                headers = event.headers() | {"kn-namespace": self.source.namespace}
                response = await self._client.post(self._url, content=event.data, headers=headers)
        except (httpx.HTTPError, TimeoutError) as error:
            return 0, f"{type(error).__name__} {error}"
        return response.status_code, f"the sink answered {response.status_code}"


def make_event(source: PingSource, now: float) -> Event:
    """The event of one tick at `now` (epoch seconds): a random id, no subject."""
    attributes = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "type": TYPE,
        "source": f"/apis/v1/namespaces/{source.namespace}/pingsources/{source.name}",
        "time": utc_text(now),
        **source.extensions,
    }
    data = base64.b64decode(source.data_base64) if source.data_base64 else source.data.encode()
    if data and source.content_type:
        attributes["datacontenttype"] = source.content_type
    return Event(attributes, data)


def next_tick(source: PingSource, now: float) -> float:
    """Epoch seconds of the first tick after `now`; five fields, or six with leading seconds, or a descriptor."""
    fields = source.schedule.split()
    supported = "5 fields, 6 with leading seconds, or @hourly and its like"
    where = f"PingSource {source.name}: schedule {source.schedule!r}"
    if len(fields) not in (5, 6) and not (len(fields) == 1 and source.schedule.startswith("@")):
        raise LocalError(f"{where} is not supported; supported: {supported}")
    try:
        zone = ZoneInfo(source.timezone or "UTC")
        start = datetime.fromtimestamp(now, zone)
        found = croniter(source.schedule, start, second_at_beginning=len(fields) == 6).get_next(datetime)
    except (CroniterBadCronError, ZoneInfoNotFoundError, ValueError) as error:
        raise LocalError(
            f"{where} (zone {source.timezone or 'UTC'}): {error}; supported: {supported}"
        ) from error
    return float(found.timestamp())
