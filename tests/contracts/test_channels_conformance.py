"""What every kind of channel promises, for each file in the folder: limits, no secrets, no live injection, outcomes."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from shared.channels import Misconfigured, kinds, load_kind
from shared.channels._http import MaybeSent, NotSent, send
from shared.channels._kind import Call, Reply
from shared.model import AlertFacts, EventKind, Notification, RuleFacts, Severity
from tests.support.channels import (
    LIVE,
    REFUSES,
    SECRETS,
    broken_graphemes,
    chosen,
    message_of,
    payload_of,
    rendered,
    shown,
)
from tests.support.deliveries import SLOT, alert, notification
from tests.support.processes import free_port
from tests.support.sink import Reply as Answer
from tests.support.sink import Sink

NASTY = "<!channel> @everyone <@U1> <script>alert(1)</script> [x](http://evil) \r\nBcc: x@evil & `code` \x00\u202e"
every_kind = pytest.mark.parametrize("kind", kinds())
text = st.one_of(
    st.text(max_size=400),
    st.text(alphabet="&<>\"'`|*_~\r\n\\", min_size=1, max_size=3000),
    st.text(alphabet="👩‍👧🇩🇪é́🔥\u200d\ufe0f", min_size=1, max_size=3000),
)


@st.composite
def notifications(draw: st.DrawFn) -> Notification:
    alerts = tuple(
        AlertFacts(
            id=f"alert_{number}",
            series=draw(text),
            event=draw(st.sampled_from(EventKind)),
            severity=draw(st.sampled_from(Severity)),
            value=draw(st.one_of(st.none(), st.floats())),
            text=draw(st.text(max_size=20)),
            started_at=draw(st.integers(0, 2**62)),
            resolved_at=draw(st.one_of(st.none(), st.integers(0, 2**62))),
            reason=draw(st.text(max_size=50)),
            labels=draw(st.dictionaries(st.text(max_size=9), st.text(max_size=99), max_size=3)),
            points=tuple(draw(st.lists(st.tuples(st.integers(0, 2**62), st.floats()), max_size=5))),
        )
        for number in range(draw(st.integers(0, 4)))
    ) * draw(st.sampled_from((1, 1, 25)))
    numbered = tuple(one.model_copy(update={"id": f"alert_{index}"}) for index, one in enumerate(alerts))
    return Notification(
        id="n",
        event=draw(st.sampled_from(EventKind)),
        seq=1,
        slot=SLOT,
        severity=draw(st.sampled_from(Severity)),
        rule=RuleFacts(
            id="rule_1",
            title=draw(text),
            description=draw(text),
            condition_text=draw(text),
            condition=draw(st.sampled_from(({}, {"type": "threshold", "field": "x", "operator": ">"}))),
            threshold=draw(st.one_of(st.none(), st.floats())),
            runbook_url=draw(st.one_of(text, st.just("https://wiki.example/" + "&" * 900))),
            labels=draw(st.dictionaries(text, text, max_size=20)),
        ),
        alerts=numbered,
        alert_count=len(numbered) + draw(st.integers(0, 10**6)),
        note=draw(text),
    )


@every_kind
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
)
@given(
    told=notifications(),
    may_repeat=st.booleans(),
    ack_url=st.sampled_from(("", "https://t.example/a/x", "https://tocsin.example/" + "a" * 900)),
)
def test_limits_hold_for_any_facts(kind: str, told: Notification, may_repeat: bool, ack_url: str) -> None:
    for request in rendered(kind, message_of(told, may_repeat=may_repeat, ack_url=ack_url)):
        assert request.id.startswith("dlv_1")
        assert 0 < len(request.body) <= load_kind(kind).MAX_BYTES
        assert REFUSES[kind](payload_of(request)) == []
        assert broken_graphemes(request.body.decode(errors="replace")) == []


@every_kind
def test_nothing_that_comes_from_outside_is_live(kind: str) -> None:
    nasty = notification(
        rule={"title": NASTY, "description": NASTY, "condition_text": NASTY, "labels": {NASTY: NASTY}},
        alerts=[alert(1, text=NASTY), alert(2).model_copy(update={"series": NASTY})],
        note=NASTY,
    )
    for request in rendered(kind, message_of(nasty)):
        assert b"\x00" not in request.body
        assert "\u202e" not in request.body.decode()
        assert LIVE[kind](payload_of(request)) == []


@every_kind
def test_every_event_reads_differently_without_colour(kind: str) -> None:
    badges = set()
    for event in EventKind:
        told = message_of(notification(1, event.value))
        badges.add(told.badge)
        if load_kind(kind).HUMAN:
            assert all(told.word in shown(kind, request) for request in rendered(kind, told))
        else:
            assert f'"type":"alert.{event.value}"' in rendered(kind, told)[0].body.decode()
    assert len(badges) == len(EventKind)


@every_kind
def test_a_message_says_what_where_how_bad_and_since_when(kind: str) -> None:
    told = message_of(notification(1, "resolved", rule={"id": "rule_1"}))
    body = shown(kind, rendered(kind, told)[0])
    for part in (
        "Demo site is down",
        "demo-1.example",
        "critical",
        "https://wiki.example/demo",
        "is_up is below 1",
    ):
        assert part in body
    assert ("10 min" if load_kind(kind).HUMAN else "2026-09-21T14:13:30.000Z") in body


@every_kind
def test_the_same_message_is_rendered_to_the_same_bytes(kind: str) -> None:
    told = message_of(notification())
    assert rendered(kind, told) == rendered(kind, told)


@every_kind
def test_secrets_are_added_by_the_address_only_and_their_absence_is_said(kind: str) -> None:
    module, given = load_kind(kind), SECRETS[kind]
    request = rendered(kind, message_of(notification()))[0]
    assert "pl4nt3d" not in repr(request)
    url, headers = module.address(request, chosen(kind), {k: SecretStr(v) for k, v in given.items()}, SLOT)
    assert url.startswith("https://")
    call = Call(url, headers, request.body, secrets=tuple(given.values()))
    assert "pl4nt3d" not in repr(call)
    with pytest.raises(Misconfigured):
        module.address(request, chosen(kind), {}, SLOT)
    assert set(module.SECRETS) == set(given)


@every_kind
@pytest.mark.parametrize(
    ("status", "headers", "outcome", "scope", "retry_after"),
    [
        (200, {}, ("delivered", "accepted"), None, None),
        (202, {}, ("delivered", "accepted"), None, None),
        (301, {"location": "http://169.254.169.254/"}, ("rejected",), "channel", None),
        (400, {}, ("rejected",), "payload", None),
        (401, {}, ("rejected",), "channel", None),
        (404, {}, ("rejected",), "channel", None),
        (408, {}, ("retry",), None, None),
        (410, {}, ("rejected",), "channel", None),
        (413, {}, ("rejected",), "payload", None),
        (425, {}, ("retry",), None, None),
        (429, {"retry-after": "30"}, ("retry",), None, 30.0),
        (429, {"retry-after": "1e9"}, ("retry",), None, 3600.0),
        (429, {"retry-after": "soon"}, ("retry",), None, None),
        (500, {}, ("retry",), None, None),
        (
            503,
            {"retry-after": format_datetime(datetime.fromtimestamp(SLOT / 1000 + 60, UTC))},
            ("retry",),
            None,
            60.0,
        ),
        (599, {}, ("retry",), None, None),
    ],
)
def test_outcomes_are_a_closed_set(
    kind: str,
    status: int,
    headers: dict[str, str],
    outcome: tuple[str, ...],
    scope: str | None,
    retry_after: float | None,
) -> None:
    got = load_kind(kind).classify(Reply(status, headers, "\x07 words " * 1000, SLOT))
    assert got.kind in outcome
    assert scope in (None, got.scope)
    assert got.retry_after == (pytest.approx(retry_after, abs=1) if retry_after is not None else None)
    assert len(got.excerpt.encode()) <= 1024
    assert got.excerpt.isprintable()


@every_kind
def test_a_failure_before_the_first_byte_is_told_from_one_after_it(kind: str) -> None:
    module = load_kind(kind)

    def post(url: str, seconds: float = 5.0) -> Reply:
        call = Call(f"{url}/s3cr3t-path", {}, b"{}", module.HOSTS, ("s3cr3t-path",))
        return send(
            call, seconds=seconds, allowed=frozenset({"127.0.0.1", "gone.invalid"}), clock=lambda: SLOT
        )

    with Sink(Answer(200, body="ok")) as vendor:
        assert post(vendor.url).status == 200
        vendor.reply(Answer(drop="unanswered"), Answer(drop="halfway", body="ok"), Answer(delay=5))
        with pytest.raises(MaybeSent, match=r"127\.0\.0\.1") as unanswered:
            post(vendor.url)
        assert "s3cr3t" not in str(unanswered.value)
        assert post(vendor.url).status == 200  # the status was there; what broke off was only the body
        with pytest.raises(MaybeSent):
            post(vendor.url, 0.3)
    for url in (f"http://127.0.0.1:{free_port()}", "http://gone.invalid"):
        with pytest.raises(NotSent) as refused:
            post(url)
        assert "s3cr3t" not in str(refused.value)
