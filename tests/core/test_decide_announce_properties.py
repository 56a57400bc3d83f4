"""What must hold in every story: readings, silences, acknowledgements, skipped slots and holds of any length."""

from collections import Counter
from dataclasses import fields, replace
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.announce import group
from shared.model import EventKind, Phase, SeriesState
from shared.policy import AnnouncePolicy, DecidePolicy
from tests.support.series import EPOCH, STEP
from tests.support.telling import Told

SLOTS = st.lists(st.tuples(st.sampled_from("..~wwhc__au"), st.booleans()), max_size=60)
POLICIES = st.builds(
    lambda cooldown, repeat, flaps, settle: AnnouncePolicy(
        cooldown * STEP, repeat * STEP, 0, flaps, 20 * STEP, settle * STEP
    ),
    st.integers(0, 8), st.integers(0, 5), st.integers(1, 6), st.integers(1, 8),
)  # fmt: skip
RULES = st.builds(
    lambda wait, keep, no_data, gone: DecidePolicy("rule_r", "acme", wait * STEP, keep * STEP, no_data, 2, gone * STEP),
    st.integers(0, 3), st.integers(0, 3), st.sampled_from(["keep", "alert", "ok"]), st.integers(1, 9),
)  # fmt: skip
STORY = given(POLICIES, RULES, SLOTS)
OFTEN = settings(max_examples=80, deadline=None)


def play(how: AnnouncePolicy, rule: DecidePolicy, slots: list[tuple[str, bool]], start: int = EPOCH) -> Told:
    told = Told(how, rule, now=start)
    for symbol, silenced in slots:
        told.slot(symbol, silenced=silenced)
    return told


def settle(told: Told) -> None:
    """Let every hold end while the series stays as it is."""
    told.state = replace(told.state, acked_level=0, acked_until=0)
    for _ in range(40):
        told.slot(resting(told))


def resting(told: Told) -> str:
    """The reading that leaves the series as it is."""
    return {2: "w", 3: "h", 4: "c"}[told.state.level] if told.state.phase is Phase.FIRING else "."


@OFTEN
@STORY
def test_an_announced_alert_is_resolved_exactly_once_and_nothing_else_is(
    how: AnnouncePolicy, rule: DecidePolicy, slots: list[tuple[str, bool]]
) -> None:
    told = play(how, rule, slots)
    settle(told)
    for _ in range(40):
        told.slot("d")
    opened: list[str] = []
    closed: Counter[str] = Counter()
    for said in told.said:
        if said.closes:
            assert said.closes in opened, "resolved before it was announced"
            closed[said.closes] += 1
        if said.state.announced and said.state.announced_alert not in opened:
            opened.append(said.state.announced_alert)
    assert closed == Counter(opened)
    assert not told.state.active


@OFTEN
@STORY
@example(
    AnnouncePolicy(0, 0, 0, 2, 20 * STEP, 4 * STEP), DecidePolicy("rule_r"), [("w", False), ("c", True)] * 4
)
def test_when_no_hold_is_left_the_announced_state_is_the_present_one(
    how: AnnouncePolicy, rule: DecidePolicy, slots: list[tuple[str, bool]]
) -> None:
    told = play(how, rule, slots)
    settle(told)
    assert told.agrees
    assert not told.state.owes


@OFTEN
@STORY
def test_something_is_owed_exactly_while_a_hold_is_named(
    how: AnnouncePolicy, rule: DecidePolicy, slots: list[tuple[str, bool]]
) -> None:
    told = Told(how, rule)
    for symbol, silenced in slots:
        made = told.slot(symbol, silenced=silenced)
        assert made.state.owes == bool(made.held_by) == bool(made.state.held_by)
        assert made.state.owes != told.agrees or made.state.flapping_since
        assert not (made.tell and made.held_by)
        assert not (silenced and made.tell)
        assert bool(made.tell or made.held_by) <= bool(made.reason)


@OFTEN
@STORY
def test_nothing_is_told_twice_and_no_firing_within_the_cooldown_of_another(
    how: AnnouncePolicy, rule: DecidePolicy, slots: list[tuple[str, bool]]
) -> None:
    told = play(how, rule, slots)
    kinds = [
        (said.alert_id, said.tell)
        for said in told.said
        if said.tell in (EventKind.FIRING, EventKind.RESOLVED)
    ]
    assert max(Counter(kinds).values(), default=1) == 1
    firings = [said.state.announced_at for said in told.said if said.tell is EventKind.FIRING]
    assert all(later - earlier >= how.cooldown_ms for earlier, later in pairwise(firings))


@OFTEN
@STORY
@example(AnnouncePolicy(), DecidePolicy("rule_r"), [("w", False)])
def test_a_story_is_the_same_whenever_it_happens(
    how: AnnouncePolicy, rule: DecidePolicy, slots: list[tuple[str, bool]]
) -> None:
    shift = 86_400_000 * 365 + 12_345
    early, late = play(how, rule, slots), play(how, rule, slots, EPOCH + shift)
    assert early.story == late.story
    assert _shifted(early.state, shift) == _timeless(late.state)


def _shifted(state: SeriesState, shift: int) -> SeriesState:
    times = (
        "since",
        "fired_at",
        "clean_since",
        "ended_at",
        "seen_at",
        "announced_at",
        "cooldown_until",
        "flapping_since",
        "acked_until",
        "reminded_at",
        "slot",
    )
    assert set(times) < {field.name for field in fields(state)}
    moved = {name: getattr(state, name) + shift for name in times if getattr(state, name)}
    return _timeless(replace(state, changes=tuple(at + shift for at in state.changes), **moved))


def _timeless(state: SeriesState) -> SeriesState:
    """Without the ids, which are made from the time."""
    return replace(state, alert_id=state.alert_id[:6], announced_alert=state.announced_alert[:6])


@OFTEN
@given(POLICIES, RULES, st.lists(SLOTS, min_size=1, max_size=4), st.integers(0, 6))
def test_grouping_only_delays(
    how: AnnouncePolicy, rule: DecidePolicy, stories: list[list[tuple[str, bool]]], window: int
) -> None:
    how = replace(how, group_ms=window * STEP)
    series = [Told(how, rule, SeriesState("rule_r", f"s{n}", f"k{n}")) for n in range(len(stories))]
    until, firings = 0, []
    length = max(len(story) for story in stories)
    for slot in range(length + 60):
        made = []
        for told, story in zip(series, stories, strict=True):
            symbol, silenced = (
                story[slot] if slot < len(story) else ("u" if slot == length else resting(told), False)
            )
            made.append(told.slot(symbol, silenced=silenced))
        result = group(how, made, until, series[0].now)
        until = result.grouped_until
        after = [one for joined in result.told for one in joined.announcements] + list(result.quiet)
        assert len(after) == len(made)
        by_series = {one.state.series_id: one.state for one in after}
        for told in series:
            told.state = by_series[told.state.series_id]
        firings += [series[0].now for joined in result.told if joined.kind is EventKind.FIRING]
    assert all(later - earlier >= how.group_ms for earlier, later in pairwise(firings))
    for told in series:
        assert told.agrees
        assert not told.state.owes
