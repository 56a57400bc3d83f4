"""Which rows are sent together, and what an attempt means for them."""

import pytest

from shared.channels._kind import Reply
from shared.channels.email import classify as email_says
from shared.channels.slack import classify as slack_says
from shared.deliver.batches import MAX_ATTEMPTS, Batch, Plan, plan
from shared.deliver.verdicts import Attempt, Verdict, backoff_seconds, judge
from shared.model import EventKind, Notification, Outcome
from shared.store.channel_state import PROBE_MS
from shared.store.deliveries import Claim, Delivery
from tests.support.deliveries import alert, notification

NOW = 1_000_000


def row(
    made: Notification,
    *,
    attempts: int = 0,
    may_repeat: bool = False,
    deadline: int = 9_000_000,
    to: str = "",
    reason: str = "",
) -> tuple[Delivery, Notification]:
    return Delivery(
        id=f"dlv_{made.seq}{to}",
        notification_id=made.id,
        rule_id="rule_1",
        seq=made.seq,
        event=made.event,
        severity=4,
        kind="slack",
        channel="ops",
        recipient=to,
        attempts=attempts,
        deadline_at=deadline,
        may_repeat=may_repeat,
        reason=reason,
    ), made


def planned(*rows: tuple[Delivery, Notification]) -> Plan:
    bodies = {made.id: made.model_dump_json().encode() for _, made in rows}
    return plan(Claim(tuple(one for one, _ in rows), bodies, len(rows), 0, NOW), {})


def batch(*rows: tuple[Delivery, Notification]) -> Batch:
    (only,) = planned(*rows).batches
    return only


def verdict(outcome: Outcome, *rows: tuple[Delivery, Notification], idempotent: bool = False) -> Verdict:
    return judge(batch(*rows), Attempt(outcome), idempotent=idempotent)


def states(got: Verdict) -> list[tuple[str, int | None]]:
    return [(one.result.state.value, one.result.wait_ms) for one in got.settled]


def test_each_recipient_gets_one_message_and_tests_never_mix_with_real_ones() -> None:
    ann, bob = row(notification(1), to="ann"), row(notification(1), to="bob")
    tested = row(notification(2, "test"), to="ann")
    newer = row(notification(3, "resolved"), to="ann")
    assert [[one.id for one in part.rows] for part in planned(ann, bob, tested, newer).batches] == [
        ["dlv_1ann", "dlv_3ann"],
        ["dlv_1bob"],
        ["dlv_2ann"],
    ]


def test_what_is_too_old_or_tried_too_often_expires_and_its_resolve_is_dropped() -> None:
    late = row(notification(1), deadline=NOW)
    tried = row(notification(1, id="x"), attempts=MAX_ATTEMPTS)
    resolve = row(notification(2, "resolved"))
    for dead in (late, tried):
        got = planned(dead, resolve)
        assert got.batches == ()
        assert [one.result.state.value for one in got.ended] == ["expired", "superseded"]


def test_a_message_may_repeat_when_it_tells_again_what_may_have_been_told_and_not_when_it_is_news() -> None:
    doubtful = row(notification(1), may_repeat=True)
    assert batch(doubtful).may_repeat
    assert batch(doubtful, row(notification(2, alerts=[alert(2)]))).may_repeat
    assert not batch(doubtful, row(notification(2, "resolved"))).may_repeat
    assert not batch(row(notification(1))).may_repeat


def test_one_message_settles_all_its_rows() -> None:
    got = verdict(Outcome("delivered", status=200), row(notification(1)), row(notification(2, "resolved")))
    assert states(got) == [("superseded", None), ("delivered", None)]
    assert got.settled[0].result.superseded_by == "dlv_2"
    assert all(one.result.sent for one in got.settled)


def test_the_first_three_failures_ask_the_broker_to_come_again_at_once() -> None:
    for attempts in range(3):
        got = verdict(Outcome("retry"), row(notification(), attempts=attempts))
        assert got.quick
        assert states(got) == [("retry", 0)]
    later = verdict(Outcome("retry"), row(notification(), attempts=3))
    assert not later.quick
    assert (later.settled[0].result.wait_ms or 0) >= 1000


def test_a_vendor_that_asks_for_time_gets_it() -> None:
    got = verdict(Outcome("retry", retry_after=120.0), row(notification()))
    assert not got.quick
    assert 120_000 <= (got.settled[0].result.wait_ms or 0) <= 300_000


