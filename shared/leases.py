"""Redis: cooldown keys, rate buckets, snapshots. Fast and expendable: the truth is in SQL.

Without Redis, or while it is slow or broken, every verb returns its neutral answer ("nothing known", "go ahead") and
never raises. No decision may rest on a key alone. Every key name is made here.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from shared.errors import InvalidInput, redact_url
from shared.model import Millis

if TYPE_CHECKING:
    import redis

T = TypeVar("T")

COOLDOWN = "tocsin:{tenant}:cooldown:{rule}:{series}"
RATE = "tocsin:{tenant}:rate:{bucket}"
SNAPSHOT = "tocsin:{tenant}:snapshot:{name}"

TIMEOUT_SECONDS = 0.3
PAUSE_SECONDS = 5.0
"""How long a Redis that failed is left alone: a tick must not wait 0.3 s a thousand times."""

_BATCH = 1_000
_SCHEMES = ("redis", "rediss", "unix")

log = logging.getLogger(__name__)


class Leases:
    """Redis as one tenant sees it. Constructing it does no I/O; one instance may be used by many threads."""

    def __init__(self, url: str, tenant: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`url` is redis://, rediss:// or unix://; empty runs without Redis. Raises InvalidInput for any other."""
        if url and urlsplit(url).scheme not in _SCHEMES:
            shown = redact_url(url)
            raise InvalidInput(
                "TOCSIN_REDIS_URL", shown, "expected redis://HOST:6379/0, or nothing for no Redis"
            )
        self._url, self._tenant, self._monotonic = url, tenant, monotonic
        self._client: redis.Redis | None = None
        self._skip_until = float("-inf")
        self._told = False

    def hold_cooldowns(self, holds: Iterable[tuple[str, str, Millis]], now: Millis) -> None:
        """Remember cooldowns as (rule, series, until); a key lives until its cooldown ends. `now` is the slot."""
        running = [(rule, series, until) for rule, series, until in holds if until > now]

        def work(client: "redis.Redis") -> None:
            for start in range(0, len(running), _BATCH):
                pipeline = client.pipeline(transaction=False)
                for rule, series, until in running[start : start + _BATCH]:
                    pipeline.set(self._cooldown(rule, series), until, px=until - now)
                pipeline.execute()

        if running:
            self._try(work, None)

    def cooldowns(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Millis]:
        """When the cooldown of each (rule, series) ends, as far as Redis knows; it may know less than SQL."""

        def work(client: "redis.Redis") -> dict[tuple[str, str], Millis]:
            found: dict[tuple[str, str], Millis] = {}
            for start in range(0, len(pairs), _BATCH):
                batch = pairs[start : start + _BATCH]
                values: Any = client.mget([self._cooldown(rule, series) for rule, series in batch])
                found |= {
                    pair: int(value) for pair, value in zip(batch, values, strict=True) if value is not None
                }
            return found

        return self._try(work, {}) if pairs else {}

    def take(self, bucket: str, limit: int, period_ms: int) -> int:
        """Take one of `limit` turns per period: 0 to go ahead, else the milliseconds until the period is over."""

        def work(client: "redis.Redis") -> int:
            key = RATE.format(tenant=self._tenant, bucket=bucket)
            pipeline = client.pipeline(transaction=True)
            pipeline.set(key, 0, px=period_ms, nx=True)
            pipeline.incr(key)
            pipeline.pttl(key)
            _, taken, left = pipeline.execute()
            return 0 if taken <= limit else max(int(left), 1)

        return self._try(work, 0)

    def get_snapshot(self, name: str) -> bytes | None:
        """The snapshot of that name, or None. The caller checks it against the SQL revision or fence inside it."""

        def work(client: "redis.Redis") -> bytes | None:
            found: Any = client.get(SNAPSHOT.format(tenant=self._tenant, name=name))
            return found if found is None else bytes(found)

        return self._try(work, None)

    def put_snapshot(self, name: str, data: bytes, ttl_seconds: int = 600) -> None:
        """Keep a snapshot for others to start from. `data` must name the SQL revision or fence it was made at."""
        key = SNAPSHOT.format(tenant=self._tenant, name=name)
        self._try(lambda client: client.set(key, data, ex=ttl_seconds), None)

    @property
    def available(self) -> bool:
        """Whether Redis is configured and answers now; for status pages only."""
        return self._try(lambda client: bool(client.ping()), False)

    def close(self) -> None:
        """Close every pooled connection."""
        if self._client is not None:
            self._client.close()

    def _cooldown(self, rule: str, series: str) -> str:
        return COOLDOWN.format(tenant=self._tenant, rule=rule, series=series)

    def _try(self, work: "Callable[[redis.Redis], T]", neutral: T) -> T:
        if not self._url or self._monotonic() < self._skip_until:
            return neutral
        # Not at the top: a function without Redis must not pay for the client.
        import redis

        try:
            result = work(self._connected())
        except (redis.RedisError, OSError) as error:
            self._skip_until = self._monotonic() + PAUSE_SECONDS
            self._tell(error)
            return neutral
        self._told = False
        return result

    def _connected(self) -> "redis.Redis":
        if self._client is None:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry

            self._client = redis.Redis.from_url(
                self._url,
                socket_timeout=TIMEOUT_SECONDS,
                socket_connect_timeout=TIMEOUT_SECONDS,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
            )
        return self._client

    def _tell(self, error: Exception) -> None:
        """Log the first failure of an outage, not each of them."""
        if not self._told:
            log.warning("Redis at %s is left alone while it fails: %s", redact_url(self._url), error)
        self._told = True
