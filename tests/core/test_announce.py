"""What is told, what is held and by what: the stories between the cells of the table, flapping, and joined messages.

Upper line: what the series is in each slot. Lower line: what is told (F firing, W worsened, R resolved, M reminder,
X flapping, - held, . nothing).
"""

from dataclasses import replace

import pytest

from shared.announce import Announcement, announce, group
from shared.model import EventKind, Phase, SeriesState
from shared.policy import AnnouncePolicy, DecidePolicy
from tests.support.series import EPOCH, STEP
from tests.support.telling import Told, told_policy

COOL = told_policy(cooldown_slots=4)
FLAP = told_policy(flap_changes=3, settle_slots=4)
SOON = told_policy(flap_changes=2, settle_slots=4)
WAITING = DecidePolicy("rule_r", "acme")


@pytest.mark.parametrize(
    ("what", "how", "seen", "silence", "story"),
    [
        ("a rise and a fall are one alert with one end", told_policy(), "wcwc.", "", "FW..R"),
        ("a new alert needs a new acknowledgement", told_policy(), "wa.ww", "", "F.RF."),
        ("an acknowledgement with an end is told again then", told_policy(), "wAwwww", "", "F..M.."),
        ("… also when it ends in a silence", told_policy(), "wAwwwwww", "   ss", "F....M.."),
        ("… also when it ends in flapping", SOON, "w.wAwwwww", "", "FRX...M.."),
        ("… but not when it was worse meanwhile", told_policy(), "wAcwww", "", "F.W..."),
        ("… nor when the alert has ended", told_policy(), "wA....", "", "F.R..."),
        ("… and reminders count from there", told_policy(repeat_slots=3), "wAwwwwwww", "", "F..M..M.."),
        ("reminders", told_policy(repeat_slots=2), "wwwwww", "", "F.M.M."),
        ("a reminder names the level that it is at now", told_policy(repeat_slots=2), "cwwcww", "", "F.MW.M"),
        ("no reminder of what was never told", told_policy(repeat_slots=1), "wwww", "ssss", "----"),
        ("no reminder once it has ended", told_policy(repeat_slots=1), "w.....", "", "FR...."),
        ("a deleted rule tells", told_policy(), "wwd_", "", "F.R."),
    ],
)  # fmt: skip
def test_between_the_cells(what: str, how: AnnouncePolicy, seen: str, silence: str, story: str) -> None:
    assert Told(how).run(seen, silence) == story, what


def test_levels_that_go_up_and_down_are_no_news_to_who_has_acknowledged_the_worst_of_them() -> None:
    told = Told(SOON)
    assert told.run("wcawcwcwc") == "FW......."
    assert told.run("u") == "FW.......X", "until it is taken back"


def test_a_series_that_flapped_in_a_silence_and_is_pending_when_it_ends_is_no_news_yet() -> None:
    told = Told(SOON, replace(WAITING, for_ms=STEP))
    assert told.run("ww.ww.ww.w", "sssssssss") == ".-..-..-.."
    assert told.run("w") == ".-..-..-..X"
    assert told.said[0].alert_id == told.state.alert_id


def test_a_series_that_flapped_in_a_silence_closes_what_was_told_before_it_also_while_it_is_pending() -> None:
    told = Told(SOON, replace(WAITING, for_ms=STEP))
    assert told.run("ww.ww.ww.w", "  sssssss") == ".F-------X"
    assert told.said[-1].alert_id == told.said[-1].closes == told.said[0].alert_id
    assert told.said[-1].state.announced == 0


def test_fire_resolve_fire_inside_the_cooldown_ends_with_the_last_state_told() -> None:
    told = Told(COOL)
    assert told.run("w.w.wwww") == "FR-.F..."
    assert told.said[-1].alert_id == told.state.alert_id


def test_flapping_is_told_once_with_the_present_state_and_again_when_it_settles_otherwise() -> None:
    told = Told(FLAP)
    assert told.run("w.w.") == "FRFX"
    assert told.said[-1].closes == told.said[-2].alert_id, "the message that names ok resolves the open alert"
    assert told.run("w.ww") == "FRFX" + "-.--"
    assert told.run("www") == "FRFX-.--" + "--F"
    assert told.said[-1].reason == "flapping ended"
    assert told.state.flapping_since == 0


def test_flapping_that_settles_as_it_was_told_says_nothing_more() -> None:
    told = Told(FLAP)
    assert told.run("w.w." + "." * 6) == "FRFX" + "." * 6
    assert told.state.flapping_since == 0
    assert told.run("w") == "FRFX......F", "the next change is news again"


def test_a_level_that_rises_while_flapping_is_held() -> None:
    told = Told(FLAP)
    told.run("w.w.w")
    assert told.slot("c").held_by == "flapping"


def test_a_series_that_flaps_in_a_silence_is_told_when_the_silence_ends() -> None:
    told = Told(FLAP)
    assert told.run("w.w.w.w", "sssss  ") == "-.-.-X-"
    assert told.said[0].level == 0


