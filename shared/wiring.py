"""The one place where adapters are chosen, by URL. Everything is made on first use, once per process.

Imports stay inside the properties: a notify function must not pay for numpy, nor evaluate for SendGrid.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import SecretStr

from shared.errors import InvalidInput
from shared.settings import DEFAULT_SOURCE, OWN_SOURCE, Settings, settings

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

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment that it was made with."""
        return self._environ

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

    def of_tenant(self, tenant: str) -> "Wiring":
        """The same ports for another tenant, closed with this wiring."""
        if tenant == self.settings.tenant:
            return self
        theirs = self.settings.model_copy(update={"tenant": tenant})
        return self._once(f"tenant {tenant}", lambda: Wiring(theirs, self._environ))

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
        """The metric store that monitors of this source write to; `self` are Tocsin's own numbers.

        Raises InvalidInput for a name that is not configured.
        """
        make = self._own_metrics if source == OWN_SOURCE else partial(self._open_metrics, source)
        return self._once(f"metrics {source}", make)

    def _open_metrics(self, source: str) -> "MetricStore":
        from shared.metrics import SETTING, open_metrics

        known = self.settings.sources
        if source not in known:
            valid = f"valid are {', '.join([*known, OWN_SOURCE])}"
            raise InvalidInput("source", source, valid, "More are set by TOCSIN_METRICS_SOURCES")
        return open_metrics(
            known[source].url.get_secret_value(),
            known[source].token.get_secret_value(),
            self.settings.state_dir,
            SETTING if source == DEFAULT_SOURCE else "TOCSIN_METRICS_SOURCES",
        )

    def _own_metrics(self) -> "MetricStore":
        from shared.metrics.own import OwnRows, OwnStore
        from shared.store import own

        def rows(name: str, start: int, stop: int) -> "Sequence[own.Row]":
            kinds = {channel.name: channel.kind for channel in self.channels.channels}
            return self.store.read(lambda tx: own.read(tx, name, own.Asked(start, stop, kinds)))

        return OwnStore(
            {
                name: OwnRows(one.tags, one.fields, partial(rows, name))
                for name, one in own.MEASUREMENTS.items()
            },
            ping=lambda: self.store.read(lambda tx: tx.now()),
        )

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

        return self._once("keys", lambda: _keys("TOCSIN_EVENT_KEYS", self.settings.event_keys))

    @property
    def link_keys(self) -> dict[str, bytes]:
        """The keys that sign and verify acknowledge links."""

        def make() -> dict[str, bytes]:
            from shared import ack_links

            return ack_links.keys(_keys("TOCSIN_LINK_KEYS", self.settings.link_keys), self.keys)

        return self._once("link keys", make)

    def close(self) -> None:
        """Close whatever was opened."""
        with self._lock:
            for thing in self._made.values():
                close = getattr(thing, "close", None)
                if callable(close):
                    close()
            self._made.clear()


def _keys(name: str, given: SecretStr) -> dict[str, bytes]:
    from shared.events import parse_keys

    try:
        return parse_keys(given.get_secret_value())
    except ValueError as error:
        raise InvalidInput(name, "***", f"expected id:base64[,id:base64]: {error}") from None


@cache
def process_wiring() -> Wiring:
    """The wiring of this process, from its environment."""
    return Wiring(settings(), os.environ)
