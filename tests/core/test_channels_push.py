"""Push messages: which provider gets what, how loud it rings, and where the secrets go."""

import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr, ValidationError

from shared.channels import Misconfigured
from shared.channels._filled import filled
from shared.channels.push import Settings, address, plain, render
from shared.model import Channel
from tests.support.channels import message_of
from tests.support.channels_phones import units
from tests.support.deliveries import SLOT, alert, notification

CHANNEL = Channel(name="phones", kind="push")
NTFY = Settings()
PUSHOVER = Settings(provider="pushover")
EMERGENCY = Settings(provider="pushover", emergency=True, retry_seconds=30, expire_seconds=600)
TOPIC = {"topic": SecretStr("pl4nt3d-topic")}
KEYS = {"token": SecretStr("pl4nt3d0" + "t" * 22), "user": SecretStr("pl4nt3d0" + "u" * 22)}


def ntfy(**facts: Any) -> dict[str, Any]:
    return dict(json.loads(render(message_of(notification(**facts)), CHANNEL, NTFY, "").body))


def pushover(settings: Settings = PUSHOVER, **facts: Any) -> dict[str, str]:
    body = render(message_of(notification(**facts)), CHANNEL, settings, "").body.decode()
    return {name: values[0] for name, values in parse_qs(body).items()}


def test_ntfy_is_told_at_its_root_with_the_topic_in_the_body_and_the_token_in_a_header() -> None:
    request = render(message_of(notification()), CHANNEL, NTFY, "")
    url, headers = address(request, NTFY, {**TOPIC, "token": SecretStr("tk_pl4nt3d")}, SLOT)
    assert url == "https://ntfy.sh/"
    assert headers["authorization"] == "Bearer tk_pl4nt3d"
    assert b"pl4nt3d" not in request.body
    assert json.loads(filled(request, TOPIC))["topic"] == "pl4nt3d-topic"
    assert "authorization" not in address(request, NTFY, TOPIC, SLOT)[1]
    assert address(request, Settings(server="https://push.team.example"), TOPIC, SLOT)[0].startswith(
        "https://push."
    )


def test_pushovers_keys_are_in_the_body_and_only_its_own_host_is_called() -> None:
    request = render(message_of(notification()), CHANNEL, PUSHOVER, "")
    url, headers = address(request, PUSHOVER, KEYS, SLOT)
    assert url == "https://api.pushover.net/1/messages.json"
    assert "pl4nt3d" not in url + str(headers)
    assert b"pl4nt3d" not in request.body
    assert request.hosts == ("api.pushover.net",)
    sent = parse_qs(filled(request, KEYS).decode(), strict_parsing=True)
    assert (sent["token"], sent["user"]) == (["pl4nt3d0" + "t" * 22], ["pl4nt3d0" + "u" * 22])


@pytest.mark.parametrize(
    ("settings", "secrets"),
    [
        (NTFY, {}),
        (NTFY, {"topic": "short"}),
        (NTFY, {"topic": "with/slash-pl4nt3d"}),
        (NTFY, {"topic": "pl4nt3d-topic", "token": "pl4nt3d\r\nx: y"}),
        (PUSHOVER, {}),
        (PUSHOVER, {"token": "pl4nt3d", "user": "u" * 30}),
        (PUSHOVER, {"token": "t" * 30}),
    ],
    ids=["nothing", "short topic", "odd topic", "odd token", "no keys", "odd key", "no user"],
)
def test_secrets_of_no_use_are_refused_and_not_shown(settings: Settings, secrets: dict[str, str]) -> None:
    request = render(message_of(notification()), CHANNEL, settings, "")
    with pytest.raises(Misconfigured) as refused:
        address(request, settings, {name: SecretStr(text) for name, text in secrets.items()}, SLOT)
    assert "pl4nt3d" not in str(refused.value)


def test_settings_of_the_other_provider_and_odd_times_are_refused() -> None:
    with pytest.raises(ValidationError, match="emergency is for provider 'pushover'"):
        Settings(emergency=True)
    with pytest.raises(ValidationError, match="greater than or equal to 30"):
        Settings(provider="pushover", retry_seconds=5)


@pytest.mark.parametrize(
    ("event", "severity", "loud"),
    [
        ("firing", "critical", (5, "1", "2")),
        ("worsened", "critical", (5, "1", "2")),
        ("firing", "high", (4, "1", "1")),
        ("firing", "warning", (4, "0", "0")),
        ("firing", "info", (3, "-1", "-1")),
        ("resolved", "critical", (3, "0", "0")),
        ("acknowledged", "critical", (2, "-1", "-1")),
        ("test", "critical", (3, "0", "0")),
    ],
)
def test_it_rings_as_loud_as_it_is_bad(event: str, severity: str, loud: tuple[int, str, str]) -> None:
    facts: dict[str, Any] = {"event": event, "alerts": [alert(event=event, severity=severity)]}
    assert (
        ntfy(**facts)["priority"],
        pushover(**facts)["priority"],
        pushover(EMERGENCY, **facts)["priority"],
    ) == loud


def test_an_emergency_says_how_often_and_how_long_it_rings() -> None:
    said = pushover(EMERGENCY)
    assert (said["retry"], said["expire"]) == ("30", "600")
    assert not {"retry", "expire"} & set(pushover(EMERGENCY, event="resolved"))


def test_a_tap_opens_the_runbook_and_nothing_else() -> None:
    assert ntfy()["click"] == "https://wiki.example/demo"
    assert pushover()["url"] == "https://wiki.example/demo"
    hostile: dict[str, Any] = {"rule": {"runbook_url": "javascript:alert(1)"}}
    assert "click" not in ntfy(**hostile)
    assert "url" not in pushover(**hostile)


def test_long_texts_lose_labels_and_alerts_first() -> None:
    facts: dict[str, Any] = {
        "alerts": [alert(number, text="字" * 100) for number in range(60)],
        "rule": {"description": "d" * 900},
    }
    assert len(ntfy(**facts)["message"].encode()) <= 4096
    assert units(pushover(**facts)["message"]) <= 1024
    for said in (ntfy(**facts)["message"], pushover(**facts)["message"]):
        assert "more alerts" in said
        assert "is_up is below 1" in said


def test_the_plain_form_is_text_alone_inside_the_limits() -> None:
    told = message_of(notification(note="n" * 9000, rule={"description": "字" * 5000}))
    assert len(json.loads(plain(told, CHANNEL, NTFY, "").body)["message"].encode()) <= 4096
    form = parse_qs(plain(told, CHANNEL, PUSHOVER, "").body.decode())
    assert set(form) == {"message"}
    assert units(form["message"][0]) <= 1024
