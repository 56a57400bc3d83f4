"""Trouble that lasts: what the metric store chokes on costs one query more in a tick, not one for each field."""

from collections.abc import Callable

import pytest

from shared.store.tables import rule_status, states
from tests.support.gate import Gate
from tests.support.sink import Reply, Request
from tests.support.world import World, threshold

FIELDS = ("bad", "good", "more", "worse")
LONG = 6 * 3600


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database: what the metric store does is the same to all of them."""
    return sqlite_url


def given(world: World, window_seconds: int, **monitor: str) -> None:
    """A rule on each field."""
    world.add_monitor("mon_a", **monitor)
    for field in FIELDS:
        options = {"aggregation": "avg", "window_seconds": window_seconds}
        world.add_rule(f"rule_{field}", condition=threshold(">", 10, field, **options))


def points(value: int) -> str:
    """A point with every field."""
    return "m " + ",".join(f"{field}={value}" for field in FIELDS)


def in_error(world: World) -> set[str]:
    return {
        row["rule_id"].removeprefix("rule_") for row in world.rows(rule_status) if row["health"] == "error"
    }


def firing(world: World) -> set[str]:
    return {row["rule_id"].removeprefix("rule_") for row in world.rows(states) if row["phase"] == "firing"}


def choking(gate: Gate, *fields: str) -> Callable[[Request], Reply]:
    """InfluxDB, but every query that names one of the fields fails."""

    def answer(request: Request) -> Reply:
        if any(f"%22{field}%22" in request.text for field in fields):
            return Reply(body={"results": [{"statement_id": 0, "error": "corrupt"}]})
        return gate.forward(request)

    return answer


windows = pytest.mark.parametrize("window_seconds", [300, LONG], ids=["read one by one", "reduced"])


@windows
def test_an_unknown_database_costs_one_query_in_every_tick_but_the_first(
    gated: World, window_seconds: int
) -> None:
    given(gated, window_seconds, database="nowhere")
    reports = [gated.ran(number) for number in (1, 2, 3)]
    assert [report.queries for report in reports[1:]] == [1, 1]
    assert reports[0].queries <= 2 + 2 * len(FIELDS)
    assert in_error(gated) == set(FIELDS)
    assert {row["health_reason"] for row in gated.rows(rule_status)} == {
        "m: the metric store says: database not found: nowhere"
    }


@windows
def test_trouble_of_the_whole_store_that_is_over_is_over_in_the_next_tick(
    gated: World, gate: Gate, window_seconds: int
) -> None:
    given(gated, window_seconds)
    gated.write(1, points(11))
    with gate.instead(lambda _: Reply(500, body={"error": "the shard is closed"})):
        gated.ran(1)
        assert gated.ran(2).queries == 1
    assert (in_error(gated), firing(gated)) == (set(FIELDS), set())
    gated.ran(3)
    assert (in_error(gated), firing(gated)) == (set(), set(FIELDS))
    assert gated.ran(4).queries == 1


def test_a_store_that_is_away_is_asked_once_in_a_tick_and_not_for_every_kind_of_window(
    gated: World, gate: Gate
) -> None:
    given(gated, 300)
    gated.add_rule("rule_long", condition=threshold(">", 10, "good", aggregation="avg", window_seconds=LONG))
    with gate.instead(lambda _: Reply(503)):
        assert gated.ran(1).queries == 1
    assert in_error(gated) == {*FIELDS, "long"}
    gated.write(2, points(11))
    assert gated.ran(2).queries == 2
    assert in_error(gated) == set()


@windows
def test_fields_that_fail_are_asked_for_apart_from_the_others_until_they_answer(
    gated: World, gate: Gate, window_seconds: int
) -> None:
    given(gated, window_seconds)
    gated.write(1, points(11))
    gated.ran(1)
    with gate.instead(choking(gate, "bad", "worse")):
        gated.ran(2)
        assert in_error(gated) == {"bad", "worse"}
        gated.write(3, points(-1000))
        gated.ran(3)
        assert gated.ran(4).queries == 2
    assert (in_error(gated), firing(gated)) == ({"bad", "worse"}, {"bad", "worse"})
    gated.ran(5)
    assert (in_error(gated), firing(gated)) == (set(), set())
    assert gated.ran(6).queries == 1


@windows
def test_of_fields_that_failed_one_that_answers_again_is_found_in_the_end(
    gated: World, gate: Gate, window_seconds: int
) -> None:
    given(gated, window_seconds)
    gated.write(1, points(11))
    with gate.instead(choking(gate, "bad", "worse")):
        gated.ran(1)
    with gate.instead(choking(gate, "worse")):
        gated.ran(2)
        assert in_error(gated) == {"bad", "worse"}
        gated.write(25, points(11))
        gated.ran(25)
    assert in_error(gated) == {"worse"}
