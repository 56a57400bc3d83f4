"""Acknowledge links: nobody can make or change one, and they say no more than they must."""

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import ack_links
from shared.ack_links import BadLink, Named, OldLink
from shared.channels import kinds, load_kind
from shared.channels._combine import combine
from shared.channels._message import build
from shared.deliver.batches import Batch
from shared.deliver.links import ack_url
from shared.events import event_id, parse_keys
from shared.model import Channel, Notification
from shared.settings import Settings
from tests.support.channels import LIVE, REFUSES, calls, chosen, message_of, payload_of, rendered, shown
from tests.support.deliveries import SLOT, alert, notification

KEYS = {"new": b"n" * 32, "old": b"o" * 32}
NAMED = Named("default", event_id("default", "rule_1", 7), SLOT)
PUBLIC = "https://tocsin.example.com"


def token(keys: dict[str, bytes] | None = None, named: Named = NAMED) -> str:
    return ack_links.url(PUBLIC, KEYS if keys is None else keys, named).removeprefix(f"{PUBLIC}/a/")


def test_a_link_says_what_it_names_until_its_time_is_over() -> None:
    assert ack_links.read(token(), KEYS, SLOT - 1) == NAMED
    with pytest.raises(OldLink):
        ack_links.read(token(), KEYS, SLOT)


def test_a_link_is_short_enough_for_a_text_message() -> None:
    assert len(f"{PUBLIC}/a/{token()}") <= 100


@given(
    tenant=st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True), about=st.text(min_size=1, max_size=40)
)
def test_any_notification_can_be_named(tenant: str, about: str) -> None:
    named = Named(tenant, about, SLOT)
    assert ack_links.read(token(named=named), KEYS, 0) == named


def test_a_key_is_rotated_without_breaking_the_links_that_are_out() -> None:
    made_before = token({"old": KEYS["old"]})
    assert ack_links.read(made_before, KEYS, 0) == NAMED
    assert token() != made_before
    with pytest.raises(BadLink):
        ack_links.read(made_before, {"new": KEYS["new"]}, 0)


@pytest.mark.parametrize("at", range(60))
def test_a_link_that_was_changed_anywhere_is_refused(at: int) -> None:
    good = token()
    changed = "A" if good[at] != "A" else "B"
    with pytest.raises(BadLink):
        ack_links.read(good[:at] + changed + good[at + 1 :], KEYS, 0)


@pytest.mark.parametrize(
    "text", ["", "a", "%", "ä" * 20, "A" * 300, "AAAA" * 15, "a b", token() + "=", token() + "A"]
)
def test_what_is_no_link_of_ours_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(BadLink) as refused:
        ack_links.read(text, KEYS, 0)
    assert not text or text not in str(refused.value) or len(text) == 1


def test_nothing_is_read_without_a_key_and_no_link_is_made_without_key_or_address() -> None:
    with pytest.raises(BadLink):
        ack_links.read(token(), {}, 0)
    assert ack_links.url(PUBLIC, {}, NAMED) == ack_links.url("", KEYS, NAMED) == ""
    assert ack_links.url(f"{PUBLIC}/", KEYS, NAMED) == f"{PUBLIC}/a/{token()}"


def test_keys_of_links_follow_from_those_of_events_and_are_other_secrets() -> None:
    events = parse_keys("one:" + base64.b64encode(b"e" * 32).decode())
    derived = ack_links.keys({}, events)
    assert set(derived) == {"one"}
    assert derived["one"] != events["one"]
    assert ack_links.keys(KEYS, events) == KEYS
    assert ack_links.keys({}, {}) == {}


# ------------------------------------------------------------------ in messages


def told(*events: str, public_url: str = PUBLIC) -> str:
    """The link in a message of notifications 1, 2, … of one rule."""
    waiting = [
        notification(seq, event, [alert(seq, event)], id=f"n{seq}")
        for seq, event in enumerate(events, start=1)
    ]
    telling = combine(waiting, {"alert_1", "alert_2"})
    assert telling is not None
    ports = SimpleNamespace(settings=Settings(public_url=public_url), link_keys=KEYS)
    return ack_url(Batch((), telling), ports)


def named(url: str) -> Named:
    return ack_links.read(url.rpartition("/")[2], KEYS, 0)


@pytest.mark.parametrize("event", ["firing", "worsened", "reminder", "flapping", "escalated"])
def test_a_message_about_what_fires_has_a_link_that_ends_after_three_days(event: str) -> None:
    assert named(told(event)) == Named("default", "n1", (SLOT + 72 * 3_600_000) // 1000 * 1000)


@pytest.mark.parametrize("event", ["resolved", "acknowledged", "test"])
def test_a_message_about_what_does_not_fire_has_none(event: str) -> None:
    assert told(event) == ""


def test_of_several_notifications_the_newest_that_still_fires_is_named() -> None:
    assert named(told("firing", "resolved")).notification_id == "n1"
    assert named(told("firing", "firing")).notification_id == "n2"


def test_without_an_address_no_message_has_a_link() -> None:
    assert told("firing", public_url="") == ""


@pytest.mark.parametrize("kind", [kind for kind in kinds() if load_kind(kind).HUMAN])
def test_every_message_that_people_read_shows_the_link_whole(kind: str) -> None:
    telling = combine([notification(rule={"description": "x" * 5000})], set())
    assert telling is not None
    message = build(telling, id="dlv_1", zone="UTC", ack_url=f"{PUBLIC}/a/{token()}")
    # The plain form of a text message has one segment, and no room for a link.
    for request in rendered(kind, message)[:: 2 if kind == "sms" else 1]:
        assert f"/a/{token()}" in shown(kind, request)
        assert REFUSES[kind](payload_of(request)) == []
        assert "script" not in json.dumps(LIVE[kind](payload_of(request)))


def calls_of(kind: str, told: Notification, ack_url: str) -> list[dict[str, Any]]:
    message = message_of(told, ack_url=ack_url)
    request = load_kind(kind).render(message, Channel(name="ops", kind=kind), chosen(kind), "")
    return [payload_of(one) for one in calls(request)]


def test_a_program_gets_the_link_on_every_page() -> None:
    told = notification(alerts=[alert(n, text="x" * 400) for n in range(300)])
    pages = calls_of("webhook", told, f"{PUBLIC}/a/x")
    assert len(pages) > 1
    assert {one["data"]["acknowledge_url"] for one in pages} == {f"{PUBLIC}/a/x"}
    assert "acknowledge_url" not in calls_of("webhook", told, "")[0]["data"]


def test_pagerduty_gets_the_link_with_what_still_fires_and_with_nothing_else() -> None:
    told = notification(
        alerts=[alert(1), alert(2, "resolved"), alert(3, "acknowledged"), alert(4, "worsened")]
    )
    found = {
        one["payload"]["custom_details"]["alert_id"]: [link["href"] for link in one.get("links", [])]
        for one in calls_of("pagerduty", told, f"{PUBLIC}/a/x")
    }
    runbook = "https://wiki.example/demo"
    both = [f"{PUBLIC}/a/x", runbook]
    assert found == {"alert_1": both, "alert_2": [runbook], "alert_3": [], "alert_4": both}


def test_the_module_names_no_secret_in_its_errors() -> None:
    source = Path(ack_links.__file__).read_text(encoding="utf-8")
    assert 'Link(f"' not in source
