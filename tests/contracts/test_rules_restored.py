"""A deleted rule that is brought back is the rule that it was, for people and for the next tick."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import manage
from shared.errors import InvalidInput, NotFound
from shared.store import audit
from tests.support.sink import Reply, Sink
from tests.support.world import World

NOW = 1_700_000_000_000


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with Sink(Reply(202)) as sink:
        made = World(tmp_path, sink, database_url, "embedded:///metrics.db")
        made.add_monitor("mon_a")
        yield made
        made.wiring.close()


def delete(world: World, rule: str, now: int = NOW) -> None:
    manage.delete_rule(world.wiring, rule, actor="test", now=now)


def restore(world: World, wanted: str) -> manage.RuleWritten:
    return manage.restore_rule(world.wiring, wanted, actor="ann", now=NOW + 10)


def test_its_alert_closes_with_the_deletion_and_it_fires_again_once_it_is_back(world: World) -> None:
    world.add_rule("rule_a")
    world.play(["m value=11"])
    delete(world, "rule_a")
    world.write(2, "m value=11")
    world.ran(2)
    restore(world, "rule_a")
    world.write(3, "m value=11")
    world.ran(3)

    assert world.told() == ["firing rule_a", "resolved rule_a", "firing rule_a"]


def test_an_alert_goes_on_when_its_rule_is_back_before_the_next_tick(world: World) -> None:
    world.add_rule("rule_a")
    world.play(["m value=11"])
    delete(world, "rule_a")
    restore(world, "rule_a")
    world.write(2, "m value=11")
    world.ran(2)

    assert world.told() == ["firing rule_a"]


def test_it_comes_back_as_it_was_and_the_audit_says_who_did_it(world: World) -> None:
    before = world.add_rule("rule_a", description="Words", labels={"team": "a"})
    delete(world, "rule_a")
    after = restore(world, "rule_a").rule

    own = {"version", "updated_at"}
    assert after.model_dump(exclude=own) == before.model_dump(exclude=own)
    assert (before.version, after.version) == (1, 3)
    rows = world.wiring.store.read(lambda tx: audit.page(tx, about="rule_a")).items
    assert [(row.actor, row.action) for row in rows] == [("ann", "rule.restore"), ("test", "rule.delete")]


def test_a_title_means_the_rule_that_was_deleted_last(world: World) -> None:
    for number, name in enumerate(("rule_a", "rule_b", "rule_c")):
        world.add_rule(name, title="Same")
        delete(world, name, NOW + (number + 1) % 3)

    assert restore(world, "Same").rule.id == "rule_b"
    with pytest.raises(NotFound, match="exactly as it was"):
        restore(world, "same")


def test_restoring_a_rule_that_is_there_changes_nothing(world: World) -> None:
    world.add_rule("rule_a")

    assert restore(world, "rule_a").rule.version == 1
    assert world.wiring.store.read(lambda tx: audit.page(tx, about="rule_a")).items == ()


def test_a_rule_whose_monitor_is_gone_too_can_not_come_back(world: World) -> None:
    world.add_rule("rule_a")
    delete(world, "rule_a")
    manage.delete_monitor(world.wiring, "mon_a", actor="test", now=NOW)

    with pytest.raises(InvalidInput, match="monitor: 'mon_a' is not valid; it was deleted, too"):
        restore(world, "rule_a")
    assert manage.list_rules(world.wiring).items == ()
