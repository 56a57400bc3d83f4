"""The one place where adapters are chosen, by URL. Everything is made on first use, once per process.

Imports stay inside the properties: a notify function must not pay for numpy, nor evaluate for SendGrid.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from shared.errors import InvalidInput
from shared.settings import Settings, settings

if TYPE_CHECKING:
    from shared.broker import Broker
    from shared.channels import ChannelBook
    from shared.leases import Leases
    from shared.metrics import MetricStore
    from shared.store.engine import Store

T = TypeVar("T")


class Wiring:
    """The ports of one process. Constructing it does no I/O."""

    def __init__(self, chosen: Settings, environ: Mapping[str, str]) -> None:
        self.settings = chosen
        self._environ = environ
        self._lock = threading.RLock()
        self._made: dict[str, Any] = {}

    def _once(self, name: str, make: Callable[[], T]) -> T:
        with self._lock:
            if name not in self._made:
                self._made[name] = make()
            return cast("T", self._made[name])

    def memory(self, name: str, make: Callable[[], T]) -> T:
        """A value that this process keeps between ticks to save work; losing it costs time, never truth."""
        return self._once(f"memory {name}", make)

    @staticmethod
    def clock() -> int:
        """The wall clock, epoch milliseconds: for edges that have no slot and no database at hand."""
        return time.time_ns() // 1_000_000

    @property
    def store(self) -> "Store":
        """The database. SQLite migrates itself here; MySQL must have been migrated before."""

        def make() -> "Store":
            from shared.store.engine import open_store
            from shared.store.migrate import ensure_migrated

            store = open_store(
                self.settings.database_url.get_secret_value(), self.settings.tenant, self.settings.state_dir
            )
            ensure_migrated(store)
            return store

        return self._once("store", make)

    def metrics(self, source: str = "default") -> "MetricStore":
        """The metric store that monitors of this source write to."""

        def make() -> "MetricStore":
            from shared.metrics import open_metrics

            if source != "default":
                raise InvalidInput(
                    "source", source, "only 'default' is configured", "It is set by TOCSIN_METRICS_URL"
                )
            return open_metrics(
                self.settings.metrics_url.get_secret_value(),
                self.settings.metrics_token.get_secret_value(),
                self.settings.state_dir,
            )

        return self._once(f"metrics {source}", make)

    @property
    def leases(self) -> "Leases":
        """Redis, or nothing: every verb has a neutral answer."""

        def make() -> "Leases":
            from shared.leases import Leases

            return Leases(self.settings.redis_url.get_secret_value(), self.settings.tenant)

        return self._once("leases", make)

    @property
    def broker(self) -> "Broker":
        """Where events go."""

        def make() -> "Broker":
            from shared.broker import Broker

            return Broker(self._environ.get("K_SINK", ""), self._environ.get("K_CE_OVERRIDES", ""))

        return self._once("broker", make)

    @property
    def channels(self) -> "ChannelBook":
        """The configured channels."""

        def make() -> "ChannelBook":
            from shared.channels import load_book

            return load_book(
                self.settings.channels_file,
                self.settings.secrets_dir,
                self._environ,
                self.settings.tenant,
                self.settings.hosts,
            )

        return self._once("channels", make)

    @property
    def keys(self) -> dict[str, bytes]:
        """The keys that sign and verify events."""

        def make() -> dict[str, bytes]:
            from shared.events import parse_keys

            try:
                return parse_keys(self.settings.event_keys.get_secret_value())
            except ValueError as error:
                raise InvalidInput(
                    "TOCSIN_EVENT_KEYS", "***", f"expected id:base64[,id:base64]: {error}"
                ) from None

        return self._once("keys", make)

    def close(self) -> None:
        """Close whatever was opened."""
        with self._lock:
            for thing in self._made.values():
                close = getattr(thing, "close", None)
                if callable(close):
                    close()
            self._made.clear()


@cache
def process_wiring() -> Wiring:
    """The wiring of this process, from its environment."""
    return Wiring(settings(), os.environ)
