"""The local Broker against what Knative's MT broker was seen to do; each test is one fact of it."""

from __future__ import annotations

import asyncio
import base64
import json

import httpx
import pytest

from knative.local.resources import Delivery
from tests.support.local_wire import Bench, Sink, broker_bench, statuses, to, trigger

FAST = {"backoff_policy": "linear", "backoff_delay": 0.0}
EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "test.fired"}
REPLY = {
    "ce-specversion": "1.0",
    "ce-id": "r",
    "ce-source": "/s",
    "ce-type": "test.reply",
    "content-type": "text/plain",
}


def test_an_event_reaches_a_matching_trigger_in_binary_mode_without_the_brokers_hop_count() -> None:
    async def scenario() -> None:
        async with broker_bench([trigger("notify", type="test.fired")], {"notify": Sink()}) as bench:
            answer = await bench.post(severity="high", subject="rule_1")
            assert (answer.status_code, answer.content) == (202, b"")
            (seen,) = bench.sinks["notify"].seen
            assert seen.body == b'{"a": 1}'
            assert seen.headers["ce-severity"] == "high"
            assert seen.headers["content-type"] == "application/json"
            assert seen.headers["prefer"] == "reply"
            assert "ce-knativearrivaltime" in seen.headers
            assert "ce-knativebrokerttl" not in seen.headers

    asyncio.run(scenario())


def test_a_structured_event_is_forwarded_in_binary_mode() -> None:
    async def scenario() -> None:
        async with broker_bench([trigger("notify")], {"notify": Sink()}) as bench:
            event = {
                "specversion": "1.0",
                "id": "7",
                "source": "/s",
                "type": "t",
                "flag": True,
                "data": {"é": 1},
            }
            headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
            answer = await bench.client.post(bench.url, content=json.dumps(event), headers=headers)
            assert answer.status_code == 202
            (seen,) = bench.sinks["notify"].seen
            assert (seen.headers["ce-id"], seen.headers["ce-flag"]) == ("7", "true")
            assert json.loads(seen.body) == {"é": 1}
            assert seen.headers["content-type"] == "application/json"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "application/json"}, b"{}"),
        ({"content-type": "application/cloudevents-batch+json"}, b"[]"),
        ({"content-type": "application/cloudevents+json"}, b"not json"),
        ({"ce-specversion": "1.0", "ce-source": "/s", "ce-type": "t"}, b""),
        ({"ce-specversion": "0.1", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}, b""),
        ({"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-bad-name": "x"}, b""),
        ({"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-time": "noon"}, b""),
    ],
)
def test_what_is_no_valid_event_is_answered_400(headers: dict[str, str], body: bytes) -> None:
    async def scenario() -> None:
        async with broker_bench([trigger("notify")], {"notify": Sink()}) as bench:
            answer = await bench.client.post(bench.url, content=body, headers=headers)
            assert answer.status_code == 400
            assert bench.sinks["notify"].seen == []

    asyncio.run(scenario())


def test_the_ingress_answers_404_for_an_unknown_broker_405_for_a_get_and_400_for_another_path() -> None:
    async def scenario() -> None:
        async with broker_bench([], {}) as bench:
            assert (await bench.post()).status_code == 202
            assert (await bench.client.get(bench.url)).status_code == 405
            assert (await bench.client.post(bench.url + "/deeper")).status_code == 400
            assert (await bench.client.post(str(httpx.URL(bench.url).join("/")))).status_code == 404
            other = Bench(bench.client, bench.url + "x", bench.journal, {}, bench.server)
            assert (await other.post()).status_code == 404

    asyncio.run(scenario())


def test_an_event_that_no_trigger_wants_is_accepted_dropped_and_counted() -> None:
    async def scenario() -> None:
        triggers = [trigger("other", type="else"), trigger("absent", toslack="")]
        async with broker_bench(triggers, {"other": Sink(), "absent": Sink()}) as bench:
            assert (await bench.post()).status_code == 202
            assert bench.journal.counts["unmatched"] == 1
            assert all(sink.seen == [] for sink in bench.sinks.values())

    asyncio.run(scenario())


def test_an_empty_filter_value_means_any_value_that_is_present() -> None:
    async def scenario() -> None:
        async with broker_bench([trigger("notify", toslack="")], {"notify": Sink()}) as bench:
            await bench.post(toslack="true")
            assert len(bench.sinks["notify"].seen) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [500, 502, 503, 404, 408, 409, 429])
