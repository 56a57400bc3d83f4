"""The tools over real HTTP with the official client, in both eras: what the customer wrote, and what goes wrong."""

import json
import math
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.manage import CHANNELS
from tests.support.mcp import ERAS, Conversation, running_server, text_of

pytestmark = pytest.mark.timeout(90)
ABOVE = {"type": "threshold", "field": "price", "operator": ">", "value": 70000}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mcp")
    (folder / "channels.yaml").write_text(CHANNELS, encoding="utf-8")
    with running_server(folder, TOCSIN_CHANNELS_FILE=str(folder / "channels.yaml")) as process:
        yield process.url


@pytest.fixture(scope="module", params=ERAS)
def server(url: str, request: pytest.FixtureRequest) -> Conversation:
    return Conversation(url, request.param)


@pytest.fixture
def monitor(server: Conversation, request: pytest.FixtureRequest) -> str:
    """A new monitor; its name is the test's."""
    fields = {"price": "usd", "volume": "coins"}
    made = server.ask("add_monitor", name=f"Coin {request.node.name}", measurement="coin", fields=fields)
    return str(made["monitor"]["id"])


def rule(server: Conversation, monitor: str, title: str, **given: Any) -> Any:
    asked = {"monitor_id": monitor, "title": title, "condition": ABOVE, "severity": "high", **given}
    return server.ask("create_alert_rule", **asked)


def test_the_examples_of_the_customer_work_as_they_are_written(server: Conversation, monitor: str) -> None:
    made = server.ask(
        "create_alert_rule",
        monitor_id=monitor,
        title="Bitcoin High Price Alert",
        condition={"type": "threshold", "field": "price", "operator": ">", "value": 70000},
        severity="high",
    )["rule"]
    assert made["condition"] == ABOVE
    assert made["condition_text"] == "price > 70000 (latest, 5 min)"

    assert server.ask("list_alerts", limit=10)["items"] == []
    assert "not found" in server.refusal("acknowledge_alert", alert_id="alert_1")
    assert made["id"] in [one["id"] for one in server.ask("list_alert_rules")["items"]]
    changed = server.ask("update_alert_rule", rule_id=made["id"], severity="critical")
    assert changed["changed"] == [{"field": "severity", "old": "high", "new": "critical"}]
    server.ask("delete_alert_rule", rule_id=made["id"], confirm_title="Bitcoin High Price Alert")
    assert "not found" in server.refusal("get_alert_rule", rule_id=made["id"])


def test_the_text_of_a_result_is_the_structured_result_in_compact_json(server: Conversation) -> None:
    found = server.call("list_channels")

    assert json.loads(text_of(found)) == found.structured_content
    assert "\n" not in text_of(found)


def test_an_argument_that_does_not_exist_is_refused_with_the_closest_one(server: Conversation) -> None:
    said = server.refusal("list_alerts", severty="high")

    assert said.startswith(
        "There is no argument 'severty'. Did you mean 'severity'? Valid are state, rule_id, severity,"
    )
    assert said.endswith("Correct this and call list_alerts again.")


def test_a_tool_that_does_not_exist_is_refused_with_the_closest_one(server: Conversation) -> None:
    assert "Did you mean 'list_alerts'? Valid are " in server.refusal("list_alarms")


def test_every_refusal_says_what_is_valid_or_which_call_comes_next(
    server: Conversation, monitor: str
) -> None:
    asked = {"monitor_id": monitor, "title": "T", "condition": ABOVE}
    for tool, given, said in (
        ("create_alert_rule", {**asked, "severity": "urgent"}, "valid are critical, high, warning, info"),
        ("create_alert_rule", {**asked, "monitor_id": "Nothing like it"}, "Call list_monitors"),
        ("create_alert_rule", {**asked, "channels": ["opps"]}, "Did you mean 'ops'? Call list_channels"),
        ("create_alert_rule", {**asked, "title": "two\nlines"}, "expected one line"),
        ("create_alert_rule", {**asked, "condition": {"type": "treshold"}}, "Did you mean 'threshold'?"),
        ("create_alert_rule", {**asked, "condition": {**ABOVE, "operater": ">"}}, "Did you mean 'operator'?"),
        ("create_alert_rule", {**asked, "condition": {**ABOVE, "value": "70000"}}, "number without quotes"),
        ("create_alert_rule", {**asked, "condition": "price > 7"}, "should be a valid dictionary"),
        ("create_alert_rule", {"title": "T"}, "condition is required"),
        ("get_alert_rule", {"rule_id": "rule_nothing"}, "Call list_alert_rules"),
        ("get_alert", {"alert_id": "alert_nothing"}, "Call list_alerts"),
        ("restore_alert_rule", {"rule_id": "Never there"}, "give its id, or its title exactly as it was"),
        ("end_silence", {"silence_id": "sil_nothing"}, "Call list_silences"),
        ("retry_delivery", {"delivery_id": "nothing"}, "Call list_deliveries"),
        ("send_test_notification", {"channel": "opps"}, "Call list_channels"),
        ("list_alerts", {"cursor": "bm90aGluZw"}, "Call the same tool without cursor"),
        ("list_alerts", {"limit": 500}, "less than or equal to 100"),
        ("list_alerts", {"since": "2030-01-31T18:00"}, "Write 2030-01-31T18:00Z for UTC"),
        ("list_alerts", {"since": "yesterday"}, "30m, 2h or 7d"),
        ("silence_alerts", {"reason": "x", "duration": "1h"}, "give at least one of rules, monitors"),
        ("silence_alerts", {"reason": "x", "at_least": "info"}, "say how long it lasts"),
        ("preview_alert_rule", {"condition": ABOVE}, "give either rule_id, or monitor_id and condition"),
        ("discover_monitors", {"source": "nowhere"}, "Call discover_monitors without source"),
    ):
        assert said in server.refusal(tool, **given), (tool, given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"title": "a\x00b"}, "can't be stored"),
        ({"condition": json.dumps({**ABOVE, "field": "\ud83d"})}, "can't be stored"),
        ({"selector": json.dumps({"kind": "\ud83d"})}, "can't be stored"),
        ({"title": "x" * 30_000}, "more than 20000 characters"),
        ({"condition": {**ABOVE, "value": math.nan}}, "not a finite number"),
        ({"condition": {**ABOVE, "value": math.inf}}, "not a finite number"),
        ({"condition": json.dumps({**ABOVE, "value": math.nan})}, "finite number"),
        ({"condition": json.loads('{"a":' * 30 + "1" + "}" * 30)}, "nested more than 12 levels"),
    ],
)
def test_what_no_database_can_hold_is_refused(url: str, given: dict[str, Any], said: str) -> None:
    # The official client would not even send most of these; others do.
    call = {
        "name": "create_alert_rule",
        "arguments": {"monitor_id": "x", "title": "T", "condition": ABOVE, **given},
    }
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call})
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    answer = httpx.post(f"{url}/mcp", content=body, headers=headers, timeout=20, trust_env=False)

    assert answer.status_code == 200
    assert '"isError":true' in answer.text
    assert said in answer.text


