"""The state machine of one series, as timelines: what it sees in each slot, and what it becomes."""

from dataclasses import replace

import pytest

from shared.decide import alert_id, close, decide
from shared.model import Change, Phase, Reading, SeriesState, Transition
from shared.policy import DecidePolicy, NoData
from tests.support.series import EPOCH, STEP

POLICY = DecidePolicy("rule_r", "acme", severity=2)
STATE = SeriesState("rule_r", "abc", '["mon_m",[]]')
READINGS = {
    ".": Reading(0, True, value=1.0),
    "~": Reading(0, False, value=75.0),  # between threshold and recovery value
    "w": Reading(2, False, value=85.0),
    "h": Reading(3, False, value=90.0),
    "c": Reading(4, False, value=95.0),
    "_": Reading(0, False, missing="no point"),
    "!": Reading(0, False, missing="holds text", error=True),
}
PHASES = {Phase.OK: ".", Phase.PENDING: "p", Phase.FIRING: "F"}


def policy(
    *, for_slots: int = 0, keep_slots: int = 0, no_data: NoData = "keep", gone_slots: int = 120
) -> DecidePolicy:
    return replace(
        POLICY,
        for_ms=for_slots * STEP,
        keep_firing_ms=keep_slots * STEP,
        no_data=no_data,
        gone_after_ms=gone_slots * STEP,
    )


def run(
    rule: DecidePolicy, seen: str, state: SeriesState = STATE
) -> tuple[str, list[Transition], SeriesState]:
    """Phases as a string, all transitions, the last state. A blank is a skipped slot."""
    phases = ""
    steps: list[Transition] = []
    for slot, symbol in enumerate(seen):
        if symbol == " ":
            phases += " "
            continue
        state, made = decide(rule, state, READINGS[symbol], EPOCH + slot * STEP)
        phases += PHASES[state.phase]
        steps += made
    return phases, steps, state


def changes(steps: list[Transition]) -> list[str]:
    return [f"{step.change} {step.reason} @{(step.at - EPOCH) // STEP}" for step in steps]


@pytest.mark.parametrize(
    ("rule", "seen", "phases"),
    [
        # for: inclusive, counted in time and not in evaluations
        (policy(), "..ww..", "..FF.."),
        (policy(for_slots=2), ".wwww.", ".ppFF."),
        (policy(for_slots=3), ".ww.www", ".pp.ppp"),
        (policy(for_slots=2), ".w w", ".p F"),
        (policy(for_slots=1), ".w    w", ".p    F"),
        # keep firing: from the first clean reading, reset by any other
        (policy(keep_slots=2), "w...", "FFF."),
        (policy(keep_slots=2), "w..w...", "FFFFFF."),
        (policy(keep_slots=2), "w..~...", "FFFFFF."),
        (policy(keep_slots=2), "w.._...", "FFFFFF."),
        # recovery value: between the two nothing ends and nothing fires
        (policy(), "w~~~.", "FFFF."),
        (policy(), "~~~", "..."),
        (policy(for_slots=1), "w~~w", "pppF"),
        (policy(for_slots=1), "w~.w", "pp.p"),
        # missing data: keep
        (policy(), "w____w", "FFFFFF"),
        (policy(for_slots=3), "w___w", "ppppF"),
        (policy(gone_slots=3), "w____", "FFF.."),
        (policy(for_slots=9, gone_slots=3), "w____", "ppp.."),
        (policy(), "____", "...."),
        # missing data: ok
        (policy(no_data="ok"), "w_w", "F.F"),
        (policy(for_slots=5, no_data="ok"), "w_w", "p.p"),
        # missing data: alert, after `for` like any other breach, and never gone
        (policy(no_data="alert"), "._.", ".F."),
        (policy(no_data="alert", for_slots=2), ".____.", ".ppFF."),
        (policy(no_data="alert", gone_slots=2), "w_____.", "FFFFFF."),
        # what can't be read decides nothing
        (policy(keep_slots=2), "w.!.", "FFF."),
        (policy(no_data="alert"), ".!!!", "...."),
        (policy(no_data="ok"), "w!!!.", "FFFF."),
    ],
)
def test_a_series_goes_through_its_phases(rule: DecidePolicy, seen: str, phases: str) -> None:
    assert run(rule, seen)[0] == phases


