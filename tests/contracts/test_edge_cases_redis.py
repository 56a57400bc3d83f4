"""Edge cases of a tick and its Redis: the truth is in SQL, so none of them makes a difference."""

from pathlib import Path

import redis

from tests.support.sink import Reply, Sink
from tests.support.world import INTERVAL, World


def test_a_tick_needs_no_redis(redis_server: str, sqlite_url: str, tmp_path: Path) -> None:
    """Cooldown, reminder and resolve come out alike with a Redis, with one that refuses, and with none."""
    with Sink(Reply(202)) as sink:
        world = World(tmp_path, sink, sqlite_url, "embedded:///metrics.db", redis_url=redis_server)
        world.add_monitor("mon_a")
        world.add_rule("rule_a", cooldown_seconds=4 * INTERVAL, repeat_seconds=2 * INTERVAL)
        world.play(*([f"m value={value}"] for value in (11, 1, 11, 11, 11, 11, 11, 1)))
        assert world.told() == [
            *("firing rule_a", "resolved rule_a", "firing rule_a"),
            *("reminder rule_a", "resolved rule_a"),
        ]
        world.wiring.close()


def test_a_redis_that_is_emptied_between_ticks_changes_nothing(
    redis_url: str, sqlite_url: str, tmp_path: Path
) -> None:
    with Sink(Reply(202)) as sink:
        world = World(tmp_path, sink, sqlite_url, "embedded:///metrics.db", redis_url=redis_url)
        world.add_monitor("mon_a")
        world.add_rule("rule_a", cooldown_seconds=4 * INTERVAL)
        for number, value in enumerate((11, 1, 11, 11, 11), start=1):
            world.write(number, f"m value={value}")
            world.ran(number)
            with redis.Redis.from_url(redis_url, socket_timeout=5) as client:
                client.flushall()
        assert world.told() == ["firing rule_a", "resolved rule_a", "firing rule_a"]
        world.wiring.close()
