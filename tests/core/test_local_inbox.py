"""The inbox: answers as the vendors do, shows what they would show, and runs nothing that a message says."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from starlette.testclient import TestClient

from knative.local.inbox._app import FOLDER, Inbox, vendors
from knative.local.inbox._mrkdwn import mrkdwn

MAIL = {
    "personalizations": [{"to": [{"email": "a@example.com", "name": "A"}]}],
    "from": {"email": "tocsin@example.com"},
    "subject": "CPU is high",
    "content": [
        {"type": "text/plain", "value": "text part"},
        {"type": "text/html", "value": "<p>hi <img src='cid:chart'></p>"},
    ],
    "attachments": [{"content": "aGk=", "type": "image/png", "content_id": "chart"}],
}
KEY = {"authorization": "Bearer SG.secret"}
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'"


@pytest.fixture
def inbox() -> TestClient:
    return TestClient(Inbox().app, follow_redirects=False)


def test_slack_answers_ok_and_the_message_is_listed_by_kind(inbox: TestClient) -> None:
    answer = inbox.post("/slack/ops", json={"text": "disk &amp; cpu :rotating_light:"})
    inbox.post("/webhook/other", json={})
    assert (answer.status_code, answer.text) == (200, "ok")
    (message,) = inbox.get("/messages.json?kind=slack").json()["messages"]
    assert (message["name"], message["title"], message["vendor"]) == ("ops", "disk & cpu 🚨", "slack")
    assert inbox.get("/messages.json?since=1").json()["messages"][0]["kind"] == "webhook"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"not json", "invalid_payload"),
        (b"[]", "invalid_payload"),
        (b"{}", "no_text"),
        (json.dumps({"blocks": [{}]}).encode(), "invalid_blocks"),
        (json.dumps({"blocks": [{"type": "divider"}] * 51}).encode(), "invalid_blocks"),
        (json.dumps({"attachments": [{}] * 101}).encode(), "too_many_attachments"),
    ],
)
def test_slack_refuses_what_slack_refuses_and_keeps_nothing(
    inbox: TestClient, body: bytes, word: str
) -> None:
    answer = inbox.post("/slack/ops", content=body)
    assert (answer.status_code, answer.text) == (400, word)
    assert inbox.get("/messages.json").json()["total"] == 0


def test_slack_blocks_attachments_and_mentions_are_shown(inbox: TestClient) -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "CPU :warning:"}},
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": "*bold* `code` <https://e.com/?a=1&amp;b=2|link> <!channel>"},
            "fields": [{"type": "mrkdwn", "text": "_field_"}],
        },
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "small"}]},
        {
            "type": "actions",
            "elements": [
                {
                    "type": "button",
                    "text": {"type": "plain_text", "text": "Ack"},
                    "url": "https://e.com/a",
                    "style": "danger",
                }
            ],
        },
        {"type": "data_visualization", "series": [1]},
    ]
    attachments = [{"color": "#D63232", "text": "in colour", "fields": [{"title": "T", "value": "V"}]}]
    inbox.post("/slack/ops", json={"text": "preview", "blocks": blocks, "attachments": attachments})
    page = inbox.get("/").text
    for part in (
        "CPU ⚠️",
        "<b>bold</b>",
        "<code>code</code>",
        'href="https://e.com/?a=1&amp;b=2"',
        "<i>field</i>",
        "@channel",
        'class="button danger"',
        "border-left-color: #D63232",
        "data_visualization block",
        "Notification preview: preview",
    ):
        assert part in page


def test_sendgrid_wants_a_bearer_key_and_answers_202_with_a_message_id(inbox: TestClient) -> None:
    assert inbox.post("/v3/mail/send", json=MAIL).status_code == 401
    answer = inbox.post("/v3/mail/send", json=MAIL, headers=KEY)
    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["x-message-id"]
    (message,) = inbox.get("/messages.json?kind=email").json()["messages"]
    assert message["headers"]["authorization"] == "***"
    assert message["content"]["subject"] == "CPU is high"


@pytest.mark.parametrize(
    ("missing", "field"),
    [
        ("personalizations", "personalizations"),
        ("from", "from.email"),
        ("subject", "subject"),
        ("content", "content"),
    ],
)
def test_sendgrid_names_the_field_that_is_missing(inbox: TestClient, missing: str, field: str) -> None:
    answer = inbox.post("/v3/mail/send", json={k: v for k, v in MAIL.items() if k != missing}, headers=KEY)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


def test_an_emails_html_part_is_served_apart_and_sandboxed_with_its_inline_images(inbox: TestClient) -> None:
    inbox.post("/v3/mail/send", json=MAIL, headers=KEY)
    page = inbox.get("/").text
    assert '<iframe sandbox="" src="/messages/1/part.html"' in page
    assert "<p>hi" not in page
    part = inbox.get("/messages/1/part.html")
    assert "data:image/png;base64,aGk=" in part.text
    assert part.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


def test_a_webhook_is_shown_with_its_standard_headers(inbox: TestClient) -> None:
    headers = {"webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1,abc"}
    answer = inbox.post("/webhook/hook", json={"type": "alert.firing", "n": 1}, headers=headers)
    assert (answer.status_code, answer.content) == (200, b"")
    page = inbox.get("/?kind=webhook").text
    assert "v1,abc" in page
    assert "&#34;alert.firing&#34;" in page


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/slack/%3Cscript%3Ealert(1)", {"text": EVIL}, {}),
        (
            "/slack/x",
            {
                "blocks": [
                    {
                        "type": "section",
                        "text": {
                            "type": "mrkdwn",
                            "text": f"<javascript:alert(1)|{EVIL}> `{EVIL}` ```{EVIL}```",
                        },
                    }
                ]
            },
            {},
        ),
        (
            "/slack/x",
            {
                "text": "t",
                "blocks": [{"type": EVIL}, {"type": "header", "text": {"type": "plain_text", "text": EVIL}}],
            },
            {},
        ),
        (
            "/slack/x",
            {
                "attachments": [
                    {
                        "color": '"><script>',
                        "title": EVIL,
                        "title_link": "javascript:alert(1)",
                        "footer": EVIL,
                        "fields": [{"title": EVIL, "value": EVIL}],
                    }
                ]
            },
            {},
        ),
        (
            "/v3/mail/send",
            MAIL
            | {"subject": EVIL, "content": [{"type": "text/plain", "value": EVIL}], "headers": {EVIL: EVIL}},
            KEY,
        ),
        ("/webhook/x", {"type": EVIL, EVIL: EVIL}, {"webhook-id": "<script>"}),
    ],
)
def test_hostile_text_is_shown_as_text(
    inbox: TestClient, path: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    assert inbox.post(path, json=body, headers=headers).status_code < 300
    answer = inbox.get("/")
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    page = answer.text.replace('<script src="/static/inbox.js" defer></script>', "")
    assert "<script" not in page
    assert "<img src=x" not in page
    assert 'href="javascript' not in page


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*a* _b_ ~c~", "<b>a</b> <i>b</i> <s>c</s>"),
        ("2*3*4 snake_case_name", "2*3*4 snake_case_name"),
        ("a &lt;b&gt; &amp;amp;", "a &lt;b&gt; &amp;amp;"),
        ("&gt; quoted", "<q>quoted</q>"),
        ("<mailto:a@b.c|mail>", '<a href="mailto:a@b.c" rel="noreferrer noopener" target="_blank">mail</a>'),
        ("<!date^1^{date}|10:02 UTC>", "<time>10:02 UTC</time>"),
        ("<@U1> <#C1|ops>", '<span class="mention">@U1</span> <span class="mention">@ops</span>'),
    ],
)
def test_mrkdwn_reads_as_in_slack(text: str, html: str) -> None:
    assert mrkdwn(text) == html


def test_a_fault_answers_for_the_vendor_so_often_and_keeps_nothing(inbox: TestClient) -> None:
    fault = {
        "path": "/slack/ops",
        "status": 503,
        "times": 2,
        "headers": {"Retry-After": "7"},
        "delay_seconds": 0,
    }
    assert inbox.post("/faults", json=fault).status_code == 200
    answers = [inbox.post("/slack/ops", json={"text": "x"}) for _ in range(3)]
    assert [a.status_code for a in answers] == [503, 503, 200]
    assert answers[0].headers["retry-after"] == "7"
    assert inbox.get("/messages.json").json()["total"] == 1
    assert inbox.get("/faults").json() == {"faults": []}


def test_a_delay_without_status_takes_the_message_and_is_late_to_say_so(inbox: TestClient) -> None:
    inbox.post("/faults", json={"path": "/slack/*", "delay_seconds": 0.2})
    began = time.monotonic()
    assert inbox.post("/slack/any", json={"text": "x"}).status_code == 200
    assert time.monotonic() - began >= 0.2
    assert inbox.get("/messages.json").json()["total"] == 1


@pytest.mark.parametrize("fault", [{}, {"path": 3}, {"path": "/x", "code": 1}, []])
def test_a_fault_that_is_not_understood_is_refused_with_what_would_be(inbox: TestClient, fault: Any) -> None:
    answer = inbox.post("/faults", json=fault)
    assert answer.status_code == 400
    assert "path" in answer.json()["error"]


def test_clearing_forgets_messages_but_not_their_numbers(inbox: TestClient) -> None:
    inbox.post("/slack/ops", json={"text": "x"})
    assert inbox.post("/clear").status_code == 303
    assert inbox.get("/messages.json").json() == {"total": 1, "edits": 0, "messages": []}
    assert "Nothing has been sent" in inbox.get("/").text


def test_every_vendor_file_has_a_template_and_a_route_of_its_own() -> None:
    found = vendors()
    routes = [path for vendor in found.values() for path in vendor.ROUTES]
    assert {"slack", "sendgrid", "webhook"} <= set(found)
    assert len(routes) == len(set(routes))
    assert all((FOLDER / "templates" / f"{name}.html").is_file() for name in found)
