"""Where benches run: real servers of their own, fleets of monitors and rules, and the evaluate function as a process.

Everything lives in one temporary folder and on free loopback ports, and ends with the bench.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from sqlalchemy import select, update

from shared.store.engine import Store, open_store
from shared.store.migrate import migrate
from shared.store.tables import tick_lease, ticks
from tests.bench import _processes, _wire
from tests.bench._figures import TickRow
from tests.bench._fleet import INTERVAL, STEP, Fleet
from tests.support import servers
from tests.support.functions import FunctionProcess, post_tick, running_function
from tests.support.processes import ROOT
from tests.support.sink import Reply, Request, Sink

_CHANNELS = """
channels:
  - {name: ops, kind: slack, default: true}
  - {name: hook, kind: webhook, default: true}
"""
_TICK_SECONDS = 120.0
_MANY_POINTS = 50_000
"""A metric store that was sent so many goes on sorting them for a while, which is no tick's business."""
_PATIENT = 300
"""The interval of a tick that has to load everything first and isn't measured: no machine is too slow for it."""


@dataclass(frozen=True, slots=True)
class Options:
    """How large: `rules` (a tenth of them for the small fleet), and how often each tick is repeated.

    `side_by_side_seconds` is how long Tocsin and Prometheus run beside each other.
    """

    rules: int = 100_000
    repeat: int = 5
    side_by_side_seconds: int = 150


@dataclass(frozen=True, slots=True)
class Ticked:
    """One tick that was posted: seconds of the wall and of the function's CPU, and what its row says."""

    wall: float
    cpu: float
    stages_ms: dict[str, int]
    total_ms: int
    series: int
    notifications: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """Ticks in which nothing changes, and the same queries alone, measured by turns."""

    row: TickRow
    query_seconds: float
    requests: Sequence[Request]
    """The queries."""

    @property
    def over_query(self) -> float:
        """How much longer the tick takes than its queries alone."""
        return self.row.wall_seconds / self.query_seconds