def test_every_step_has_a_name_and_a_reason() -> None:
    assert changes(run(policy(for_slots=1), ".w.www.")[1]) == [
        "pending breach @1", "dropped recovered @2", "pending breach @3", "fired breach @4", "resolved recovered @6"
    ]  # fmt: skip
    assert changes(run(policy(gone_slots=3), "w___")[1])[-1] == "resolved gone @3"
    assert changes(run(policy(no_data="ok"), "w_")[1])[-1] == "resolved no_data @1"
    assert changes(run(policy(no_data="alert"), "._")[1]) == ["fired no_data @1"]


def test_levels_rise_and_fall_within_one_alert() -> None:
    phases, steps, state = run(policy(), "whch..")
    assert phases == "FFFF.."
    assert [(step.change, step.level) for step in steps] == [
        (Change.FIRED, 2), (Change.WORSENED, 3), (Change.WORSENED, 4), (Change.IMPROVED, 3), (Change.RESOLVED, 3)
    ]  # fmt: skip
    assert len({state.alert_id, alert_id("acme", "rule_r", "abc", EPOCH)}) == 1


def test_missing_data_keeps_the_level_of_an_open_alert() -> None:
    _, steps, state = run(policy(no_data="alert"), "c_")
    assert (state.level, state.reason, state.value) == (4, "no_data", None)
    assert [step.change for step in steps] == [Change.FIRED]


def test_an_alert_that_missing_data_opened_goes_on_when_the_data_breach() -> None:
    _, steps, state = run(policy(no_data="alert"), "_w.")
    assert [step.change for step in steps] == [Change.FIRED, Change.RESOLVED]
    assert state.reason == "recovered"


def test_the_alert_id_is_the_same_for_everybody_who_computes_it() -> None:
    state = run(policy(for_slots=2), ".www")[2]
    assert state.alert_id == alert_id("acme", "rule_r", "abc", EPOCH + 3 * STEP)
    assert len(state.alert_id) == 26
    assert state.alert_id.startswith("alert_")


def test_after_the_end_the_state_still_names_the_episode_until_the_next_one() -> None:
    ended = run(policy(), "ww.")[2]
    assert (ended.since, ended.fired_at, ended.level, ended.clean_since) == (EPOCH, EPOCH, 0, 0)
    assert ended.alert_id
    later, _ = decide(policy(for_slots=1), ended, READINGS["w"], EPOCH + 9 * STEP)
    assert (later.phase, later.alert_id, later.fired_at, later.since) == (
        Phase.PENDING,
        "",
        0,
        EPOCH + 9 * STEP,
    )


@pytest.mark.parametrize("symbol", list(READINGS))
def test_a_slot_that_is_not_newer_changes_nothing(symbol: str) -> None:
    state = run(policy(for_slots=1), ".www")[2]
    for slot in (state.slot, state.slot - STEP):
        assert decide(policy(), state, READINGS[symbol], slot) == (state, ())


def test_a_longer_for_leaves_a_firing_series_firing() -> None:
    state = run(policy(), "w")[2]
    after, steps = decide(policy(for_slots=100), state, READINGS["w"], EPOCH + STEP)
    assert (after.phase, steps) == (Phase.FIRING, ())


@pytest.mark.parametrize(
    ("seen", "change"), [("w", Change.RESOLVED), ("w.", None), (".", None)],
)  # fmt: skip
def test_the_end_of_a_rule_resolves_what_fires(seen: str, change: Change | None) -> None:
    state = run(policy(), seen)[2]
    after, steps = close(state, "rule deleted", EPOCH + 9 * STEP)
    assert after.phase is Phase.OK
    assert [(step.change, step.reason) for step in steps] == ([(change, "rule deleted")] if change else [])


def test_the_end_of_a_rule_drops_what_is_pending() -> None:
    state = run(policy(for_slots=5), "w")[2]
    after, (step,) = close(state, "rule disabled", EPOCH + STEP)
    assert (after.phase, step.change, step.reason) == (Phase.OK, Change.DROPPED, "rule disabled")
