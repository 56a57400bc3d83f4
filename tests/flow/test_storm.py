"""kill -9 of a notify function, of Redis and of the Broker with what it holds, in mid-storm: no delivery is lost."""

import itertools
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from sqlalchemy import update

from shared.store.tables import channel_state, deliveries, outbox
from tests.support import servers
from tests.support.flow import Flow, Watched, running_flow
from tests.support.sink import Reply, Request
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
MANY = 40


@pytest.fixture
def stormy(mariadb: servers.MariaDB, session_folder: Path, tmp_path: Path) -> Iterator[tuple[Flow, int]]:
    """A stack on MariaDB with a Redis of its own, and that Redis's process id."""
    folder = session_folder / "storm-redis"
    folder.mkdir()
    with mariadb.database() as database, servers.redis_server(folder) as redis:
        port = int(redis.rpartition(":")[2].partition("/")[0])
        mine = psutil.Process().children(recursive=True)
        pid = next(one.pid for one in mine if str(port) in " ".join(one.cmdline()))
        with running_flow(tmp_path, {"TOCSIN_DATABASE_URL": database, "TOCSIN_REDIS_URL": redis}) as flow:
            yield flow, pid


def states(flow: Flow) -> Counter[str]:
    return Counter(row["state"] for row in flow.rows(deliveries))


def waits_end(flow: Flow) -> None:
    """Every lease, back-off and pause of what is still open is over, and a tick brings it on."""
    for change in (
        update(deliveries).where(deliveries.c.next_at.is_not(None)).values(next_at=1, lease_until=1),
        update(outbox).where(outbox.c.next_at.is_not(None)).values(next_at=1),
        update(channel_state).values(next_send_at=0, sender_until=0),
    ):
        flow.store.write(lambda tx, change=change: tx.conn.execute(change))  # type: ignore[misc]
    flow.tick()


def test_no_delivery_of_a_storm_is_lost_whoever_is_killed(stormy: tuple[Flow, int]) -> None:
    flow, redis = stormy
    rules = [flow.add_rule(channels=("ops-slack",)) for _ in range(MANY)]
    flow.write(*(f"{rule.measurement} value=11" for rule in rules))
    flow.fault("/slack/ops-slack", delay_seconds=5)
    counter = itertools.count()

    def loses_half(request: Request) -> Reply:
        """A Broker that says it has an event and dies with it, every second time."""
        return Reply(202) if next(counter) % 2 else flow.gate.forward(request)

    with flow.gate.instead(loses_half), ThreadPoolExecutor(1) as pool:
        ticked = pool.submit(flow.tick)
        wait_until(lambda: states(flow)["sending"], "a digest is on its way")
        psutil.Process(redis).kill()
        flow.killed("notify-slack")
        assert ticked.result(30)
    assert sum(states(flow).values()) == MANY
    assert states(flow)["delivered"] != MANY

    def all_final() -> bool:
        if not any(row["next_at"] for row in flow.rows(deliveries)):
            return True
        waits_end(flow)
        return False

    wait_until(all_final, "every row of the storm is final", 60)
    assert states(flow) == {"delivered": MANY}
    assert all(row["next_at"] is None for row in flow.rows(outbox))
    told = [str(message["content"]) for message in flow.stack.messages("slack")]
    assert any("(may repeat)" in one for one in told)
    assert len(told) <= 5
    assert_digested(flow, rules)


def assert_digested(flow: Flow, rules: list[Watched]) -> None:
    """Nearly all rules went in digests, and a digest's rows have one outcome."""
    rows = flow.rows(deliveries)
    assert {row["rule_id"] for row in rows} == {rule.id for rule in rules}
    assert sum(bool(row["digest_id"]) for row in rows) > MANY // 2
