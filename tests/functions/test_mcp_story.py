"""A whole story in a conversation: find what is there, try a rule, make it, be told, look, silence, delete."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from knative.local.manifests import load_overlay
from knative.local.overlay import read_overlay
from shared.conversation.discovery import PATH
from tests.support.manifests import ROOT
from tests.support.mcp import ERAS, Conversation, running_server
from tests.support.sink import Reply, Sink
from tests.support.world import World

pytestmark = pytest.mark.timeout(90)
ABOVE = {"type": "threshold", "field": "price", "operator": ">", "value": 70000}


@pytest.fixture
def broker() -> Iterator[Sink]:
    with Sink(Reply(202)) as sink:
        yield sink


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str, broker: Sink) -> Iterator[World]:
    made = World(tmp_path, broker, sqlite_url, "embedded:///metrics.db")
    yield made
    made.wiring.close()


@pytest.fixture(params=ERAS)
def claude(world: World, broker: Sink, request: pytest.FixtureRequest) -> Iterator[Conversation]:
    folder = world.settings.state_dir
    env = {
        "TOCSIN_DATABASE_URL": world.settings.database_url.get_secret_value(),
        "TOCSIN_METRICS_URL": "embedded:///metrics.db",
        "TOCSIN_CHANNELS_FILE": str(world.settings.channels_file),
        "K_SINK": f"{broker.url}/broker",
    }
    with running_server(folder, **env) as process:
        yield Conversation(process.url, request.param)


def test_a_whole_story(claude: Conversation, world: World) -> None:
    world.play(
        ["coin,symbol=btc price=65000"], ["coin,symbol=btc price=71000"], ["coin,symbol=btc price=66000"]
    )
    monitor = _find_it(claude)
    rule = _try_and_make_it(claude, monitor)
    alert = _it_fires(claude, world, rule)
    _acknowledge(claude, world, alert)
    _silence(claude, world, rule)
    _delete(claude, world, rule, alert)


def _find_it(claude: Conversation) -> str:
    assert claude.ask("list_monitors", query="coin")["hint"].endswith("call discover_monitors.")
    (found,) = claude.ask("discover_monitors", query="coin")["items"]
    assert (found["measurement"], found["key"], found.get("watched_by")) == ("coin", ["symbol"], None)
    added = claude.ask(
        "add_monitor",
        name="Bitcoin",
        measurement=found["measurement"],
        key=found["key"],
        fields=found["fields"],
    )
    seen = claude.ask("describe_monitor", monitor_id="Bitcoin")
    (price,) = seen["fields"]
    assert (price["min"], price["median"], price["max"], price["latest"]) == (65000, 66000, 71000, 66000)
    assert (seen["points"], seen["series"], price["type"]) == (3, 1, "number")
    return str(added["monitor"]["id"])


def _try_and_make_it(claude: Conversation, monitor: str) -> str:
    tried = claude.ask("preview_alert_rule", monitor_id=monitor, condition=ABOVE, lookback="1h")
    assert tried["fired"] == 1
    assert tried["last_fired"][0]["worst"] == 71000
    made = claude.ask(
        "create_alert_rule",
        monitor_id=monitor,
        title="Bitcoin High Price Alert",
        condition=ABOVE,
        severity="high",
        cooldown_seconds=0,
        group_seconds=0,
    )
    assert "warnings" not in made
    found = claude.ask("get_alert_rule", rule_id="Bitcoin High Price Alert")
    assert found["told_on"] == ["ops", "hook"]
    return str(made["rule"]["id"])


def _it_fires(claude: Conversation, world: World, rule: str) -> str:
    _play(world, 4, "coin,symbol=btc price=72000")
    assert world.told() == [f"firing {rule}"]
    (alert,) = claude.ask("list_alerts", state="open", limit=10)["items"]
    assert (alert["series"], alert["severity"], alert["value"]) == ("symbol=btc", "high", 72000)
    assert alert["announced"] is True
    story = claude.ask("get_alert", alert_id=alert["id"])
    assert [step["change"] for step in story["timeline"]] == ["fired"]
    assert {one["channel"] for one in story["deliveries"]} == {"ops", "hook"}
    assert {one["state"] for one in claude.ask("list_deliveries", rule_id=rule)["items"]} == {"pending"}
    assert claude.ask("list_alert_rules")["items"][0]["state"] == "firing"
    return str(alert["id"])


def _acknowledge(claude: Conversation, world: World, alert: str) -> None:
    for _ in range(2):
        done = claude.ask("acknowledge_alert", alert_id=alert, note="Selling", until="2h")["alert"]
        assert (done["state"], done["acknowledged_by"], done["note"]) == (
            "acknowledged",
            "everybody",
            "Selling",
        )
    assert claude.ask("list_alerts", state="unacknowledged")["items"] == []
    why = claude.ask("explain_alert_rule", rule_id="Bitcoin High Price Alert")
    assert "acknowledged by everybody" in why["story"]["holds"][0]


def _silence(claude: Conversation, world: World, rule: str) -> None:
    made = claude.ask("silence_alerts", reason="Holiday", duration="1h", rules=[rule])["silence"]
    assert (made["state"], made["alerts"], made["about"]) == ("active", 1, 'rule "Bitcoin High Price Alert"')
    assert [one["id"] for one in claude.ask("list_silences")["items"]] == [made["id"]]
    assert claude.ask("end_silence", silence_id=made["id"])["silence"]["state"] == "expired"
    assert "was ended already" in claude.refusal("end_silence", silence_id=made["id"])


def _delete(claude: Conversation, world: World, rule: str, alert: str) -> None:
    claude.ask("delete_alert_rule", rule_id=rule, confirm_title="Bitcoin High Price Alert")
    _play(world, 5, "coin,symbol=btc price=72000")
    assert world.told()[-1] == f"resolved {rule}"
    assert claude.ask("get_alert", alert_id=alert)["alert"]["state"] == "resolved"
    assert claude.ask("list_alert_rules")["total"] == 0


def _play(world: World, number: int, *points: str) -> None:
    world.write(number, *points)
    world.ran(number)


def test_a_test_message_goes_the_way_of_all_messages(claude: Conversation, world: World) -> None:
    sent = claude.ask("send_test_notification", channel="ops")

    assert sent["finished"] is False
    assert sent["hint"] == "It is on its way; call list_deliveries with channel ops to see what became of it."
    (event,) = world.events()
    assert event.type == "dev.tocsin.alert.test"
    (row,) = claude.ask("list_deliveries", channel="ops")["items"]
    assert "a test is sent once" in claude.refusal("retry_delivery", delivery_id=row["id"])
    assert {one["name"] for one in claude.ask("list_channels")["items"]} == {"ops", "hook"}


def test_the_line_that_is_printed_at_the_start_leads_to_the_tools() -> None:
    overlay = read_overlay(load_overlay(ROOT / "knative" / "overlays" / "laptop", ROOT))
    hints: dict[str, Any] = {service.name: service.hint for service in overlay.services}

    assert hints["mcp-server"].endswith(f"claude mcp add --transport http tocsin {{url}}{PATH}")
