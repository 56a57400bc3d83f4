"""Vendors that are down, busy, or won't have it: what was promised for each, from the point to the row."""

import pytest

from shared.store import dead_letters
from tests.support.flow import Flow, Watched
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]
PATHS = {
    "discord": "/api/webhooks/1/ops-discord",
    "email": "/v3/mail/send",
    "pagerduty": "/v2/enqueue",
    "push": "/",
    "slack": "/slack/ops-slack",
    "sms": "/2010-04-01/*",
    "teams": "/workflows/ops-teams/*",
    "telegram": "/bot*",
    "webhook": "/webhook/ops-webhook",
}


def letters_of(flow: Flow, rule: Watched, *, only_open: bool = False) -> list[dead_letters.DeadLetter]:
    """The dead letters of this rule's notifications."""
    ids = {row["id"] for row in rule.outbox()}
    found = flow.store.read(lambda tx: dead_letters.listing(tx, only_open=only_open))
    return [letter for letter in found if letter.event_id in ids]


@pytest.mark.parametrize("kind", ["slack", "email"])
def test_a_vendor_that_is_down_for_a_moment_is_asked_again_by_the_broker_and_told_once(
    laptop: Flow, kind: str
) -> None:
    rule = laptop.add_rule(channels=(f"ops-{kind}",))
    laptop.fault(PATHS[kind], status=503, times=2, body="try later")
    rule.fires()
    rule.wait_settled(1)
    assert rule.told(kind) == ["firing"]
    (row,) = rule.deliveries()
    assert (row["state"], row["attempts"]) == ("delivered" if kind == "slack" else "accepted", 3)
    assert len(laptop.notes(f"firing {rule.id} -> notify-{kind}: 503, retry")) == 2
    assert len(rule.event_ids()) == 1
    assert letters_of(laptop, rule) == []


@pytest.mark.parametrize("kind", ["slack", "email"])
def test_a_vendor_that_asks_for_time_gets_it_and_nobody_retries_meanwhile(laptop: Flow, kind: str) -> None:
    rule = laptop.add_rule(channels=(f"ops-{kind}",))
    laptop.fault(PATHS[kind], status=429, headers={"Retry-After": "600"})
    before = laptop.store.read(lambda tx: tx.now())
    rule.fires()
    row = rule.wait_state("retry")
    assert row["http_status"] == 429
    assert row["next_at"] - before >= 600_000
    assert laptop.notes(f"firing {rule.id} -> notify-{kind}: 503") == []

    # Another rule of the same channel waits as well, without asking the vendor.
    other = laptop.add_rule(channels=(f"ops-{kind}",))
    other.fires()
    wait_until(lambda: "takes no more messages" in str(other.deliveries()), "the other rule's row waits")
    assert other.deliveries()[0]["attempts"] == 0
    assert rule.messages() == other.messages() == []

    for watched in (rule, other):
        watched.driven_again()
        watched.wait_settled(1)
        assert watched.told(kind) == ["firing"]
        assert letters_of(laptop, watched) == []


@pytest.mark.parametrize("kind", PATHS)
def test_a_message_that_the_vendor_refuses_even_in_plain_text_is_rejected_for_good(
    laptop: Flow, kind: str
) -> None:
    rule = laptop.add_rule(channels=(f"ops-{kind}",))
    laptop.fault(PATHS[kind], status=400, times=2, body="invalid_payload")
    rule.fires()
    rule.wait_settled(1)
    laptop.no_faults()  # a kind without a plain form met it once only
    (row,) = rule.deliveries()
    assert (row["state"], row["http_status"], row["next_at"]) == ("rejected", 400, None)
    assert row["reason"]
    assert rule.messages() == []
    assert laptop.notes(f"firing {rule.id} -> notify-{kind}: 4") == []
    assert letters_of(laptop, rule) == []


def test_an_event_that_the_broker_gives_up_is_an_open_dead_letter_until_a_later_tick_delivers_it(
    laptop: Flow,
) -> None:
    rule = laptop.add_rule(channels=("ops-webhook",))
    laptop.fault(PATHS["webhook"], status=503, times=2, body="try later")
    rule.fires()
    (letter,) = wait_until(lambda: letters_of(laptop, rule), "the dead letter")
    assert (letter.kind, letter.error_code, letter.received) == ("webhook", 503, 1)
    assert "503" in letter.error_data
    assert letter.error_dest == laptop.stack.service_url("notify-webhook")
    assert [one.event_id for one in letters_of(laptop, rule, only_open=True)] == [letter.event_id]

    rule.driven_again()
    rule.wait_settled(1)
    assert rule.told("webhook") == ["firing"]
    assert letters_of(laptop, rule, only_open=True) == []
    assert len(letters_of(laptop, rule)) == 1
