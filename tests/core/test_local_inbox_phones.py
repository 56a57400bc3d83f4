"""The inbox as Twilio, ntfy, Pushover and PagerDuty: refuses what they refuse, keeps no secret, runs no text."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from knative.local.inbox._app import Inbox
from knative.local.inbox.twilio import segments

SMS = "/2010-04-01/Accounts/AC1/Messages.json"
BASIC = {"authorization": "Basic QUMxOnQ="}
TEXT = {"To": "+14155550101", "From": "+14155550100", "Body": "[FIRING] CPU is high", "ValidityPeriod": "300"}
NTFY = {
    "topic": "s3cret-topic",
    "title": "🔴 FIRING: CPU",
    "message": "97.25",
    "priority": 5,
    "tags": ["warning", "firing"],
}
PUSHOVER = {"token": "s3cret" + "t" * 24, "user": "s3cret" + "u" * 24, "title": "FIRING", "message": "97.25"}
EVENT = {
    "routing_key": "s3cret" + "k" * 26,
    "event_action": "trigger",
    "dedup_key": "default/rule_1/1",
    "payload": {"summary": "CPU is high", "source": "web-1", "severity": "critical"},
}
EVIL = '<script>alert(1)</script><img src=x onerror=alert(1)>"'


@pytest.fixture
def inbox() -> TestClient:
    return TestClient(Inbox().app, follow_redirects=False)


def test_a_text_is_queued_and_shown_with_what_it_costs(inbox: TestClient) -> None:
    answer = inbox.post(SMS, data=TEXT, headers=BASIC)
    assert (answer.status_code, answer.json()["status"], answer.json()["num_segments"]) == (
        201,
        "queued",
        "1",
    )
    page = inbox.get("/?kind=sms").text
    assert "1 segment, GSM-7, valid for 300 s" in page
    assert [segments(text) for text in ("x" * 160, "x" * 161, "й" * 71, "€" * 81)] == [1, 2, 2, 2]


@pytest.mark.parametrize(
    ("form", "headers", "status", "code"),
    [
        (TEXT, {}, 401, 20003),
        (TEXT | {"Body": ""}, BASIC, 400, 21602),
        (TEXT | {"Body": "x" * 1601}, BASIC, 400, 21617),
        (TEXT | {"From": ""}, BASIC, 400, 21603),
        (TEXT | {"To": "0151"}, BASIC, 400, 21211),
    ],
    ids=["anonymous", "empty", "long", "no sender", "no number"],
)
def test_twilio_names_what_it_refuses_by_code(
    inbox: TestClient, form: dict[str, str], headers: dict[str, str], status: int, code: int
) -> None:
    answer = inbox.post(SMS, data=form, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert inbox.get("/messages.json").json()["total"] == 0


def test_pushes_are_taken_with_an_id_and_shown_without_topic_and_keys(inbox: TestClient) -> None:
    taken = inbox.post("/", json=NTFY)
    assert (taken.status_code, taken.json()["event"], taken.json()["topic"]) == (
        200,
        "message",
        "s3cret-topic",
    )
    assert inbox.post("/1/messages.json", data=PUSHOVER).json()["status"] == 1
    assert "s3cret" not in inbox.get("/messages.json").text
    page = inbox.get("/?kind=push").text
    assert "⚠️ 🔴 FIRING: CPU" in page
    assert "Tags: firing" in page


@pytest.mark.parametrize(
    ("change", "code"), [({"topic": ""}, 40009), ({"priority": 9}, 40007)], ids=["no topic", "priority"]
)
def test_ntfy_refuses_by_code(inbox: TestClient, change: dict[str, Any], code: int) -> None:
    answer = inbox.post("/", json=NTFY | change)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"token": "x"}, "token identifier is invalid"),
        ({"message": ""}, "message cannot be blank"),
        ({"message": "x" * 1025}, "message cannot be longer than 1024"),
        ({"priority": "2"}, "retry and expire"),
    ],
    ids=["token", "empty", "long", "emergency"],
)
def test_pushover_refuses_in_words(inbox: TestClient, change: dict[str, str], words: str) -> None:
    answer = inbox.post("/1/messages.json", data=PUSHOVER | change)
    assert (answer.status_code, answer.json()["status"]) == (400, 0)
    assert words in answer.json()["errors"][0]


def test_an_event_is_taken_with_its_key_and_shown_without_the_routing_key(inbox: TestClient) -> None:
    answer = inbox.post("/v2/enqueue", json=EVENT)
    assert (answer.status_code, answer.json()["dedup_key"]) == (202, "default/rule_1/1")
    inbox.post("/v2/enqueue", json=EVENT | {"event_action": "resolve", "payload": None})
    titles = [message["title"] for message in inbox.get("/messages.json").json()["messages"]]
    assert titles == ["Triggered: CPU is high", "Resolved: default/rule_1/1"]
    assert "s3cret" not in inbox.get("/messages.json").text + inbox.get("/").text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"routing_key": "x"}, "routing_key"),
        ({"event_action": "fire"}, "event_action"),
        ({"dedup_key": "x" * 256}, "dedup_key"),
        ({"payload": None}, "payload"),
        ({"payload": EVENT["payload"] | {"severity": "high"}}, "severity"),  # type: ignore[operator]
        ({"payload": EVENT["payload"] | {"summary": "x" * 1025}}, "summary"),  # type: ignore[operator]
    ],
    ids=["key", "action", "dedup_key", "payload", "severity", "summary"],
)
def test_pagerduty_names_the_field(inbox: TestClient, change: dict[str, Any], words: str) -> None:
    answer = inbox.post("/v2/enqueue", json=EVENT | change)
    assert answer.status_code == 400
    assert words in " ".join(answer.json()["errors"])


def test_hostile_text_is_shown_as_text(inbox: TestClient) -> None:
    inbox.post(SMS, data=TEXT | {"Body": EVIL}, headers=BASIC)
    inbox.post(
        "/", json=NTFY | {"title": EVIL, "message": EVIL, "tags": [EVIL], "click": "javascript:alert(1)"}
    )
    inbox.post(
        "/", json=NTFY | {"actions": [{"action": "view", "label": EVIL, "url": "javascript:alert(1)"}]}
    )
    inbox.post(
        "/1/messages.json", data=PUSHOVER | {"title": EVIL, "url": "javascript:alert(1)", "url_title": EVIL}
    )
    payload = {"summary": EVIL, "source": EVIL, "severity": "info", "custom_details": {EVIL: EVIL}}
    inbox.post(
        "/v2/enqueue", json=EVENT | {"payload": payload, "links": [{"href": "javascript:alert(1)"}, EVIL]}
    )
    page = inbox.get("/").text.replace('<script src="/static/inbox.js" defer></script>', "")
    assert inbox.get("/messages.json").json()["total"] == 5
    for live in ("<script", "<img src=x", 'href="javascript'):
        assert live not in page
