"""What is told of several notifications at once, and in which words."""

import pytest

from shared.channels._classify import retry_after
from shared.channels._combine import combine
from shared.channels._message import Message, build, plain_text
from shared.channels._text import clean, cut, duration, moment, number, span, utf8, utf16, web_link
from shared.model import EventKind, Notification
from tests.support.channels import message_of
from tests.support.deliveries import FIRED, SLOT, alert, notification


def told(*waiting: Notification, seen: set[str] | None = None) -> Message | None:
    telling = combine(waiting, seen or set())
    return build(telling, id="dlv_1", zone="Europe/Berlin") if telling else None


def words(*waiting: Notification, seen: set[str] | None = None) -> str:
    message = told(*waiting, seen=seen)
    assert message is not None
    return plain_text(message)


def test_a_firing_says_what_where_how_bad_the_value_against_the_threshold_since_when_and_what_to_do() -> None:
    assert words(notification(description="")).splitlines() == [
        "🔴 FIRING: Demo site is down",
        "Demo site · url=https://demo-1.example, 0 (threshold 1), since 2026-09-21 16:03:30 +02:00",
        "Where: Demo site · url=https://demo-1.example",
        "Severity: critical",
        "Value: 0 (threshold 1)",
        "Since: 2026-09-21 16:03:30 +02:00",
        "Condition: is_up is below 1",
        "Labels: team=web",
        "Runbook: https://wiki.example/demo",
    ]


def test_a_resolve_says_how_long_it_lasted_and_why_it_is_over() -> None:
    text = words(notification(2, "resolved"), seen={"alert_1"})
    assert text.startswith("🟢 RESOLVED: Demo site is down")
    assert "Lasted: 10 min\nReason: back to normal" in text
    assert "was firing" not in text


@pytest.mark.parametrize(("resolved_at", "now"), [(None, "firing"), (SLOT, "ok")], ids=["firing", "ok"])
def test_what_flaps_is_told_with_its_present_state(resolved_at: int | None, now: str) -> None:
    flapping = alert(event="flapping", reason="flapping began", resolved_at=resolved_at)
    message = told(notification(3, "flapping", [flapping]), seen={"alert_1"})

    assert message is not None
    assert f"Reason: {now} now, but it changes too often" in plain_text(message)
    assert message.summary.endswith(f", {now} now, but it changes too often")
    assert bool(message.telling.still_open) is (resolved_at is None)


def test_fired_and_resolved_both_unsent_is_told_once_as_was_firing() -> None:
    text = words(notification(1), notification(2, "resolved"))
    assert text.startswith("🟢 RESOLVED: Demo site is down")
    assert "was firing 2026-09-21 16:03:30–16:13:30 +02:00 (10 min)" in text


def test_a_resolve_whose_firing_was_never_told_is_dropped() -> None:
    assert told(notification(2, "resolved")) is None


def test_a_resolve_of_an_alert_that_was_told_is_kept_and_its_unknown_neighbour_is_dropped() -> None:
    both = notification(2, "resolved", [alert(1, "resolved"), alert(2, "resolved")])
    message = told(both, seen={"alert_2"})
    assert message is not None
    assert [item.alert.id for item in message.telling.items] == ["alert_2"]


def test_the_newest_facts_of_each_alert_are_told_and_what_still_fires_leads() -> None:
    first = notification(1, alerts=[alert(1, severity="warning"), alert(2)])
    second = notification(2, "worsened", [alert(1, "worsened", severity="high")])
    third = notification(3, "resolved", [alert(2, "resolved")])
    message = told(first, second, third)
    assert message is not None
    assert message.event is EventKind.WORSENED
    assert message.severity == "high"
    assert [(line.word, line.severity) for line in message.lines] == [
        ("WORSE", "high"),
        ("RESOLVED", "critical"),
    ]
    assert message.summary == "2 alerts: 1 worse, 1 resolved"


def test_a_firing_that_came_back_after_its_resolve_is_told_as_firing() -> None:
    message = told(notification(1), notification(2, "resolved"), notification(3, alerts=[alert(1)]))
    assert message is not None
    assert message.event is EventKind.FIRING


def test_a_reminder_of_what_nobody_heard_yet_is_a_firing() -> None:
    fresh, known = told(notification(2, "reminder")), told(notification(2, "reminder"), seen={"alert_1"})
    assert fresh is not None
    assert known is not None
    assert (fresh.badge, known.badge) == ("🔴 FIRING", "🔁 STILL FIRING")


def test_a_test_is_a_test_whatever_its_sample_shows() -> None:
    message = told(notification(1, "test", [alert(1)]))
    assert message is not None
    assert message.badge == "🧪 [TEST]"


