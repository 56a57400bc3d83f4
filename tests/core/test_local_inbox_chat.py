"""The inbox as Discord, Teams and Telegram: it answers, refuses and edits as they do, and runs nothing."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from knative.local.inbox._app import Inbox
from knative.local.inbox._markdown import markdown

DISCORD = "/api/webhooks/1/ops"
TEAMS = "/workflows/ops/triggers/manual/paths/invoke?sig=x"
TELEGRAM = "/bot1:token/sendMessage"
OUTSIDE = 'rel="noreferrer noopener" target="_blank"'
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'"


@pytest.fixture
def inbox() -> TestClient:
    return TestClient(Inbox().app, follow_redirects=False)


def card(*body: dict[str, Any], **more: Any) -> dict[str, Any]:
    content = {"type": "AdaptiveCard", "version": "1.4", "fallbackText": "CPU", "body": list(body), **more}
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": content}],
    }


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": value, **more}


# ------------------------------------------------------------------ Discord


def test_discord_tells_the_message_only_when_it_is_asked_to_wait(inbox: TestClient) -> None:
    assert inbox.post(DISCORD, json={"content": "x"}).status_code == 204
    answer = inbox.post(f"{DISCORD}?wait=true", json={"content": "y"})
    assert answer.status_code == 200
    assert answer.json()["id"].isdecimal()
    assert inbox.get("/messages.json").json()["total"] == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 50006),
        ({"content": "x" * 2001}, 50035),
        ({"embeds": [{"title": "x" * 257}]}, 50035),
        ({"embeds": [{"fields": [{"name": "n", "value": ""}]}]}, 50035),
        ({"embeds": [{"fields": [{"name": "n", "value": "v"}] * 26}]}, 50035),
        ({"embeds": [{"description": "x" * 3001}, {"description": "x" * 3000}]}, 50035),
        ({"embeds": [{"title": "x"}] * 11}, 50035),
    ],
)
def test_discord_refuses_what_breaks_its_limits(inbox: TestClient, body: dict[str, Any], code: int) -> None:
    answer = inbox.post(DISCORD, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert inbox.get("/messages.json").json()["total"] == 0


def test_an_edit_takes_the_place_of_the_message_and_says_what_it_was(inbox: TestClient) -> None:
    number = inbox.post(f"{DISCORD}?wait=true", json={"embeds": [{"title": "FIRING"}]}).json()["id"]
    inbox.post(f"{DISCORD}?wait=true", json={"content": "between"})
    answer = inbox.patch(f"{DISCORD}/messages/{number}", json={"embeds": [{"title": "RESOLVED"}]})
    assert (answer.status_code, answer.json()["id"]) == (200, number)
    listed = inbox.get("/messages.json").json()
    assert (listed["total"], listed["edits"]) == (2, 1)
    assert (listed["messages"][0]["title"], listed["messages"][0]["before"]) == ("RESOLVED", ["FIRING"])
    page = inbox.get("/").text
    assert 'title="before: FIRING">edited<' in page
    assert 'id="m1" data-edited="1"' in page


def test_a_message_that_is_not_there_is_not_edited(inbox: TestClient) -> None:
    assert inbox.patch(f"{DISCORD}/messages/1", json={"content": "x"}).status_code == 404
    assert inbox.get("/messages.json").json()["total"] == 0


def test_a_mention_is_shown_where_it_would_ring(inbox: TestClient) -> None:
    inbox.post(DISCORD, json={"content": "@everyone"})
    assert '<span class="mention">@everyone</span>' in inbox.get("/").text
    inbox.post("/clear")
    inbox.post(DISCORD, json={"content": "@everyone", "allowed_mentions": {"parse": []}})
    assert 'class="mention"' not in inbox.get("/").text


# ------------------------------------------------------------------ Teams


def test_a_workflow_queues_a_card_and_shows_its_elements(inbox: TestClient) -> None:
    body: list[dict[str, Any]] = [
        {"type": "Container", "style": "attention", "items": [text("**FIRING**", size="large")]},
        {"type": "FactSet", "facts": [{"title": "Where", "value": r"a\_b"}]},
        {"type": "Carousel"},
    ]
    action = {"type": "Action.OpenUrl", "title": "Runbook", "url": "https://wiki.example/"}
    answer = inbox.post(TEAMS, json=card(*body, actions=[action]))
    assert (answer.status_code, answer.content) == (202, b"")
    page = inbox.get("/?kind=teams").text
    for part in (
        "container attention",
        "<b>FIRING</b>",
        "<dd>a_b</dd>",
        "Carousel",
        'href="https://wiki.example/"',
    ):
        assert part in page


def test_a_message_card_is_shown_in_its_colour(inbox: TestClient) -> None:
    section = {"facts": [{"name": "Where", "value": "a &lt; b"}], "text": "[Runbook](https://wiki.example/)"}
    body = {
        "@type": "MessageCard",
        "themeColor": "D63232",
        "title": "FIRING",
        "text": "t",
        "sections": [section],
    }
    assert inbox.post(TEAMS, json=body).status_code == 202
    page = inbox.get("/").text
    for part in ("4px solid #D63232", "a &lt; b", '<a href="https://wiki.example/"'):
        assert part in page


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (TEAMS.partition("?")[0], card(), 401, "DirectApiAuthorizationRequired"),
        (TEAMS, {"text": "x"}, 400, "TriggerInputSchemaMismatch"),
        (TEAMS, {"type": "message", "attachments": []}, 400, "TriggerInputSchemaMismatch"),
        (TEAMS, card(text("x" * 29_000)), 413, "RequestEntityTooLarge"),
    ],
)
def test_a_workflow_refuses_in_its_own_words(
    inbox: TestClient, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = inbox.post(path, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


# ------------------------------------------------------------------ Telegram


def test_telegram_takes_its_html_and_tells_the_number(inbox: TestClient) -> None:
    said = '<b>CPU</b> &lt;x&gt;\n<a href="https://wiki.example/?a=1&amp;b=2">Runbook</a>'
    answer = inbox.post(TELEGRAM, json={"chat_id": -1001, "text": said, "parse_mode": "HTML"})
    assert answer.json()["result"]["message_id"] > 0
    page = inbox.get("/").text
    assert "<b>CPU</b> &lt;x&gt;<br>" in page
    assert 'href="https://wiki.example/?a=1&amp;b=2"' in page
    assert "chat -1001, with previews of links" in page


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"text": "x"}, "chat_id is empty"),
        ({"chat_id": 1, "text": " "}, "message text is empty"),
        ({"chat_id": 1, "text": "x" * 4097}, "message is too long"),
        ({"chat_id": 1, "text": "<b>x", "parse_mode": "HTML"}, "can't parse entities"),
        ({"chat_id": 1, "text": "<b>x</i>", "parse_mode": "HTML"}, "can't parse entities"),
        ({"chat_id": 1, "text": "<img>x", "parse_mode": "HTML"}, "can't parse entities"),
        (
            {"chat_id": 1, "text": '<a href="javascript:1">x</a>', "parse_mode": "HTML"},
            "can't parse entities",
        ),
    ],
)
def test_telegram_refuses_in_its_own_words(inbox: TestClient, body: dict[str, Any], words: str) -> None:
    answer = inbox.post(TELEGRAM, json=body)
    assert (answer.status_code, answer.json()["ok"]) == (400, False)
    assert words in answer.json()["description"]


def test_the_limit_counts_what_is_left_after_parsing(inbox: TestClient) -> None:
    body = {"chat_id": 1, "text": "<b>" + "&amp;" * 4096 + "</b>", "parse_mode": "HTML"}
    assert inbox.post(TELEGRAM, json=body).status_code == 200


# ------------------------------------------------------------------ hostile


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (DISCORD, {"content": f"[{EVIL}](javascript:alert(1)) **{EVIL}** `{EVIL}`"}),
        (DISCORD, {"embeds": [{"title": EVIL, "description": f"[x]({EVIL})", "footer": {"text": EVIL}}]}),
        (DISCORD, {"embeds": [{"fields": [{"name": EVIL, "value": f"[{EVIL}](https://e.com/{EVIL})"}]}]}),
        (TEAMS, card(text(EVIL, size=EVIL), {"type": EVIL}, {"type": "Container", "style": EVIL, "items": []})),
        (TEAMS, card(actions=[{"title": EVIL, "url": "javascript:alert(1)"}])),
        (TEAMS, {"@type": "MessageCard", "title": EVIL, "themeColor": '"><script>', "sections": [{"text": EVIL}]}),
        (TELEGRAM, {"chat_id": EVIL, "text": EVIL}),
        (TELEGRAM, {"chat_id": 1, "text": "&lt;script&gt;alert(1)<b>&lt;img src=x&gt;</b>", "parse_mode": "HTML"}),
    ],
)  # fmt: skip
def test_hostile_text_is_shown_as_text(inbox: TestClient, path: str, body: dict[str, Any]) -> None:
    assert inbox.post(path, json=body).status_code < 300
    page = inbox.get("/").text.replace('<script src="/static/inbox.js" defer></script>', "")
    assert "<script" not in page
    assert "<img" not in page
    assert 'href="javascript' not in page


@pytest.mark.parametrize(
    ("said", "html"),
    [
        ("**a** *b* _c_ ~~d~~ `e`", "<b>a</b> <i>b</i> <i>c</i> <s>d</s> <code>e</code>"),
        (r"\*\*a\*\* snake_case_name 2*3*4", "**a** snake_case_name 2*3*4"),
        (r"**a\_b**", "<b>a_b</b>"),
        (r"\[x\](https:\/\/evil)", "[x](https://evil)"),
        ("a\nb", "a<br>b"),
        ("[x](https://e.com/?a&b)", f'<a href="https://e.com/?a&amp;b" {OUTSIDE}>x</a>'),
        ("<@1> @here", '<span class="mention">&lt;@1&gt;</span> <span class="mention">@here</span>'),
    ],
)  # fmt: skip
def test_markdown_reads_as_in_a_chat(said: str, html: str) -> None:
    assert markdown(said) == html
