"""What each vendor's documented answers come to: the table that every kind's `classify` is held to."""

from typing import NamedTuple

import pytest

from shared.channels import kinds, load_kind
from shared.channels._kind import Reply
from shared.model import OutcomeKind, RejectionScope
from tests.support.deliveries import SLOT

DEFAULT: RejectionScope = "payload"
SLOT_S = SLOT // 1000
DEEP = '{"error":' * 7000
"""What a parser gives up on: 64 KiB is all that is read of a reply."""
HUGE = "9" * 400
"""A number that is no float's."""
ODD_WAITS = (
    "",
    "nan",
    "-inf",
    "1e999",
    "-1",
    HUGE,
    "١٢",
    "²",
    "Mon, 32 Jan 2020 00:00:00 GMT",
    "1 Jan 99999 00:00:00 GMT",
)


class Case(NamedTuple):
    """One documented answer, and what it comes to."""

    kind: str
    status: int
    body: str
    outcome: OutcomeKind
    scope: RejectionScope = DEFAULT
    wait: float | None = None
    headers: tuple[tuple[str, str], ...] = ()
    says: str = ""
    """What the reason, the vendor's code or its id must hold."""


def discord_error(code: int) -> str:
    return f'{{"code":{code},"message":"Discord said so."}}'


def hidden(status: int) -> str:
    return f"Microsoft Teams endpoint returned HTTP error {status} with ContextId x"


def teams_error(code: str) -> str:
    return f'{{"error":{{"code":"{code}","message":"The workflow said so."}}}}'


def telegram_error(code: int, words: str, parameters: str = "{}") -> str:
    return f'{{"ok":false,"error_code":{code},"description":"{words}","parameters":{parameters}}}'


def twilio_error(code: int) -> str:
    return f'{{"code":{code},"message":"Twilio said so.","more_info":"x","status":400}}'


def ntfy_error(code: int) -> str:
    return f'{{"code":{code},"http":{code // 100},"error":"ntfy said so","link":"x"}}'


def pushover_error(words: str, key: str = "") -> str:
    named = f'"{key}":"invalid",' if key else ""
    return f'{{{named}"errors":["{words}"],"status":0,"request":"rq1"}}'


def pagerduty_error(words: str) -> str:
    return f'{{"status":"invalid event","message":"Event object is invalid","errors":["{words}"]}}'


