"""Microsoft Teams: which addresses are refused, both forms of a card, and the budget of bytes."""

import json
from typing import Any

import pytest
from pydantic import SecretStr

from shared.channels import Misconfigured
from shared.channels._http import send
from shared.channels._kind import Call, Request
from shared.channels.teams import HOSTS, Settings, address, plain, render
from shared.model import Channel
from tests.support.channels import message_of
from tests.support.deliveries import SLOT, alert, notification
from tests.support.sink import Sink

QUERY = "api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=a-b_c%2Bd"
URL = f"https://prod-12.westeurope.logic.azure.com:443/workflows/0123/triggers/manual/paths/invoke?{QUERY}"
CHANNEL = Channel(name="ops", kind="teams")
OLD = Settings(format="message_card")


def place(url: str) -> str:
    return address(Request("dlv_1", b"{}"), Settings(), {"url": SecretStr(url)}, SLOT)[0]


def card(settings: Settings, *alerts: Any, **facts: Any) -> dict[str, Any]:
    told = message_of(notification(alerts=list(alerts) or [alert()], **facts))
    return dict(json.loads(render(told, CHANNEL, settings, "").body))


def test_the_address_goes_over_the_wire_as_it_was_copied() -> None:
    assert place(URL) == URL
    with Sink() as vendor:
        url = place(f"{vendor.url}/workflows/0123?{QUERY}")
        send(Call(url, {}, b"{}", HOSTS), seconds=5, allowed=frozenset({"127.0.0.1"}), clock=lambda: SLOT)
        assert vendor.requests[0].path == f"/workflows/0123?{QUERY}"


@pytest.mark.parametrize(
    "url",
    [
        "https://team.webhook.office.com/webhookb2/s3cret@t/IncomingWebhook/x/y",
        "https://outlook.office.com/webhook/s3cret@t/IncomingWebhook/x/y",
        "https://OUTLOOK.office365.com/webhook/s3cret",
    ],
)
def test_a_retired_connector_is_refused_with_what_to_do(url: str) -> None:
    with pytest.raises(
        Misconfigured, match='make the Workflow "Send webhook alerts to a channel"'
    ) as refused:
        place(url)
    assert "s3cret" not in str(refused.value)


def test_an_address_that_is_none_is_refused_unseen() -> None:
    with pytest.raises(Misconfigured, match="not valid") as refused:
        place("https://[s3cret/")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("event", "severity", "style"),
    [("firing", "critical", "attention"), ("firing", "warning", "warning"), ("firing", "info", "accent"),
     ("resolved", "critical", "good"), ("test", "critical", "emphasis")],
)  # fmt: skip
def test_the_heading_has_the_style_of_the_event_or_its_severity(
    event: str, severity: str, style: str
) -> None:
    told = message_of(notification(1, event, [alert(1, event, severity)]))
    content = json.loads(render(told, CHANNEL, Settings(), "").body)["attachments"][0]["content"]
    assert content["body"][0]["style"] == style
    assert told.badge in content["body"][0]["items"][0]["text"].replace("\\", "")
    assert told.badge in content["fallbackText"]


def test_the_runbook_is_a_button_of_the_one_form_and_a_link_in_the_other() -> None:
    runbook = "https://wiki.example/a_(b)"
    content = card(Settings(), rule={"runbook_url": runbook})["attachments"][0]["content"]
    assert content["actions"] == [{"type": "Action.OpenUrl", "title": "Runbook", "url": runbook}]
    old = card(OLD, rule={"runbook_url": runbook})
    assert old["sections"][0]["text"] == "[Runbook](https://wiki.example/a_%28b%29)"
    assert "potentialAction" not in old
    assert old["themeColor"] == "D63232"


@pytest.mark.parametrize("settings", [Settings(), OLD], ids=["adaptive_card", "message_card"])
def test_the_bytes_are_kept_by_leaving_out_labels_and_alerts_and_counting_them(settings: Settings) -> None:
    told = message_of(
        notification(
            alerts=[alert(number, text="字" * 200) for number in range(90)],
            rule={"description": "字" * 1000, "labels": {f"label-{n}": "字" * 100 for n in range(12)}},
        )
    )
    body = render(told, CHANNEL, settings, "").body
    assert len(body) <= 20_000
    assert "Demo site is down" in body.decode()
    assert "more alerts" in body.decode()
    assert "label-1" not in body.decode()
    assert len(plain(told, CHANNEL, settings, "").body) <= 28 * 1024
