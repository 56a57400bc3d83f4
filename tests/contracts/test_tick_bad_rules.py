"""One rule's trouble stays that rule's: too many series, refused rows, numbers too large, rows broken by hand."""

import pytest
from sqlalchemy import delete, update

from shared.events import notification_of
from shared.series import series_key
from shared.store.tables import alerts, monitors, outbox, rule_status, rules, series, states
from tests.support.world import INTERVAL, World, threshold


def test_a_rule_with_too_many_series_is_in_error_says_so_once_and_leaves_room_for_the_others(
    world: World,
) -> None:
    short = threshold(">", 10, window_seconds=INTERVAL)
    world.add_monitor("mon_all", key=["host"])
    world.add_monitor("mon_one", key=["host"], where={"host": "h1"})
    world.add_rule("rule_all", "mon_all", condition=short)
    world.add_rule("rule_one", "mon_one")
    many = [f"m,host=h{number} value=11" for number in range(10_001)]

    world.play(many, many)

    assert sorted(world.told()) == ["firing rule_all", "firing rule_one"]
    (said,) = [
        one for sent in world.events() if sent.subject == "rule_all" for one in notification_of(sent).alerts
    ]
    assert (said.series, said.reason) == ("series=too many", "too_many_series")
    (status,) = world.rows(rule_status, rule_id="rule_all")
    assert status["health_reason"] == "10001 series are more than one rule may have"
    assert [row["rule_id"] for row in world.rows(series)] == ["rule_one"]

    world.write(3, "m,host=h2 value=11")
    world.ran(3)
    assert sorted(world.told()[2:]) == ["firing rule_all", "resolved rule_all"]
    over = [sent for sent in world.events() if sent.type.endswith(".resolved")]
    assert [one.id for sent in over for one in notification_of(sent).alerts] == [said.id]


def test_a_row_that_the_database_refuses_costs_its_own_rule_only(world: World) -> None:
    world.add_monitor("mon_a")
    for name in ("rule_a", "rule_b", "rule_c"):
        world.add_rule(name)
    taken = {"id": "x", "rule_id": "rule_b", "seq": 1, "attributes": "{}", "body": b""}
    world.wiring.store.write(lambda tx: tx.insert(outbox, [taken]))
    world.write(1, "m value=11")

    assert world.ran(1).errors == 1

    assert sorted(world.told()) == ["firing rule_a", "firing rule_c"]
    (status,) = world.rows(rule_status, rule_id="rule_b")
    assert (status["health"], status["seq"]) == ("error", 0)
    assert "the database refused a row" in status["health_reason"]

    world.wiring.store.write(lambda tx: tx.conn.execute(delete(outbox).where(outbox.c.id == "x")))
    world.write(2, "m value=11")
    world.ran(2)
    assert sorted(world.told()) == ["firing rule_a", "firing rule_b", "firing rule_c"]


def test_numbers_beyond_every_double_are_an_error_of_their_rule_only(world: World) -> None:
    world.add_monitor("mon_a", key=["host"])
    world.add_monitor("mon_b", key=["host"], where={"host": "b"})
    world.add_rule("rule_a", condition=threshold(">", 10, aggregation="sum"))
    world.add_rule("rule_b", "mon_b")
    world.write(0, "m,host=a value=1.7e308", "m,host=b value=11")

    world.play(["m,host=a value=1.7e308", "m,host=b value=11"])

    assert sorted(world.told()) == ["firing rule_a", "firing rule_b"]
    assert [row["key"] for row in world.rows(states, rule_id="rule_a")] == ['["mon_a",[["host","b"]]]']
    (status,) = world.rows(rule_status, rule_id="rule_a")
    assert status["health_reason"] == "the sum of 'value' is too large for a number"


def test_a_series_with_very_long_tags_fires_like_any_other(world: World) -> None:
    world.add_monitor("mon_a", key=["host", "path"])
    world.add_rule("rule_a")
    long = '"' * 20_000

    world.play([f"m,host={long},path={long} value=11"])

    assert world.told() == ["firing rule_a"]
    key = series_key("mon_a", [("host", long), ("path", long)])
    assert [row["key"] for row in world.rows(alerts)] == [key]
    assert len(key) > 1 << 16


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("condition", '{"type": "thresho'),
        (
            "condition",
            '{"type": "threshold", "field": "value", "operator": ">", "value": 1, "for_seconds": "9"}',
        ),
        ("channels", "ops, hook"),
        ("channels", "7"),
        ("labels", "[]"),
    ],
)
@pytest.mark.parametrize("deleted", [False, True], ids=["alive", "deleted"])
def test_a_rule_that_somebody_broke_by_hand_stops_no_other(
    small: World, column: str, text: str, deleted: bool
) -> None:
    small.add_monitor("mon_a")
    for name in ("rule_a", "rule_bad"):
        small.add_rule(name)
    small.play(["m value=11"])
    broken = {column: text, "revision": 99, "deleted_at": 1 if deleted else None}
    raised = "UPDATE revisions SET revision = 99"
    small.wiring.store.write(
        lambda tx: (
            tx.conn.execute(update(rules).where(rules.c.id == "rule_bad").values(broken)),
            tx.conn.exec_driver_sql(raised),
        )
    )
    small.write(2, "m value=1")

    small.ran(2)

    ended = {"resolved rule_a", "resolved rule_bad"} if deleted else {"resolved rule_a"}
    assert set(small.told()) - {"firing rule_a", "firing rule_bad"} == ended
    if not deleted:
        (status,) = small.rows(rule_status, rule_id="rule_bad")
        assert f"the stored {column} can't be used" in status["health_reason"]


@pytest.mark.parametrize("column", ["filter", "key", "labels"])
def test_a_monitor_that_somebody_broke_by_hand_stops_no_other(small: World, column: str) -> None:
    for name in ("mon_a", "mon_bad"):
        small.add_monitor(name, kind="machine")
        small.add_rule(name.replace("mon", "rule"), name)
    small.add_rule("rule_all", None, selector={"labels": {"team": "x"}})
    bad = update(monitors).where(monitors.c.id == "mon_bad").values({column: "[7]"})
    small.wiring.store.write(lambda tx: tx.conn.execute(bad))

    small.play(["m value=11"])

    assert small.told() == ["firing rule_a"]
    (status,) = small.rows(rule_status, rule_id="rule_bad")
    assert status["health"] == "error"
