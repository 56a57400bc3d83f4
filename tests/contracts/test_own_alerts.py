"""Rules on Tocsin's own numbers, and monitors that name their source: one store's failure is nobody else's."""

import json

import pytest

from shared.errors import InvalidInput
from shared.store.tables import rule_status, states
from tests.support.gate import Gate
from tests.support.sink import Reply
from tests.support.world import World, threshold


def health(world: World, rule_id: str) -> tuple[str, str]:
    rows = world.rows(rule_status, rule_id=rule_id)
    return (rows[0]["health"], rows[0]["health_reason"]) if rows else ("ok", "")


def test_a_rule_on_failing_queries_fires_while_influxdb_is_away_and_resolves_when_it_is_back(
    gated: World, gate: Gate
) -> None:
    gated.add_monitor("mon_a")
    gated.add_rule("rule_a")
    gated.add_monitor(
        "mon_self", source="self", measurement="tocsin_group", key=("source", "database", "measurement")
    )
    condition = threshold("==", 1, field="error", for_seconds=60)
    gated.add_rule("rule_self", "mon_self", condition=condition)
    gated.write(1, "m value=11")
    gated.ran(1)
    assert gated.told() == ["firing rule_a"]

    with gate.instead(lambda _request: Reply(drop="unanswered")):
        for number in range(2, 5):
            gated.ran(number)
        # Slot 2 fails, slot 3 sees it, and slot 5 is 60 seconds later.
        assert gated.told() == ["firing rule_a"]
        gated.ran(5)
        assert gated.told() == ["firing rule_a", "firing rule_self"]
        assert health(gated, "rule_a")[0] == "error"
        assert health(gated, "rule_self") == ("ok", "")
        assert gated.rows(states, rule_id="rule_a")[0]["phase"] == "firing"

    for number in (6, 7):
        gated.ran(number)

    assert gated.told() == ["firing rule_a", "firing rule_self", "resolved rule_self"]
    assert b"database=, measurement=m, source=default" in gated.events()[1].body
    assert health(gated, "rule_a") == ("ok", "")
    assert gated.rows(states, rule_id="rule_a")[0]["phase"] == "firing"


def test_a_rule_on_the_outbox_sees_the_trouble_go(small: World) -> None:
    small.add_monitor("mon_a")
    small.add_rule("rule_a")
    small.add_monitor("mon_self", source="self", measurement="tocsin_outbox")
    small.add_rule("rule_self", "mon_self", condition=threshold(">", 0, field="unpublished"))
    small.sink.reply(Reply(500))
    small.play(["m value=11"], [])
    small.expire()

    small.ran(3)
    small.ran(4)

    assert sorted(small.told()[1:]) == ["firing rule_a", "firing rule_self", "resolved rule_self"]


def test_monitors_of_several_sources_are_read_from_each(small: World) -> None:
    more = json.dumps({"eu": "embedded:///eu.db", "us": {"url": "embedded:///us.db"}})
    given = small.settings.model_dump() | {"metrics_sources": more}
    world = World(
        small.settings.state_dir,
        small.sink,
        **{name: given.pop(name).get_secret_value() for name in ("database_url", "metrics_url")},
        **given,
    )
    for source, value in (("default", 5), ("eu", 11), ("us", 5)):
        world.add_monitor(f"mon_{source}", source=source)
        world.add_rule(f"rule_{source}", f"mon_{source}")
        at = world.slot(1) - 1000
        world.wiring.metrics(source).write(f"m value={value} {at}".encode(), precision="ms")

    world.ran(1)

    assert world.told() == ["firing rule_eu"]
    world.wiring.close()


def test_an_unknown_source_is_the_trouble_of_its_rules_only(small: World) -> None:
    small.add_monitor("mon_a")
    small.add_rule("rule_a")
    small.add_monitor("mon_b", source="mars")
    small.add_rule("rule_b", "mon_b")
    small.write(1, "m value=11")

    report = small.ran(1)

    assert report.errors == 1
    assert small.told() == ["firing rule_a"]
    state, why = health(small, "rule_b")
    assert state == "error"
    assert "'mars' is not valid; valid are default, self" in why
    assert "TOCSIN_METRICS_SOURCES" in why


@pytest.mark.parametrize("source", ["mars", "", "SELF"])
def test_an_unknown_source_is_told_with_the_valid_ones(small: World, source: str) -> None:
    with pytest.raises(InvalidInput, match=r"source: .* is not valid; valid are default, self"):
        small.wiring.metrics(source)


def test_a_gauge_is_one_point_of_every_window_however_many_windows_there_are(small: World) -> None:
    small.add_monitor("mon_self", source="self", measurement="tocsin_outbox")
    for window in (600, 3600, 86_400):
        condition = threshold(">", 1, "unpublished", aggregation="count", window_seconds=window)
        small.add_rule(f"rule_{window}", "mon_self", condition=condition)
    change = {"type": "change", "field": "unpublished", "operator": ">=", "value": 0, "window_seconds": 600}
    small.add_rule("rule_change", "mon_self", condition=change)

    report = small.ran(1)

    assert (report.queries, report.errors) == (1, 0)
    assert small.told() == []
    assert health(small, "rule_600") == ("ok", "")
