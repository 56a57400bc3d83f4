"""A broker that loses events, brings foreign ones, or ticks twice: the rows decide, not the events."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.events import Event, parse_keys, routed, sign, to_http
from shared.store.tables import dead_letters, tick_lease, ticks
from tests.support.flow import STEP, Flow
from tests.support.flow_overlay import INTERVAL, KINDS
from tests.support.functions import post_tick, running_function
from tests.support.sink import Reply
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.mark.parametrize("status", [202, 503], ids=["taken and dropped", "refused"])
def test_an_event_that_the_broker_loses_is_published_again_with_the_same_id_and_bytes(
    laptop: Flow, status: int
) -> None:
    rule = laptop.add_rule()
    with laptop.gate.instead(lambda request: Reply(status)):
        rule.fires()
    assert rule.messages() == []
    (row,) = rule.outbox()
    assert (row["published_at"] is None) == (status == 503)
    assert row["next_at"] is not None

    rule.driven_again()
    rule.wait_settled(1)
    assert {kind: rule.told(kind) for kind in KINDS} == {kind: ["firing"] for kind in KINDS}
    lost, brought = (r for r in laptop.gate.requests if r.headers.get("ce-subject") == rule.id)
    assert lost.body == brought.body
    assert lost.headers["ce-id"] == brought.headers["ce-id"] == row["id"]
    assert lost.headers["ce-tocsinsig"] == brought.headers["ce-tocsinsig"]


def test_only_the_channels_that_are_still_to_be_told_are_woken_again(laptop: Flow) -> None:
    rule = laptop.add_rule()
    laptop.fault("/slack/ops-slack", status=429, headers={"Retry-After": "2"})
    rule.fires()
    others = [kind for kind in KINDS if kind != "slack"]
    wait_until(lambda: all(rule.told(kind) for kind in others), "the other channels are told")
    rule.wait_state("retry", "slack")
    rule.driven_again()
    rule.wait_settled(1)
    routes = [
        sorted(name for name in KINDS if f"ce-to{name}" in request.headers)
        for request in laptop.gate.requests
        if request.headers.get("ce-subject") == rule.id
    ]
    assert routes == [list(KINDS), ["slack"]]


def test_two_evaluators_that_get_one_tick_at_once_evaluate_and_tell_once(laptop: Flow) -> None:
    rule = laptop.add_rule()
    rule.reads(11)
    laptop.slot += STEP
    environment = {**laptop.settings, "K_SINK": laptop.stack.environment("evaluate")["K_SINK"]}
    with running_function("evaluate", environment) as other, ThreadPoolExecutor(6) as pool:
        urls = [laptop.stack.service_url("evaluate"), other.url] * 3
        answers = list(pool.map(lambda url: post_tick(url, laptop.slot, INTERVAL), urls))
    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 6
    rule.wait_settled(1)
    assert {kind: rule.told(kind) for kind in KINDS} == {kind: ["firing"] for kind in KINDS}
    assert len(laptop.rows(ticks, slot=laptop.slot)) == 1
    assert len(rule.event_ids()) == 1
    assert [row["done"] for row in laptop.rows(tick_lease)] == [True]


# ------------------------------------------------------------------ poison


def poisoned(flow: Flow, name: str, body: bytes, signed: bool = True, kind: str = "slack") -> Event:
    """An event as ours look, with this data."""
    attributes = {
        "specversion": "1.0",
        "id": name,
        "type": "dev.tocsin.alert.firing",
        "source": "/tocsin/evaluate",
        "subject": "rule_x",
        "datacontenttype": "application/json",
    }
    event = Event(attributes, body)
    keys = parse_keys(flow.settings["TOCSIN_EVENT_KEYS"]) if signed else {"laptop": b"somebody else's key"}
    return routed(sign(event, keys), [kind])


def letters(flow: Flow, event_id: str) -> list[Mapping[str, object]]:
    return list(flow.rows(dead_letters, event_id=event_id))


def foreign(flow: Flow) -> bytes:
    """The data of a real notification, of another tenant."""
    rule = flow.add_rule(channels=("ops-slack",))
    rule.fires()
    rule.wait_settled(1)
    return json.dumps({**json.loads(rule.outbox()[0]["body"]), "tenant": "acme"}).encode()


@pytest.mark.parametrize("poison", ["not json", "unknown tenant", "wrong signature"])
def test_a_poison_event_becomes_one_dead_letter_without_a_single_retry(laptop: Flow, poison: str) -> None:
    body = foreign(laptop) if poison == "unknown tenant" else b"{"
    event = poisoned(laptop, f"poison-{poison.replace(' ', '-')}", body, signed=poison != "wrong signature")
    retried, told = laptop.stack.journal.counts["retried"], len(laptop.stack.messages())
    headers, data = to_http(event)

    assert laptop.post(laptop.gate.url + "/tocsin/tocsin", headers, data).status_code == 202

    (letter,) = wait_until(lambda: letters(laptop, event.id), "the dead letter")
    words = {
        "not json": "is no notification",
        "unknown tenant": "it is for tenant 'acme', and this function serves 'default'",
        "wrong signature": "carries a wrong signature",
    }
    assert words[poison] in str(letter["error_data"])
    assert (letter["kind"], letter["received"], letter["body"]) == ("slack", 1, event.body)
    assert letter["error_code"] == (422 if poison == "wrong signature" else None)
    assert laptop.stack.journal.counts["retried"] == retried
    assert len(laptop.stack.messages()) == told
    assert "Traceback" not in laptop.stack.log("notify-slack") + laptop.stack.log("dead-letter")


@pytest.mark.parametrize("service", [*(f"notify-{kind}" for kind in KINDS), "dead-letter", "evaluate"])
def test_a_post_that_is_no_event_is_refused_for_good_and_without_a_traceback(
    laptop: Flow, service: str
) -> None:
    url = laptop.stack.service_url(service)
    posts: list[tuple[dict[str, str], bytes]] = [
        ({"content-type": "application/json"}, b'{"hello": "world"}'),
        ({"content-type": "application/cloudevents+json"}, b"{"),
        ({"content-type": "application/cloudevents+json"}, b"[]"),
        ({"content-type": "application/cloudevents-batch+json"}, b"[]"),
        ({"ce-specversion": "1.0", "ce-id": "1"}, b""),
        ({"ce-specversion": "9.9", "ce-id": "1", "ce-type": "x", "ce-source": "x"}, b"{}"),
        ({"content-type": "text/plain; charset=\xff"}, b"\xff\x00"),
        ({}, b""),
    ]
    answers = [laptop.post(url, headers, body) for headers, body in posts]
    assert [answer.status_code for answer in answers] == [400] * len(posts)
    assert all("CloudEvent" in answer.text for answer in answers)
    assert "Traceback" not in laptop.stack.log(service)