def test_after_eight_attempts_a_row_expires() -> None:
    got = verdict(Outcome("retry", "HTTP 500"), row(notification(), attempts=MAX_ATTEMPTS - 1))
    assert states(got) == [("expired", None)]
    assert not got.quick
    assert got.settled[0].result.reason == "HTTP 500"


def test_an_unknown_message_is_repeated_once_after_a_minute() -> None:
    assert states(verdict(Outcome("unknown"), row(notification()))) == [("unknown", 60_000)]
    assert states(verdict(Outcome("unknown"), row(notification(), may_repeat=True))) == [("unknown", None)]


def test_an_unknown_message_is_repeated_freely_where_the_receiver_recognises_it() -> None:
    got = verdict(Outcome("unknown"), row(notification(), may_repeat=True), idempotent=True)
    assert (got.settled[0].result.wait_ms or 0) >= 1000
    last = row(notification(), attempts=MAX_ATTEMPTS - 1, may_repeat=True)
    assert states(verdict(Outcome("unknown"), last, idempotent=True)) == [("unknown", None)]


def test_a_dead_channel_costs_its_rows_no_attempt() -> None:
    got = verdict(Outcome("rejected", scope="channel"), row(notification(), attempts=2))
    assert states(got) == [("retry", PROBE_MS)]
    assert got.settled[0].result.attempts == 2


@pytest.mark.parametrize("scope", ["payload", "recipient"])
def test_a_rejected_message_is_final(scope: str) -> None:
    outcome = Outcome("rejected", scope="payload" if scope == "payload" else "recipient")
    assert states(verdict(outcome, row(notification()))) == [("rejected", None)]


@pytest.mark.parametrize("kind", ["retry", "unknown", "rejected"])
def test_a_test_message_is_never_repeated(kind: str) -> None:
    outcomes = {
        "retry": Outcome("retry"),
        "unknown": Outcome("unknown"),
        "rejected": Outcome("rejected", scope="channel"),
    }
    got = verdict(outcomes[kind], row(notification(1, EventKind.TEST.value)))
    assert states(got)[0][1] is None
    assert not got.quick


def test_backoff_is_the_same_every_time_and_never_above_five_minutes() -> None:
    assert backoff_seconds("dlv_1", 5) == backoff_seconds("dlv_1", 5)
    assert backoff_seconds("dlv_1", 5) != backoff_seconds("dlv_2", 5)
    assert all(1 <= backoff_seconds(f"dlv_{n}", n) <= 300 for n in range(50))


@pytest.mark.parametrize(
    ("status", "body", "kind", "scope"),
    [
        (200, "ok", "delivered", None),
        (200, '{"ok":false,"error":"invalid_blocks"}', "rejected", "payload"),
        (400, "invalid_payload", "rejected", "payload"),
        (400, "invalid_blocks", "rejected", "payload"),
        (400, "no_text", "rejected", "payload"),
        (400, "user_not_found", "rejected", "channel"),
        (400, "invalid_token", "rejected", "channel"),
        (403, "action_prohibited", "rejected", "channel"),
        (404, "channel_not_found", "rejected", "channel"),
        (404, "no_service", "rejected", "channel"),
        (410, "channel_is_archived", "rejected", "channel"),
        (500, "rollup_error", "retry", None),
    ],
)
def test_slacks_words_blame_the_message_or_the_channel(
    status: int, body: str, kind: str, scope: str | None
) -> None:
    got = slack_says(Reply(status, {}, body, NOW))
    assert got.kind == kind
    assert scope in (None, got.scope)
    if kind == "rejected":
        assert got.reason == f"Slack says {got.provider_code}"


@pytest.mark.parametrize(
    ("field", "scope"),
    [
        ("from.email", "channel"),
        ("personalizations.0.to.0.email", "recipient"),
        ("content.0.value", "payload"),
        (None, "payload"),
    ],
)
def test_sendgrids_field_blames_sender_recipient_or_message(field: str | None, scope: str) -> None:
    body = '{"errors":[{"message":"bad","field":' + (f'"{field}"' if field else "null") + "}]}"
    assert email_says(Reply(400, {}, body, NOW)).scope == scope
    assert email_says(Reply(400, {}, "no json", NOW)).scope == "payload"


def test_sendgrids_limit_ends_at_an_epoch_second() -> None:
    assert email_says(Reply(429, {"x-ratelimit-reset": "1030"}, "", NOW)).retry_after == 30
    assert email_says(Reply(429, {"x-ratelimit-reset": "\u00b2"}, "", NOW)).retry_after is None
    assert email_says(Reply(202, {"x-message-id": "sg-1"}, "", NOW)).provider_id == "sg-1"
