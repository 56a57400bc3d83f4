"""The parts of a running stack, started and ended in order, all in one event loop.

Must not be called from another thread than its loop's (stack.py is the door).
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Collection
from functools import partial
from pathlib import Path

import httpx

from knative.local.activator import Activator
from knative.local.addresses import LOOPBACK
from knative.local.broker import BrokerServer
from knative.local.commands import argv
from knative.local.delivery import new_client
from knative.local.demo_site import DemoSite
from knative.local.environment import environment, lookup_in
from knative.local.errors import LocalError
from knative.local.faults import Dice
from knative.local.inbox._app import Inbox
from knative.local.inbox._messages import Message
from knative.local.journal import Journal
from knative.local.mounts import write_environment, write_mounts
from knative.local.options import Options
from knative.local.overlay import Overlay
from knative.local.ping import Pinger
from knative.local.places import Places
from knative.local.processes import Command, Keeper, Reaper, run_once
from knative.local.redis_server import RedisServer
from knative.local.servers import Door, Ports
from knative.local.terminal import note_line
from knative.local.troubles import Troubles
from knative.local.workloads import Job, Service

SHOWN_TITLE = 80
PROBE_SECONDS = 2.0
POLL_SECONDS = 0.05


class Running:
    """Everything that an overlay needs, alive."""

    def __init__(self, overlay: Overlay, root: Path, state: Path, options: Options, journal: Journal) -> None:
        self._overlay, self._root, self._state = overlay, root, state
        self._options, self._journal = options, journal
        self._ports = Ports(options.port_base)
        self._reaper = Reaper()
        self._servers: list[Door] = []
        self._fronts: list[Door] = []
        self._ticking: list[asyncio.Task[None]] = []
        self._dice = Dice(journal)
        self.troubles: Troubles | None = None
        self.activators: dict[str, Activator] = {}
        self._redis: RedisServer | None = None
        self._client: httpx.AsyncClient | None = None
        self._broker: BrokerServer | None = None
        self.keepers: dict[str, Keeper] = {}
        self.pingers: dict[str, Pinger] = {}
        self.inbox = Inbox(self._took)
        self.demo_site = DemoSite(options.cycle, time.monotonic)
        self.places = Places(overlay, options, self._ports)

    def keeper(self, name: str) -> Keeper:
        """The keeper of one Service."""
        if name not in self.keepers:
            raise LocalError(f"there is no Service {name}; there are: {', '.join(sorted(self.keepers))}")
        return self.keepers[name]

    def pinger(self, name: str) -> Pinger:
        """The PingSource of that name, or the only one."""
        if not name and len(self.pingers) == 1:
            return next(iter(self.pingers.values()))
        if name not in self.pingers:
            raise LocalError(f"there is no PingSource {name!r}; there are: {', '.join(sorted(self.pingers))}")
        return self.pingers[name]

    async def start(self) -> None:
        """Servers, Jobs, Services, readiness, ticks: in this order, as each needs the one before."""
        await self._reaper.start()
        self._client = new_client()
        await self._start_servers(self._client)
        for job in self._overlay.jobs:
            began = time.monotonic()
            await run_once(
                self._command(job), self._reaper, self._logged(job.name), self._options.job_seconds
            )
            self._journal.note(job.name, f"done in {time.monotonic() - began:.1f} s")
        for service in self._overlay.services:
            command = self._command(service)
            self._ports.release(int(command.environment["PORT"]))
            keeper = Keeper(command, self._reaper, self._journal, self._logged(service.name))
            keeper.on_restart = self.describe
            self.keepers[service.name] = keeper
            await keeper.start()
        await asyncio.gather(*(self.ready(name, self._options.ready_seconds) for name in self.keepers))
        for keeper in self.keepers.values():
            keeper.watch()
        await self._start_scaling()
        self.describe()
        self.demo_site.start()
        self._start_ticks(self._client)
        if self.troubles is not None:
            await self.troubles.use(self._options.faults)

    async def _start_servers(self, client: httpx.AsyncClient) -> None:
        overlay = self._overlay
        self._broker = BrokerServer(
            overlay.brokers, overlay.triggers, self.places.addresses, client, self._journal, self._dice
        )
        for name, app, port in (
            ("broker", self._broker.app, self.places.addresses.broker_port),
            ("inbox", self.inbox.app, self.places.extras["inbox"]),
            ("demo-site", self.demo_site.app, self.places.extras["demo-site"]),
        ):
            door = Door(app, port, name, self._ports)
            if name not in self._options.without:
                await door.open()
                self._servers.append(door)
            else:
                self._ports.release(port)
            if name == "broker":
                self.troubles = Troubles(self._dice, self._broker, door, self.keepers, self._journal)
        self._ports.release(self.places.extras["redis"])
        if "redis" not in self._options.without:
            self._redis = RedisServer(self.places.extras["redis"])
            self._redis.start()

    def _start_ticks(self, client: httpx.AsyncClient) -> None:
        for source in self._overlay.pings:
            pinger = Pinger(source, self.places.addresses.resolve(source.sink), client, self._journal)
            self.pingers[source.name] = pinger
            if self._options.ticks:
                self._ticking.append(asyncio.create_task(pinger.run(), name=f"ticks of {source.name}"))

    def _command(self, workload: Service | Job) -> Command:
        owner = f"{type(workload).__name__} {workload.name}"
        lookup = lookup_in(self._overlay, workload.namespace)
        folder = self._state / "mounts" / workload.name
        mounts = write_mounts(workload.container, owner, folder, lookup, self.places.addresses.translate)
        port, host = 0, LOOPBACK
        if isinstance(workload, Service):
            host = self._options.host if self.places.is_public(workload) else LOOPBACK
            port = self.places.process_port(workload)
        seen = environment(
            self._overlay,
            workload,
            caller=os.environ,
            addresses=self.places.addresses,
            mounts=mounts,
            overrides=self._options.env,
            state=self._state,
            port=port,
            host=host,
            passes=self._options.passes,
        )
        write_environment(seen, self._state / "environments" / f"{workload.name}.json")
        log = self._state / "logs" / f"{workload.name}.log"
        return Command(
            workload.name, argv(workload.container.command, self._root, owner), seen, self._root, log
        )

    async def _start_scaling(self) -> None:
        assert self._client is not None
        for name, port in self.places.inside.items():
            activator = Activator(
                self.keepers[name],
                f"http://{LOOPBACK}:{port}",
                self._client,
                self._journal,
                partial(self.ready, name, self._options.ready_seconds),
                self.describe,
                after=self._options.scale_down_after,
                grace=self._options.grace_seconds,
            )
            self.activators[name] = activator
            door = Door(activator, int(self.places.service_url(name).rpartition(":")[2]), name, self._ports)
            await door.open()
            self._fronts.append(door)
            self._ticking.append(asyncio.create_task(activator.run(), name=f"scale of {name}"))

    def _logged(self, name: str) -> partial[None]:
        return partial(note_line, self._journal, name)

    async def ready(self, name: str, seconds: float) -> None:
        """Wait for the readiness probe; LocalError with the output when the process ends or takes too long."""
        keeper = self.keeper(name)
        service = next(s for s in self._overlay.services if s.name == name)
        deadline = time.monotonic() + seconds
        while not await self._probed(service):
            child = keeper.child
            if child is not None and child.process.returncode is not None and not keeper.watched:
                await child.reading
                raise LocalError(f"{name} can't start", child.output)
            if time.monotonic() > deadline:
                raise LocalError(f"{name} is not ready after {seconds:g} s", child.output if child else "")
            await asyncio.sleep(POLL_SECONDS)

    async def _probed(self, service: Service) -> bool:
        """The manifest's HTTP probe; without one, whether the port is open, as Knative's own probe does."""
        url = f"http://{LOOPBACK}:{self.places.process_port(service)}"
        try:
            if service.container.probe:
                assert self._client is not None
                answer = await self._client.get(url + service.container.probe, timeout=PROBE_SECONDS)
                return answer.is_success
            _, writer = await asyncio.open_connection(LOOPBACK, int(url.rpartition(":")[2]))
        except (httpx.HTTPError, OSError):
            return False
        writer.close()
        return True

    @property
    def broker_holds(self) -> int:
        """How many deliveries the Broker has under way."""
        return self._broker.holds if self._broker is not None else 0

    async def lose_events(self) -> None:
        """Drop what the Broker holds; it takes events again at once."""
        if self._broker is not None:
            await self._broker.close()

    def _took(self, message: Message) -> None:
        where = f"{message.kind} {message.name}".strip()
        self._journal.note("inbox", f"{where}: {_cut(message.title)}")

    def describe(self) -> None:
        """Write stack.json: every address and process id, for whoever finds the state folder."""
        found = {
            "runner": os.getpid(),
            "inbox": self.places.inbox_url,
            "demo_site": self.places.demo_site_url,
            "redis": self.places.redis_url,
            "brokers": {b.name: self.places.broker_url(b.name) for b in self._overlay.brokers},
            "services": {
                name: {"url": self.places.service_url(name), "pid": keeper.pid}
                for name, keeper in self.keepers.items()
            },
        }
        path = self._state / "stack.json"
        fresh = path.with_suffix(".json.new")
        fresh.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        fresh.replace(path)

    async def stop(self) -> None:
        """End ticks, deliveries, functions, then what they talk to; safe after a start that failed halfway."""
        if self.troubles is not None:
            await self.troubles.stop()
        for task in self._ticking:
            task.cancel()
        await asyncio.gather(*self._ticking, return_exceptions=True)
        if self._broker is not None:
            await self._broker.close()
        for activator in self.activators.values():
            activator.closing = True
        # First what a tick woke: it may still be writing to another function.
        woken = {source.sink.name for source in self._overlay.pings}
        await self._end(woken)
        await asyncio.gather(*(front.shut() for front in self._fronts))  # nobody wakes a function any more
        await self._end(self.keepers.keys() - woken)
        await asyncio.gather(*(server.shut() for server in self._servers))
        if self._redis is not None:
            await asyncio.to_thread(self._redis.stop)
        if self._client is not None:
            await self._client.aclose()
        await self._reaper.stop()
        self._ports.close()
        (self._state / "stack.json").unlink(missing_ok=True)

    async def _end(self, names: Collection[str]) -> None:
        """Stop these functions side by side."""
        ending = (keeper for name, keeper in self.keepers.items() if name in names)
        await asyncio.gather(*(keeper.stop(self._options.grace_seconds) for keeper in ending))


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_TITLE else text[: SHOWN_TITLE - 1] + "…"
