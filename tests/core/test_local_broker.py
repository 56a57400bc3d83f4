"""The local Broker against what Knative's MT broker was seen to do; each test is one fact of it."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from knative.local.resources import Delivery
from tests.support.local_wire import Bench, Sink, broker_bench, to, trigger

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


def test_the_async_annotation_frees_the_producer_before_anything_is_delivered() -> None:
    async def scenario() -> None:
        sinks = {"slow": Sink(slow=True)}
        async with broker_bench([trigger("slow")], sinks, at_once=True) as bench:
            assert (await bench.post()).status_code == 202
            assert bench.journal.counts["delivered"] == 0
            sinks["slow"].release()
            await bench.until("delivered")

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