@dataclass
class Lab:
    """Made by `opened`. Fleets and their quiet ticks are made once, whichever topics ask for them."""

    options: Options
    folder: Path
    influxdb: servers.InfluxDB
    database_url: str
    sink: Sink
    say: Callable[[str], None]
    stack: ExitStack
    slot: int = field(default_factory=lambda: int(time.time()) // _PATIENT * _PATIENT * 1000)
    _fleets: dict[str, Fleet] = field(default_factory=dict)
    _running: dict[str, "Evaluator"] = field(default_factory=dict)
    _quiet: dict[str, Quiet] = field(default_factory=dict)

    def large(self) -> Fleet:
        """All rules; one point per series in the window."""
        return self._fleet("large", self.options.rules, 1)

    def dense(self) -> Fleet:
        """All rules; ten points per series in the window."""
        return self._fleet("dense", self.options.rules, 10)

    def small(self) -> Fleet:
        """A tenth of the rules; one point per series in the window."""
        return self._fleet("small", self.options.rules // 10, 1)

    def _fleet(self, tenant: str, count: int, points: int) -> Fleet:
        if tenant not in self._fleets:
            metrics_url = self.stack.enter_context(self.influxdb.database())
            fleet = Fleet(tenant, count, points, self.database_url, metrics_url, self.slot)
            self.say(f"writing {count:,} rules and monitors, {count * points:,} points")
            store = self.store(fleet)
            fleet.fill(store)
            store.close()
            if count * points > _MANY_POINTS:
                _processes.wait_idle(self.pid("influxd"))
            self._fleets[tenant] = fleet
        return self._fleets[tenant]

    def store(self, fleet: Fleet) -> Store:
        """The fleet's tables. Close it."""
        return open_store(self.database_url, fleet.tenant)

    def pid(self, program: str) -> int:
        """The process id of one of this lab's servers."""
        ours = psutil.Process().children(recursive=True)
        return next(process.pid for process in ours if process.name() == program)

    def quiet(self, fleet: Fleet) -> Quiet:
        """Ticks of the fleet in which nothing changes."""
        if fleet.tenant not in self._quiet:
            running, requests = self.running(fleet), _wire.recorded(fleet)
            self.say(f"ticks over {fleet.count:,} rules, {fleet.points} points per series")
            self._quiet[fleet.tenant] = _by_turns(self, running, requests)
        return self._quiet[fleet.tenant]

    def running(self, fleet: Fleet) -> "Evaluator":
        """A process that has evaluated the fleet before; it stays, because a first tick takes long."""
        if fleet.tenant not in self._running:
            self.say(f"a first tick over {fleet.count:,} rules, {fleet.points} points per series")
            self._running[fleet.tenant] = self.stack.enter_context(evaluator(self, fleet))
            self._running[fleet.tenant].again(_PATIENT)
        return self._running[fleet.tenant]


def _by_turns(lab: Lab, running: "Evaluator", requests: Sequence[Request]) -> Quiet:
    """Numerator and denominator by turns, so that whatever else the machine does is in both."""
    fleet, done, alone = running.fleet, list[Ticked](), list[float]()
    for _ in range(lab.options.repeat):
        done.append(running.again())
        alone.append(_wire.replayed(fleet, requests))
    row = row_of(f"{fleet.points} per series", fleet, done, statistics.median(alone), running.peak_mb)
    return Quiet(row, statistics.median(alone), requests)


def row_of(
    what: str, fleet: Fleet, done: Sequence[Ticked], query: float | None = None, peak: float | None = None
) -> TickRow:
    """The medians of some ticks."""
    names = dict.fromkeys(name for one in done for name in one.stages_ms)
    stages = {name: int(statistics.median(one.stages_ms.get(name, 0) for one in done)) for name in names}
    return TickRow(
        what,
        fleet.count,
        done[-1].series,
        statistics.median(one.wall for one in done),
        statistics.median(one.cpu for one in done),
        stages,
        query,
        peak,
    )


@dataclass
class Evaluator:
    """The evaluate function of one fleet, as a process under functions-framework."""

    fleet: Fleet
    process: FunctionProcess
    store: Store

    @property
    def peak_mb(self) -> float:
        """The most memory that it ever had."""
        return _processes.peak_mb(self.process.pid)

    def again(self, interval: int = INTERVAL) -> Ticked:
        """The fleet's first slot, however often it was evaluated before: the lease forgets about it."""
        forgotten = update(tick_lease).where(tick_lease.c.tenant == self.fleet.tenant).values(slot=0)
        self.store.write(lambda tx: tx.conn.execute(forgotten))
        return self.tick(0, interval)

    def tick(self, number: int, interval: int = INTERVAL) -> Ticked:
        """Post the tick of a slot that was not evaluated yet, counted from the fleet's first."""
        return self.at(self.fleet.slot + number * STEP, interval)

    def at(self, slot: int, interval: int) -> Ticked:
        """Post the tick of a slot that was not evaluated yet."""
        with _processes.spending(self.process.pid) as spent:
            reply = post_tick(self.process.url, slot, interval, _TICK_SECONDS)
        assert reply.status_code == 204, reply.text + self.process.stdout[-3000:]
        row = self.store.read(
            lambda tx: tx.conn.execute(select(ticks).where(ticks.c.tenant == tx.tenant, ticks.c.slot == slot))
        ).one()
        assert not row.errors, row.error
        stages = json.loads(row.stages_ms)
        return Ticked(spent.wall, spent.cpu, stages, row.total_ms, row.series, row.notifications)


@contextmanager
def evaluator(lab: Lab, fleet: Fleet) -> Iterator[Evaluator]:
    """A new process that has evaluated nothing yet."""
    channels = lab.folder / "channels.yaml"
    channels.write_text(_CHANNELS)
    env = {
        "TOCSIN_DATABASE_URL": fleet.database_url,
        "TOCSIN_METRICS_URL": fleet.metrics_url,
        "TOCSIN_TENANT": fleet.tenant,
        "TOCSIN_STATE_DIR": str(lab.folder),
        "TOCSIN_CHANNELS_FILE": str(channels),
        "TOCSIN_LATENESS_SECONDS": "0",
        "TOCSIN_MAX_SKEW_INTERVALS": "100000",
        "K_SINK": lab.sink.url,
        "PYTHONPATH": str(ROOT),  # without the guard that tests put into their children
    }
    with running_function("evaluate", env) as process:
        store = lab.store(fleet)
        try:
            yield Evaluator(fleet, process, store)
        finally:
            store.close()


@contextmanager
def opened(options: Options, say: Callable[[str], None]) -> Iterator[Lab]:
    """A lab whose servers run."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-bench-")))
        for name in ("mariadb", "influxdb"):
            (folder / name).mkdir()
        say("starting MariaDB and InfluxDB")
        mariadb = stack.enter_context(servers.mariadb(folder / "mariadb"))
        influxdb = stack.enter_context(servers.influxdb(folder / "influxdb"))
        sink = stack.enter_context(Sink(Reply(202)))
        database_url = stack.enter_context(mariadb.database())
        store = open_store(database_url, "none")
        migrate(store)
        store.close()
        yield Lab(options, folder, influxdb, database_url, sink, say, stack)
