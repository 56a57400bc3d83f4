"""What the use cases need from the outside. Each is made when it is first asked for."""

from typing import Protocol

from shared.channels import ChannelBook
from shared.metrics import MetricStore
from shared.store.engine import Store


class Ports(Protocol):
    """`wiring.Wiring` is one. Listing rules must not need a readable channels file, so these are looked up lazily."""

    @property
    def store(self) -> Store: ...
    @property
    def channels(self) -> ChannelBook: ...
    def metrics(self, source: str = ...) -> MetricStore: ...
