"""The health of a rule over several shards: one answer, whichever of them looks."""

from shared import manage
from shared.store.tables import rule_status, rule_troubles
from tests.support.gate import Gate
from tests.support.shards import NAMES, everything, health, shards, write_all
from tests.support.sink import Reply, Request
from tests.support.world import INTERVAL, World


def test_a_rule_is_in_error_while_any_shards_measurement_is_and_does_not_flip_between_shards(
    gated: World, gate: Gate
) -> None:
    everything(gated)

    def broken(request: Request) -> Reply:
        if "FROM+%22a%22" in request.text:
            return Reply(200, body={"results": [{"error": "shard is gone"}]})
        return gate.forward(request)

    for number in (1, 2):
        write_all(gated, number, 1)
        with gate.instead(broken):
            for order in ((0, 1), (1, 0)):
                for shard in order:
                    shards(gated, number * 2 + order[0], 2, [shard])
                    if number == 2:
                        assert health(gated) == [("error", "a: the metric store says: shard is gone")]
    (status,) = gated.rows(rule_status, rule_id="rule_all")
    assert status["health_since"] == gated.slot(2)

    write_all(gated, 6, 1)
    shards(gated, 6, 2)
    assert health(gated) == [("ok", "")]
    assert gated.rows(rule_troubles) == []


def test_a_rule_has_no_data_only_when_every_shards_measurements_have_none(world: World) -> None:
    everything(world, window_seconds=INTERVAL)
    shards(world, 1, 2)
    assert [word for word, _ in health(world)] == ["no_data"]

    write_all(world, 2, 1, "a")
    for shard in (0, 1):
        shards(world, 2, 2, [shard])
    assert health(world) == [("ok", "")]
    assert len(world.rows(rule_troubles)) == len(NAMES) - 1


def test_the_health_of_a_rule_survives_another_number_of_shards(world: World) -> None:
    everything(world)
    world.write(1, *(f"{name} value=1" for name in NAMES[1:]), 'a value="text"')
    for number, of in enumerate((1, 2, 3, 1, 2), start=1):
        for shard in range(of):
            shards(world, number, of, [shard])
            assert [word for word, _ in health(world)] == ["error"]


def test_what_was_wrong_with_a_rule_that_ended_is_forgotten(world: World) -> None:
    everything(world)
    world.write(1, *(f"{name} value=1" for name in NAMES[1:]), 'a value="text"')
    shards(world, 1, 2)
    assert len(world.rows(rule_troubles)) == 1
    manage.set_enabled(world.wiring, "rule_all", False, actor="test", now=world.slot(1))

    shards(world, 2, 2)

    assert health(world) == [("ok", "")]
    assert world.rows(rule_troubles) == []
