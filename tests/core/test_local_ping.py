"""PingSource on one machine, and the demo site: schedules, retries and what they send."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from knative.local.delivery import new_client
from knative.local.demo_site import Cycle, DemoSite
from knative.local.errors import LocalError
from knative.local.journal import Journal
from knative.local.ping import Pinger, make_event, next_tick
from knative.local.resources import Destination, PingSource
from tests.support.local_wire import Sink, statuses
from tests.support.waiting import until

SOURCE = PingSource(
    "tocsin",
    "tick",
    "*/30 * * * * *",
    "",
    "application/json",
    '{"interval_seconds": 30}',
    "",
    Destination(),
    {"shard": "0"},
)
NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("schedule", "zone", "seconds"),
    [
        ("*/30 * * * * *", "", 30),
        ("5 * * * * *", "", 5),
        ("* * * * *", "", 60),
        ("@hourly", "", 3600),
        ("0 14 * * *", "Europe/Berlin", 3600),
    ],
)
def test_schedules_have_five_fields_or_six_with_leading_seconds(
    schedule: str, zone: str, seconds: int
) -> None:
    assert next_tick(replace(SOURCE, schedule=schedule, timezone=zone), NOON) - NOON == seconds


@pytest.mark.parametrize(
    ("schedule", "zone"),
    [("@every 5s", ""), ("* * *", ""), ("61 * * * *", ""), ("* * * * *", "Mars/Base"), ("nonsense", "")],
)
def test_a_schedule_that_knative_would_refuse_is_an_error_before_the_first_tick(
    schedule: str, zone: str
) -> None:
    with pytest.raises(LocalError, match="PingSource tick: schedule"):
        next_tick(replace(SOURCE, schedule=schedule, timezone=zone), NOON)


def test_a_tick_has_a_random_id_no_subject_and_its_send_time() -> None:
    one, two = make_event(SOURCE, NOON), make_event(SOURCE, NOON)
    assert one.attributes["id"] != two.attributes["id"]
    assert one.attributes["type"] == "dev.knative.sources.ping"
    assert one.attributes["source"] == "/apis/v1/namespaces/tocsin/pingsources/tick"
    assert one.attributes["time"] == "2026-03-01T12:00:00.000000Z"
    assert one.attributes["shard"] == "0"
    assert "subject" not in one.attributes
    assert json.loads(one.data) == {"interval_seconds": 30}


async def _ticked(sink: Sink) -> tuple[bool, Journal]:
    port, journal, client = await sink.start(), Journal(), new_client()
    try:
        return await Pinger(SOURCE, f"http://127.0.0.1:{port}", client, journal).tick(), journal
    finally:
        await sink.stop()
        await client.aclose()


async def _ticked_at(sink: Sink, at: float) -> None:
    port, client = await sink.start(), new_client()
    try:
        assert await Pinger(SOURCE, f"http://127.0.0.1:{port}", client, Journal()).tick(at=at)
    finally:
        assert sink.server is not None
        await sink.server.stop()
        await client.aclose()


def test_a_tick_can_be_sent_for_another_time_than_now() -> None:
    sink = statuses(204)
    asyncio.run(_ticked_at(sink, NOON))
    assert [seen.headers["ce-time"] for seen in sink.seen] == ["2026-03-01T12:00:00.000000Z"]


@pytest.mark.parametrize("status", [500, 400, 408, 409, 422])
def test_a_tick_is_lost_at_once_after_a_status_that_the_ping_source_does_not_retry(status: int) -> None:
    sink = statuses(status)
    taken, journal = asyncio.run(_ticked(sink))
    assert not taken
    assert len(sink.seen) == 1
    assert journal.counts["lost_ticks"] == 1


@pytest.mark.parametrize("status", [404, 413, 425, 429, 502, 503, 504])
def test_a_tick_is_sent_again_after_a_transient_status_with_the_same_id(status: int) -> None:
    sink = statuses(status, 204)
    taken, journal = asyncio.run(_ticked(sink))
    assert taken
    assert len({seen.headers["ce-id"] for seen in sink.seen}) == 1
    assert (len(sink.seen), journal.counts["ticks"]) == (2, 1)


def test_ticks_overlap_when_the_sink_is_slow() -> None:
    async def scenario() -> int:
        sink, journal, client = Sink(slow=True), Journal(), new_client()
        url = f"http://127.0.0.1:{await sink.start()}"
        running = asyncio.ensure_future(
            Pinger(replace(SOURCE, schedule="* * * * * *"), url, client, journal).run()
        )
        await until(lambda: len(sink.seen) >= 2, "a second tick while the first is unanswered")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await sink.stop()
        await client.aclose()
        return len(sink.seen)

    assert asyncio.run(scenario()) >= 2


def test_the_demo_site_goes_down_once_early_and_then_at_every_period() -> None:
    cycle = Cycle()
    assert [cycle.down_at(age) for age in (0, 19, 20, 44, 45, 599, 600, 659, 660, 1200, 1261)] == [
        False, False, True, True, False, False, True, True, False, True, False,
    ]  # fmt: skip
    assert cycle.next_change(0) == 20
    assert cycle.next_change(30) == 15
    assert cycle.next_change(45) == 555
    assert Cycle(1, 2, 0, 0).next_change(3) is None


def test_the_demo_site_can_be_taken_down_and_brought_back_by_hand() -> None:
    async def scenario() -> list[int]:
        now = [0.0]
        site = DemoSite(Cycle(), lambda: now[0])
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(site.app), base_url="http://demo"
        ) as client:
            found = []
            for path in ("", "/down", "/up", "/cycle"):
                if path:
                    await client.post(path)
                found.append((await client.get("/")).status_code)
            now[0] = 25.0
            found.append((await client.get("/")).status_code)
            return found

    assert asyncio.run(scenario()) == [200, 503, 200, 200, 503]
