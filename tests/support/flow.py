"""The laptop's stack under a test's control: its own time, its own points, and everything that came out.

Every test uses a measurement and rules of its own, and begins with `rest`, so that many can share one stack. Time is
the ticks': each is the next slot, however soon it comes; waits that follow the database's clock are ended by hand.
"""

import itertools
import json
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Table, delete, select, update

from knative.local.options import Options
from knative.local.stack import Stack
from shared.model import Monitor, Rule
from shared.store import monitors, revisions, rules, tables
from shared.store.engine import Store, Tx, open_store
from shared.store.tables import channel_state, deliveries, outbox
from tests.support.flow_overlay import INTERVAL, KINDS, write_overlay
from tests.support.gate import Gate
from tests.support.processes import free_port
from tests.support.waiting import wait_until
from tests.support.world import threshold

STEP = INTERVAL * 1000
BEFORE_SECONDS = 12 * 3600
"""How far back the first slot lies, so that no slot comes to lie in the future."""
SETTINGS = {
    "TOCSIN_LATENESS_SECONDS": "0",
    "TOCSIN_MAX_SKEW_INTERVALS": "100000",
    "TOCSIN_LOG_LEVEL": "DEBUG",
}

_names = itertools.count(1)


@contextmanager
def running_flow(
    folder: Path, env: Mapping[str, str] | None = None, kinds: Collection[str] = KINDS
) -> Iterator["Flow"]:
    """The stack, with `env` over its manifests; events pass `flow.gate` on their way to the Broker."""
    with Gate() as gate:
        overlay = write_overlay(folder / "overlay", f"{gate.url}/tocsin/tocsin", kinds)
        options = Options(ticks=False, port_base=free_port(), grace_seconds=0)
        with Stack(overlay, folder / "state", {**SETTINGS, **(env or {})}, options=options) as stack:
            gate.upstream = stack.broker_url("tocsin").removesuffix("/tocsin/tocsin")
            flow = Flow(stack, gate, tuple(kinds))
            yield flow
            flow.store.close()


class Flow:
    """One running stack. `slot` is the last one that was evaluated, epoch milliseconds; `kinds` have a function."""

    def __init__(self, stack: Stack, gate: Gate, kinds: tuple[str, ...]) -> None:
        self.stack, self.gate, self.kinds = stack, gate, kinds
        settings = stack.environment("evaluate")
        self.settings: Mapping[str, str] = {k: v for k, v in settings.items() if k.startswith("TOCSIN_")}
        self.store: Store = open_store(settings["TOCSIN_DATABASE_URL"], "default", stack.state)
        self.slot = (int(time.time()) - BEFORE_SECONDS) // INTERVAL * STEP
        self._first_rules = {row["id"] for row in self.rows(tables.rules)}
        self._restarts: Mapping[str, int] = {}

    def rest(self) -> None:
        """End what an earlier test left, so that none can fail for another: faults, rules, rows, leases, restarts."""
        self.no_faults()
        for service, count in self.stack.restarts.items():
            if count != self._restarts.get(service, 0) or not self.stack.pids[service]:
                self.stack.wait_ready(service)
        self._restarts = self.stack.restarts

        def forget(tx: Tx) -> None:
            mine = tables.rules.c.id.not_in(self._first_rules) & tables.rules.c.deleted_at.is_(None)
            gone = {"deleted_at": self.slot, "revision": revisions.bump(tx)}
            tx.conn.execute(update(tables.rules).where(mine).values(gone))
            # Without a state, no later tick closes anything and tells of it.
            tx.conn.execute(delete(tables.states).where(tables.states.c.rule_id.not_in(self._first_rules)))
            for table in (deliveries, outbox):
                tx.conn.execute(update(table).where(table.c.next_at.is_not(None)).values(next_at=None))
            tx.conn.execute(update(channel_state).values(health="ok", next_send_at=0, sender_until=0))
            tx.conn.execute(update(tables.tick_lease).values(lease_until=1))

        self.store.write(forget)

    # ------------------------------------------------------------------ what goes in

    def add_rule(self, **given: Any) -> "Watched":
        """A rule of its own on a measurement of its own: it fires above 10, without grouping and cooldown.

        It tells the channels of the kinds that have a function here.
        """
        number = next(_names)
        monitor = Monitor(id=f"mon_{number}", name=f"Monitor {number}", measurement=f"m{number}")
        plain = {
            "condition": threshold(">", 10),
            "severity": "high",
            "cooldown_seconds": 0,
            "group_seconds": 0,
            "channels": [f"ops-{kind}" for kind in self.kinds],
        }
        rule = Rule.model_validate(
            {"id": f"rule_{number}", "monitor_id": monitor.id, "title": f"Case {number}.", **plain, **given}
        )
        self.store.write(lambda tx: monitors.insert(tx, monitor, self.slot))
        self.store.write(lambda tx: rules.insert(tx, rule, self.slot))
        return Watched(self, rule, monitor.measurement)

    def write(self, *points: str) -> None:
        """Points in line protocol without time, through the `write` function, just before the next slot."""
        at = self.slot + STEP - 1
        reply = httpx.post(
            f"{self.stack.service_url('write')}/write",
            params={"precision": "ms"},
            content="\n".join(f"{point} {at}" for point in points),
            timeout=20,
            trust_env=False,
        )
        assert reply.status_code == 204, reply.text

    def tick(self) -> bool:
        """The PingSource's event for the next slot; whether it was taken."""
        self.slot += STEP
        return self.stack.tick("tick", at=self.slot / 1000)

    def tick_again(self) -> bool:
        """The PingSource's event for the last slot once more, as a retry is; whether it was taken."""
        return self.stack.tick("tick", at=self.slot / 1000)

    def fault(self, path: str, **how: Any) -> None:
        """The next posts to a vendor's `path` meet this fault."""
        url = f"{self.stack.inbox_url}/faults"
        reply = httpx.post(url, json={"path": path, **how}, timeout=10, trust_env=False)
        assert reply.status_code == 200, reply.text

    def no_faults(self) -> None:
        """Every vendor is well again."""
        httpx.delete(f"{self.stack.inbox_url}/faults", timeout=10, trust_env=False).raise_for_status()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> httpx.Response:
        """POST to any part of the stack."""
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        return httpx.post(url, headers=raw, content=body, timeout=40, trust_env=False)

    # ------------------------------------------------------------------ what came out

    def rows(self, table: Table, **where: object) -> list[dict[str, Any]]:
        """The rows of a table whose columns have these values."""
        query = select(table)
        for name, value in where.items():
            query = query.where(table.c[name] == value)
        return self.store.read(lambda tx: [dict(row._mapping) for row in tx.conn.execute(query)])

    def change(self, table: Table, rule_id: str, **values: object) -> None:
        """Set columns of a rule's rows."""
        changed = (
            update(table).where(table.c.rule_id == rule_id, table.c.next_at.is_not(None)).values(**values)
        )
        self.store.write(lambda tx: tx.conn.execute(changed))

    def killed(self, service: str) -> None:
        """kill -9, and wait until the next process of that Service is there."""
        died = self.stack.kill(service)
        wait_until(lambda: self.stack.pids[service] not in (0, died), f"{service} restarted", 15)
        self.stack.wait_ready(service)

    def notes(self, *words: str) -> list[str]:
        """The lines of the journal that hold all of these words."""
        return [note.text for note in self.stack.journal.notes if all(word in note.text for word in words)]


