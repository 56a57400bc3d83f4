"""Reading Tocsin's own numbers back, and the rows that they are made of."""

from typing import Any

from sqlalchemy import Table

from shared.columns import SampleQuery
from shared.metrics import MetricStore
from shared.store import own, ticks
from shared.store.engine import Store

T0 = 1_700_000_000_000
STOP = T0 + 300_000


def query(measurement: str, **more: Any) -> SampleQuery:
    measured = own.MEASUREMENTS[measurement]
    given = {"start": T0, "stop": STOP, **more}
    return SampleQuery(measurement, measured.tags, tuple(measured.fields), **given)


def told(numbers: MetricStore, measurement: str, **more: Any) -> dict[tuple[str, ...], dict[str, float]]:
    """The fields of each combination of tags, of its last point."""
    samples = numbers.read(query(measurement, **more), 5)
    return {
        tuple(tag.values[tag.codes[row]] for tag in samples.tags.values()): {
            name: float(field.numbers[row]) for name, field in samples.fields.items()
        }
        for row in range(len(samples))
    }


def recorded(store: Store, report: ticks.TickReport) -> None:
    store.write(lambda tx: ticks.record(tx, report))


def insert(store: Store, table: Table, rows: list[dict[str, Any]]) -> None:
    store.write(lambda tx: tx.insert(table, rows))


def outbox_row(event_id: str, seq: int, **given: Any) -> dict[str, Any]:
    times = {"created_at": 1, "published_at": None, "next_at": 1}
    names = {"id": event_id, "rule_id": "rule_btc", "event": "firing", "attributes": "{}"}
    return names | times | {"seq": seq, "body": b""} | given


def delivery_row(event_id: str, seq: int, **given: Any) -> dict[str, Any]:
    times = {"created_at": 1, "finished_at": None, "next_at": 1}
    names = {
        "id": f"d{seq}",
        "notification_id": event_id,
        "rule_id": "rule_btc",
        "kind": "slack",
        "channel": "ops",
    }
    return names | times | {"seq": seq, "recipient": str(seq), "state": "pending"} | given
