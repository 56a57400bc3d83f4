"""Processes that are killed with -9 in the middle of their work: nothing is lost, and nothing is told twice."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import select, text, update

from shared.store.engine import Tx
from shared.store.tables import deliveries, outbox, tick_lease
from tests.support.flow import Flow, Watched
from tests.support.flow_overlay import KINDS
from tests.support.sink import Reply, Request
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]
ON_SLACK = ("ops-slack",)
ON_ALL = {kind: ["firing"] for kind in KINDS}


def told(rule: Watched) -> dict[str, list[str]]:
    return {kind: rule.told(kind) for kind in ON_ALL}


def end_lease(flow: Flow) -> None:
    """The next slot can be claimed, as after the 25 s that a tick has, and what the dead one was publishing taken."""
    unpublished = update(outbox).where(outbox.c.published_at.is_(None), outbox.c.next_at.is_not(None))
    flow.store.write(
        lambda tx: (
            tx.conn.execute(update(tick_lease).values(lease_until=1)),
            tx.conn.execute(unpublished.values(next_at=1)),
        )
    )


@pytest.mark.parametrize("taken", [False, True], ids=["before the broker has it", "before its answer comes"])
def test_an_evaluator_killed_between_commit_and_publishing_is_made_up_for_by_the_next_tick(
    laptop: Flow, taken: bool
) -> None:
    rule = laptop.add_rule()
    rule.reads(11)
    never = threading.Event()

    def hang(request: Request) -> Reply:
        if taken:
            laptop.gate.forward(request)
        return Reply(503, hold=never)

    with laptop.gate.instead(hang), ThreadPoolExecutor() as pool:
        ticked = pool.submit(laptop.tick)
        wait_until(rule.event_ids, "the event leaves evaluate")
        if taken:
            wait_until(lambda: told(rule) == ON_ALL, "the messages of the event that the broker took")
        assert [row["published_at"] for row in rule.outbox()] == [None]
        laptop.killed("evaluate")
        never.set()
        ticked.result(30)  # its retries end after three seconds, in which evaluate may not be back
    assert laptop.tick_again()  # and when it is, it finds the slot taken
    assert len(rule.outbox()) == 1

    end_lease(laptop)
    assert laptop.tick()
    rule.wait_settled(1)
    assert told(rule) == ON_ALL
    # Everybody was told by the event that the dead one could not tick off, so nobody needs it again.
    assert rule.event_ids() == [rule.outbox()[0]["id"]] * (1 if taken else 2)


def test_a_notify_function_killed_before_it_gets_the_event_tells_it_once_when_it_is_back(
    laptop: Flow,
) -> None:
    rule = laptop.add_rule(channels=ON_SLACK)
    laptop.stack.kill("notify-slack")
    rule.fires()
    rule.wait_settled(1)
    assert rule.told("slack") == ["firing"]
    assert rule.deliveries()[0]["attempts"] == 1


@contextmanager
def held_rows(flow: Flow, rule: Watched) -> Iterator[None]:
    """Another transaction sits on the rule's delivery rows, so that whoever claims them has to wait."""
    started, done = threading.Event(), threading.Event()

    def hold(tx: Tx) -> None:
        tx.conn.execute(
            select(deliveries.c.id).where(deliveries.c.rule_id == rule.id).with_for_update()
        ).all()
        started.set()
        done.wait(30)

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(flow.store.write, hold)
        assert started.wait(10)
        try:
            yield
        finally:
            done.set()
            held.result(10)


def waiting_claims(flow: Flow) -> int:
    """How many claims the database is busy with; on rows that somebody else has locked, all of them wait."""
    others = (
        "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
    )
    claims = text(f"{others} AND info LIKE 'UPDATE deliveries%'")
    return flow.store.read(lambda tx: int(tx.conn.execute(claims).scalar_one()))


def test_a_notify_function_killed_while_it_waits_for_the_database_tells_it_once_when_it_is_back(
    with_servers: Flow,
) -> None:
    flow = with_servers
    rule = flow.add_rule(channels=ON_SLACK)
    rule.reads(11)
    release = threading.Event()

    def late(request: Request) -> Reply:
        release.wait(20)
        return flow.gate.forward(request)

    with flow.gate.instead(late), ThreadPoolExecutor(1) as pool:
        ticked = pool.submit(flow.tick)
        wait_until(rule.event_ids, "the event leaves evaluate")
        with held_rows(flow, rule):
            release.set()
            wait_until(lambda: waiting_claims(flow), "the claim of notify-slack")
            assert rule.deliveries()[0]["state"] == "pending"
            flow.stack.kill("notify-slack")
        assert ticked.result(30)
    rule.wait_settled(1)
    assert rule.told("slack") == ["firing"]


@pytest.mark.parametrize("stack", ["laptop", "with_servers"])
def test_a_notify_function_killed_while_sending_repeats_once_after_a_minute_and_says_so(
    stack: str, request: pytest.FixtureRequest
) -> None:
    flow: Flow = request.getfixturevalue(stack)
    rule = flow.add_rule(channels=ON_SLACK)
    flow.fault("/slack/ops-slack", delay_seconds=3)
    rule.fires()
    wait_until(lambda: rule.told("slack"), "the message arrives, and its answer doesn't")
    assert [row["state"] for row in rule.deliveries()] == ["sending"]
    flow.killed("notify-slack")

    rule.time_passes()  # the lease of the dead process ends
    row = rule.wait_state("unknown")
    now = flow.store.read(lambda tx: tx.now())
    assert 40_000 < row["next_at"] - now <= 60_000
    assert rule.told("slack") == ["firing"]

    rule.driven_again()
    rule.wait_settled(1)
    first, second = rule.messages("slack")
    assert "(may repeat)" not in str(first["content"])
    assert "(may repeat)" in str(second["content"])
    assert [(row["state"], row["attempts"]) for row in rule.deliveries()] == [("delivered", 2)]

    rule.driven_again()
    assert len(rule.messages("slack")) == 2
    assert len(set(rule.event_ids())) == 1
