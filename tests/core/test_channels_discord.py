"""Discord: what may be set, where messages and edits go, and what embeds hold."""

import json
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from shared.channels import Misconfigured
from shared.channels._kind import Request
from shared.channels.discord import Settings, address, escape, plain, render
from shared.model import Channel
from tests.support.channels import message_of
from tests.support.channels_phones import units
from tests.support.deliveries import SLOT, alert, notification

URL = "https://discord.com/api/webhooks/1234567890123456789/t0ken_of-it"
CHANNEL = Channel(name="ops", kind="discord")


def place(url: str = URL, edits: str = "", **settings: Any) -> str:
    request = Request("dlv_1", b"{}", edits=edits)
    return address(request, Settings(**settings), {"url": SecretStr(url)}, SLOT)[0]


def embed_of(*alerts: Any, **facts: Any) -> dict[str, Any]:
    told = message_of(notification(alerts=list(alerts) or [alert()], **facts))
    (embed,) = json.loads(render(told, CHANNEL, Settings(), "").body)["embeds"]
    return dict(embed)


def test_a_message_waits_for_its_number_in_the_thread_that_was_set() -> None:
    assert place() == f"{URL}?wait=true"
    assert place(thread_id="1122334455667788990") == f"{URL}?wait=true&thread_id=1122334455667788990"
    assert (
        place(f"{URL}/?thread_id=112233445566778899&wait=false")
        == f"{URL}?thread_id=112233445566778899&wait=true"
    )


def test_an_edit_goes_to_the_message_and_its_thread() -> None:
    assert place(edits="99", thread_id="1122334455667788990") == (
        f"{URL}/messages/99?wait=true&thread_id=1122334455667788990"
    )


@pytest.mark.parametrize(
    "url", [f"{URL}/slack", f"{URL}/github", "https://discord.com/channels/1/2", "https://discord.com", "x"]
)
def test_an_address_that_is_no_webhooks_is_refused_unseen(url: str) -> None:
    with pytest.raises(Misconfigured, match="not that of a Discord webhook") as refused:
        place(url)
    assert "t0ken" not in str(refused.value)


def test_a_thread_may_be_written_without_quotes_and_must_be_a_number() -> None:
    assert Settings.model_validate({"thread_id": 1122334455667788990}).thread_id == "1122334455667788990"
    for wrong in ("general", "12", "1122334455667788990/../1", -1):
        with pytest.raises(ValidationError):
            Settings.model_validate({"thread_id": wrong})


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("**b** _i_ ~~s~~ `c` ||x||", r"\*\*b\*\* \_i\_ \~\~s\~\~ \`c\` \|\|x\|\|"),
        ("[bank](https://evil)", r"\[bank\](https:\/\/evil)"),
        ("@everyone <@1> <#2> <t:0:R>", r"\@everyone \<\@1\> \<\#2\> \<t:0:R\>"),
        ("# big\\", r"\# big\\"),
        ("web-1: 96.4 (threshold 90)", "web-1: 96.4 (threshold 90)"),
    ],
)
def test_markdown_links_and_mentions_are_shown_as_text(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_one_alert_is_told_in_fields_and_many_in_lines_that_are_counted_when_they_are_too_many() -> None:
    one = embed_of()
    assert "description" not in one
    assert [field["name"] for field in one["fields"]] == [
        *("Where", "Severity", "Value", "Since", "Condition", "Labels", "Runbook")
    ]
    many = embed_of(*(alert(number) for number in range(60)))
    assert many["description"].startswith("60 alerts firing")
    assert many["description"].count("🔴 FIRING") == 20
    assert many["description"].endswith("… and 40 more alerts")


def test_the_sum_of_all_texts_is_kept_by_leaving_out_labels_first() -> None:
    labels = {f"label-{number}": "x" * 100 for number in range(12)}
    embed = embed_of(
        *(alert(number, text="y" * 200) for number in range(20)),
        rule={"description": "d" * 1000, "condition_text": "*" * 500, "labels": labels},
        note="n" * 500,
    )
    texts = [embed["title"], embed["description"], embed["footer"]["text"]]
    texts += [part for field in embed["fields"] for part in (field["name"], field["value"])]
    assert sum(map(units, texts)) <= 6000
    assert "Labels" not in [field["name"] for field in embed["fields"]]
    assert "d" * 100 in embed["description"]


def test_a_link_with_brackets_stays_whole_and_one_that_is_too_long_for_a_field_moves() -> None:
    runbook = "https://wiki.example/a_(b)"
    (field,) = [f for f in embed_of(rule={"runbook_url": runbook})["fields"] if f["name"] == "Runbook"]
    assert field["value"] == "[Open the runbook](https://wiki.example/a_%28b%29)"
    long = "https://wiki.example/" + "(" * 900
    assert embed_of(rule={"runbook_url": long})["description"].endswith("%28)")


def test_the_plain_text_has_no_previews_no_mentions_and_one_link() -> None:
    told = message_of(notification(rule={"title": "@everyone https://evil.example"}))
    payload = json.loads(plain(told, CHANNEL, Settings(), "").body)
    assert (payload["flags"], payload["allowed_mentions"]) == (4, {"parse": []})
    assert payload["content"].count("://") == 1
    assert payload["content"].endswith("\nRunbook: https://wiki.example/demo")
