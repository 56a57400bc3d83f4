"""Deliveries that fail, at the local Broker: retries, time-outs and dead letters as in Knative's MT broker."""

from __future__ import annotations

import asyncio
import base64

import httpx
import pytest

from knative.local.resources import Delivery
from tests.support.local_wire import Sink, broker_bench, statuses, to, trigger
from tests.support.waiting import stays_true

EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "test.fired"}
FAST = {"backoff_policy": "linear", "backoff_delay": 0.0}


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
        delivery = Delivery(retry=1, **FAST, timeout=0.5, dead_letter_sink=to("dead"))  # type: ignore[arg-type]
        sinks = {"notify": Sink(slow=True), "dead": Sink()}
        async with broker_bench([trigger("notify", delivery)], sinks) as bench:
            assert (await bench.post()).status_code == 202
            assert len(sinks["notify"].seen) == 2
            assert "ce-knativeerrorcode" not in sinks["dead"].seen[0].headers

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


def test_a_producer_that_leaves_a_synchronous_broker_cancels_retries_and_dead_letters() -> None:
    async def scenario() -> None:
        delivery = Delivery(5, "linear", 0.3, dead_letter_sink=to("dead"))
        sinks = {"notify": statuses(503), "dead": Sink()}
        async with broker_bench([trigger("notify", delivery)], sinks) as bench:
            with pytest.raises(httpx.ReadTimeout):
                await bench.client.post(bench.url, headers=EVENT, timeout=0.15)
            await bench.until("cancelled")
            tried = len(sinks["notify"].seen)
            await stays_true(lambda: len(sinks["notify"].seen) == tried, "no further attempt", 0.5)
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


@pytest.mark.parametrize(
    ("policy", "waits"),
    [("exponential", [0.2, 0.4, 0.8, 1.6]), ("linear", [0.0, 0.2, 0.4, 0.6]), ("", [0.0, 0.0, 0.0, 0.0])],
)
def test_the_waits_between_attempts_are_knatives(policy: str, waits: list[float]) -> None:
    delivery = Delivery(4, policy, 0.2 if policy else 0.0)
    assert [delivery.wait_before(n) for n in range(4)] == pytest.approx(waits)
