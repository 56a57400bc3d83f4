"""The conversation with everything running: what is asked for there reaches people through broker and functions."""

import pytest

from tests.support.flow import Flow
from tests.support.mcp import Conversation
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(params=["laptop", "with_servers"])
def flow(request: pytest.FixtureRequest) -> Flow:
    found: Flow = request.getfixturevalue(request.param)
    return found


def test_an_alert_is_seen_and_acknowledged_and_those_who_were_told_hear_of_it(flow: Flow) -> None:
    claude = Conversation(flow.stack.service_url("mcp-server"))
    rule = flow.add_rule()
    rule.fires()
    rule.wait_settled(1)

    (alert,) = claude.ask("list_alerts", rule_id=rule.id, limit=10)["items"]
    story = claude.ask("get_alert", alert_id=alert["id"])
    assert {one["state"] for one in story["deliveries"]} <= {"delivered", "accepted"}

    claude.ask("acknowledge_alert", alert_id=alert["id"], note="On it")

    def heard() -> bool:
        rows = claude.ask("list_deliveries", rule_id=rule.id)["items"]
        return ("acknowledged", "slack", "delivered") in {
            (one["event"], one["kind"], one["state"]) for one in rows
        }

    wait_until(heard, "the acknowledgement in Slack")
    _, news = rule.messages("slack")
    assert "acknowledged" in news["title"].lower()


def test_a_test_message_arrives(flow: Flow) -> None:
    claude = Conversation(flow.stack.service_url("mcp-server"))
    channel = next(one["name"] for one in claude.ask("list_channels")["items"] if one["kind"] == "slack")
    sent = claude.ask("send_test_notification", channel=channel)

    def states() -> set[str]:
        rows = claude.ask("list_deliveries", channel=channel)["items"]
        return {one["state"] for one in rows if one["event"] == "test"}

    assert len(sent["deliveries"]) == 1
    wait_until(lambda: states() == {"delivered"}, "the test message")
