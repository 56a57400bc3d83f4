"""Charts in messages: each kind sends them as its vendor takes them, and the inbox shows what was sent."""

import asyncio
import base64
import json
import re
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.requests import Request as Web
from starlette.testclient import TestClient

from knative.local.inbox._app import Inbox
from shared.channels import kinds, load_kind
from shared.channels._kind import Reply, Request
from shared.channels._message import Message
from shared.channels._multipart import multipart
from shared.channels.telegram import Settings as Telegram
from shared.channels.telegram import classify as telegram_classify
from shared.channels.webhook import MAX_BYTES
from shared.model import Channel
from tests.support.channels import LIVE, REFUSES, SECRETS, chosen, message_of, payload_of, shown
from tests.support.deliveries import SLOT, alert, notification

POINTS = tuple((SLOT - (60 - i) * 30_000, 50.0 + i) for i in range(60))
CONDITION = {"type": "threshold", "field": "usage", "operator": ">", "value": 90}
CHANNEL = Channel(name="ops", kind="any", timezone="Europe/Berlin")
PNG = b"\x89PNG\r\n\x1a\n"


def told(description: str = "", count: int = 1, **changes: Any) -> Message:
    alerts = [alert(n, value=97.25).model_copy(update={"points": POINTS, **changes}) for n in range(count)]
    return message_of(
        notification(
            alerts=alerts, rule={"condition": CONDITION, "threshold": 90.0, "description": description}
        )
    )


def rendered(kind: str, message: Message) -> Request:
    module, settings = load_kind(kind), chosen(kind)
    return module.render(message, CHANNEL, settings, module.recipients(settings)[0])


@pytest.fixture
def inbox() -> TestClient:
    return TestClient(Inbox().app)


@pytest.mark.parametrize("kind", kinds())
def test_a_message_with_a_chart_keeps_every_limit_and_stays_dead(kind: str) -> None:
    hostile = told("<b>@everyone</b> & `x`", series='</text><script>"@ann</script>')
    for message in (told(), hostile, told("x" * 900, count=30)):
        request = rendered(kind, message)
        assert len(request.body) <= load_kind(kind).MAX_BYTES
        assert REFUSES[kind](payload_of(request)) == []
        assert LIVE[kind](payload_of(request)) == []
        assert rendered(kind, message).body == request.body


@pytest.mark.parametrize("kind", ["discord", "email", "telegram"])
def test_the_plain_form_has_no_chart(kind: str) -> None:
    module, settings = load_kind(kind), chosen(kind)
    bare = module.plain(told(), CHANNEL, settings, module.recipients(settings)[0])
    assert bare is not None
    assert bare.headers["content-type"] == "application/json"
    assert b"PNG" not in bare.body


def test_a_mail_carries_the_picture_and_says_it_in_words(inbox: TestClient) -> None:
    payload = payload_of(rendered("email", told()))
    (one,) = payload["attachments"]
    assert (one["content_id"], one["disposition"], one["type"]) == ("chart", "inline", "image/png")
    assert base64.b64decode(one["content"]).startswith(PNG)
    html = next(part["value"] for part in payload["content"] if part["type"] == "text/html")
    alt = re.search(r'<img src="cid:chart"[^>]* alt="([^"]+)"', html)
    assert alt is not None
    assert alt[1].endswith("lowest 50, highest 109, last 109; threshold &gt; 90")

    inbox.post("/v3/mail/send", json=payload, headers={"authorization": "Bearer x"})
    assert 'src="data:image/png;base64,iVBOR' in inbox.get("/messages/1/part.html").text


def test_a_mail_without_points_has_no_picture() -> None:
    payload = payload_of(rendered("email", told(points=())))
    assert "attachments" not in payload
    assert "cid:" not in json.dumps(payload)


def test_discord_gets_the_picture_as_an_attachment_of_its_embed(inbox: TestClient) -> None:
    request = rendered("discord", told())
    payload = payload_of(request)
    assert payload["embeds"][0]["image"] == {"url": "attachment://chart.png"}
    (named,) = payload["attachments"]
    assert named["filename"] == "chart.png"
    assert "threshold > 90" in named["description"]
    assert payload["allowed_mentions"] == {"parse": []}

    place = "/api/webhooks/1/ops"
    answer = inbox.post(f"{place}?wait=true", content=request.body, headers=request.headers)
    assert answer.status_code == 200
    assert 'src="data:image/png;base64,iVBOR' in inbox.get("/").text
    edited = inbox.patch(
        f"{place}/messages/{answer.json()['id']}", content=request.body, headers=request.headers
    )
    assert edited.status_code == 200
    assert "(edited)" in inbox.get("/").text