CASES = (
    # Slack: docs.slack.dev, "Handling errors" of incoming webhooks, and the changelog of 2016-05-17
    Case("slack", 200, "ok", "delivered"),
    Case("slack", 200, '{"ok":false,"error":"invalid_blocks"}', "rejected", "payload", says="invalid_blocks"),
    Case("slack", 400, "invalid_payload", "rejected", "payload", says="invalid_payload"),
    Case("slack", 400, "no_text", "rejected", "payload"),
    Case("slack", 400, "user_not_found", "rejected", "channel"),
    Case("slack", 400, "invalid_token", "rejected", "channel"),
    Case("slack", 403, "action_prohibited", "rejected", "channel"),
    Case("slack", 404, "channel_not_found", "rejected", "channel"),
    Case("slack", 404, "no_service", "rejected", "channel"),
    Case("slack", 410, "channel_is_archived", "rejected", "channel"),
    Case("slack", 429, "rate_limited", "retry", wait=7, headers=(("retry-after", "7"),)),
    Case("slack", 500, "rollup_error", "retry"),
    # SendGrid: v3 API reference, "Mail Send", "Errors" and "Rate Limits"
    Case("email", 202, "", "accepted", headers=(("x-message-id", "sg-1"),), says="sg-1"),
    Case("email", 400, '{"errors":[{"message":"no","field":"from.email"}]}', "rejected", "channel"),
    Case("email", 400, '{"errors":[{"message":"no","field":"personalizations.0.to"}]}', "rejected", "recipient"),
    Case("email", 400, '{"errors":[{"message":"no","field":"subject"}]}', "rejected", "payload", says="subject"),
    Case("email", 401, '{"errors":[{"message":"invalid key"}]}', "rejected", "channel"),
    Case("email", 403, '{"errors":[{"message":"not verified"}]}', "rejected", "channel"),
    Case("email", 413, "", "rejected", "payload"),
    Case("email", 429, "", "retry", wait=40, headers=(("x-ratelimit-reset", str(SLOT_S + 40)),)),
    # Standard Webhooks, "Operational considerations"
    Case("webhook", 204, "", "delivered"),
    Case("webhook", 302, "", "rejected", "channel", headers=(("location", "http://169.254.169.254/"),)),
    Case("webhook", 410, "", "rejected", "channel"),
    Case("webhook", 502, "", "retry", wait=3, headers=(("retry-after", "3"),)),
    # Discord: API documentation, "Opcodes and Status Codes", "Rate Limits"
    Case("discord", 200, '{"id":"1122334455667788990","type":0}', "delivered", says="1122334455667788990"),
    Case("discord", 200, '{"id":"../../1"}', "delivered"),
    Case("discord", 204, "", "delivered"),
    Case(
        "discord", 200, '{"id":"1"}', "delivered", wait=1.25,
        headers=(("x-ratelimit-remaining", "0"), ("x-ratelimit-reset-after", "1.25")),
    ),
    Case(
        "discord", 200, '{"id":"1"}', "delivered",
        headers=(("x-ratelimit-remaining", "3"), ("x-ratelimit-reset-after", "1")),
    ),
    Case("discord", 400, discord_error(50035), "rejected", "payload", says="50035"),
    Case("discord", 400, discord_error(50006), "rejected", "payload"),
    Case("discord", 400, discord_error(240000), "rejected", "payload"),
    Case("discord", 400, discord_error(220001), "rejected", "channel", says="thread_id"),
    Case("discord", 400, discord_error(50083), "rejected", "channel"),
    Case("discord", 401, discord_error(50027), "rejected", "channel", says="token"),
    Case("discord", 403, discord_error(50013), "rejected", "channel"),
    Case("discord", 403, discord_error(40333), "retry"),
    Case("discord", 404, discord_error(10015), "rejected", "channel", says="deleted"),
    Case("discord", 413, discord_error(40005), "rejected", "payload"),
    Case(
        "discord", 429, '{"retry_after":64.57,"global":false}', "retry", wait=64.57,
        headers=(("retry-after", "65"),),
    ),
    Case("discord", 429, "<html>Cloudflare</html>", "retry", wait=3600, headers=(("retry-after", "86400"),)),
    Case("discord", 429, "", "retry", wait=0.5, headers=(("x-ratelimit-reset-after", "0.5"),)),
    Case("discord", 502, "", "retry"),
    # Teams: "Webhooks and connectors", and Logic Apps' "Workflow error codes"
    Case("teams", 202, "", "accepted"),
    Case("teams", 200, "1", "accepted"),
    Case("teams", 200, f"Webhook message delivery failed with error: {hidden(429)}", "retry", says="429"),
    Case("teams", 200, hidden(413), "rejected", "payload", says="413"),
    Case("teams", 200, hidden(404), "rejected", "channel"),
    Case("teams", 400, teams_error("TriggerInputSchemaMismatch"), "rejected", says="SchemaMismatch"),
    Case("teams", 400, teams_error("WorkflowTriggerIsNotEnabled"), "rejected", "channel"),
    Case("teams", 401, teams_error("DirectApiAuthorizationRequired"), "rejected", "channel"),
    Case("teams", 404, teams_error("WorkflowNotFound"), "rejected", "channel"),
    Case("teams", 413, "", "rejected", "payload"),
    Case("teams", 429, "", "retry", wait=10, headers=(("retry-after", "10"),)),
    # Telegram: Bot API, "Making requests", "ResponseParameters"
    Case("telegram", 200, '{"ok":true,"result":{"message_id":77}}', "delivered", says="77"),
    Case("telegram", 200, telegram_error(400, "message is too long"), "rejected", "payload"),
    Case("telegram", 400, telegram_error(400, "can't parse entities"), "rejected", "payload"),
    Case("telegram", 400, telegram_error(400, "chat not found"), "rejected", "recipient"),
    Case("telegram", 400, telegram_error(400, "message thread not found"), "rejected", "channel", says="thread_id"),
    Case(
        "telegram", 400, telegram_error(400, "upgraded", '{"migrate_to_chat_id":-9}'), "rejected", "recipient",
        says="put -9 into chat_ids",
    ),
    Case("telegram", 401, telegram_error(401, "Unauthorized"), "rejected", "channel", says="token"),
    Case("telegram", 403, telegram_error(403, "bot was blocked by the user"), "rejected", "recipient", says="blocked"),
    Case("telegram", 403, telegram_error(403, "user is deactivated"), "rejected", "recipient"),
    Case("telegram", 403, telegram_error(403, "bot was kicked from the group"), "rejected", "recipient"),
    Case("telegram", 404, telegram_error(404, "Not Found"), "rejected", "channel"),
    Case("telegram", 429, telegram_error(429, "Too Many Requests", '{"retry_after":31}'), "retry", wait=31),
    Case("telegram", 500, telegram_error(500, "Internal Server Error"), "retry"),
    Case("telegram", 502, "<html>Bad Gateway</html>", "retry"),
    # Twilio: API reference, "Message resource"; "Error and Warning Dictionary"
    Case("sms", 201, '{"sid":"SM1","status":"queued","error_code":null}', "accepted", says="SM1"),
    Case("sms", 201, '{"sid":"SM1","status":"accepted"}', "accepted", says="SM1"),
    Case("sms", 201, '{"sid":"SM1","status":"failed","error_code":30005}', "rejected", "recipient", says="30005"),
    Case("sms", 400, twilio_error(21211), "rejected", "recipient", says="21211"),
    Case("sms", 400, twilio_error(21408), "rejected", "recipient", says="Geo permissions"),
    Case("sms", 400, twilio_error(21602), "rejected", "payload"),
    Case("sms", 400, twilio_error(21606), "rejected", "channel", says="'from'"),
    Case("sms", 400, twilio_error(21608), "rejected", "recipient", says="verified"),
    Case("sms", 400, twilio_error(21610), "rejected", "recipient", says="STOP"),
    Case("sms", 400, twilio_error(21611), "retry", says="21611"),
    Case("sms", 400, twilio_error(21612), "rejected", "recipient"),
    Case("sms", 400, twilio_error(21614), "rejected", "recipient"),
    Case("sms", 400, twilio_error(21617), "rejected", "payload"),
    Case("sms", 400, twilio_error(21703), "rejected", "channel"),
    Case("sms", 400, twilio_error(99999), "rejected", "payload", says="99999"),
    Case("sms", 401, twilio_error(20003), "rejected", "channel", says="secrets"),
    Case("sms", 404, twilio_error(20404), "rejected", "channel", says="account_sid"),
    Case("sms", 429, twilio_error(20429), "retry", says="20429"),
    Case("sms", 429, twilio_error(20429), "retry", wait=2, headers=(("retry-after", "2"),)),
    Case("sms", 503, "", "retry"),
    # ntfy: server/errors.go, "Limitations"
    Case("push", 200, '{"id":"nt1","event":"message","topic":"x"}', "delivered", says="nt1"),
    Case("push", 400, ntfy_error(40009), "rejected", "payload", says="40009"),
    Case("push", 401, ntfy_error(40101), "rejected", "channel", says="'token'"),
    Case("push", 403, ntfy_error(40301), "rejected", "channel", says="'topic'"),
    Case("push", 413, ntfy_error(41301), "rejected", "payload"),
    Case("push", 429, ntfy_error(42901), "retry", wait=900, says="42901"),
    Case("push", 429, ntfy_error(42908), "retry", wait=900),
    Case("push", 429, ntfy_error(42901), "retry", wait=5, headers=(("retry-after", "5"),)),
    Case("push", 507, ntfy_error(50701), "retry"),
    # Pushover: "API Error Messages", "Limitations"
    Case("push", 200, '{"status":1,"request":"rq1"}', "accepted", says="rq1"),
    Case("push", 200, '{"status":1,"request":"rq1","receipt":"rc1"}', "accepted", says="rc1"),
    Case("push", 200, pushover_error("message cannot be blank"), "rejected", "payload", says="blank"),
    Case("push", 400, pushover_error("message cannot be blank"), "rejected", "payload"),
    Case("push", 400, pushover_error("is invalid", "token"), "rejected", "channel", says="'token'"),
    Case("push", 400, pushover_error("is not a valid user", "user"), "rejected", "channel", says="'user'"),
    Case(
        "push", 429, pushover_error("application is over its quota"), "retry", wait=3600, says="quota",
        headers=(("x-limit-app-reset", str(SLOT_S + 86_400)),),
    ),
    Case(
        "push", 429, pushover_error("over quota"), "retry", wait=120,
        headers=(("x-limit-app-reset", str(SLOT_S + 120)),),
    ),
    Case("push", 500, pushover_error("oops"), "retry"),
    # PagerDuty: "Send an alert event", "Response codes & Retry Logic"
    Case("pagerduty", 202, '{"status":"success","dedup_key":"default/r/s"}', "delivered", says="default/r/s"),
    Case("pagerduty", 400, pagerduty_error("'event_action' is invalid"), "rejected", "payload", says="event_action"),
    Case(
        "pagerduty", 400, pagerduty_error("Length of 'routing_key' is incorrect (should be 32 characters)"),
        "rejected", "channel", says="correct the secret",
    ),
    Case("pagerduty", 400, pagerduty_error("Invalid routing key"), "rejected", "channel"),
    Case("pagerduty", 403, "", "rejected", "channel"),
    Case("pagerduty", 413, "", "rejected", "payload"),
    Case("pagerduty", 429, '{"status":"throttle exceeded","message":"Requests are throttled"}', "retry", wait=120),
    Case("pagerduty", 429, "", "retry", wait=90, headers=(("retry-after", "90"),)),
    Case("pagerduty", 500, "", "retry"),
)  # fmt: skip


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{number}-{case.kind}-{case.status}" for number, case in enumerate(CASES)]
)
def test_a_documented_answer_comes_to_what_it_means(case: Case) -> None:
    got = load_kind(case.kind).classify(Reply(case.status, dict(case.headers), case.body, SLOT))

    assert (got.kind, got.scope, got.status) == (case.outcome, case.scope, case.status)
    assert got.retry_after == (pytest.approx(case.wait, abs=0.01) if case.wait is not None else None)
    assert case.says in " ".join((got.reason, got.provider_code, got.provider_id))
    assert ".." not in got.provider_id


