"""PagerDuty: one event per alert under a key that never changes, and what each event says."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from shared.channels import Misconfigured
from shared.channels._combine import combine
from shared.channels._filled import filled
from shared.channels._kind import Request
from shared.channels._message import build
from shared.channels.pagerduty import Settings, address, plain, render
from shared.model import Channel, EventKind, Notification
from tests.support.channels import calls, message_of
from tests.support.deliveries import SLOT, alert, notification

CHANNEL = Channel(name="on-call", kind="pagerduty", timezone="Europe/Berlin")
KEY = {"routing_key": SecretStr("pl4nt3d0routing0key0with32chars0")}


def events(*told: Notification) -> list[dict[str, Any]]:
    made = render(message_of(*told), CHANNEL, Settings(), "")
    return [json.loads(one.body) for one in calls(made)]


def series(number: int, event: str = "firing", **facts: Any) -> Any:
    return alert(number, event, **facts).model_copy(update={"series_id": f"{number:020x}"})


def test_every_alert_is_an_event_of_its_own_under_a_key_of_its_own() -> None:
    told = events(notification(alerts=[series(number) for number in range(100)]))
    assert len({one["dedup_key"] for one in told}) == 100
    assert told[3]["dedup_key"] == "default/rule_1/00000000000000000003"
    assert told[3]["payload"]["source"] == "url=https://demo-3.example"


def test_the_key_is_the_same_for_every_event_about_a_series() -> None:
    later = series(7, "resolved").model_copy(update={"id": "alert_other", "series": "renamed: url=…"})
    (first,), (last,) = events(notification(alerts=[series(7)])), events(notification(2, "resolved", [later]))
    assert first["dedup_key"] == last["dedup_key"]
    assert (first["event_action"], last["event_action"]) == ("trigger", "resolve")


@pytest.mark.parametrize(
    ("event", "action"),
    [
        (event, {"resolved": "resolve", "acknowledged": "acknowledge"}.get(event.value, "trigger"))
        for event in EventKind
    ],
)
def test_what_happened_becomes_an_action(event: EventKind, action: str) -> None:
    (one,) = events(notification(event=event.value))
    assert one["event_action"] == action


@pytest.mark.parametrize(
    ("severity", "theirs"),
    [("critical", "critical"), ("high", "error"), ("warning", "warning"), ("info", "info")],
)
def test_severities_are_pagerdutys(severity: str, theirs: str) -> None:
    (one,) = events(notification(alerts=[alert(severity=severity)]))
    assert one["payload"]["severity"] == theirs


def test_an_event_says_what_where_and_why() -> None:
    (one,) = events(notification(rule={"description": "Users see an error page."}))
    assert one["payload"]["summary"] == (
        "Demo site is down: Demo site · url=https://demo-1.example, 0 (threshold 1)"
    )
    details = one["payload"]["custom_details"]
    assert details["Condition"] == "is_up is below 1"
    assert details["Since"] == "2026-09-21 16:03:30 +02:00"
    assert details["Description"] == "Users see an error page."
    assert (details["type"], details["alert_id"]) == ("alert.firing", "alert_1")
    assert one["links"] == [{"href": "https://wiki.example/demo", "text": "Runbook"}]
    assert one["payload"]["timestamp"] == "2026-09-21T14:13:30.000Z"


def test_what_is_unusual_is_named_in_the_title() -> None:
    (one,) = events(notification(event="worsened"))
    assert one["payload"]["summary"].startswith("WORSE Demo site is down")


def test_a_test_rings_as_info_under_a_key_that_touches_no_incident() -> None:
    (one,) = events(notification(event="test"))
    assert one["payload"]["summary"].startswith("[TEST] Demo site")
    assert one["payload"]["severity"] == "info"
    assert one["dedup_key"].startswith("default/test/")


def test_an_alert_that_came_and_went_unheard_is_triggered_before_it_is_resolved() -> None:
    fired, over = notification(1, alerts=[series(1)]), notification(2, "resolved", [series(1, "resolved")])
    telling = combine([fired, over], set())
    assert telling is not None
    made = render(build(telling, id="dlv_2", zone="UTC"), CHANNEL, Settings(), "")
    assert json.loads(made.body)["event_action"] == "trigger"
    assert made.then is not None
    assert json.loads(made.then.body)["event_action"] == "resolve"
    assert made.then.fill == ("routing_key",)
    assert made.also == ()


def test_a_series_that_is_over_and_fires_again_is_resolved_before_it_is_triggered_under_its_one_key() -> None:
    old = series(1, started_at=SLOT - 300_000)
    over = series(1, "resolved", started_at=SLOT - 300_000, resolved_at=SLOT - 60_000)
    again = series(1, started_at=SLOT).model_copy(update={"id": "alert_again"})
    waiting = [notification(2, "resolved", [over]), notification(3, alerts=[again, series(2)])]
    for told, actions in (
        ({old.id}, ["resolve", "trigger"]),
        (set[str](), ["trigger", "resolve", "trigger"]),
    ):
        first = [] if told else [notification(1, alerts=[old])]
        telling = combine([*first, *waiting], told)
        assert telling is not None
        made = render(build(telling, id="dlv_2", zone="UTC"), CHANNEL, Settings(), "")
        parts = [[json.loads(one.body) for one in calls(replace(p, also=()))] for p in (made, *made.also)]
        by_key = {part[0]["dedup_key"][-1]: part for part in parts}
        # Side by side, PagerDuty could be told last that it is over while it fires.
        assert [one["event_action"] for one in by_key["1"]] == actions
        assert [one["payload"]["custom_details"]["alert_id"] for one in by_key["1"]][-1] == "alert_again"
        assert [one["event_action"] for one in by_key["2"]] == ["trigger"]


def test_a_notification_without_alerts_is_about_the_rule() -> None:
    (one,) = events(notification(alerts=[], note="Too many series"))
    assert one["dedup_key"] == "default/rule_1"
    assert one["payload"]["custom_details"]["Notes"] == ["Too many series"]


def test_the_plain_form_has_nothing_but_what_is_demanded() -> None:
    made = plain(message_of(notification()), CHANNEL, Settings(), "")
    assert set(json.loads(made.body)["payload"]) == {"summary", "source", "severity"}


def test_the_routing_key_is_in_what_is_sent_and_nowhere_before() -> None:
    made = render(message_of(notification()), CHANNEL, Settings(), "")
    url, headers = address(made, Settings(), KEY, SLOT)
    assert url == "https://events.pagerduty.com/v2/enqueue"
    assert "pl4nt3d" not in str(headers) + made.body.decode()
    assert json.loads(filled(made, KEY))["routing_key"] == "pl4nt3d0routing0key0with32chars0"
    with pytest.raises(Misconfigured) as refused:
        address(Request("dlv_1", b""), Settings(), {"routing_key": SecretStr("pl4nt3d")}, SLOT)
    assert "pl4nt3d" not in str(refused.value)