def test_telegram_gets_a_photo_with_the_message_below_it(inbox: TestClient) -> None:
    request = rendered("telegram", told())
    secrets = {name: SecretStr(text) for name, text in SECRETS["telegram"].items()}
    url, headers = load_kind("telegram").address(request, Telegram(chat_ids=("-1",)), secrets, SLOT)
    assert url.endswith("/sendPhoto")
    payload = payload_of(request)
    assert (payload["chat_id"], payload["parse_mode"]) == ("-1001234567890", "HTML")
    assert "FIRING" in payload["caption"]

    assert inbox.post("/bot1:x/sendPhoto", content=request.body, headers=dict(headers)).json()["ok"] is True
    assert 'src="data:image/png;base64,iVBOR' in inbox.get("/").text
    form = {"chat_id": (None, "1"), "caption": (None, "x")}
    assert "no photo" in inbox.post("/bot1:x/sendPhoto", files=form).text


def test_pushover_gets_the_picture_beside_the_text(inbox: TestClient) -> None:
    module = load_kind("push")
    settings = module.Settings.model_validate({"provider": "pushover"})
    request = module.render(told(), CHANNEL, settings, "")
    payload = payload_of(request)
    assert payload["attachment_type"] == "image/png"
    assert base64.b64decode(payload["attachment_base64"]).startswith(PNG)
    assert REFUSES["push"](payload) + LIVE["push"](payload) == []
    assert len(request.body) <= module.MAX_BYTES
    bare = module.plain(told(), CHANNEL, settings, "")
    assert bare is not None
    assert b"attachment" not in bare.body

    keys = {"token": "t" * 30, "user": "u" * 30}
    assert inbox.post("/1/messages.json", data={**payload, **keys}).json()["status"] == 1
    assert 'src="data:image/png;base64,iVBOR' in inbox.get("/").text


@pytest.mark.parametrize("kind", ["discord", "telegram", "email"])
def test_of_several_alerts_it_is_said_which_one_is_drawn(kind: str) -> None:
    named = "url=https://demo-0.example · usage"
    assert named in shown(kind, rendered(kind, told(count=3))).replace("\u2060", "")
    assert "Chart: " not in shown(kind, rendered(kind, told())), "of one alert the message says it all"


def test_parts_are_read_back_as_they_were_by_another_ones_parser() -> None:
    text, png = 'Zürich "quoted"\r\n--x\r\n 🔴', bytes(range(256)) * 3 + b"\r\n"
    body, kind = multipart({"caption": text}, "photo", "chart.png", png)
    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def read() -> tuple[object, ...]:
        async with Web(scope, receive).form() as form:
            photo = form["photo"]
            assert not isinstance(photo, str)
            return form["caption"], photo.filename, photo.content_type, await photo.read()

    assert asyncio.run(read()) == (text, "chart.png", "image/png", png)


def test_what_is_too_long_for_a_caption_goes_to_telegram_without_a_photo() -> None:
    assert "text" in payload_of(rendered("telegram", told("long " * 190)))


def test_a_chat_that_takes_no_photos_is_told_in_text() -> None:
    said = {
        "ok": False,
        "error_code": 400,
        "description": "Bad Request: not enough rights to send photos to the chat",
    }
    outcome = telegram_classify(Reply(400, {}, json.dumps(said), SLOT))
    assert (outcome.kind, outcome.scope) == ("rejected", "payload")


def test_a_webhook_gets_the_points_and_no_page_is_too_long_for_them() -> None:
    (first,) = payload_of(rendered("webhook", told()))["data"]["alerts"]
    assert first["points"] == [list(point) for point in POINTS]
    many = rendered("webhook", told(count=60))
    assert all(len(one.body) <= MAX_BYTES for one in (many, *many.also))
    assert sum(len(payload_of(one)["data"]["alerts"]) for one in (many, *many.also)) == 60
