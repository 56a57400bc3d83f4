"""Every tool that changes something leaves a row in the audit: who, by which tool, what was before and after."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.conversation import tooling
from shared.settings import Settings
from shared.store import audit
from shared.store.audit import AuditRow
from shared.wiring import Wiring
from tests.support import deliveries
from tests.support.cli import Tocsin
from tests.support.manage import CHANNELS
from tests.support.mcp import Conversation, running_server
from tests.support.rows import add_alert
from tests.support.sink import Reply, Sink

pytestmark = pytest.mark.timeout(90)
ABOVE = {"type": "threshold", "field": "price", "operator": ">", "value": 70000}
WRITING = [spec.name for spec in tooling.declared() if not spec.hints.read_only_hint]
Given = dict[str, Any]

# One call of each, in an order in which all of them work; each sees what those before it were answered.
CALLS: Mapping[str, Callable[[Mapping[str, Any]], Given]] = {
    "add_monitor": lambda _: {"name": "Bitcoin", "measurement": "coin"},
    "create_alert_rule": lambda said: {
        "monitor_id": said["add_monitor"]["monitor"]["id"], "title": "High", "condition": ABOVE
    },
    "update_alert_rule": lambda _: {"rule_id": "High", "severity": "critical"},
    "delete_alert_rule": lambda _: {"rule_id": "High", "confirm_title": "High"},
    "restore_alert_rule": lambda said: {"rule_id": said["create_alert_rule"]["rule"]["id"]},
    "acknowledge_alert": lambda _: {"alert_id": "alert_1", "note": "On it"},
    "silence_alerts": lambda _: {"reason": "moving", "duration": "1h", "at_least": "info"},
    "end_silence": lambda said: {"silence_id": said["silence_alerts"]["silence"]["id"]},
    "send_test_notification": lambda _: {"channel": "ops"},
    "retry_delivery": lambda said: {"delivery_id": said["delivery"]},
}  # fmt: skip
# What must be in the row before and after, as far as there is anything; and what it is about.
CHANGES: Mapping[str, tuple[Given | None, Given | None]] = {
    "add_monitor": (None, {"name": "Bitcoin"}),
    "create_alert_rule": (None, {"title": "High", "condition": ABOVE}),
    "update_alert_rule": ({"severity": "warning", "version": 1}, {"severity": "critical", "version": 2}),
    "delete_alert_rule": ({"title": "High", "version": 2}, None),
    "restore_alert_rule": (None, {"title": "High", "severity": "critical"}),
    "acknowledge_alert": (None, {"by": "everybody", "note": "On it"}),
    "silence_alerts": (None, {"reason": "moving", "ended_at": None}),
    "end_silence": ({"reason": "moving", "ended_at": None}, {"reason": "moving"}),
    "send_test_notification": (None, {}),
    "retry_delivery": ({"state": "rejected"}, {"state": "pending"}),
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, list[AuditRow]]]:
    """The rows that each writing tool left when it was called once; some were called twice, which changes nothing."""
    folder = tmp_path_factory.mktemp("mcp")
    (folder / "channels.yaml").write_text(CHANNELS, encoding="utf-8")
    with Sink(Reply(202)) as broker:
        env = {"TOCSIN_CHANNELS_FILE": str(folder / "channels.yaml"), "K_SINK": broker.url}
        with running_server(folder, **env) as process:
            yield _called(Conversation(process.url), folder)


def _called(claude: Conversation, folder: Path) -> Mapping[str, list[AuditRow]]:
    said: dict[str, Any] = {}
    claude.ask("list_alerts")
    wiring = Wiring(Settings(state_dir=folder), {})
    add_alert(wiring.store, "alert_1")
    deliveries.announce(wiring.store, deliveries.notification(7), [("slack", "ops", "")])
    said["delivery"] = deliveries.rows(wiring.store)[0]["id"]
    for tool, given in CALLS.items():
        if tool == "retry_delivery":
            deliveries.change(wiring.store, state="rejected", next_at=None)
        said[tool] = claude.ask(tool, **given(said))
        if tool in ("acknowledge_alert", "restore_alert_rule"):
            claude.ask(tool, **given(said))  # repeating it changes nothing, and is no change
    found = wiring.store.read(lambda tx: audit.page(tx)).items
    wiring.close()
    return {tool: [row for row in found if row.tool == tool] for tool in {row.tool for row in found}}


def test_every_writing_tool_was_called(rows: Mapping[str, list[AuditRow]]) -> None:
    assert set(CALLS) == set(CHANGES) == set(WRITING)
    assert set(rows) == set(WRITING)


@pytest.mark.parametrize("tool", WRITING)
def test_a_change_is_written_down_with_who_by_what_and_before_and_after(
    rows: Mapping[str, list[AuditRow]], tool: str
) -> None:
    (row,) = rows[tool]
    before, after = CHANGES[tool]

    assert row.actor == "mcp"
    assert row.object
    for text, wanted in ((row.before, before), (row.after, after)):
        found = None if text is None else json.loads(text)
        assert (found is None) == (wanted is None), text
        assert {**(found or {}), **(wanted or {})} == (found or {}), text


def test_a_change_at_a_terminal_names_the_command(filled: Tocsin, tmp_path: Path) -> None:
    filled("rules", "edit", "Bitcoin high", "--severity", "critical")
    filled("silences", "add", "--at-least", "info", "--for", "1h", "--reason", "x")
    wiring = Wiring(Settings(state_dir=tmp_path), {})
    found = wiring.store.read(lambda tx: audit.page(tx)).items
    wiring.close()

    told = {(row.tool, row.action) for row in found}
    assert {("rules edit", "rule.update"), ("silences add", "silence.create")} <= told
    assert {row.actor.partition(":")[0] for row in found if row.tool == "rules edit"} == {"cli"}
