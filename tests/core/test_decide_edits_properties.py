"""What must hold while people change a rule under its series: other times, other holds, off and on again, and slots
that come twice, late or not at all."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.advance import Sight, advance
from shared.decide import close, decide
from shared.model import Change, Phase, SeriesState
from shared.policy import AnnouncePolicy, DecidePolicy
from tests.support.series import EPOCH, STEP
from tests.support.telling import SEEN, Told

POLICIES = st.builds(
    lambda cooldown, repeat, flaps, settle: AnnouncePolicy(
        cooldown * STEP, repeat * STEP, 0, flaps, 20 * STEP, settle * STEP
    ),
    st.integers(0, 8), st.integers(0, 5), st.integers(1, 6), st.integers(1, 8),
)  # fmt: skip
RULES = st.builds(
    lambda wait, keep, no_data, gone: DecidePolicy(
        "rule_r", "acme", wait * STEP, keep * STEP, no_data, 2, gone * STEP
    ),
    st.integers(0, 3), st.integers(0, 3), st.sampled_from(["keep", "alert", "ok"]), st.integers(1, 9),
)  # fmt: skip
SLOT = st.tuples(st.sampled_from("..~wwhc__aud"), st.booleans())
EPISODES = st.lists(
    st.tuples(POLICIES, RULES, st.lists(SLOT, min_size=1, max_size=12)), min_size=1, max_size=6
)
"""A rule as somebody left it, and what came until it was changed again; `d` ends it, the next slot finds it back on."""
OFTEN = settings(max_examples=80, deadline=None)
Episodes = list[tuple[AnnouncePolicy, DecidePolicy, list[tuple[str, bool]]]]


def play(episodes: Episodes) -> Told:
    told = Told()
    for how, rule, slots in episodes:
        told.how, told.rule = how, rule
        for symbol, silenced in slots:
            told.slot(symbol, silenced=silenced)
    return told


def rest(told: Told, slots: int = 60) -> None:
    """No hold that people made is left, and the series stays as it is."""
    told.state = replace(told.state, acked_level=0, acked_until=0)
    for _ in range(slots):
        firing = told.state.phase is Phase.FIRING
        told.slot({2: "w", 3: "h", 4: "c"}[told.state.level] if firing else ".")


@OFTEN
@given(EPISODES)
def test_whatever_is_changed_what_was_announced_in_the_end_is_the_present(episodes: Episodes) -> None:
    told = play(episodes)
    rest(told)
    assert told.agrees
    assert not told.state.owes


@OFTEN
@given(EPISODES)
def test_whatever_is_changed_an_alert_is_announced_before_it_is_resolved_and_resolved_once(
    episodes: Episodes,
) -> None:
    told = play(episodes)
    rest(told)
    told.slot("d")
    rest(told)
    opened: set[str] = set()
    closed: Counter[str] = Counter()
    for said in told.said:
        if said.closes:
            assert said.closes in opened
            closed[said.closes] += 1
        if said.state.announced:
            opened.add(said.state.announced_alert)
            assert len(opened - set(closed)) == 1, "two alerts of one series are open"
    assert closed == Counter(opened)


@OFTEN
@given(EPISODES)
def test_transitions_take_turns_and_are_dated_by_their_slot(episodes: Episodes) -> None:
    """Fired and resolved alternate, pending ends in fired or dropped, and no time is earlier than what it is about."""
    state, now = SeriesState("rule_r", "abc", '["mon_m",[]]'), EPOCH
    allowed = {
        Phase.OK: {Change.PENDING, Change.FIRED},
        Phase.PENDING: {Change.FIRED, Change.DROPPED},
        Phase.FIRING: {Change.WORSENED, Change.IMPROVED, Change.RESOLVED},
    }
    for _how, rule, slots in episodes:
        for symbol, skipped in slots:
            now += 3 * STEP if skipped else STEP
            before = state
            if symbol == "d":
                state, steps = close(state, "rule deleted", now)
            else:
                state, steps = decide(rule, state, SEEN.get(symbol, SEEN["_"]), now)
            assert len(steps) <= 1
            for step in steps:
                assert step.change in allowed[before.phase]
                assert step.at == now
            if before.phase is not Phase.FIRING and state.phase is Phase.FIRING:
                assert state.fired_at == now
                assert state.since == (before.since if before.phase is Phase.PENDING else now)
                assert now - state.since >= rule.for_ms
            assert state.since <= now
            assert (state.phase is Phase.OK) == (state.level == 0)
            assert state.slot == now


@OFTEN
@given(EPISODES, POLICIES, RULES, SLOT, st.integers(0, 5))
def test_a_slot_that_comes_twice_or_late_changes_and_tells_nothing(
    episodes: Episodes, how: AnnouncePolicy, rule: DecidePolicy, slot: tuple[str, bool], late: int
) -> None:
    told = play(episodes)
    symbol, silenced = slot
    sight = Sight("rule_r", "abc", '["mon_m",[]]', SEEN.get(symbol, SEEN["_"]))

    step = advance(rule, how, told.state, sight, silenced=silenced, now=told.now - late * STEP)

    assert not step.matters
    assert step.announcement.state == told.state
