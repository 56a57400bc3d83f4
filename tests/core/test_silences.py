"""Which silence is over a series at a moment: matchers, beginnings and ends, and the index against all of them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.series import series_key
from shared.silences import FOREVER, Matcher, Quiet, Silence, Subject, read_silence, subject
from shared.weekly import Weekly

NOW = 1_700_000_000_000
HOUR = 3_600_000
# NOW is a Tuesday, 22:13 UTC.
EVENING = Weekly(days=("tue",), start="22:00", end="23:00", zone="UTC")

names = st.sampled_from(["a", "b", "c"])
pairs = st.dictionaries(names, names, max_size=2)
levels = st.one_of(st.none(), st.sampled_from([1, 2, 3, 4]))


@st.composite
def matchers(draw: st.DrawFn) -> Matcher:
    severity = draw(levels)
    values: dict[str, Any] = {
        "rules": draw(st.lists(names, max_size=2)),
        "monitors": draw(st.lists(names, max_size=2)),
        "labels": draw(pairs),
        "severity": severity,
        "at_least": draw(levels) if severity is None else None,
    }
    if not any(values.values()):
        values["at_least"] = 1
    return Matcher.model_validate(values)


@st.composite
def silences(draw: st.DrawFn) -> Silence:
    start = draw(st.integers(-2, 2))
    end = start + draw(st.integers(0, 3))
    weekly = draw(st.sampled_from([None, None, EVENING]))
    number = draw(st.integers(0, 1_000_000))
    return Silence(f"sil_{number}", draw(matchers()), NOW + start * HOUR, NOW + end * HOUR, weekly)


def plainly(silence: Silence, about: Subject) -> bool:
    """What the design says, read word by word."""
    matcher, have = silence.matcher, dict.fromkeys(about.labels)
    return (
        silence.starts_at <= NOW < silence.ends_at
        and (not matcher.rules or about.rule_id in matcher.rules)
        and (not matcher.monitors or about.monitor_id in matcher.monitors)
        and (matcher.severity is None or matcher.severity == about.severity)
        and (matcher.at_least is None or matcher.at_least <= about.severity)
        and all(pair in have for pair in matcher.labels.items())
    )


@given(
    some=st.lists(silences(), max_size=8),
    rule_id=names,
    monitor_id=names,
    severity=st.sampled_from([0, 1, 2, 3, 4]),
    labels=st.tuples(pairs, pairs, pairs),
)
def test_a_series_is_silenced_when_any_silence_that_holds_matches_it(
    some: list[Silence], rule_id: str, monitor_id: str, severity: int, labels: tuple[dict[str, str], ...]
) -> None:
    of_rule, of_monitor, tags = labels
    key = series_key(monitor_id, tags.items())
    about = subject(rule_id, key, severity, of_rule, {monitor_id: of_monitor}.__getitem__)

    found = Quiet(some, NOW).over(about)

    matching = [silence for silence in some if plainly(silence, about)]
    assert (found is not None) == bool(matching)
    if found is not None:
        assert found.ends_at == max(silence.ends_at for silence in matching)


def test_a_label_may_be_of_the_rule_of_the_monitor_or_a_tag_with_any_of_their_values() -> None:
    about = subject("r", series_key("m", [("env", "c")]), 2, {"env": "a"}, lambda _: {"env": "b"})
    assert [Matcher(labels={"env": value}).matches(about) for value in "abcd"] == [True, True, True, False]


@pytest.mark.parametrize(
    ("what", "start", "end", "weekly", "window", "holds"),
    [
        ("now", 0, HOUR, None, (0, HOUR), True),
        ("its end is not in it", -HOUR, 0, None, None, False),
        ("later", 1, HOUR, None, (1, HOUR), False),
        ("its hours, from its own beginning", 0, FOREVER - NOW, EVENING, (0, 2_800_000), True),
        ("its hours, to its own end", -HOUR, 60_000, EVENING, (-800_000, 60_000), True),
        ("its next hours", HOUR, FOREVER - NOW, EVENING, (604_000_000, 607_600_000), False),
        ("no hours before its end", HOUR, 2 * HOUR, EVENING, None, False),
    ],
)
def test_when_a_silence_holds(
    what: str, start: int, end: int, weekly: Weekly | None, window: tuple[int, int] | None, holds: bool
) -> None:
    silence = Silence("sil_a", Matcher(rules=("r",)), NOW + start, NOW + end, weekly)
    assert silence.window(NOW) == (window and (NOW + window[0], NOW + window[1])), what
    assert silence.holds(NOW) is holds


def test_where_nothing_is_silenced_nothing_is_asked() -> None:
    over = Silence("sil_a", Matcher(rules=("r",)), NOW - HOUR, NOW)
    assert not Quiet([], NOW)
    assert not Quiet([over], NOW)


def test_a_silence_is_read_from_its_row() -> None:
    weekly = EVENING.model_dump_json()
    silence = read_silence("sil_a", '{"rules":["r"],"at_least":"high"}', 1, 2, weekly, "why")
    assert silence == Silence("sil_a", Matcher(rules=("r",), at_least="high"), 1, 2, EVENING, "why")


@pytest.mark.parametrize(
    ("matcher", "words"),
    [
        ({}, "at least one of rules"),
        ({"severity": "high", "at_least": "high"}, "not both"),
        ({"rule": "r"}, "not permitted"),
        ({"severity": "bad"}, "severity"),
    ],
    ids=str,
)
def test_a_matcher_that_says_nothing_or_too_much_is_refused(matcher: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        read_silence("sil_a", json.dumps(matcher), 1, 2, None, "")
