"""A database with years behind it: rows of every age in every table, some of them open, owed or referred to.

Also an oracle that says, in plain Python and without a query, which of them must never go.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from shared.store import tables
from shared.store.engine import Store, Tx

DAY = 86_400_000
Row = Mapping[str, Any]
Rows = Mapping[str, Sequence[Row]]
AGES = {"ticks": "slot", "query_groups": "slot", "transitions": "slot", "outbox": "created_at"}
"""The column by which these rows are old."""


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Every row of the store's tenant by table."""

    def read(tx: Tx) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for table in tables.metadata.sorted_tables:
            rows = tx.conn.execute(select(table).where(table.c.tenant == tx.tenant))
            found[table.name] = [dict(row._mapping) for row in rows]
        return found

    return store.read(read)


def fill(store: Store, seed: int, now: int) -> None:
    """Write such a database; the same for the same seed."""
    made = _History(random.Random(seed), now)
    for _ in range(40):
        made.rule()
    made.others()

    def write(tx: Tx) -> None:
        for name, rows in made.rows.items():
            tx.insert(tables.metadata.tables[name], rows)

    store.write(write)


class _History:
    def __init__(self, rng: random.Random, now: int) -> None:
        self.rng, self.now = rng, now
        self.rows: dict[str, list[dict[str, Any]]] = {
            table.name: [] for table in tables.metadata.sorted_tables
        }

    def ago(self, most: float = 800, least: float = 0) -> int:
        """A time so many days back; half of them lately, where most cutoffs are."""
        most = most if self.rng.random() < 0.5 else min(most, max(120, least))
        return self.now - int(self.rng.uniform(least, most) * DAY)

    def some(self, share: float) -> bool:
        return self.rng.random() < share

    def add(self, table: str, **row: Any) -> dict[str, Any]:
        self.rows[table].append(row)
        return row

    def rule(self) -> None:
        number = len(self.rows["rules"])
        rule, monitor = f"rule_{number}", f"mon_{number}"
        gone = self.ago() if self.some(0.6) else None
        texts = {"filter": "{}", "key": "[]", "fields": "{}", "labels": "{}"}
        self.add("monitors", id=monitor, name=monitor, deleted_at=gone and max(gone, self.ago()), **texts)
        self.add("rules", id=rule, monitor_id=monitor, condition="{}", labels="{}", deleted_at=gone)
        self.add("rule_status", rule_id=rule, seq=99)
        self.add("audit", id=f"audit_{rule}", at=self.ago(least=300), action="rule.create", object=rule)
        # Of some deleted rules nothing is left but what is removed with them.
        alerts: list[dict[str, Any]] = []
        for place in range(self.rng.randint(0, 2)):
            # A rule may select other monitors than its own.
            watched = self.rng.choice(self.rows["monitors"])["id"]
            alerts += self.series(rule, f"s{place}", watched, gone)
        for seq in range(self.rng.randint(0, 5)) if self.some(0.6) else ():
            self.notification(rule, seq, self.rng.sample(alerts, min(len(alerts), self.rng.randint(0, 3))))

    def series(self, rule: str, series: str, monitor: str, gone: int | None) -> list[dict[str, Any]]:
        self.add("series", rule_id=rule, series_id=series, key="[]", last_seen=self.ago())
        found = []
        for number in range(self.rng.randint(0, 2)):
            fired = self.ago(700)
            still_open = number == 0 and gone is None and self.some(0.4)
            ended = None if still_open else min(self.now, fired + int(self.rng.uniform(0, 30) * DAY))
            alert = f"alert_{rule}_{series}_{number}"
            found.append(
                self.add(
                    "alerts",
                    id=alert,
                    rule_id=rule,
                    series_id=series,
                    open_key="open" if still_open else alert,
                    key="[]",
                    monitor_id=monitor,
                    state="firing" if still_open else "resolved",
                    fired_at=fired,
                    resolved_at=ended,
                )
            )
            for at, change in ((fired, "fired"), (ended, "resolved")):
                if at is not None and self.some(0.5):
                    step = {"rule_id": rule, "series_id": series, "slot": at, "change": change}
                    self.add("transitions", **step, alert_id=alert)
        told = found[-1]["id"] if found else ""
        active = any(row["resolved_at"] is None for row in found) or self.some(0.3 if gone is None else 0.1)
        state = {"rule_id": rule, "series_id": series, "key": "[]", "active": active}
        self.add("states", **state, alert_id="", announced_alert=told)
        return found

    def notification(self, rule: str, seq: int, about: Sequence[Row]) -> None:
        name, made = f"n_{rule}_{seq}", self.ago()
        for row in about:
            self.add("notification_alerts", notification_id=name, alert_id=row["id"])
        opened = False
        for channel in range(self.rng.randint(0, 3)):
            due = self.now if self.some(0.1) else None
            opened = opened or due is not None
            told = {"notification_id": name, "rule_id": rule, "seq": seq, "channel": f"c{channel}"}
            self.add(
                "deliveries", id=f"d_{name}_{channel}", kind="slack", next_at=due, created_at=made, **told
            )
        due = self.now if (opened and self.some(0.8)) or self.some(0.1) else None
        attributes = {"attributes": "{}", "body": b"{}", "created_at": made, "next_at": due}
        self.add("outbox", id=name, rule_id=rule, seq=seq, **attributes)
        if self.some(0.3):
            letter = {"attributes": "{}", "body": b"{}", "last_at": max(made, self.ago())}
            self.add("dead_letters", event_id=name, kind="slack", **letter)

    def others(self) -> None:
        for number in range(40):
            self.add("ticks", shard="0/1", slot=self.ago(60), stages_ms="{}")
            self.add("query_groups", id=f"g{number}", slot=self.ago(60))
            self.add("audit", id=f"audit_{number}", at=self.ago(), action="rule.update", object="rule_1")
            starts = self.ago()
            ended = starts + DAY if self.some(0.5) else None
            ends = starts + int(self.rng.uniform(1, 400) * DAY)
            times = {"starts_at": starts, "created_at": starts, "ends_at": ends, "ended_at": ended}
            self.add("silences", id=f"sil_{number}", matcher="{}", **times)


