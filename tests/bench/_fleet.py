"""A tenant with many monitors and a rule on each, written in bulk, and the points that the monitors would send.

Bulk on purpose: 100,000 rules through the use case of one rule would measure that. Four fields, and every fourth
rule on each of them; the conditions have only the keys that the customer writes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import httpx
from sqlalchemy import update

from shared import conditions
from shared.store import managed, revisions
from shared.store.engine import Store, Tx
from shared.store.tables import monitors, rules

INTERVAL = 30
STEP = INTERVAL * 1000
WINDOW_SECONDS = 300
MEASUREMENT = "checks"

_ROWS = 5_000
_LINES = 20_000

QUIET = "price=50123.45,response_time=120.5,is_up=1i,status_code=200i"
BREACHING = "price=987654.5,response_time=98765.5,is_up=0i,status_code=503i"


@dataclass(frozen=True, slots=True)
class Fleet:
    """`count` monitors with one rule each; a tenant and a database of its own. `slot` is the first one to evaluate.

    `points` per series lie in the window of that slot, evenly, the newest a second before its end.
    """

    tenant: str
    count: int
    points: int
    database_url: str
    metrics_url: str
    slot: int

    def fill(self, store: Store) -> None:
        """Write the rules, the monitors and their points."""
        write_rows(store, map(monitor_row, range(self.count)), map(_usual_rule, range(self.count)))
        every = WINDOW_SECONDS * 1000 // self.points
        for back in range(self.points):
            self.send(QUIET, range(self.count), self.slot - 1000 - back * every)

    def send(self, values: str, numbers: Iterable[int], at: int) -> None:
        """One point with these fields from each of these monitors."""
        self.write(f"{MEASUREMENT},monitor_id={name(number)} {values} {at}" for number in numbers)

    def write(self, lines: Iterator[str]) -> None:
        """Points in line protocol, in milliseconds."""
        base, _, database = self.metrics_url.removeprefix("influxql+").rpartition("/")
        asked = {"db": database, "precision": "ms"}
        with httpx.Client(timeout=60, trust_env=False) as client:
            while some := "\n".join(islice(lines, _LINES)):
                client.post(f"{base}/write", params=asked, content=some).raise_for_status()

    def edit(self, store: Store, number: int) -> None:
        """Somebody changes the condition of one rule."""

        def write(tx: Tx) -> None:
            revision = revisions.bump(tx)
            changed = update(rules).where(rules.c.tenant == tx.tenant, rules.c.id == f"rule_{name(number)}")
            tx.conn.execute(
                changed.values(condition=_usual_rule(number, revision)["condition"], revision=revision)
            )

        store.write(write)


def name(number: int) -> str:
    """The value of the tag that tells a monitor's points apart."""
    return f"{number:06d}"


def write_rows(
    store: Store, monitor_rows: Iterator[dict[str, Any]], rule_rows: Iterator[dict[str, Any]]
) -> None:
    """Insert monitors and rules at revision 1."""
    assert store.write(revisions.bump) == 1
    for table, rows in ((monitors, monitor_rows), (rules, rule_rows)):
        while some := list(islice(rows, _ROWS)):
            store.write(partial(Tx.insert, table=table, rows=some))


def monitor_row(number: int) -> dict[str, Any]:
    """One monitor, as a use case would store it."""
    return {
        "id": f"mon_{name(number)}",
        "name": f"Site {name(number)}",
        "source": "default",
        "database": "",
        "measurement": MEASUREMENT,
        "filter": managed.dump({"monitor_id": name(number)}),
        "key": "[]",
        "fields": "{}",
        "kind": "http",
        "labels": managed.dump({"team": "web"}),
        "revision": 1,
    }


def rule_row(
    number: int, monitor: int, field: str, operator: str, value: float, aggregation: str
) -> dict[str, Any]:
    """One rule on a monitor, as a use case would store it, with the customer's keys only."""
    condition = {"type": "threshold", "field": field, "operator": operator, "value": value}
    return {
        "id": f"rule_{name(number)}",
        "monitor_id": f"mon_{name(monitor)}",
        "title": f"Rule {name(number)}",
        "condition": managed.dump(conditions.canonical({**condition, "aggregation": aggregation})),
        "labels": "{}",
        "revision": 1,
    }


def _usual_rule(number: int, more: int = 0) -> dict[str, Any]:
    """All fields by turns; each rule has a limit of its own where the field has a scale."""
    field, operator, value, aggregation = (
        ("price", ">", 60_000 + number + more, "latest"),
        ("response_time", ">", 5_000 + number / 10 + more, "avg"),
        ("is_up", "==", 0, "latest"),
        ("status_code", ">=", 500, "latest"),
    )[number % 4]
    return rule_row(number, number, field, operator, value, aggregation)
