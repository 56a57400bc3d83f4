"""A process that ends in the middle of its work, as far as the database can tell: at one of its writes.

The real `kill -9` is played in tests/flow; here every single step can be chosen. Must not change what is written.
"""

from collections.abc import Callable
from typing import TypeVar

from shared.store.engine import Store, Tx
from shared.wiring import Wiring
from tests.support.world import World

T = TypeVar("T")


class Died(Exception):
    """The process is gone."""


class DyingStore(Store):
    """A store whose process ends at its `step`-th write, before it begins or just after its commit."""

    def __init__(self, living: Store, step: int, *, committed: bool) -> None:
        super().__init__(living.engine, living.tenant, living.url)
        self._step, self._committed, self._writes = step, committed, 0

    def write(self, work: Callable[[Tx], T]) -> T:
        self._writes += 1
        if self._writes == self._step and not self._committed:
            raise Died
        done = super().write(work)
        if self._writes == self._step:
            raise Died
        return done


class Dying(Wiring):
    """Another process of the same world, with such a store."""

    def __init__(self, world: World, step: int, *, committed: bool) -> None:
        super().__init__(world.settings, {"K_SINK": f"{world.sink.url}/broker"})
        self._dying = DyingStore(super().store, step, committed=committed)

    @property
    def store(self) -> Store:
        return self._dying
