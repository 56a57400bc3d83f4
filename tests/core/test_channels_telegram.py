"""Telegram: which chats may be set, where the token goes, and what its HTML holds."""

import json
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from shared.channels import Misconfigured
from shared.channels._kind import Request
from shared.channels.telegram import Settings, address, plain, recipients, render, visible
from shared.model import Channel
from tests.support.channels import message_of
from tests.support.channels_phones import units
from tests.support.deliveries import SLOT, alert, notification

CHANNEL = Channel(name="ops", kind="telegram")
CHATS = Settings(chat_ids=("-1001234567890", "@tocsin_alerts"))
TOKEN = "123456:AAF-pl4nt3d_token"


def payload(settings: Settings = CHATS, *alerts: Any, **facts: Any) -> dict[str, Any]:
    told = message_of(notification(alerts=list(alerts) or [alert()], **facts))
    return dict(json.loads(render(told, CHANNEL, settings, settings.chat_ids[0]).body))


def problem(**settings: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate(settings)
    return str(refused.value)


def test_every_chat_is_a_recipient_and_numbers_need_no_quotes() -> None:
    assert recipients(Settings.model_validate({"chat_ids": [-100123, "@tocsin_alerts"]})) == (
        "-100123",
        "@tocsin_alerts",
    )


def test_what_is_no_chat_is_refused_by_name() -> None:
    assert "'general' is no chat" in problem(chat_ids=["general"])
    assert "twice" in problem(chat_ids=[1, "1"])
    assert "at least 1" in problem(chat_ids=[])
    assert "a topic of one chat" in problem(chat_ids=[1, 2], message_thread_id=7)


def test_the_token_is_in_the_address_only() -> None:
    request = Request("dlv_1", b"{}")
    url, headers = address(request, CHATS, {"token": SecretStr(TOKEN)}, SLOT)
    assert url == f"https://api.telegram.org/bot{TOKEN}/sendMessage"
    assert "pl4nt3d" not in str(headers)
    for wrong in ("pl4nt3d", f"bot{TOKEN}", f"{TOKEN}/x?y"):
        with pytest.raises(Misconfigured) as refused:
            address(request, CHATS, {"token": SecretStr(wrong)}, SLOT)
        assert "pl4nt3d" not in str(refused.value)


def test_a_message_names_its_chat_and_topic_and_previews_no_link() -> None:
    said = payload(Settings(chat_ids=("-100123",), message_thread_id=7))
    assert (said["chat_id"], said["message_thread_id"], said["parse_mode"]) == ("-100123", 7, "HTML")
    assert said["link_preview_options"] == {"is_disabled": True}
    assert "message_thread_id" not in payload()


def test_markup_and_mentions_are_shown_as_text() -> None:
    said = payload(CHATS, alert().model_copy(update={"series": "<b>&amp; @ann</b>"}))
    assert "&lt;b&gt;&amp;amp; @\u2060ann&lt;/b&gt;" in said["text"]
    assert "<b>&amp; @\u2060ann</b>" in visible(said["text"])
    told = message_of(notification(rule={"title": "@ann <b>"}))
    bare = json.loads(plain(told, CHANNEL, CHATS, "1").body)
    assert "parse_mode" not in bare
    assert "@\u2060ann <b>" in bare["text"]


def test_the_limit_is_measured_after_the_markup_is_gone() -> None:
    said = payload(
        CHATS,
        *(alert(number).model_copy(update={"series": "&" * 60}) for number in range(20)),
        rule={"description": "<" * 1000},
    )
    assert len(said["text"]) > 4096
    assert 2000 < units(visible(said["text"])) <= 4096
    assert "<" * 1000 in visible(said["text"])


def test_alerts_beyond_the_limit_are_counted() -> None:
    said = payload(CHATS, *(alert(number, text="z" * 200) for number in range(80)))
    assert units(visible(said["text"])) <= 4096
    shown = visible(said["text"]).count("🔴 FIRING") - 1
    assert 0 < shown <= 20
    assert f"… and {80 - shown} more alerts" in said["text"]
    assert '<a href="https://wiki.example/demo">Runbook</a>' in said["text"]
