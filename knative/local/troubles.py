"""Faults as they are done to a running stack: the Broker leaves and comes back, processes die. faults.py draws them.

Must not be called from another thread than its loop's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from knative.local.broker import BrokerServer
from knative.local.errors import LocalError
from knative.local.faults import ANY, Dice, Faults, come_and_go, kill_now_and_then
from knative.local.journal import Journal
from knative.local.processes import Keeper
from knative.local.servers import Door


class Troubles:
    """What goes wrong in one stack. Calls of `use` replace what went wrong before."""

    def __init__(
        self, dice: Dice, broker: BrokerServer, door: Door, keepers: Mapping[str, Keeper], journal: Journal
    ) -> None:
        self._dice, self._broker, self._door = dice, broker, door
        self._keepers, self._journal = keepers, journal
        self._tasks: list[asyncio.Task[None]] = []

    async def use(self, faults: Faults) -> None:
        """From now on these faults and no others; LocalError for a function that there is not."""
        for kill in faults.kills:
            if kill.function != ANY and kill.function not in self._keepers:
                known = ", ".join([ANY, *sorted(self._keepers)])
                raise LocalError(f"there is no function {kill.function} to kill; there are: {known}")
        await self.stop()
        self._dice.use(faults)
        if faults.outage is not None:
            work = come_and_go(faults.outage, self._dice, self.broker_leaves, self.broker_comes_back)
            self._tasks.append(asyncio.create_task(work, name="outages of the broker"))
        for kill in faults.kills:
            work = kill_now_and_then(kill, self._dice, self._alive, self.kill)
            self._tasks.append(asyncio.create_task(work, name=f"kills of {kill.function}"))

    async def stop(self) -> None:
        """Nothing further goes wrong."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def _alive(self) -> list[str]:
        return sorted(name for name, keeper in self._keepers.items() if keeper.pid)

    def kill(self, name: str) -> None:
        """`kill -9`; the successor comes at once, as when a Pod is deleted."""
        pid = self._keepers[name].kill(replaced=True)
        self._journal.count("killed")
        self._journal.note("faults", f"{name}: process {pid} killed on purpose", level="warning")

    async def broker_leaves(self) -> None:
        """Connections are refused, and what the Broker held is lost with it."""
        await self._door.shut()
        lost = await self._broker.close()
        self._journal.count("broker_away")
        self._journal.note(
            "faults", f"the Broker is away on purpose; deliveries lost with it: {lost}", level="warning"
        )

    async def broker_comes_back(self) -> None:
        """It takes events again."""
        await self._door.open()
        self._journal.note("faults", "the Broker is back", level="warning")