class Watched:
    """One rule and everything that became of it."""

    def __init__(self, flow: Flow, rule: Rule, measurement: str) -> None:
        self.flow, self.rule, self.id, self.measurement = flow, rule, rule.id, measurement

    def reads(self, value: float) -> None:
        """The next slot sees this value."""
        self.flow.write(f"{self.measurement} value={value}")

    def fires(self) -> None:
        """One slot above the threshold."""
        self.reads(11)
        assert self.flow.tick()

    def messages(self, kind: str = "") -> list[dict[str, Any]]:
        """What the inbox got about this rule, oldest first."""
        return [
            message
            for message in self.flow.stack.messages(kind)
            if self.rule.title in json.dumps(message["content"], ensure_ascii=False)
        ]

    def told(self, kind: str) -> list[str]:
        """`firing` or `resolved` for each message of this kind, as its first line said it when it came."""
        words = {"resolved": "resolved", "firing": "firing", "triggered": "firing"}
        titles = [[*m["before"], m["title"]][0].lower() for m in self.messages(kind)]
        return [next(event for word, event in words.items() if word in title) for title in titles]

    def deliveries(self, kind: str = "") -> list[dict[str, Any]]:
        """The delivery rows, in the order of sequence and kind."""
        found = self.flow.rows(deliveries, rule_id=self.id, **({"kind": kind} if kind else {}))
        return sorted(found, key=lambda row: (row["seq"], row["kind"]))

    def outbox(self) -> list[dict[str, Any]]:
        """The notifications, in order."""
        return sorted(self.flow.rows(outbox, rule_id=self.id), key=lambda row: int(row["seq"]))

    def event_ids(self) -> list[str]:
        """The ids of the events about this rule that passed the gate, in order."""
        seen = self.flow.gate.requests
        return [r.headers["ce-id"] for r in seen if r.headers.get("ce-subject") == self.id]

    def wait_state(self, state: str, kind: str = "") -> dict[str, Any]:
        """The first delivery row that is in this state, when there is one."""

        def found() -> list[dict[str, Any]]:
            return [row for row in self.deliveries(kind) if row["state"] == state]

        return wait_until(found, f"a delivery of {self.id} is {state}")[0]

    def wait_settled(self, count: int, within: float = 20.0) -> None:
        """Wait until `count` notifications were committed and nothing of this rule is open."""

        def settled() -> bool:
            sent = self.outbox()
            rows = [*sent, *self.deliveries()]
            return len(sent) == count and all(row["next_at"] is None for row in rows)

        wait_until(settled, f"nothing of {self.id} is open", within)

    def time_passes(self) -> None:
        """End every wait of this rule now: leases, back-off, Retry-After, the minute before a repetition."""
        self.flow.change(deliveries, self.id, next_at=1, lease_until=1)
        self.flow.change(outbox, self.id, next_at=1)
        clear = update(channel_state).values(next_send_at=0)
        self.flow.store.write(lambda tx: tx.conn.execute(clear))

    def driven_again(self) -> None:
        """Let every wait end, and let a tick publish what is still open."""
        self.time_passes()
        assert self.flow.tick()
