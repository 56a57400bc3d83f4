"""kill -9 of a notify function, of Redis and of the Broker with what it holds, in mid-storm: no delivery is lost."""

import itertools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import update

from shared.store.engine import Tx
from shared.store.tables import channel_state, deliveries, outbox
from tests.support import servers
from tests.support.flow import Flow
from tests.support.sink import Reply, Request
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
MANY = 40
OVER = 1
"""The end of a lease, or of a wait, that lies in the past."""
HELD = deliveries.c.lease_until > OVER


class Storm:
    """Many rules that fire in one slot, all on one channel."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.rules = [flow.add_rule(channels=("ops-slack",)) for _ in range(MANY)]
        self.ids = sorted(rule.id for rule in self.rules)
        self.told_before = len(flow.stack.messages("slack"))
        flow.write(*(f"{rule.measurement} value=11" for rule in self.rules))

    def rows(self) -> list[dict[str, Any]]:
        return [row for row in self.flow.rows(deliveries) if row["rule_id"] in self.ids]

    def states(self) -> Counter[str]:
        return Counter(row["state"] for row in self.rows())

    def told(self) -> list[str]:
        return [str(message["content"]) for message in self.flow.stack.messages("slack")[self.told_before :]]

    def dead_leases_end(self) -> None:
        """What the dead held may be taken, as after the 25 s of its lease."""
        held = update(deliveries).where(HELD).values(next_at=OVER, lease_until=OVER)
        self.flow.store.write(lambda tx: tx.conn.execute(held))

    def waits_end(self) -> None:
        """Every back-off and pause is over, and a tick brings on what is open. Nobody may be at work."""

        def now(tx: Tx) -> None:
            for change in (
                update(deliveries).where(deliveries.c.next_at.is_not(None)).values(next_at=OVER),
                update(outbox).where(outbox.c.next_at.is_not(None)).values(next_at=OVER),
                update(channel_state).values(next_send_at=0, sender_until=0),
            ):
                tx.conn.execute(change)

        self.flow.store.write(now)
        self.flow.tick()

    def ended(self) -> bool:
        """Whether every row is final; if somebody is at work, let him, and else let time pass."""
        rows = self.rows()
        if any((row["lease_until"] or 0) > OVER for row in rows):
            return False
        if any(row["next_at"] for row in rows):
            self.waits_end()
            return False
        return True


def test_no_delivery_of_a_storm_is_lost_whoever_is_killed(
    with_servers: Flow, mortal_redis: servers.Redis
) -> None:
    flow, storm = with_servers, Storm(with_servers)
    flow.fault("/slack/ops-slack", delay_seconds=5)
    counter = itertools.count()

    def loses_half(request: Request) -> Reply:
        """A Broker that says it has an event and dies with it, every second time."""
        return Reply(202) if next(counter) % 2 else flow.gate.forward(request)

    with flow.gate.instead(loses_half), ThreadPoolExecutor(1) as pool:
        ticked = pool.submit(flow.tick)
        wait_until(lambda: storm.states()["sending"], "a digest is on its way")
        mortal_redis.kill()
        flow.stack.lose_events()
        flow.killed("notify-slack")
        assert ticked.result(30)
    assert storm.states().total() == MANY
    assert not storm.states()["delivered"]
    storm.dead_leases_end()

    wait_until(storm.ended, "every row of the storm is final", 60)
    rows = storm.rows()
    assert sorted(row["rule_id"] for row in rows) == storm.ids
    assert storm.states() == {"delivered": MANY}
    assert {row["attempts"] for row in rows} <= {1, 2}
    assert all(row["next_at"] is None for row in flow.rows(outbox))
    assert sum(bool(row["digest_id"]) for row in rows) > MANY // 2
    told = storm.told()
    assert sum("(may repeat)" in one for one in told) == 1
    assert len(told) <= 5
