"""A first alert and its end, from points to messages, on every set of servers."""

import pytest
import redis

from shared.leases import COOLDOWN
from shared.store.tables import alerts, dead_letters, states
from tests.support.flow import KINDS, Flow
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
COOLDOWN_SECONDS = 300
ONLY_ACCEPTED = ("email", "sms", "teams")
"""Vendors that queue a message before they answer."""


@pytest.fixture(params=["laptop", "with_servers", "without_redis"])
def flow(request: pytest.FixtureRequest) -> Flow:
    found: Flow = request.getfixturevalue(request.param)
    return found


def cooldown_keys(flow: Flow, rule_id: str) -> dict[str, int]:
    """Redis's keys of this rule's cooldown → the seconds that they will live."""
    pattern = COOLDOWN.format(tenant="default", rule=rule_id, series="*")
    with redis.Redis.from_url(flow.settings["TOCSIN_REDIS_URL"], decode_responses=True) as client:
        return {key: client.ttl(key) for key in client.scan_iter(pattern)}


def test_an_alert_and_its_resolve_arrive_once_on_every_channel_and_leave_nothing_open(flow: Flow) -> None:
    rule = flow.add_rule(cooldown_seconds=COOLDOWN_SECONDS)
    rule.fires()
    rule.wait_settled(1)

    assert {kind: rule.told(kind) for kind in KINDS} == {kind: ["firing"] for kind in KINDS}
    (state,) = flow.rows(states, rule_id=rule.id)
    assert (state["phase"], state["cooldown_until"]) == ("firing", flow.slot + COOLDOWN_SECONDS * 1000)
    if "redis" not in flow.stack.options.without:
        key = COOLDOWN.format(tenant="default", rule=rule.id, series=state["series_id"])
        ((found, seconds),) = cooldown_keys(flow, rule.id).items()
        assert found == key
        assert COOLDOWN_SECONDS - 60 < seconds <= COOLDOWN_SECONDS

    rule.reads(1)
    assert flow.tick()
    rule.wait_settled(2)

    assert {kind: rule.told(kind) for kind in KINDS} == {kind: ["firing", "resolved"] for kind in KINDS}
    assert [(row["kind"], row["state"]) for row in rule.deliveries()] == [
        (kind, "accepted" if kind in ONLY_ACCEPTED else "delivered") for _ in range(2) for kind in KINDS
    ]
    assert all(row["finished_at"] and row["attempts"] == 1 for row in rule.deliveries())
    assert all(row["published_at"] and row["attempts"] == 1 for row in rule.outbox())
    assert [(row["state"], row["reason"]) for row in flow.rows(alerts, rule_id=rule.id)] == [
        ("resolved", "recovered")
    ]
    ids = [row["id"] for row in rule.outbox()]
    assert [row for row in flow.rows(dead_letters) if row["event_id"] in ids] == []


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


def test_a_quiet_slot_tells_nobody(flow: Flow) -> None:
    rule = flow.add_rule()
    for value in (1, 10, 9):
        rule.reads(value)
        assert flow.tick()
    assert rule.outbox() == rule.messages() == []
