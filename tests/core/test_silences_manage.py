"""The use cases on silences: what they check, what they write, what they say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared import manage
from shared.errors import Conflict, InvalidInput, NotFound
from shared.manage import SilenceItem
from shared.wiring import Wiring
from tests.support.manage import NOW, add_monitor, add_rule, revision, written
from tests.support.manage import wiring as made
from tests.support.rows import add_alert

HOUR = 3_600_000
NIGHTS = {"days": ("mon", "tue"), "start": "22:00", "end": "06:00", "zone": "Europe/Berlin"}


@pytest.fixture
def wiring(tmp_path: Path) -> Iterator[Wiring]:
    one = made(tmp_path)
    add_monitor(one)
    add_rule(one)
    yield one
    one.close()


def silence(wiring: Wiring, **given: Any) -> SilenceItem:
    plain = {"rules": ["Bitcoin high"], "duration_seconds": 3600, "reason": "deploy"}
    values = {name: value for name, value in {**plain, **given}.items() if value is not None}
    return manage.silence_alerts(wiring, manage.draft_silence(values), by="Ann", actor="cli:ann", now=NOW)


def test_a_silence_names_its_rules_and_monitors_by_id_and_says_what_it_is_about(wiring: Wiring) -> None:
    made = silence(wiring, rules=["bitcoin HIGH"], monitors=["Bitcoin"], at_least="medium", labels={"a": "b"})

    assert (made.matcher.rules, made.matcher.monitors) == (("rule_btc",), ("mon_btc",))
    assert made.about == 'rule "Bitcoin high", monitor "Bitcoin", severity warning or worse, a=b'
    assert (made.state, made.starts_at, made.ends_at, made.window) == (
        "active",
        NOW,
        NOW + HOUR,
        (NOW, NOW + HOUR),
    )
    assert (made.reason, made.created_by, made.created_at, made.ended_at) == ("deploy", "Ann", NOW, None)


def test_making_and_ending_a_silence_is_audited_and_bumps_the_revision(wiring: Wiring) -> None:
    before = revision(wiring)
    made = silence(wiring)
    manage.end_silence(wiring, made.id[:6], actor="cli:bob", now=NOW + 1)

    ended, created = (row for row in written(wiring) if row.object == made.id)
    assert (created.action, created.actor, created.object) == ("silence.create", "cli:ann", made.id)
    assert json.loads(created.after or "")["matcher"] == {"rules": ["rule_btc"]}
    assert (ended.action, ended.actor) == ("silence.end", "cli:bob")
    assert [json.loads(text or "")["ended_at"] for text in (ended.before, ended.after)] == [None, NOW + 1]
    assert revision(wiring) == before + 2


@pytest.mark.parametrize(
    ("matcher", "count"),
    [
        ({"rules": ["rule_btc"]}, 2),
        ({"monitors": ["mon_btc"]}, 2),
        ({"severity": "critical"}, 1),
        ({"at_least": "high"}, 2),
        ({"severity": "info"}, 0),
        ({"labels": {"team": "core"}}, 2),
        ({"labels": {"market": "spot"}}, 2),
        ({"labels": {"symbol": "eth"}}, 1),
        ({"labels": {"symbol": "eth"}, "severity": "critical"}, 1),
        ({"labels": {"symbol": "eth"}, "severity": "high"}, 0),
        ({"labels": {"symbol": "et"}}, 0),
    ],
    ids=str,
)
def test_a_silence_says_how_many_alerts_it_is_about_now(
    tmp_path: Path, matcher: dict[str, Any], count: int
) -> None:
    wiring = made(tmp_path)
    add_monitor(wiring, labels={"market": "spot"})
    add_rule(wiring, labels={"team": "core"})
    add_alert(wiring.store, "alert_btc", key='["mon_btc",[["symbol","btc"]]]')
    add_alert(wiring.store, "alert_eth", level=4, key='["mon_btc",[["symbol","eth"]]]')
    add_alert(wiring.store, "alert_old", phase="ok", key='["mon_btc",[["symbol","eth"]]]')

    assert silence(wiring, **{"rules": None, **matcher}).alerts == count
    wiring.close()


def test_silences_are_listed_by_how_they_stand(wiring: Wiring) -> None:
    active = silence(wiring)
    later = silence(wiring, starts_at=NOW + HOUR)
    over = silence(wiring, duration_seconds=1)
    ended = silence(wiring)
    # NOW is a Tuesday, 23:13 in Berlin.
    nights = silence(wiring, weekly=NIGHTS, duration_seconds=None)
    days = silence(wiring, weekly={**NIGHTS, "start": "08:00", "end": "18:00"}, duration_seconds=None)
    manage.end_silence(wiring, ended.id, actor="a", now=NOW + 1)

    def listed(state: str) -> set[str]:
        return {item.id for item in manage.list_silences(wiring, state=state, now=NOW + 1000).items}

    assert listed("active") == {active.id, nights.id}
    assert listed("pending") == {later.id, days.id}
    assert listed("expired") == {over.id, ended.id}
    assert listed("") == listed("active") | listed("pending")
    assert (nights.ends_at, nights.state) == (None, "active")
    assert days.window == (1_700_463_600_000, 1_700_499_600_000), "from Monday 8:00 to 18:00"


def test_silences_go_by_pages(wiring: Wiring) -> None:
    ids = {silence(wiring).id for _ in range(3)}
    first = manage.list_silences(wiring, now=NOW, limit=2)
    second = manage.list_silences(wiring, now=NOW, limit=2, cursor=first.cursor)

    assert (len(first.items), len(second.items), second.cursor) == (2, 1, "")
    assert {item.id for item in (*first.items, *second.items)} == ids


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rules": None}, "matchers is missing; give at least one of rules, monitors, severity"),
        ({"reason": ""}, "reason is missing; say why"),
        ({"reason": " "}, "expected one line"),
        ({"duration_seconds": None}, "end is missing; say how long it lasts"),
        ({"ends_at": NOW + 1}, "not both"),
        ({"duration_seconds": 0}, "must be in the future"),
        ({"duration_seconds": None, "ends_at": NOW}, "must be in the future"),
        ({"starts_at": NOW + HOUR, "duration_seconds": None, "ends_at": NOW + 1}, "after the beginning"),
        ({"duration_seconds": 10**12}, "five years at most"),
        ({"severity": "hihg"}, "Did you mean 'high'"),
        ({"severity": "high", "at_least": "high"}, "severity or at_least, not both"),
        ({"labels": {"": "x"}}, "labels"),
        ({"weekly": {**NIGHTS, "zone": "Europe/Berln"}}, "weekly.zone: 'Europe/Berln' .* IANA zone"),
        ({"weekly": {**NIGHTS, "days": ("wed",)}}, "no hours before the silence ends"),
        ({"rule": "x"}, "Did you mean 'rules'"),
    ],
    ids=str,
)
def test_a_silence_that_can_not_be_is_refused(wiring: Wiring, given: dict[str, Any], words: str) -> None:
    before = len(written(wiring))
    with pytest.raises(InvalidInput, match=words):
        silence(wiring, **given)
    assert len(written(wiring)) == before


def test_what_is_not_there_can_not_be_silenced_or_ended(wiring: Wiring) -> None:
    with pytest.raises(NotFound, match="did you mean 'Bitcoin high'"):
        silence(wiring, rules=["Bitcoin hi"])
    with pytest.raises(NotFound, match="monitor 'Doge' not found"):
        silence(wiring, rules=None, monitors=["Doge"])
    with pytest.raises(NotFound, match="list the silences"):
        manage.end_silence(wiring, "sil_none", actor="a", now=NOW)
    made = silence(wiring)
    silence(wiring)
    with pytest.raises(InvalidInput, match="several silences begin with it"):
        manage.end_silence(wiring, "sil_", actor="a", now=NOW)
    with pytest.raises(Conflict, match="is over already"):
        manage.end_silence(wiring, made.id, actor="a", now=NOW + HOUR)
    manage.end_silence(wiring, made.id, actor="a", now=NOW)
    with pytest.raises(Conflict, match="ended already"):
        manage.end_silence(wiring, made.id, actor="a", now=NOW)
    with pytest.raises(InvalidInput, match="Did you mean 'active'"):
        manage.list_silences(wiring, state="activ", now=NOW)


@pytest.mark.parametrize(
    ("words", "days"),
    [
        ("mon-fri 22:00-6:00", "mon tue wed thu fri"),
        ("fri-mon 22:00 - 06:00", "mon fri sat sun"),
        ("Saturday,sun 22:00-06:00", "sat sun"),
        ("daily 22:00-06:00", "mon tue wed thu fri sat sun"),
        ("wed 22:00-06:00", "wed"),
    ],
)
def test_hours_of_the_week_in_words(words: str, days: str) -> None:
    assert manage.weekly_of(words, "UTC") == {
        "days": days.split(),
        "start": "22:00",
        "end": "06:00",
        "zone": "UTC",
    }


@pytest.mark.parametrize(
    ("words", "zone", "why"),
    [
        ("22:00-06:00", "UTC", "expected DAYS START-END"),
        ("monday at night", "UTC", "expected DAYS START-END"),
        ("mo-fr 22:00-06:00", "UTC", "'mo' is not valid; valid are mon, tue"),
        ("mon- 22:00-06:00", "UTC", "valid are mon, tue"),
        ("mon 22:00-06:00", "", "zone is missing; say whose clock"),
    ],
)
def test_words_that_are_no_hours_say_what_would_be(words: str, zone: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        manage.weekly_of(words, zone)
