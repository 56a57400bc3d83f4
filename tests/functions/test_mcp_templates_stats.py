"""Ready-made rules and statistics in a conversation, over real HTTP with the official client."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.manage import CHANNELS, wiring
from tests.support.mcp import Conversation, running_server
from tests.support.rows import add_alert

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mcp")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Conversation]:
    """A server on a disk that writes points, and on a price."""
    one = wiring(folder, CHANNELS)
    now = int(time.time())
    one.metrics().write(
        f"disk,path=/ used_percent=40 {now - 60}\ncoin price=61000 {now - 60}\ncoin price=64000 {now}".encode(),
        precision="s",
    )
    one.close()
    with running_server(folder, TOCSIN_CHANNELS_FILE=str(folder / "channels.yaml")) as process:
        made = Conversation(process.url)
        for name in ("disk", "coin"):
            made.ask("add_monitor", name=name.title(), measurement=name)
        yield made


def test_a_ready_made_rule_is_found_for_a_monitor_and_made_in_two_calls(server: Conversation) -> None:
    found = server.ask("rule_templates", monitor_id="Disk")
    fitting = {one["name"]: one for one in found["items"]}
    assert fitting.keys() == {"disk-full", "dead-man"}
    assert fitting["disk-full"]["condition"]["field"] == "used_percent"
    assert fitting["disk-full"]["lately"] == {"min": 40, "median": 40, "max": 40, "latest": 40}
    assert {one["name"]: one["why"] for one in found["others"]}["host-cpu"] == (
        "it needs a field usage_active or usage_idle; the monitor has used_percent"
    )

    made = server.ask("create_alert_rule", template="disk-full", monitor_id="Disk")["rule"]
    assert (made["title"], made["severity"]) == ("Disk nearly full: Disk", "high")
    assert made["condition"] == fitting["disk-full"]["condition"]
    assert server.ask("create_alert_rule", template="disk-full", monitor_id="Disk")["deduplicated"] is True


def test_what_is_given_wins_over_the_template(server: Conversation) -> None:
    made = server.ask(
        "create_alert_rule",
        template="crypto-price-above",
        monitor_id="Coin",
        title="Too dear",
        severity="critical",
        condition={"value": 70_000},
        channels=["team"],
    )["rule"]

    assert (made["title"], made["severity"], made["channels"]) == ("Too dear", "critical", ["team"])
    assert made["condition_text"] == "price > 70000 (latest, 5 min)"


def test_a_template_that_can_not_be_used_says_what_comes_next(server: Conversation) -> None:
    for given, said in (
        (
            {"template": "crypto-price-above", "monitor_id": "Coin"},
            "Lately price was between 61000 and 64000",
        ),
        ({"template": "crypto-price", "monitor_id": "Coin"}, "Did you mean 'crypto-price-below'?"),
        ({"template": "website-down", "monitor_id": "Coin"}, "Call rule_templates with monitor_id"),
        ({"template": "disk-full"}, "Call list_monitors"),
        ({"title": "T", "monitor_id": "Coin"}, "condition is required, unless a template is given"),
        ({"condition": {"type": "absence", "field": "x"}, "monitor_id": "Coin"}, "title is required"),
    ):
        assert said in server.refusal("create_alert_rule", **given), given


def test_without_a_monitor_every_template_is_listed_with_what_it_asks(server: Conversation) -> None:
    found = {one["name"]: one for one in server.ask("rule_templates")["items"]}

    assert len(found) >= 11
    assert found["crypto-price-above"]["asks"] == {"value": "the price above which people are told"}
    assert found["website-down"]["fields"] == ["is_up", "result_code"]


def test_statistics_say_what_is_noisy_slow_and_silent(server: Conversation, folder: Path) -> None:
    empty = server.ask("alert_stats")
    assert (empty["alerts"], empty["hint"]) == (
        0,
        "No alert fired in that time; ask for a longer one with since.",
    )
    assert len(empty["counts"]) == 8
    rule = server.ask("create_alert_rule", template="dead-man", monitor_id="Disk", title="Silent")["rule"]
    one, now = wiring(folder, CHANNELS), int(time.time() * 1000)
    for number in range(2):
        fired = now - 3_600_000
        seen = {"acked_at": fired + 60_000, "resolved_at": fired + 90_000}
        add_alert(one.store, f"alert_{number}", phase="ok", rule_id="rule_gone", fired_at=fired, **seen)
    one.close()

    found = server.ask("alert_stats", since="24h", limit=1)
    assert (found["alerts"], found["by_severity"], found["per"]) == (2, {"high": 2}, "day")
    assert found["noisiest_rules"][0]["share_percent"] == 100
    assert found["time_to_acknowledge"] == {"count": 2, "median_seconds": 60, "p90_seconds": 60}
    assert (found["time_to_resolve"]["median_seconds"], found["never_acknowledged"]) == (90, 0)
    assert rule["id"] in [each["rule_id"] for each in server.ask("alert_stats", limit=50)["never_fired"]]
    assert len(found["never_fired"]) == 1

    for given, said in (
        ({"since": "100d"}, "at most 90 days before until are counted"),
        ({"since": "1h", "until": "2h"}, "it must be before until"),
        ({"since": "2030-01-31T18:00"}, "Write 2030-01-31T18:00Z for UTC"),
        ({"limit": 51}, "less than or equal to 50"),
    ):
        assert said in server.refusal("alert_stats", **given), given