def test_objects_as_json_texts_and_null_for_nothing_are_understood(
    server: Conversation, monitor: str
) -> None:
    made = rule(
        server, monitor, "As text", condition=json.dumps(ABOVE), description=None, labels='{"team":"a"}'
    )

    assert made["rule"]["condition"] == ABOVE
    assert made["rule"]["labels"] == {"team": "a"}


def test_ids_and_titles_both_name_a_rule_and_an_ambiguous_title_names_none(
    server: Conversation, monitor: str
) -> None:
    first = rule(server, monitor, "Twin")["rule"]
    assert server.ask("get_alert_rule", rule_id="twin")["id"] == first["id"]
    second = rule(server, monitor, "Twin", severity="info")

    assert second["warnings"] == ["another rule is called 'Twin' too"]
    said = server.refusal("get_alert_rule", rule_id="Twin")
    assert first["id"] in said
    assert second["rule"]["id"] in said
    for one in (first, second["rule"]):
        server.ask("delete_alert_rule", rule_id=one["id"], confirm_title="Twin")


def test_creating_the_same_rule_again_returns_the_first(server: Conversation, monitor: str) -> None:
    first = rule(server, monitor, "Once")
    again = rule(server, monitor, "Once")
    other = rule(server, monitor, "Once", severity="info")

    assert (again["rule"], again["deduplicated"]) == (first["rule"], True)
    assert other["rule"]["id"] != first["rule"]["id"]


def test_an_update_changes_what_is_given_clears_by_name_and_refuses_an_old_version(
    server: Conversation, monitor: str
) -> None:
    title = f"Update {server.era}"
    made = rule(server, monitor, title, description="Old words", channels=["team"])["rule"]
    changed = server.ask(
        "update_alert_rule",
        rule_id=made["id"],
        cooldown_seconds=60,
        clear=["description", "channels"],
        version=1,
    )

    assert changed["changed"] == [
        {"field": "description", "old": "Old words", "new": ""},
        {"field": "channels", "old": ["team"]},
        {"field": "cooldown_seconds", "old": 300, "new": 60},
    ]
    assert changed["rule"]["title"] == title
    assert "at version 2, not 1" in server.refusal(
        "update_alert_rule", rule_id=title, severity="info", version=1
    )
    assert "give at least one of" in server.refusal("update_alert_rule", rule_id=title)
    assert "Either set it or clear it" in server.refusal(
        "update_alert_rule", rule_id=title, channels=["ops"], clear=["channels"]
    )
    assert server.ask("get_alert_rule", rule_id=title)["version"] == 2


def test_a_rule_is_deleted_only_by_whoever_knows_its_title_and_can_come_back(
    server: Conversation, monitor: str
) -> None:
    made = rule(server, monitor, "Precious")["rule"]

    for given in ({}, {"confirm_title": "precious"}):
        said = server.refusal("delete_alert_rule", rule_id=made["id"], **given)
        assert f"call delete_alert_rule with rule_id {made['id']} and its title" in said
    server.ask("delete_alert_rule", rule_id=made["id"], confirm_title="Precious")
    assert server.ask("restore_alert_rule", rule_id="Precious")["rule"]["id"] == made["id"]
    assert server.ask("restore_alert_rule", rule_id=made["id"])["rule"]["version"] == 3
    server.ask("delete_alert_rule", rule_id=made["id"], confirm_title="Precious")


def test_lists_are_paged_and_say_how_many_there_are(server: Conversation, monitor: str) -> None:
    for number in range(3):
        rule(server, monitor, f"Page {number} {server.era}")
    query, seen, cursor = server.era, [], None
    while True:
        page = server.ask("list_alert_rules", query=query, limit=2, cursor=cursor)
        seen += [one["title"] for one in page["items"]]
        assert page["total"] >= 3
        cursor = page.get("next_cursor")
        if cursor is None:
            break

    assert [title for title in seen if title.startswith("Page")] == [
        f"Page {n} {server.era}" for n in range(3)
    ]
    assert len(set(seen)) == len(seen)


def test_an_empty_list_says_what_to_do(server: Conversation) -> None:
    assert server.ask("list_monitors", query="no such thing") == {
        "items": [],
        "total": 0,
        "hint": "No monitor matches; leave a filter out, or call discover_monitors.",
    }