def test_transient_statuses_are_retried_up_to_the_limit(status: int) -> None:
    async def scenario() -> None:
        delivery = Delivery(retry=2, **FAST, dead_letter_sink=to("dead"))  # type: ignore[arg-type]
        sinks = {"notify": statuses(status), "dead": Sink()}
        async with broker_bench([trigger("notify", delivery)], sinks) as bench:
            assert (await bench.post()).status_code == 202
            assert len(sinks["notify"].seen) == 3
            assert len(sinks["dead"].seen) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [302, 400, 401, 403, 410, 413, 422])
def test_permanent_statuses_go_straight_to_the_dead_letter_sink(status: int) -> None:
    async def scenario() -> None:
        delivery = Delivery(retry=3, **FAST, dead_letter_sink=to("dead"))  # type: ignore[arg-type]
        sinks = {"notify": statuses(status), "dead": Sink()}
        async with broker_bench([trigger("notify", delivery)], sinks) as bench:
            assert (await bench.post()).status_code == 202
            assert len(sinks["notify"].seen) == 1
            assert sinks["dead"].seen[0].headers["ce-knativeerrorcode"] == str(status)

    asyncio.run(scenario())


def test_a_dead_letter_is_the_original_event_with_who_failed_and_how() -> None:
    async def scenario() -> None:
        delivery = Delivery(dead_letter_sink=to("dead", "/kind/slack"))
        sinks = {"notify": Sink([(500, b"boom", {})]), "dead": Sink()}
        async with broker_bench([trigger("notify", delivery)], sinks) as bench:
            await bench.post(subject="rule_1")
            (dead,) = sinks["dead"].seen
            assert dead.path == "/kind/slack"
            assert (dead.headers["ce-id"], dead.headers["ce-subject"], dead.body) == (
                "1",
                "rule_1",
                b'{"a": 1}',
            )
            assert dead.headers["ce-knativeerrorcode"] == "500"
            assert base64.b64decode(dead.headers["ce-knativeerrordata"]) == b"boom"
            assert dead.headers["ce-knativeerrordest"] == bench.server._addresses.service_url(
                "tocsin", "notify"
            )
            assert dead.headers["ce-knativebrokerttl"] == "255"

    asyncio.run(scenario())


def test_a_refused_connection_is_retried_and_explained() -> None:
    async def scenario() -> None:
        delivery = Delivery(retry=1, **FAST, dead_letter_sink=to("dead"))  # type: ignore[arg-type]
        sinks = {"dead": Sink()}
        async with broker_bench([trigger("gone", delivery)], sinks) as bench:
            assert (await bench.post()).status_code == 202
            assert bench.journal.counts["retried"] == 1
            assert sinks["dead"].seen[0].headers["ce-knativeerrorcode"] == "500"

    asyncio.run(scenario())


def test_a_2xx_with_a_body_that_is_no_event_is_a_failed_delivery_without_explanation() -> None:
    async def scenario() -> None:
        delivery = Delivery(retry=3, **FAST, dead_letter_sink=to("dead"))  # type: ignore[arg-type]
        sinks = {"notify": Sink([(200, b"OK", {})]), "dead": Sink()}
        async with broker_bench([trigger("notify", delivery)], sinks) as bench:
            assert (await bench.post()).status_code == 202
            assert len(sinks["notify"].seen) == 4
            (dead,) = sinks["dead"].seen
            assert not [name for name in dead.headers if name.startswith("ce-knativeerror")]

    asyncio.run(scenario())


def test_a_time_out_is_retried_and_dead_lettered_without_explanation_while_the_handler_runs_on() -> None:
    async def scenario() -> None:
        delivery = Delivery(retry=1, **FAST, timeout=0.1, dead_letter_sink=to("dead"))  # type: ignore[arg-type]
        sinks = {"notify": Sink(delay=0.4), "dead": Sink()}
        async with broker_bench([trigger("notify", delivery)], sinks) as bench:
            assert (await bench.post()).status_code == 202
            assert len(sinks["notify"].seen) == 2
            assert "ce-knativeerrorcode" not in sinks["dead"].seen[0].headers

    asyncio.run(scenario())


def test_a_reply_is_published_to_the_same_broker() -> None:
    async def scenario() -> None:
        triggers = [trigger("first", type="test.fired"), trigger("second", type="test.reply")]
        sinks = {"first": Sink([(200, b"hello", REPLY)]), "second": Sink()}
        async with broker_bench(triggers, sinks) as bench:
            assert (await bench.post()).status_code == 202
            (seen,) = sinks["second"].seen
            assert (seen.headers["ce-type"], seen.body) == ("test.reply", b"hello")

    asyncio.run(scenario())