def test_a_notification_without_alerts_is_told_by_its_note() -> None:
    assert "10001 series" in words(notification(1, alerts=[], note="The rule has 10001 series"))


def test_a_note_of_nothing_that_can_be_shown_is_no_note() -> None:
    assert message_of(notification(note=" \x00\u202e\n")).notes == ()


def test_alerts_that_are_not_listed_are_counted() -> None:
    text = words(notification(1, alerts=[alert(1), alert(2)], alert_count=130))
    assert "130 alerts: 2 firing and 128 more" in text
    assert "… and 128 more alerts" in text


def test_facts_that_count_an_alert_but_do_not_carry_it_are_told_all_the_same() -> None:
    assert "Severity: critical" in words(notification(alerts=[], alert_count=1))


def test_a_missing_value_and_a_text_value_read_well() -> None:
    assert "Reason: no data arrives" in words(notification(alerts=[alert(value=None, reason="no_data")]))
    assert "Value: degraded (threshold 1)" in words(notification(alerts=[alert(value=None, text="degraded")]))


def test_a_threshold_is_shown_with_its_operator_and_is_that_of_the_alerts_own_level() -> None:
    levels = [{"severity": "warning", "value": 97}, {"severity": "critical", "value": 99}]
    plain = {"threshold": 90.0, "condition": {"operator": ">"}}
    several = {"threshold": None, "condition": {"operator": ">", "levels": levels}}
    assert "Value: 0 (threshold > 90)" in words(notification(rule=plain))
    assert "Value: 0 (threshold > 99)" in words(notification(rule=several))
    for odd in (7, ["x"], [{"severity": "critical", "value": "high"}]):
        assert "Value: 0\n" in words(notification(rule={"threshold": None, "condition": {"levels": odd}}))


def test_that_a_rule_was_broken_is_no_reason_worth_a_line() -> None:
    assert "Reason" not in words(notification(alerts=[alert(reason="breach")]))


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0, "0 s"),
        (-5, "0 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (3_900_000, "1 h 5 min"),
        (86_400_000, "1 d"),
    ],
)
def test_durations_have_two_units_at_the_most(milliseconds: int, shown: str) -> None:
    assert duration(milliseconds) == shown
    assert duration(86_400_000 + 3_600_000 + 60_000) == "1 d 1 h"


def test_times_carry_their_offset_also_across_a_change_of_the_clocks() -> None:
    assert moment(FIRED, "UTC") == "2026-09-21 14:03:30 +00:00"
    assert span(SLOT, SLOT + 86_400_000, "UTC") == "2026-09-21 14:13:30 +00:00 – 2026-09-22 14:13:30 +00:00"
    change = 1_792_890_000_000  # 2026-10-25 01:00 UTC, when Berlin's summer time ends
    assert span(change - 60_000, change + 60_000, "Europe/Berlin").count("+0") == 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (97.25, "97.25"),
        (61234.567891, "61234.5679"),
        (100.0, "100"),
        (0.05, "0.05"),
        (1e-9, "1e-09"),
    ],
)
def test_numbers_are_short_and_right(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_cut_falls_between_graphemes_and_outside_entities() -> None:
    family, flag = "👩\u200d👩\u200d👧", "🇩🇪"
    assert cut(family * 3, utf16(family) * 2, measure=utf16) == family + "…"
    assert cut(flag * 3, 8, measure=utf16) == flag + "…"
    assert cut("e\u0301" * 5, 4) == "e\u0301…"
    assert cut("a&b&c", 8, lambda text: text.replace("&", "&amp;")) == "a&amp;b…"
    assert cut("ä" * 10, 9, measure=utf8) == "äää…"
    assert cut("short", 5) == "short"


def test_text_from_outside_is_one_harmless_line() -> None:
    assert clean("a\r\nBcc: x\x00\u202eb\u2028c \ud800") == "a Bcc: x b c ?"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "http://", "https://a b", "https://x/<y>", "ftp://x/", "https://x/|y"]
)
def test_only_ordinary_web_links_become_links(url: str) -> None:
    assert web_link(url) == ""
    assert web_link("https://wiki.example/a?b=1&c=2#d") == "https://wiki.example/a?b=1&c=2#d"


def test_retry_after_is_seconds_or_a_date_and_never_nonsense() -> None:
    assert retry_after("7", 0) == 7
    assert retry_after("-7", 0) == 0
    assert retry_after("nan", 0) is None
    assert retry_after("inf", 0) == 3600
    assert retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 0) == 60
    assert retry_after("Thu, 01 Jan 1970 00:01:00", 0) == 60
