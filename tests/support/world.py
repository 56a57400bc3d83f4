"""A whole evaluator in one process: a real database, a real metric store, and a broker played by a sink.

Slots are counted from the present, because a tick that is far from the database's clock is refused.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select, update

from shared import tick
from shared.events import Event, Tick, of_http
from shared.model import Monitor, Rule
from shared.settings import Settings
from shared.store import monitors, rules
from shared.store.engine import Tx
from shared.store.migrate import migrate
from shared.store.tables import outbox, tick_lease
from shared.store.ticks import TickReport
from shared.wiring import Wiring
from tests.support.sink import Sink

INTERVAL = 30
STEP = INTERVAL * 1000

CHANNELS = """
channels:
  - {name: ops, kind: slack, default: true}
  - {name: hook, kind: webhook, default: true}
"""


class World:
    """Write points, run slots, look at what came out. `slot(0)` is a few slots before now, `slot(1)` the next."""

    def __init__(
        self, folder: Path, sink: Sink, database_url: str, metrics_url: str, **settings: Any
    ) -> None:
        channels = folder / "channels.yaml"
        channels.write_text(settings.pop("channels", CHANNELS))
        self.sink = sink
        self.settings = Settings.model_validate(
            {
                "database_url": database_url,
                "metrics_url": metrics_url,
                "state_dir": folder,
                "channels_file": channels,
                "lateness_seconds": 0,
                "max_skew_intervals": 1000,
                **settings,
            }
        )
        self.wiring = self.new_process()
        self.first = int(time.time()) // INTERVAL * STEP - 20 * STEP

    def new_process(self) -> Wiring:
        """A wiring that remembers nothing, as a new process has it."""
        wiring = Wiring(self.settings, {"K_SINK": f"{self.sink.url}/broker"})
        if self.settings.database_url.get_secret_value().startswith("mysql"):
            from shared.store.engine import open_store

            store = open_store(self.settings.database_url.get_secret_value(), "default")
            migrate(store)
            store.close()
        return wiring

    def slot(self, number: int) -> int:
        """The slot with this number, epoch milliseconds."""
        return self.first + number * STEP

    def add_monitor(self, monitor_id: str, **given: Any) -> Monitor:
        """A monitor on measurement `m`, one series, unless told otherwise."""
        made = self._monitor(monitor_id, **given)
        return self.wiring.store.write(lambda tx: monitors.insert(tx, made, self.first))

    def add_rule(self, rule_id: str, monitor_id: str | None = "mon_a", **given: Any) -> Rule:
        """A rule that fires above 10, without grouping and cooldown, unless told otherwise."""
        made = self._rule(rule_id, monitor_id, **given)
        return self.wiring.store.write(lambda tx: rules.insert(tx, made, self.first))

    def add_many(self, count: int) -> None:
        """`rule_0` on `mon_0`, which is host h0, and so on, in one transaction."""

        def insert(tx: Tx) -> None:
            for number in range(count):
                host = {"host": f"h{number}"}
                monitors.insert(tx, self._monitor(f"mon_{number}", where=host, key=["host"]), self.first)
                rules.insert(tx, self._rule(f"rule_{number}", f"mon_{number}"), self.first)

        self.wiring.store.write(insert)

    @staticmethod
    def _monitor(monitor_id: str, **given: Any) -> Monitor:
        return Monitor.model_validate({"id": monitor_id, "name": monitor_id, "measurement": "m", **given})

    @staticmethod
    def _rule(rule_id: str, monitor_id: str | None, **given: Any) -> Rule:
        return Rule.model_validate(
            {
                "id": rule_id,
                "monitor_id": monitor_id,
                "title": f"Title of {rule_id}",
                "condition": threshold(">", 10),
                "severity": "high",
                "cooldown_seconds": 0,
                "group_seconds": 0,
                **given,
            }
        )

    def write(self, number: int, *points: str) -> None:
        """Points in line protocol without time, one second before the end of the slot's window."""
        at = self.slot(number) - 1000
        self.wiring.metrics().write("\n".join(f"{point} {at}" for point in points).encode(), precision="ms")

    def play(self, *values: Sequence[str]) -> None:
        """One tick for each list of points, from slot 1 on: `play(["m value=11"], [])` is a breach and then silence."""
        for number, points in enumerate(values, start=1):
            if points:
                self.write(number, *points)
            self.ran(number)

    def expire(self) -> None:
        """Time passes: the lease of a tick that died is over, and refused events may be sent again."""
        lease = update(tick_lease).values(lease_until=1)
        refused = update(outbox).where(outbox.c.published_at.is_(None)).values(next_at=1)
        self.wiring.store.write(lambda tx: (tx.conn.execute(lease), tx.conn.execute(refused)))

    def run(self, number: int, wiring: Wiring | None = None) -> TickReport | None:
        """Run the tick of a slot."""
        return tick.run(Tick(self.slot(number), INTERVAL), wiring or self.wiring)

    def ran(self, number: int) -> TickReport:
        """Run the tick of a slot that is free."""
        report = self.run(number)
        assert report is not None
        return report

    def events(self) -> list[Event]:
        """The events that the broker got, in order."""
        return [of_http(dict(request.headers), request.body) for request in self.sink.requests]

    def told(self) -> list[str]:
        """What the broker was told, in short: `firing rule_a`."""
        return [f"{event.type.rpartition('.')[2]} {event.subject}" for event in self.events()]

    def rows(self, table: Table, **where: object) -> Sequence[Mapping[str, Any]]:
        """The rows of a table whose columns have these values."""
        query = select(table)
        for name, value in where.items():
            query = query.where(table.c[name] == value)
        return self.wiring.store.read(lambda tx: [dict(row._mapping) for row in tx.conn.execute(query)])


def threshold(operator: str, value: object, field: str = "value", **options: Any) -> dict[str, Any]:
    """A threshold condition as the customer writes it."""
    return {"type": "threshold", "field": field, "operator": operator, "value": value, **options}
