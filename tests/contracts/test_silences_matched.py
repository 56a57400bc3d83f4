"""Which series a silence is over in a tick, and when it holds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared import manage
from shared.silences import FOREVER
from shared.store.tables import silences as silence_table
from shared.weekly import WEEKDAYS
from tests.support.silences import hush, play, rule_with_levels, told_alerts
from tests.support.world import INTERVAL, STEP, World


@pytest.fixture
def one(small: World) -> World:
    return rule_with_levels(small)


# ------------------------------------------------------------------ who is matched


@pytest.mark.parametrize(
    ("matcher", "silent"),
    [
        ({"rules": ["rule_b", "rule_a"]}, True),
        ({"rules": ["rule_b"]}, False),
        ({"monitors": ["mon_a"]}, True),
        ({"monitors": ["mon_b"]}, False),
        ({"labels": {"team": "core"}}, True),
        ({"labels": {"env": "prod"}}, True),
        ({"labels": {"host": "h1"}}, True),
        ({"labels": {"team": "core", "env": "prod", "host": "h1"}}, True),
        ({"labels": {"team": "core", "host": "h2"}}, False),
        ({"labels": {"env": "staging"}}, False),
        ({"severity": "high"}, True),
        ({"severity": "critical"}, False),
        ({"at_least": "warning"}, True),
        ({"at_least": "critical"}, False),
        ({"rules": ["rule_a"], "severity": "critical"}, False),
        ({"rules": ["rule_a"], "monitors": ["mon_a"], "at_least": "info", "labels": {"host": "h1"}}, True),
    ],
    ids=str,
)
def test_all_that_is_given_must_match(small: World, matcher: dict[str, Any], silent: bool) -> None:
    small.add_monitor("mon_a", key=["host"], labels={"env": "prod"})
    small.add_rule("rule_a", labels={"team": "core"})
    hush(small, 1, 3, **matcher)
    small.play(["m,host=h1 value=11"])

    assert small.told() == ([] if silent else ["firing rule_a"])


def test_a_silence_over_one_series_lets_the_others_of_the_rule_speak(small: World) -> None:
    small.add_monitor("mon_a", key=["host"])
    small.add_rule("rule_a")
    hush(small, 1, 2, labels={"host": "h1"})
    small.play(["m,host=h1 value=11", "m,host=h2 value=11"], ["m,host=h1 value=11", "m,host=h2 value=11"])

    assert [fact.labels for _, _, fact in told_alerts(small)] == [{"host": "h2"}, {"host": "h1"}]


def test_a_silence_over_what_is_no_worse_than_high_ends_for_a_critical_alert(one: World) -> None:
    hush(one, 1, 9, severity="high")
    assert play(one, "bbcbb.") == "--F--R", "the end of an alert is as bad as what was told of it"


def test_a_silence_over_critical_alerts_holds_their_end_back_as_well(one: World) -> None:
    hush(one, 2, 4, at_least="critical")
    assert play(one, "c...") == "F--R"


def test_what_changes_in_a_silence_over_one_severity_only_is_never_called_flapping(one: World) -> None:
    hush(one, 1, 20, severity="high")
    assert play(one, "b.b.b.b.b.") == "-" * 10


# ------------------------------------------------------------------ when it holds


def test_overlapping_silences_end_with_the_last_of_them(one: World) -> None:
    hush(one, 1, 3)
    hush(one, 2, 5, "sil_b", at_least="info")
    assert play(one, "bbbbbb") == "----F-"


def test_a_silence_that_is_ended_early_lets_the_next_tick_tell(one: World) -> None:
    hush(one, 1, 20)
    assert play(one, "bb") == "--"
    manage.end_silence(one.wiring, "sil_a", actor="test", now=one.slot(2) + 1)
    assert play(one, "bb", first=3) == "F-"


def test_a_silence_that_begins_between_two_ticks_counts_in_the_next(one: World) -> None:
    assert play(one, ".") == "-"
    draft = manage.draft_silence({"rules": ["rule_a"], "duration_seconds": 2 * INTERVAL, "reason": "deploy"})
    manage.silence_alerts(one.wiring, draft, by="ann", actor="test", now=one.slot(2))
    assert play(one, "bbb", first=2) == "--F"


def test_weekly_hours_silence_and_what_still_fires_is_told_after_them(one: World) -> None:
    begin = datetime.fromtimestamp(one.slot(2) // 60_000 * 60, UTC)
    end = begin + timedelta(minutes=2)
    weekly = {
        "days": [WEEKDAYS[begin.weekday()]],
        "start": f"{begin:%H:%M}",
        "end": f"{end:%H:%M}",
        "zone": "UTC",
    }
    given = {"at_least": "info", "weekly": weekly, "reason": "nights", "starts_at": one.slot(0)}
    made = manage.silence_alerts(
        one.wiring, manage.draft_silence(given), by="ann", actor="test", now=one.slot(0)
    )
    after = (int(end.timestamp() * 1000) - one.slot(0)) // STEP

    told = play(one, ".b" + "b" * (after - 1))

    assert told == "-" * (after - 1) + "F" + "-"
    assert made.ends_at is None
    assert one.rows(silence_table)[0]["ends_at"] == FOREVER
