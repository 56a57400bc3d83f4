"""The HTTP monitor: asks each URL once and says whether it answered, how fast, and with which status.

Redirects are followed three times; a body is not read. It decides nothing: what is too slow is a rule's business.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from shared.errors import InvalidInput
from shared.monitors.points import Point

log = logging.getLogger(__name__)

SETTING = "TOCSIN_MONITOR_URLS"
TIMEOUT_SECONDS = 10.0
MAX_REDIRECTS = 3
AT_ONCE = 50
MEASUREMENT = "website"

_USER_AGENT = "tocsin-monitor"


@dataclass(frozen=True, slots=True)
class Target:
    """What to ask, and what people call it."""

    name: str
    url: str


def parse_targets(text: str) -> list[Target]:
    """`name=url,name=url`; a comma inside a URL is written %2C. Raises InvalidInput naming the part that is wrong."""
    targets = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, url = (piece.strip() for piece in part.partition("="))
        parts = urlsplit(url)
        if not name or parts.scheme not in ("http", "https") or not parts.hostname:
            valid = "valid is NAME=URL,NAME=URL with http:// or https:// URLs, a comma in them written %2C"
            raise InvalidInput(SETTING, part, valid)
        targets.append(Target(name, url))
    for name, count in Counter(target.name for target in targets).items():
        if count > 1:
            raise InvalidInput(SETTING, name, "each name may be given once")
    return targets


def check(targets: Sequence[Target], now: int, timeout_seconds: float = TIMEOUT_SECONDS) -> list[Point]:
    """One point for each target, all asked side by side; `now` (epoch milliseconds UTC) is their time.

    Fields: `is_up` (1 when the status is below 400, else 0), `status_code` (0 without an answer) and, only with an
    answer, `response_time` in milliseconds until its headers were there.
    """
    return asyncio.run(_check_all(targets, now, timeout_seconds))


async def _check_all(targets: Sequence[Target], now: int, timeout_seconds: float) -> list[Point]:
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=0)
    async with httpx.AsyncClient(
        timeout=httpx.Timeout(timeout_seconds, pool=None),
        limits=limits,
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
        trust_env=False,
        headers={"User-Agent": _USER_AGENT},
    ) as client:
        permits = asyncio.Semaphore(AT_ONCE)
        return await asyncio.gather(
            *(_check(client, permits, target, now, timeout_seconds) for target in targets)
        )


async def _check(
    client: httpx.AsyncClient, permits: asyncio.Semaphore, target: Target, now: int, timeout_seconds: float
) -> Point:
    async with permits:
        started = time.monotonic()
        status = await _status(client, target.url, timeout_seconds)
        elapsed = (time.monotonic() - started) * 1000
    fields: dict[str, int | float] = {"is_up": int(0 < status < 400), "status_code": status}
    if status:
        fields["response_time"] = round(elapsed, 3)
    return Point(MEASUREMENT, {"name": target.name, "url": target.url}, fields, now)


async def _status(client: httpx.AsyncClient, url: str, timeout_seconds: float) -> int:
    """The final status, or 0 when there is no answer."""
    try:
        # httpx bounds each step; redirects and a server that trickles need a bound over all of them.
        async with asyncio.timeout(timeout_seconds), client.stream("GET", url) as reply:
            return reply.status_code
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        log.debug("%s: no answer: %r", url, error)
        return 0
