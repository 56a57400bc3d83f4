"""The local stack when things go wrong on purpose, and when functions scale to zero: real processes, real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from knative.local.errors import LocalError
from knative.local.faults import Faults, Kill, Outage
from knative.local.options import Options
from knative.local.stack import Stack
from tests.support.local_overlay import EVENTING, function, ref, thing, write_overlay
from tests.support.waiting import wait_until

FUNCTIONS = """
import os
import flask, functions_framework

flask.current_app.add_url_rule("/health/readiness", "readiness", lambda: "", methods=["GET"])


def answer(request):
    return {"pid": os.getpid(), "asked": request.full_path, "said": request.get_data(as_text=True)}, 201, {"X-Own": "1"}


@functions_framework.http
def sleeper(request):
    return answer(request)


@functions_framework.http
def pager(request):
    return answer(request)


@functions_framework.http
def notify(request):
    with open(os.environ["SEEN"], "a") as seen:
        seen.write(request.headers["ce-id"] + "\\n")
    return "", 204
"""
SOON = 0.3
"""Seconds without a request after which a function of these tests is ended."""


def overlay(folder: Path) -> Path:
    """`sleeper` may go to zero, `pager` may not, `notify` gets the Broker's events."""
    source = folder / "functions_under_test.py"
    folder.mkdir(parents=True)
    source.write_text(FUNCTIONS, encoding="utf-8")
    pager: dict[str, Any] = function("pager", source)
    pager["spec"]["template"]["metadata"] = {"annotations": {"autoscaling.knative.dev/min-scale": "1"}}
    spec = {"broker": "main", "filter": {}, "subscriber": ref("Service", "notify")}
    delivery = {"retry": 3, "backoffPolicy": "linear", "backoffDelay": "PT0.2S", "timeout": "PT20S"}
    return write_overlay(
        folder,
        thing(EVENTING, "Broker", "main", annotations={"messaging.knative.dev/async-handler": "true"}),
        thing(EVENTING, "Trigger", "notify", spec | {"delivery": delivery}),
        function("sleeper", source),
        pager,
        function("notify", source, SEEN=str(folder / "seen")),
    )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("troubles")
    without = frozenset({"redis", "inbox", "demo-site"})
    with Stack(
        overlay(folder / "overlay"), folder / "state", options=Options(without=without, scale_down_after=SOON)
    ) as running:
        yield running


def seen(stack: Stack) -> list[str]:
    """The ids of the events that `notify` got."""
    path = Path(stack.environment("notify")["SEEN"])
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def post(stack: Stack, event_id: str) -> int:
    """Send the Broker an event; its status, or 0 when it refuses the connection."""
    headers = {"ce-specversion": "1.0", "ce-id": event_id, "ce-source": "/t", "ce-type": "t"}
    try:
        return httpx.post(stack.broker_url("main"), headers=headers, timeout=10, trust_env=False).status_code
    except httpx.ConnectError:
        return 0


def asleep(stack: Stack, name: str) -> bool:
    return stack.pids[name] == 0


def test_an_idle_function_ends_and_the_next_requests_start_it_once_and_wait_for_it(stack: Stack) -> None:
    url = stack.service_url("sleeper")
    wait_until(lambda: asleep(stack, "sleeper"), "sleeper scaled to zero")
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(httpx.post, f"{url}/a%20b?c=1", content=f"{n}", timeout=30) for n in range(4)]
        answers = [one.result() for one in asked]
    assert [answer.status_code for answer in answers] == [201] * 4
    assert [answer.headers["x-own"] for answer in answers] == ["1"] * 4
    said = [answer.json() for answer in answers]
    assert [one["said"] for one in said] == ["0", "1", "2", "3"]
    assert {one["asked"] for one in said} == {"/a b?c=1"}
    assert len({one["pid"] for one in said}) == 1  # one process, however many wait for it
    wait_until(lambda: asleep(stack, "sleeper"), "sleeper scaled to zero again")
    notes = [note.text for note in stack.journal.notes if note.who == "sleeper"]
    assert any("scaled to zero" in text for text in notes)
    assert any("scaled from zero in" in text for text in notes)
    assert stack.restarts["sleeper"] == 0  # its ends were no deaths


def test_a_function_with_a_min_scale_stays(stack: Stack) -> None:
    before = stack.pids["pager"]
    wait_until(lambda: asleep(stack, "sleeper"), "its neighbour scaled to zero")
    assert stack.pids["pager"] == before != 0
    assert httpx.get(stack.service_url("pager"), timeout=10).json()["pid"]


def test_an_event_wakes_its_subscriber_and_is_delivered_once(stack: Stack) -> None:
    wait_until(lambda: asleep(stack, "notify"), "notify scaled to zero")
    retried = stack.journal.counts["retried"]
    assert post(stack, "wakes") == 202
    wait_until(lambda: seen(stack).count("wakes") == 1, "the event")
    wait_until(lambda: stack.broker_holds == 0, "the broker has nothing left")
    assert seen(stack).count("wakes") == 1
    assert stack.journal.counts["retried"] == retried


def test_a_broker_that_is_away_refuses_connections_and_has_lost_what_it_held(stack: Stack) -> None:
    stack.inject(Faults(reorder=1.0))
    assert post(stack, "held") == 202
    stack.broker_leaves()
    assert (stack.broker_holds, post(stack, "away")) == (0, 0)
    stack.broker_comes_back()
    stack.inject(Faults())
    assert post(stack, "after") == 202
    wait_until(lambda: "after" in seen(stack), "an event after the outage")
    assert {"held", "away"} & set(seen(stack)) == set()
    assert any("deliveries lost with it: 1" in note.text for note in stack.journal.notes)


def test_outages_and_kills_come_by_themselves_until_they_are_ended(stack: Stack) -> None:
    counts = stack.journal.counts
    kills, outages = counts["killed"], counts["broker_away"]
    stack.inject(Faults(outage=Outage(0.2, 0.1), kills=(Kill("pager", 0.3),), seed=1))
    wait_until(lambda: counts["killed"] >= kills + 2 and counts["broker_away"] >= outages + 2, "faults", 20)
    stack.inject(Faults())
    assert post(stack, "well again") == 202
    done = counts["killed"], counts["broker_away"]
    # A killed function's successor comes at once every time: a Pod was deleted, no container crashed.
    stack.wait_ready("pager")
    assert all("starting again now" in n.text for n in stack.journal.notes if "SIGKILL" in n.text)
    assert (counts["killed"], counts["broker_away"]) == done


def test_a_function_that_there_is_not_cannot_be_killed(stack: Stack) -> None:
    with pytest.raises(
        LocalError, match="no function nobody to kill; there are: any, notify, pager, sleeper"
    ):
        stack.inject(Faults(kills=(Kill("nobody"),)))
