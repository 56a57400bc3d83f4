"""Emails: what mail programs thread by, who can be asked to stop them, and what SendGrid may not do to them."""

from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import ValidationError

from shared.channels.email import Settings, render
from shared.model import Channel
from tests.support.channels import message_of, payload_of
from tests.support.deliveries import notification

CHANNEL = Channel(name="ops", kind="email")
GIVEN: dict[str, Any] = {"from": "tocsin@team.example", "to": ["ann+night@team.example", "bob@team.example"]}


def sent(seq: int = 1, event: str = "firing", **settings: Any) -> dict[str, Any]:
    given = Settings.model_validate({**GIVEN, **settings})
    return payload_of(render(message_of(notification(seq, event)), CHANNEL, given, given.to[0]))


def test_a_mail_goes_to_one_person_as_text_and_html() -> None:
    mail = sent()
    (person,) = mail["personalizations"]
    assert [one["email"] for one in person["to"]] == ["ann+night@team.example"]
    assert "bob" not in str(mail)
    assert [part["type"] for part in mail["content"]] == ["text/plain", "text/html"]


def test_all_messages_about_a_rule_are_one_thread() -> None:
    first, last = sent()["headers"], sent(2, "resolved")["headers"]
    assert first["References"] == last["References"] == first["In-Reply-To"] == "<rule_1@team.example>"
    assert first["Message-ID"] == sent()["headers"]["Message-ID"] == "<dlv_1@team.example>"
    assert first["Auto-Submitted"] == "auto-generated"


def test_unsubscribing_is_a_mail_to_a_person_that_says_who_leaves_which_channel() -> None:
    header = sent()["headers"]["List-Unsubscribe"]
    assert header == (
        "<mailto:tocsin@team.example?subject=unsubscribe%20ann%2Bnight%40team.example%20from%20ops>"
    )
    asked = sent(unsubscribe="lists@team.example")["headers"]["List-Unsubscribe"]
    assert unquote(asked).startswith("<mailto:lists@team.example?subject=unsubscribe ann+night@team.example")
    with pytest.raises(ValidationError):
        Settings.model_validate({**GIVEN, "unsubscribe": "https://team.example"})


def test_sendgrid_may_neither_rewrite_links_nor_watch_nor_unsubscribe_anybody() -> None:
    tracking = sent()["tracking_settings"]
    assert tracking["click_tracking"] == {"enable": False, "enable_text": False}
    assert tracking["open_tracking"] == {"enable": False}
    assert tracking["subscription_tracking"] == {"enable": False}