def test_two_holds_end_with_the_last_of_them() -> None:
    told = Told(COOL)
    assert told.run("w.wwwwww", "   sssss") == "FR------"
    assert told.state.held_by == "silence"
    assert told.slot("w").reason == "silence ended"
    cooling = Told(COOL)
    assert cooling.run("w.wwww", "  s   ") == "FR--F."
    assert cooling.said[-1].reason == "cooldown ended"


def test_an_acknowledgement_with_an_end_lets_the_unannounced_alert_be_told_then() -> None:
    told = Told(COOL)
    told.run("w.w")
    held = announce(
        told.how, _acked(told.state, until=told.now + 5 * STEP), (), silenced=False, now=told.now + 4 * STEP
    )
    assert (held.tell, held.held_by) == (None, "acknowledged")
    after = announce(told.how, held.state, (), silenced=False, now=told.now + 5 * STEP)
    assert (after.tell, after.state.acked_level) == (EventKind.FIRING, 0)


def _acked(state: SeriesState, until: int) -> SeriesState:
    return replace(state, acked_level=state.level, acked_until=until)


def test_a_new_alert_whose_predecessors_resolve_was_held_closes_it_in_the_same_message() -> None:
    told = Told()
    told.run("w.w", " ss")
    first = told.said[0].alert_id
    last = told.slot("w")
    assert (last.tell, last.alert_id, last.closes) == (EventKind.FIRING, told.state.alert_id, first)
    assert first != told.state.alert_id


def test_a_resolve_names_the_alert_and_the_severity_that_were_told() -> None:
    told = Told()
    told.run("wch.")
    resolve = told.said[-1]
    assert (resolve.tell, resolve.alert_id, resolve.closes) == (
        EventKind.RESOLVED,
        told.said[0].alert_id,
        told.said[0].alert_id,
    )
    assert (resolve.level, resolve.reason) == (4, "recovered")


# ------------------------------------------------------------------ grouping


def _fired(series: str, now: int) -> Announcement:
    state = SeriesState(
        "rule_r", series, series, Phase.FIRING, now, now, 2, alert_id=f"alert_{series}", slot=now
    )
    return announce(AnnouncePolicy(), state, (), silenced=False, now=now)


GROUP = AnnouncePolicy(group_ms=2 * STEP)


def test_the_first_firing_goes_out_at_once_and_those_of_one_slot_go_together() -> None:
    result = group(GROUP, [_fired("a", EPOCH), _fired("b", EPOCH)], 0, EPOCH)
    assert [(told.kind, len(told.announcements)) for told in result.told] == [(EventKind.FIRING, 2)]
    assert result.grouped_until == EPOCH + 2 * STEP


def test_further_firings_wait_and_join_one_message() -> None:
    until = group(GROUP, [_fired("a", EPOCH)], 0, EPOCH).grouped_until
    waiting = group(GROUP, [_fired("b", EPOCH + STEP)], until, EPOCH + STEP)
    assert waiting.told == ()
    (held,) = waiting.quiet
    assert (held.held_by, held.state.owes, held.state.announced, held.state.cooldown_until) == (
        "grouped",
        True,
        0,
        0,
    )
    again = announce(GROUP, held.state, (), silenced=False, now=until)
    result = group(GROUP, [again, _fired("c", until)], waiting.grouped_until, until)
    assert [(told.kind, len(told.announcements)) for told in result.told] == [(EventKind.FIRING, 2)]
    assert again.reason == "grouped ended"
    assert result.grouped_until == until + 2 * STEP


def test_a_waiting_firing_that_resolves_is_never_told() -> None:
    told = Told()
    first = told.slot("w")
    (held,) = group(GROUP, [first], told.now + 1, told.now).quiet
    told.state, told.story, told.said = held.state, "", []
    assert told.run("..") == ".."
    assert not told.state.active


def test_a_rise_and_a_resolve_do_not_wait() -> None:
    worse, over = Told(), Told()
    worse.run("wc")
    over.run("w.")
    result = group(GROUP, [worse.said[-1], over.said[-1]], worse.now + STEP, worse.now)
    assert [told.kind for told in result.told] == [EventKind.WORSENED, EventKind.RESOLVED]
    assert result.grouped_until == worse.now + STEP


def test_resolves_of_one_slot_join_one_message_and_the_silent_are_returned() -> None:
    tellers = [Told() for _ in range(3)]
    for teller in tellers:
        teller.run("w.")
    quiet = Told()
    silent = quiet.slot("w", silenced=True)
    result = group(GROUP, [silent, *(teller.said[-1] for teller in tellers)], 0, quiet.now)
    assert [(told.kind, len(told.announcements)) for told in result.told] == [(EventKind.RESOLVED, 3)]
    assert result.quiet == (silent,)
    assert result.grouped_until == 0


def test_without_group_seconds_every_slot_tells_what_it_has() -> None:
    how = AnnouncePolicy(group_ms=0)
    until = group(how, [_fired("a", EPOCH)], 0, EPOCH).grouped_until
    assert group(how, [_fired("b", EPOCH + STEP)], until, EPOCH + STEP).told
