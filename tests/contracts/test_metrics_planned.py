"""Ticks whose reads are planned: how much they ask, what one bad field costs, and that no failure is a recovery."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from shared.model import Monitor, Rule
from shared.reads import MAX_PARTS
from shared.store import monitors, rules
from shared.store.engine import Tx
from shared.store.tables import rule_status, states, ticks
from tests.support.gate import Gate
from tests.support.sink import Reply, Request, Sink
from tests.support.world import World, threshold

HOUR = 3600
QUEUE_FULL = Reply(400, body={"code": "invalid", "message": "queue length exceeded"})


@pytest.fixture
def planned(tmp_path: Path, sqlite_url: str, influxdb_url: str, gate: Gate) -> Iterator[World]:
    """An evaluator on SQLite that reaches InfluxDB through the gate only."""
    with Sink(Reply(202)) as sink:
        made = World(tmp_path, sink, sqlite_url, f"influxql+{gate.url}/{influxdb_url.rpartition('/')[2]}")
        yield made
        made.wiring.close()


def asked(request: Request) -> str:
    """The statements of a query; empty for other requests."""
    return parse_qs(request.text)["q"][0] if request.path.startswith("/query") else ""


def questions(gate: Gate) -> list[list[str]]:
    """The statements of every query so far, request by request."""
    return [asked(request).split(";") for request in gate.requests if asked(request)]


def health(world: World) -> dict[str, str]:
    """The rules that are not fine, and why."""
    rows = world.rows(rule_status)
    return {row["rule_id"]: row["health_reason"] for row in rows if row["health"] == "error"}


def phases(world: World) -> dict[str, str]:
    return {row["rule_id"]: row["phase"] for row in world.rows(states)}


def average(value: float, field: str = "value", window_seconds: int = 6 * HOUR) -> dict[str, object]:
    """A condition that the store reduces."""
    return threshold(">", value, field, aggregation="avg", window_seconds=window_seconds)


# ------------------------------------------------------------------ how much is asked


def add_rules(tx: Tx) -> None:
    """A thousand rules with fifty windows, from one minute to more than a day."""
    monitors.insert(tx, Monitor(id="mon_a", name="a", measurement="m", key=["host"]), 1)
    for number in range(1000):
        window = 60 * (1 + number % 25) if number % 2 else HOUR * (1 + number % 25)
        rule = {"id": f"rule_{number}", "monitor_id": "mon_a", "title": "x", "severity": "high"}
        rules.insert(tx, Rule.model_validate(rule | {"condition": average(10, window_seconds=window)}), 1)


def test_a_thousand_rules_with_fifty_windows_make_two_requests_of_bounded_statements(
    planned: World, gate: Gate
) -> None:
    planned.wiring.store.write(add_rules)
    planned.write(1, "m,host=a value=5", "m,host=b value=5")
    gate.clear()

    report = planned.ran(1)

    asked_for = questions(gate)
    assert len(asked_for) == report.queries <= 2
    assert sum(map(len, asked_for)) <= 1 + MAX_PARTS
    assert (report.errors, report.series) == (0, 2000)


def test_a_long_window_beside_a_short_one_reads_only_the_short_ones_field_point_by_point(
    planned: World, gate: Gate
) -> None:
    planned.add_monitor("mon_a")
    planned.add_rule("rule_short")
    planned.add_rule("rule_long", condition=average(10, "other"))
    planned.write(1, "m value=11,other=12")
    gate.clear()
    planned.ran(1)

    (points,), aggregates, _of_the_charts = questions(gate)
    assert '"other"' not in points
    assert len(aggregates) == 2
    assert all('"other"' in statement and '"value"' not in statement for statement in aggregates)
    assert phases(planned) == {"rule_short": "firing", "rule_long": "firing"}


# ------------------------------------------------------------------ what the store can't reduce


def test_a_boolean_field_that_influxdb_adds_up_for_nobody_is_read_point_by_point_from_then_on(
    planned: World, gate: Gate
) -> None:
    planned.add_monitor("mon_a")
    planned.add_rule("rule_up", condition=average(0.5, "is_up"))
    planned.add_rule("rule_load", condition=average(10, "load"))
    planned.write(1, "m is_up=true,load=20")
    gate.clear()
    planned.ran(1)
    assert phases(planned) == {"rule_up": "firing", "rule_load": "firing"}
    assert health(planned) == {}
    assert len(questions(gate)) == 2 + 1, "what they look at, and their charts"

    gate.clear()
    planned.write(2, "m is_up=true,load=20")
    planned.ran(2)
    (only,) = questions(gate)
    assert not any("sum" in statement and "is_up" in statement for statement in only)
    assert health(planned) == {}


def test_an_aggregate_that_fails_for_one_field_is_asked_for_the_others_again(
    planned: World, gate: Gate
) -> None:
    planned.add_monitor("mon_a")
    for field in ("bad", "good"):
        planned.add_rule(f"rule_{field}", condition=average(10, field))
    planned.write(1, "m bad=20,good=20")

    def chokes(request: Request) -> Reply:
        if "sum" in asked(request) and '"bad"' in asked(request):
            return Reply(body={"results": [{"statement_id": 0, "error": "unsupported sum iterator type"}]})
        return gate.forward(request)

    with gate.instead(chokes):
        planned.ran(1)
    assert phases(planned) == {"rule_bad": "firing", "rule_good": "firing"}
    assert health(planned) == {}


# ------------------------------------------------------------------ one bad field


def test_a_field_that_fails_takes_only_its_own_rules_with_it(planned: World, gate: Gate) -> None:
    planned.add_monitor("mon_a")
    for field in ("bad", "good"):
        planned.add_rule(f"rule_{field}", condition=threshold(">", 10, field))
    planned.write(1, "m bad=20,good=5")
    planned.ran(1)
    assert phases(planned) == {"rule_bad": "firing"}

    def chokes(request: Request) -> Reply:
        if '"bad"' in asked(request):
            return Reply(body={"results": [{"statement_id": 0, "error": "bad is corrupt"}]})
        return gate.forward(request)

    planned.write(2, "m bad=5,good=20")
    with gate.instead(chokes):
        report = planned.ran(2)
    assert phases(planned) == {"rule_bad": "firing", "rule_good": "firing"}
    assert health(planned).keys() == {"rule_bad"}
    assert "bad is corrupt" in health(planned)["rule_bad"]
    assert report.queries == 3

    planned.write(3, "m bad=5,good=20")
    planned.ran(3)
    assert health(planned) == {}
    assert planned.told() == ["firing rule_bad", "firing rule_good", "resolved rule_bad"]


def test_an_aggregate_that_is_refused_costs_only_the_rules_that_need_it(planned: World, gate: Gate) -> None:
    planned.add_monitor("mon_a")
    planned.add_rule("rule_short")
    planned.add_rule("rule_long", condition=average(10, "other"))
    planned.write(1, "m value=11,other=12")
    planned.ran(1)

    def busy(request: Request) -> Reply:
        if "GROUP BY" in asked(request) or "sum(" in asked(request):
            return QUEUE_FULL
        return gate.forward(request)

    planned.write(2, "m value=1,other=1")
    with gate.instead(busy):
        planned.ran(2)
    assert phases(planned)["rule_long"] == "firing"
    assert sorted(planned.told()) == ["firing rule_long", "firing rule_short", "resolved rule_short"]
    assert "queue length exceeded" in health(planned)["rule_long"]


# ------------------------------------------------------------------ every way to fail

DOCUMENT = (
    b'{"results":[{"statement_id":0,"series":[{"name":"m","columns":["time","value"],'
    b'"values":[[%d,1]]%s}]%s}]}\n'
)
PART = b',"partial":true'
WHOLE_IN_HALVES = Reply(body=DOCUMENT % (1, b"", b""), drop="halfway")
UNKNOWN = Reply(body={"results": [{"statement_id": 0, "error": "database not found: x"}]})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(Reply(body={"results": [{"error": "timeout"}]}), "says: timeout", id="error in a 200"),
        pytest.param(Reply(body=DOCUMENT % (1, PART, PART)), "stopped before its end", id="partial"),
        pytest.param(Reply(body=(DOCUMENT % (1, b"", b""))[:60]), "no JSON", id="truncated chunk"),
        pytest.param(WHOLE_IN_HALVES, "stopped before its end", id="reset halfway"),
        pytest.param(Reply(body=b"{'results': oops"), "no JSON", id="malformed JSON"),
        pytest.param(Reply(body=b""), "stopped before its end", id="empty body"),
        pytest.param(UNKNOWN, "database not found: x", id="unknown database"),
        pytest.param(QUEUE_FULL, "queue length exceeded", id="queue full"),
        pytest.param(Reply(401, body={"error": "authorization failed"}), "authorization failed", id="401"),
        pytest.param(Reply(500, body={"error": "runtime panic"}), "runtime panic", id="500"),
        pytest.param(Reply(503, body="starting"), "starting", id="503"),
        pytest.param(Reply(drop="unanswered"), "can't be reached", id="reset"),
    ],
)
@pytest.mark.parametrize("window_seconds", [300, 6 * HOUR], ids=["read one by one", "reduced"])
def test_a_failed_query_is_health_in_the_servers_words_and_an_alert_stays_as_it_is(
    planned: World, gate: Gate, answer: Reply, words: str, window_seconds: int
) -> None:
    planned.add_monitor("mon_a")
    planned.add_rule("rule_a", condition=average(10, window_seconds=window_seconds) | {"no_data": "alert"})
    planned.write(1, "m value=11")
    planned.ran(1)
    with gate.instead(lambda _: answer):
        planned.ran(2)
    assert words in health(planned)["rule_a"]
    assert phases(planned) == {"rule_a": "firing"}
    assert planned.told() == ["firing rule_a"]
    assert [row["errors"] > 0 for row in planned.rows(ticks)] == [False, True]

    planned.write(3, "m value=11")
    planned.ran(3)
    assert health(planned) == {}
    assert planned.told() == ["firing rule_a"]


def test_it_is_said_once_that_a_rule_can_not_be_evaluated_however_long_it_lasts(
    planned: World, caplog: pytest.LogCaptureFixture
) -> None:
    planned.add_monitor("mon_a")
    planned.add_rule("rule_a")
    with caplog.at_level("WARNING", "tocsin.evaluate"):
        planned.play(['m value="up"'], ['m value="up"'], ['m value="up"'])
    said = [record.getMessage() for record in caplog.records if "can't be evaluated" in record.getMessage()]
    assert said == [f"rule rule_a can't be evaluated: {health(planned)['rule_a']}"]
