"""The email and webhook functions as real processes: what arrives at the vendor, byte for byte."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from shared.events import Event
from shared.store.engine import Store
from tests.support.deliveries import (
    alert,
    announce,
    binary,
    channels_file,
    empty_store,
    make_due,
    notification,
    rows,
)
from tests.support.functions import running_function
from tests.support.sink import Reply, Sink

SIGNING_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    opened = empty_store(sqlite_url)
    yield opened
    opened.close()


@pytest.fixture
def vendor() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


def environment(store: Store, folder: Path, **more: str) -> dict[str, str]:
    return {
        "TOCSIN_DATABASE_URL": store.url,
        "TOCSIN_STATE_DIR": str(folder),
        "TOCSIN_CHANNELS_FILE": str(folder / "channels.yaml"),
        "TOCSIN_ALLOWED_HOSTS": "127.0.0.1",
        **more,
    }


def post(url: str, event: Event) -> int:
    headers, body = binary(event)
    return httpx.post(url, headers=headers, content=body, timeout=40, trust_env=False).status_code


def test_every_address_gets_an_email_of_its_own_and_one_bad_address_fails_alone(
    store: Store, vendor: Sink, tmp_path: Path
) -> None:
    def answer(request: object) -> Reply:
        if '"email":"bad@team.example"' in getattr(request, "text", ""):
            problem = {
                "message": "Does not contain a valid address.",
                "field": "personalizations.0.to.0.email",
            }
            return Reply(400, body={"errors": [problem]})
        return Reply(202, {"X-Message-Id": "sg-1"})

    vendor.answer = answer
    settings = {
        "from": "tocsin@team.example",
        "to": ["ann@team.example", "bad@team.example"],
        "base_url": vendor.url,
    }
    channels_file(
        tmp_path, {"name": "team", "kind": "email", "settings": settings, "timezone": "Europe/Berlin"}
    )
    places = [("email", "team", to) for to in settings["to"]]
    event = announce(store, notification(1), places)
    with running_function(
        "notify_email", environment(store, tmp_path, TOCSIN_SECRET_TEAM_API_KEY="SG.planted")
    ) as process:
        assert post(process.url, event) == 204
        assert "SG.planted" not in process.stdout + process.stderr
    sent = {request.json()["personalizations"][0]["to"][0]["email"]: request for request in vendor.requests}
    assert sent["ann@team.example"].headers["authorization"] == "Bearer SG.planted"
    assert sent["ann@team.example"].path == "/v3/mail/send"
    assert "+02:00" in sent["ann@team.example"].json()["content"][0]["value"]
    assert [(row["recipient"], row["state"], row["provider_id"]) for row in rows(store)] == [
        ("ann@team.example", "accepted", "sg-1"),
        ("bad@team.example", "rejected", ""),
    ]


def test_a_webhook_is_signed_and_keeps_its_id_on_every_repetition(
    store: Store, vendor: Sink, tmp_path: Path
) -> None:
    vendor.reply(Reply(500), Reply(drop="unanswered"))
    channels_file(tmp_path, {"name": "bot", "kind": "webhook", "settings": {"url": f"{vendor.url}/hook"}})
    event = announce(store, notification(1, alerts=[alert(1), alert(2)]), [("webhook", "bot", "")])
    with running_function(
        "notify_webhook", environment(store, tmp_path, TOCSIN_SECRET_BOT_SIGNING_KEY=SIGNING_KEY)
    ) as process:
        assert post(process.url, event) == 503
        assert post(process.url, event) == 204  # no answer: unknown, and safe to repeat
        assert [row["state"] for row in rows(store)] == ["unknown"]
        make_due(store)
        assert post(process.url, event) == 204
    assert [row["state"] for row in rows(store)] == ["delivered"]
    assert len({request.headers["webhook-id"] for request in vendor.requests}) == 1
    assert len({request.body for request in vendor.requests}) == 1
    data = Webhook(SIGNING_KEY).verify(vendor.requests[2].body, dict(vendor.requests[2].headers))
    assert data["type"] == "alert.firing"
    assert [item["id"] for item in data["data"]["alerts"]] == ["alert_1", "alert_2"]
