"""A digest on every kind that people read, for each file in the folder: told apart, worst first, within every limit."""

import pytest

from shared.channels import kinds, load_kind
from shared.channels._combine import combine
from shared.channels._digest import digest
from shared.channels._message import Message, Telling
from shared.model import EventKind
from tests.support.channels import LIVE, REFUSES, broken_graphemes, payload_of, rendered, shown
from tests.support.deliveries import alert, notification

NASTY = "<!channel> @everyone <@U1> <script>alert(1)</script> [x](http://evil) \r\nBcc: x@evil & `code` 👩‍👩‍👧‍👦\x00"
people = pytest.mark.parametrize("kind", [kind for kind in kinds() if load_kind(kind).HUMAN])


def telling(number: int, event: str = "firing", severity: str = "warning", title: str = "") -> Telling:
    about = alert(number, event, severity)
    rule = {"id": f"rule_{number}", "title": title or f"Rule {number}", "runbook_url": "", "labels": {}}
    made = combine([notification(1, event, [about], rule=rule)], {about.id})
    assert made is not None
    return made


def mixed() -> Message:
    tellings = [telling(number) for number in range(29)]
    tellings += [telling(number, "resolved") for number in range(29, 36)]
    return digest(
        [*tellings, telling(36, severity="critical", title="Worst")], id="dig_1", zone="Europe/Berlin"
    )


def test_a_digest_counts_its_rules_by_what_is_told_and_how_bad_it_is() -> None:
    message = mixed()
    assert message.title == "37 rules: 30 firing, 7 resolved"
    assert message.summary == "37 alerts; open rules: 1 critical, 29 warning"
    assert message.lines[0].series.startswith("Worst")
    assert [line.word for line in message.lines[-7:]] == ["RESOLVED"] * 7
    assert dict(message.facts)["To see all"] == "tocsin alerts list"
    assert (message.id, message.event, message.severity) == ("dig_1", EventKind.FIRING, "critical")


def test_a_digest_of_nothing_but_ends_is_calm() -> None:
    message = digest([telling(number, "resolved") for number in range(6)], id="d", zone="UTC")
    assert message.title == "6 rules: 6 resolved"
    assert message.event is EventKind.RESOLVED
    assert message.colour == "#36A64F"


def test_rules_beyond_the_listed_ones_are_counted_by_their_alerts() -> None:
    message = digest([telling(number) for number in range(5_000)], id="d", zone="UTC")
    assert len(message.lines) + message.more == 5_000


@people
def test_a_digest_is_told_apart_without_colour_and_names_the_worst(kind: str) -> None:
    for request in rendered(kind, mixed()):
        body = shown(kind, request)
        assert "DIGEST" in body
        assert "37 rules: 30 firing, 7 resolved" in body
        assert "Worst" in body


@people
def test_a_digest_of_hostile_texts_is_within_the_vendors_limits_and_harmless(kind: str) -> None:
    tellings = [telling(number, title=f"{NASTY * 5}{number}") for number in range(300)]
    message = digest(tellings, id="d", zone="UTC", may_repeat=True, notes=[NASTY * 20] * 5)
    for request in rendered(kind, message):
        assert REFUSES[kind](payload_of(request)) == []
        assert LIVE[kind](payload_of(request)) == []
        assert broken_graphemes(request.body.decode()) == []
        assert len(request.body) <= load_kind(kind).MAX_BYTES
        assert "may repeat" in shown(kind, request)


@people
def test_a_digest_is_the_same_bytes_every_time(kind: str) -> None:
    assert rendered(kind, mixed()) == rendered(kind, mixed())