def test_a_loop_of_replies_ends_when_its_hops_are_spent() -> None:
    async def scenario() -> None:
        sinks = {"loop": Sink([(200, b"again", REPLY)]), "dead": Sink()}
        delivery = Delivery(dead_letter_sink=to("dead"))
        async with broker_bench([trigger("loop", delivery)], sinks) as bench:
            assert (await bench.post(knativebrokerttl="4")).status_code == 202
            assert len(sinks["loop"].seen) == 3
            assert (await bench.post(knativebrokerttl="1")).status_code == 400

    asyncio.run(scenario())


def test_a_synchronous_broker_answers_500_when_one_trigger_fails_though_its_sibling_was_served() -> None:
    async def scenario() -> None:
        sinks = {"good": Sink(), "bad": statuses(500)}
        async with broker_bench([trigger("good"), trigger("bad")], sinks) as bench:
            assert (await bench.post()).status_code == 500
            assert len(sinks["good"].seen) == 1
            assert bench.journal.counts["lost"] == 1

    asyncio.run(scenario())


def test_a_dead_letter_sink_that_fails_too_makes_the_producer_see_500() -> None:
    async def scenario() -> None:
        delivery = Delivery(retry=1, **FAST, dead_letter_sink=to("dead"))  # type: ignore[arg-type]
        sinks = {"notify": statuses(422), "dead": Sink([(200, b"OK", {})])}
        async with broker_bench([trigger("notify", delivery)], sinks) as bench:
            assert (await bench.post()).status_code == 500
            assert len(sinks["dead"].seen) == 2

    asyncio.run(scenario())


def test_the_async_annotation_frees_the_producer_before_anything_is_delivered() -> None:
    async def scenario() -> None:
        sinks = {"slow": Sink(delay=0.3)}
        async with broker_bench([trigger("slow")], sinks, at_once=True) as bench:
            assert (await bench.post()).status_code == 202
            assert bench.journal.counts["delivered"] == 0
            await bench.until("delivered")

    asyncio.run(scenario())


def test_a_producer_that_leaves_a_synchronous_broker_cancels_retries_and_dead_letters() -> None:
    async def scenario() -> None:
        delivery = Delivery(5, "linear", 0.3, dead_letter_sink=to("dead"))
        sinks = {"notify": statuses(503), "dead": Sink()}
        async with broker_bench([trigger("notify", delivery)], sinks) as bench:
            with pytest.raises(httpx.ReadTimeout):
                await bench.client.post(bench.url, headers=EVENT, timeout=0.15)
            await bench.until("cancelled")
            tried = len(sinks["notify"].seen)
            await asyncio.sleep(0.5)
            assert len(sinks["notify"].seen) == tried
            assert sinks["dead"].seen == []

    asyncio.run(scenario())


def test_a_triggers_delivery_replaces_the_brokers_whole_but_for_the_dead_letter_sink() -> None:
    async def scenario() -> None:
        brokers = Delivery(3, "linear", 0.0, dead_letter_sink=to("dead"))
        sinks = {"own": statuses(503), "inherits": statuses(503), "dead": Sink()}
        triggers = [trigger("own", Delivery(timeout=5)), trigger("inherits")]
        async with broker_bench(triggers, sinks, delivery=brokers) as bench:
            assert (await bench.post()).status_code == 202
            assert len(sinks["own"].seen) == 1
            assert len(sinks["inherits"].seen) == 4
            assert len(sinks["dead"].seen) == 2

    asyncio.run(scenario())


def test_only_tracing_headers_survive_the_hop() -> None:
    async def scenario() -> None:
        async with broker_bench([trigger("notify")], {"notify": Sink()}) as bench:
            sent = {
                "x-request-id": "abc",
                "authorization": "Bearer x",
                "x-signature": "s",
                "knative-note": "n",
            }
            await bench.client.post(bench.url, headers=EVENT | sent)
            headers = bench.sinks["notify"].seen[0].headers
            assert (headers["x-request-id"], headers["knative-note"]) == ("abc", "n")
            assert not {"authorization", "x-signature"} & set(headers)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("policy", "waits"),
    [("exponential", [0.2, 0.4, 0.8, 1.6]), ("linear", [0.0, 0.2, 0.4, 0.6]), ("", [0.0, 0.0, 0.0, 0.0])],
)
def test_the_waits_between_attempts_are_knatives(policy: str, waits: list[float]) -> None:
    delivery = Delivery(4, policy, 0.2 if policy else 0.0)
    assert [delivery.wait_before(n) for n in range(4)] == pytest.approx(waits)
