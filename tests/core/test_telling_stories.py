"""What is told over a whole episode: levels, hysteresis, keep-firing and missing data together, and rules that change.

Upper line: what the series is in each slot (`~` lies between threshold and recovery value, `_` is missing). Lower line:
what is told.
"""

from dataclasses import replace

import pytest

from shared.decide import close
from shared.model import EventKind, Phase
from shared.policy import AnnouncePolicy, DecidePolicy
from tests.support.series import STEP
from tests.support.telling import Told, told_policy

RULE = DecidePolicy("rule_r", "acme")
KEEP = replace(RULE, keep_firing_ms=2 * STEP)
LATE = replace(RULE, for_ms=2 * STEP)
PLAIN = told_policy()
COOL = told_policy(cooldown_slots=6)


@pytest.mark.parametrize(
    ("what", "rule", "how", "seen", "silence", "story"),
    [
        # -- several levels are one alert
        ("up, down and over: one firing, one rise, one end", RULE, PLAIN, "wcw.", "", "FW.R"),
        ("from nothing to the worst is one message", RULE, PLAIN, "c.", "", "FR"),
        ("every rise over what was told is told", RULE, PLAIN, "whc.", "", "FWWR"),
        ("the worst was told, so going back to it is no news", RULE, PLAIN, "cwc.", "", "F..R"),
        # -- hysteresis and keep-firing
        ("between threshold and recovery nothing ends", RULE, PLAIN, "w~~~.", "", "F...R"),
        ("between them nothing begins", RULE, PLAIN, "~~~w", "", "...F"),
        ("keep-firing tells the end late, and a breach in it is no news", KEEP, PLAIN, "w..w...", "", "F.....R"),
        ("what lies between breaks the clean run", KEEP, PLAIN, "w.~...", "", "F....R"),
        ("a rise while it is kept firing is told", KEEP, PLAIN, "w.c...", "", "F.W..R"),
        ("keep-firing keeps through a hole as well", KEEP, PLAIN, "w._...", "", "F....R"),
        ("a kept alert in a cooldown needs no second firing", KEEP, COOL, "w..w...", "", "F.....R"),
        ("kept firing into a silence, its end waits", KEEP, PLAIN, "w.....", "  sss", "F..--R"),
        # -- pending
        ("pending and clean again is nothing", LATE, PLAIN, "ww.ww.", "", "......"),
        ("pending through a hole", LATE, PLAIN, "w__w.", "", "...FR"),
        ("pending in a silence, firing after it", LATE, PLAIN, "wwww", "ss", "..F."),
        ("it becomes critical while it is pending", LATE, PLAIN, "wcw", "", "..F"),
        # -- missing data
        ("missing is not clean", RULE, PLAIN, "w____.", "", "F....R"),
        ("gone", replace(RULE, gone_after_ms=3 * STEP), PLAIN, "w____", "", "F..R."),
        ("gone, and back: a new alert", replace(RULE, gone_after_ms=3 * STEP), PLAIN, "w____w.", "", "F..R.FR"),
        ("gone in a silence", replace(RULE, gone_after_ms=3 * STEP), PLAIN, "w______", " ssss", "F..--R."),
        ("gone while pending is nothing", replace(LATE, gone_after_ms=STEP), PLAIN, "w_w__", "", "....."),
        ("no data counts as ok", replace(RULE, no_data="ok"), PLAIN, "w_w_", "", "FRFR"),
        ("no data alerts, and data ends it", replace(RULE, no_data="alert"), PLAIN, "._._.", "", ".FRFR"),
        ("no data in an alert is the same alert", replace(RULE, no_data="alert"), PLAIN, "c__c.", "", "F...R"),
        ("no data alerts no sooner than a breach", replace(LATE, no_data="alert"), PLAIN, ".____", "", "...F."),
        # -- cooldowns end with the present
        ("fire, end, fire in the cooldown: the last state", RULE, COOL, "w.w....w", "", "FR-....F"),
        ("… which still fires when it ends", RULE, COOL, "w.wwwwww", "", "FR----F."),
        ("… and rose meanwhile: at its present level", RULE, COOL, "w.wwccww", "", "FR----F."),
    ],
)  # fmt: skip
def test_a_story(
    what: str, rule: DecidePolicy, how: AnnouncePolicy, seen: str, silence: str, story: str
) -> None:
    told = Told(how, rule)
    assert told.run(seen, silence) == story, what
    assert told.agrees


def test_a_longer_wait_does_not_undo_an_alert_that_fires() -> None:
    told = Told()
    told.run("w")
    told.rule = replace(told.rule, for_ms=10 * STEP)
    assert told.run("www.") == "F...R"


def test_a_longer_wait_counts_from_the_first_breach_of_what_is_pending() -> None:
    told = Told(rule=LATE)
    told.run("ww")
    told.rule = replace(told.rule, for_ms=3 * STEP)
    assert told.run("ww") == "...F"


def test_a_cooldown_that_is_changed_holds_from_the_next_firing_on() -> None:
    told = Told(COOL)
    told.run("w.w")
    told.how = PLAIN
    assert told.run("wwww") == "FR-" + "---F", "the one that runs was promised when it was told"
    assert told.run(".w") == "FR----F" + "RF"


@pytest.mark.parametrize("reason", ["rule deleted", "rule disabled", "rule changed"])
@pytest.mark.parametrize("hold", ["", "acknowledged", "cooldown"])
def test_a_rule_that_ends_closes_what_was_told_whatever_holds_it(reason: str, hold: str) -> None:
    told = Told(COOL if hold == "cooldown" else PLAIN)
    told.run("wa" if hold == "acknowledged" else "w")
    told.state, steps = close(told.state, reason, told.now + STEP)
    assert [step.reason for step in steps] == [reason]
    assert told.run("_") in ("F.R", "FR")
    assert (told.said[-1].tell, told.said[-1].reason) == (EventKind.RESOLVED, reason)
    assert not told.state.active


def test_a_rule_that_ends_while_its_series_is_pending_or_its_firing_waits_tells_nothing() -> None:
    pending, waiting = Told(rule=LATE), Told(COOL)
    assert pending.run("wd_") == "..."
    assert waiting.run("w.wd_") == "FR-.."
    assert not pending.state.active
    assert not waiting.state.active


def test_a_rule_that_is_disabled_in_a_silence_and_back_on_in_it_tells_one_message_after_it() -> None:
    told = Told()
    assert told.run("wdwww", " sss ") == "F---F"
    assert told.said[1].closes == told.said[0].alert_id
    assert told.state.phase is Phase.FIRING


def test_an_acknowledgement_that_ran_out_is_gone_and_said_to_be() -> None:
    told = Told()
    told.run("wAww")
    assert (told.said[-1].tell, told.said[-1].reason) == (EventKind.REMINDER, "acknowledgement ended")
    assert (told.state.acked_level, told.state.acked_until) == (0, 0)
