"""Charts for vendors that take pictures by their address alone: who gets the link, and what it can't do."""

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from knative.local.inbox._app import Inbox
from shared import ack_links
from shared.ack_links import BadLink, Named, OldLink
from shared.channels import load_kind
from shared.channels._combine import combine
from shared.deliver.batches import Batch
from shared.deliver.links import ack_url, chart_url
from shared.model import Channel, Notification
from shared.settings import Settings
from tests.support.channels import LIVE, REFUSES, calls, message_of, payload_of
from tests.support.deliveries import SLOT, alert, notification

KEYS = {"one": b"key-of-the-links-of-this-test-32"}
PUBLIC = "https://tocsin.example.com"
LINK = f"{PUBLIC}/c/Europe/Berlin/x.png"
POINTS = tuple((SLOT - (60 - i) * 30_000, 50.0 + i) for i in range(60))
RULE = {"condition": {"type": "threshold", "field": "usage", "operator": ">", "value": 90}, "threshold": 90.0}


def drawn(seq: int = 1, event: str = "firing") -> Notification:
    of_it = alert(1, event).model_copy(update={"points": POINTS})
    return notification(seq, event, [of_it, alert(2, event)], id=f"n{seq}", rule=RULE)


def link(*told: Notification, public_url: str = PUBLIC, zone: str = "Europe/Berlin") -> str:
    telling = combine(told, {"alert_1", "alert_2"})
    assert telling is not None
    ports = SimpleNamespace(settings=Settings(public_url=public_url), link_keys=KEYS)
    return chart_url(Batch((), telling), ports, zone)


def token(url: str) -> str:
    return url.rpartition("/")[2].removesuffix(".png")


def rendered(kind: str, *, charts: bool = True, url: str = LINK) -> list[dict[str, Any]]:
    module = load_kind(kind)
    message = message_of(drawn(), chart_url=url)
    request = module.render(
        message, Channel(name="ops", kind=kind), module.Settings.model_validate({"charts": charts}), ""
    )
    found = [payload_of(one) for one in calls(request)]
    assert [REFUSES[kind](one) + LIVE[kind](one) for one in found] == [[]] * len(found)
    return found


def test_a_link_names_the_newest_facts_that_have_points_until_its_time_is_over() -> None:
    found = link(drawn(1), drawn(2))
    assert found.startswith(f"{PUBLIC}/c/Europe/Berlin/")
    named = Named("default", "n2", (SLOT + 72 * 3_600_000) // 1000 * 1000)
    assert ack_links.read(token(found), KEYS, SLOT, chart=True) == named
    assert link(drawn(1), drawn(2)) == found, "the same for every attempt"
    with pytest.raises(OldLink):
        ack_links.read(token(found), KEYS, named.until, chart=True)


def test_what_has_no_points_or_no_address_has_no_link() -> None:
    assert link(notification(rule=RULE)) == ""
    assert link(drawn(1), notification(2, id="n2", rule=RULE)) == ""
    assert link(drawn(), public_url="") == ""
    assert link(notification(alerts=drawn().alerts, rule={"condition": {"type": "absence"}})) == ""


def test_a_charts_link_acknowledges_nothing_and_the_other_one_draws_nothing() -> None:
    with pytest.raises(BadLink):
        ack_links.read(token(link(drawn())), KEYS, SLOT)
    telling = combine([drawn()], set())
    assert telling is not None
    ports = SimpleNamespace(settings=Settings(public_url=PUBLIC), link_keys=KEYS)
    with pytest.raises(BadLink):
        ack_links.read(token(ack_url(Batch((), telling), ports)), KEYS, SLOT, chart=True)


def test_slack_shows_the_picture_with_its_numbers_in_words() -> None:
    (payload,) = rendered("slack")
    (picture,) = [one for one in payload["attachments"][0]["blocks"] if one["type"] == "image"]
    assert picture["image_url"] == LINK
    assert picture["alt_text"].endswith("lowest 50, highest 109, last 109; threshold > 90")


def test_pagerduty_shows_the_picture_with_the_alert_that_it_is_of() -> None:
    with_points, without = rendered("pagerduty")
    assert [one["src"] for one in with_points["images"]] == [LINK]
    assert "images" not in without
    assert "images" not in rendered("pagerduty", url=LINK.replace("https", "http"))[0]


def test_teams_shows_the_picture_in_its_card() -> None:
    (payload,) = rendered("teams")
    (picture,) = [one for one in payload["attachments"][0]["content"]["body"] if one["type"] == "Image"]
    assert picture["url"] == LINK
    assert picture["altText"].endswith("last 109; threshold > 90")
    inbox = TestClient(Inbox().app)
    assert inbox.post("/workflows/ops/triggers/manual/paths/invoke?sig=x", json=payload).status_code == 202
    assert f'<img class="chart" src="{LINK}" alt="Chart of usage' in inbox.get("/").text


def test_ntfys_phones_fetch_the_picture_and_its_plain_form_has_none() -> None:
    module, channel = load_kind("push"), Channel(name="ops", kind="push")
    settings = module.Settings.model_validate({"charts": True})
    message = message_of(drawn(), chart_url=LINK)
    payload = payload_of(module.render(message, channel, settings, ""))
    assert (payload["attach"], payload["filename"]) == (LINK, "chart.png")
    assert REFUSES["push"](payload) == []
    bare = module.plain(message, channel, settings, "")
    assert bare is not None
    assert b"attach" not in bare.body
    for url, charts in ((LINK, False), ("", True)):
        given = module.Settings.model_validate({"charts": charts})
        made = module.render(message_of(drawn(), chart_url=url), channel, given, "")
        assert b"attach" not in made.body


@pytest.mark.parametrize("kind", ["pagerduty", "slack", "teams"])
def test_nobody_is_shown_a_picture_who_may_not_be_able_to_fetch_it(kind: str) -> None:
    for payload in (rendered(kind, charts=False), rendered(kind, url="")):
        assert "image" not in str(payload).lower()


def test_slacks_plain_form_has_no_picture_because_it_may_be_why_slack_refused() -> None:
    module = load_kind("slack")
    made = module.plain(
        message_of(drawn(), chart_url=LINK),
        Channel(name="ops", kind="slack"),
        module.Settings.model_validate({"charts": True}),
        "",
    )
    assert made is not None
    assert b"image" not in made.body
