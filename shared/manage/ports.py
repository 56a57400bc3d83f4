"""What the use cases need from the outside. Each is made when it is first asked for."""

from collections.abc import Mapping
from typing import Protocol

from shared.broker import Broker
from shared.channels import ChannelBook
from shared.metrics import MetricStore
from shared.settings import Settings
from shared.store.engine import Store


class Ports(Protocol):
    """`wiring.Wiring` is one. Listing rules must not need a readable channels file, so these are looked up lazily."""

    @property
    def settings(self) -> Settings: ...
    @property
    def store(self) -> Store: ...
    @property
    def channels(self) -> ChannelBook: ...
    @property
    def broker(self) -> Broker: ...
    @property
    def keys(self) -> Mapping[str, bytes]: ...
    def metrics(self, source: str = ...) -> MetricStore: ...
