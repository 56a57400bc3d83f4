"""A first alert and its end, from points to messages, on every set of servers."""

import pytest
import redis

from shared.leases import COOLDOWN
from shared.store.tables import alerts, dead_letters, states
from tests.support.flow import Flow
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
COOLDOWN_SECONDS = 300
ONLY_ACCEPTED = ("email", "sms", "teams")
"""Vendors that queue a message before they answer."""


def chosen(stack: str, request: pytest.FixtureRequest) -> Flow:
    found: Flow = request.getfixturevalue(stack)
    return found


def cooldown_keys(flow: Flow, rule_id: str) -> dict[str, int]:
    """Redis's keys of this rule's cooldown → the seconds that they will live."""
    pattern = COOLDOWN.format(tenant="default", rule=rule_id, series="*")
    with redis.Redis.from_url(flow.settings["TOCSIN_REDIS_URL"], decode_responses=True) as client:
        return {key: client.ttl(key) for key in client.scan_iter(pattern)}


@pytest.mark.parametrize("stack", ["laptop", "with_servers", "without_redis"])
def test_an_alert_and_its_resolve_arrive_once_on_every_channel_and_leave_nothing_open(
    stack: str, request: pytest.FixtureRequest
) -> None:
    flow = chosen(stack, request)
    rule = flow.add_rule(cooldown_seconds=COOLDOWN_SECONDS)
    rule.fires()
    rule.wait_settled(1)

    assert {kind: rule.told(kind) for kind in flow.kinds} == {kind: ["firing"] for kind in flow.kinds}
    (state,) = flow.rows(states, rule_id=rule.id)
    assert (state["phase"], state["cooldown_until"]) == ("firing", flow.slot + COOLDOWN_SECONDS * 1000)

    rule.reads(1)
    assert flow.tick()
    rule.wait_settled(2)

    assert {kind: rule.told(kind) for kind in flow.kinds} == {
        kind: ["firing", "resolved"] for kind in flow.kinds
    }
    assert [(row["kind"], row["state"]) for row in rule.deliveries()] == [
        (kind, "accepted" if kind in ONLY_ACCEPTED else "delivered") for _ in range(2) for kind in flow.kinds
    ]
    assert all(row["finished_at"] and row["attempts"] == 1 for row in rule.deliveries())
    assert all(row["published_at"] and row["attempts"] == 1 for row in rule.outbox())
    assert [(row["state"], row["reason"]) for row in flow.rows(alerts, rule_id=rule.id)] == [
        ("resolved", "recovered")
    ]
    ids = [row["id"] for row in rule.outbox()]
    assert [row for row in flow.rows(dead_letters) if row["event_id"] in ids] == []


@pytest.mark.parametrize("stack", ["laptop", "with_servers"])
def test_a_cooldown_is_in_redis_too_and_ends_there_by_itself(
    stack: str, request: pytest.FixtureRequest
) -> None:
    flow = chosen(stack, request)
    rule = flow.add_rule(channels=("ops-slack",), cooldown_seconds=COOLDOWN_SECONDS)
    rule.fires()

    (state,) = flow.rows(states, rule_id=rule.id)
    ((key, seconds),) = cooldown_keys(flow, rule.id).items()
    assert key == COOLDOWN.format(tenant="default", rule=rule.id, series=state["series_id"])
    assert COOLDOWN_SECONDS - 60 < seconds <= COOLDOWN_SECONDS
    rule.wait_settled(1)


def test_discords_firing_message_says_in_the_end_that_it_is_over(laptop: Flow) -> None:
    rule = laptop.add_rule(channels=("ops-discord",))
    rule.fires()
    rule.wait_settled(1)
    rule.reads(1)
    assert laptop.tick()

    (edited,) = wait_until(lambda: [m for m in rule.messages("discord") if m["before"]], "the edit")
    assert "FIRING" in edited["before"][0]
    assert "RESOLVED" in edited["title"]
    rule.wait_settled(2)
    assert [row["state"] for row in rule.deliveries()] == ["delivered"] * 2


@pytest.mark.parametrize("stack", ["laptop", "with_servers"])
def test_a_quiet_slot_tells_nobody(stack: str, request: pytest.FixtureRequest) -> None:
    flow = chosen(stack, request)
    rule = flow.add_rule()
    for value in (1, 10, 9):
        rule.reads(value)
        assert flow.tick()
    assert rule.outbox() == rule.messages() == []