def test_every_kind_has_its_vendors_answers_in_the_table() -> None:
    assert {case.kind for case in CASES} == set(kinds())


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "[1]",
        '"x"',
        "{",
        '{"error":1}',
        '{"code":"x"}',
        '{"ok":false}',
        '{"result":[]}',
        '{"retry_after":NaN}',
        f'{{"retry_after":{HUGE},"code":{HUGE}}}',
        f'{{"ok":false,"error_code":429,"parameters":{{"retry_after":{HUGE}}}}}',
        DEEP,
    ],
    ids=lambda body: body[:30],
)
@pytest.mark.parametrize("status", [200, 400, 429, 500])
def test_no_answer_is_too_odd_to_be_understood(kind: str, body: str, status: int) -> None:
    got = load_kind(kind).classify(Reply(status, {}, body, SLOT))

    assert got.kind == {429: "retry", 500: "retry", 400: "rejected"}.get(status, got.kind)
    assert got.retry_after is None or 0 <= got.retry_after <= 3600


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("status", [200, 429, 503])
def test_no_wait_is_too_odd_to_be_bounded(kind: str, status: int) -> None:
    names = ("retry-after", "x-ratelimit-reset", "x-ratelimit-reset-after", "x-limit-app-reset")
    for header in ({name: wait, "x-ratelimit-remaining": "0"} for name in names for wait in ODD_WAITS):
        got = load_kind(kind).classify(Reply(status, header, '{"status":0}', SLOT))
        assert got.retry_after is None or 0 <= got.retry_after <= 3600