# ------------------------------------------------------------------ the oracle


def needed(rows: Rows, settled_before: int) -> dict[str, set[str]]:
    """By table the ids of rows that must not go at any age: what is open, what is owed, and what those refer to.

    `settled_before`: of an alert that ended later, it is still known who was told.
    """
    waiting = {row["notification_id"] for row in rows["deliveries"] if row["next_at"] is not None}
    open_events = waiting | {row["id"] for row in rows["outbox"] if row["next_at"] is not None}
    owed = {row["announced_alert"] for row in rows["states"] if row["active"]}
    links = [(row["notification_id"], row["alert_id"]) for row in rows["notification_alerts"]]
    live = {row["id"] for row in rows["alerts"] if row["resolved_at"] is None} | (owed - {""})
    in_use = live | {alert for event, alert in links if event in waiting}
    recent = {row["id"] for row in rows["alerts"] if (row["resolved_at"] or 0) >= settled_before}
    events = open_events | {event for event, alert in links if alert in in_use | recent}
    alerts = live | {alert for event, alert in links if event in events}
    letters = {row["event_id"] for row in rows["dead_letters"]} & waiting
    return {"outbox": events, "alerts": alerts, "dead_letters": letters}


def dangling(rows: Rows) -> list[str]:
    """References that lead nowhere."""
    events, alerts = ({row["id"] for row in rows[name]} for name in ("outbox", "alerts"))
    rules, monitors = ({row["id"] for row in rows[name]} for name in ("rules", "monitors"))
    wrong = [f"delivery {row['id']}" for row in rows["deliveries"] if row["notification_id"] not in events]
    for row in rows["notification_alerts"]:
        if row["notification_id"] not in events or row["alert_id"] not in alerts:
            wrong.append(f"link {row['notification_id']} to {row['alert_id']}")
    wrong += [f"step of {row['alert_id']}" for row in rows["transitions"] if row["alert_id"] not in alerts]
    for name in ("states", "series", "alerts", "outbox", "transitions", "rule_status"):
        wrong += [f"{name} of {row['rule_id']}" for row in rows[name] if row["rule_id"] not in rules]
    wrong += [f"monitor of {row['id']}" for row in rows["rules"] if row["monitor_id"] not in monitors]
    wrong += [f"monitor of {row['id']}" for row in rows["alerts"] if row["monitor_id"] not in monitors]
    return wrong
