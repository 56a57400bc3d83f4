"""The table of what is told, cell by cell: every event under every hold, and under every two holds at once.

`seen`: what the series is in each slot (`a` acknowledges, `A` does for two slots, `u` takes it back, `d` deletes the
rule). `silence`: an `s` for each slot that is silenced. `told`: what is told (F firing, W worsened, R resolved,
M reminder, X flapping, - held, . nothing).
"""

from dataclasses import dataclass
from itertools import combinations

import pytest

from shared.policy import AnnouncePolicy
from tests.support.telling import Told, told_policy

PLAIN = told_policy()
COOL = told_policy(cooldown_slots=5)
FLAP = told_policy(flap_changes=2, settle_slots=3)
COOL_FLAP = told_policy(cooldown_slots=8, flap_changes=2, settle_slots=3)
FLAP_COOL = told_policy(cooldown_slots=3, flap_changes=2, settle_slots=6)
LATER_FLAP = told_policy(flap_changes=3, settle_slots=3)
COOL_LATER_FLAP = told_policy(cooldown_slots=8, flap_changes=3, settle_slots=3)
NAG = told_policy(repeat_slots=2)
NAG_COOL = told_policy(repeat_slots=2, cooldown_slots=9)
NAG_FLAP = told_policy(repeat_slots=2, flap_changes=2, settle_slots=3)
NAG_COOL_FLAP = told_policy(repeat_slots=2, cooldown_slots=9, flap_changes=2, settle_slots=3)

EVENTS = ("firing", "worsened", "resolved", "resolved unannounced", "reminder")
HOLDS = ("cooldown", "silence", "acknowledged", "flapping")


@dataclass(frozen=True)
class Cell:
    """One story. `what` says what comes of it, where that is not plain."""

    event: str
    holds: str
    how: AnnouncePolicy
    seen: str
    silence: str
    told: str
    what: str = ""


CELLS = [
    Cell("firing", "cooldown", COOL, "w.wwwwww", "", "FR---F..", "told when it ends"),
    Cell("firing", "cooldown", COOL, "w.cccccc", "", "FR---F..", "a worse one waits as well"),
    Cell("firing", "silence", PLAIN, ".wwww", "sss", ".--F.", "told when it ends"),
    Cell("firing", "silence", PLAIN, "w.www", " ss", "F--F.", "again in it: one message"),
    Cell("firing", "acknowledged", COOL, "w.waawwwu", "", "FR------F", "told when it is taken back"),
    Cell("firing", "flapping", FLAP, "w.w.wwww", "", "FRX----F", "told when it has settled"),
    Cell("firing", "cooldown silence", COOL, "w.wwwwww", "  ss", "FR---F..", "cooldown ends last"),
    Cell("firing", "cooldown silence", COOL, "w.wwwwww", "   ssss", "FR-----F", "silence ends last"),
    Cell("firing", "cooldown acknowledged", COOL, "w.wawwwwu", "", "FR------F"),
    Cell("firing", "cooldown flapping", COOL_FLAP, "w.w.wwwwwww", "", "FRX-------F", "cooldown ends last"),
    Cell("firing", "cooldown flapping", FLAP_COOL, "w.w.wwwwwww", "", "FRX-------F", "flapping ends last"),
    Cell("firing", "silence acknowledged", PLAIN, "wawwwu", "sss", "-----F"),
    Cell("firing", "silence acknowledged", PLAIN, "wauwww", "sssss", "-----F", "silence ends last"),
    Cell("firing", "silence flapping", FLAP, "w.w.wwwwww", "   ssssss", "FRX------F", "silence ends last"),
    Cell("firing", "silence flapping", FLAP, "w.w.wwwww", "   ss", "FRX----F.", "flapping ends last"),
    Cell("firing", "acknowledged flapping", FLAP, "w.w.wawwwwu", "", "FRX-------F", "ack ends last"),
    Cell("firing", "acknowledged flapping", FLAP, "w.w.wauww", "", "FRX----F.", "flapping ends last"),
    # ---
    Cell("worsened", "cooldown", COOL, "wc.....", "", "FWR...."),
    Cell("worsened", "cooldown", COOL, "wwwc.www", "", "F..WRF..", "it does not start anew"),
    Cell("worsened", "silence", PLAIN, "wccc", " ss", "F--W", "told when it ends"),
    Cell("worsened", "silence", PLAIN, "wcww", " ss", "F-..", "and better again in it: nothing"),
    Cell("worsened", "acknowledged", PLAIN, "wawcw", "", "F..W.", "ends the acknowledgement"),
    Cell("worsened", "acknowledged", PLAIN, "cwacw", "", "F..W.", "also when so bad was told before"),
    Cell("worsened", "flapping", FLAP, "w.wccccc", "", "FRX---W.", "told when it has settled"),
    Cell("worsened", "cooldown silence", COOL, "wccccc", " ss", "F--W.."),
    Cell("worsened", "cooldown acknowledged", COOL, "wac", "", "F.W"),
    Cell("worsened", "cooldown flapping", COOL_FLAP, "w.wcccccc", "", "FRX---W.."),
    Cell("worsened", "silence acknowledged", PLAIN, "wacccc", "  ss", "F.--W."),
    Cell("worsened", "silence acknowledged", PLAIN, "wcaccu", " sss", "F----W", "the risen level is acked"),
    Cell("worsened", "silence flapping", FLAP, "w.wcccccc", "   sssss", "FRX-----W", "silence ends last"),
    Cell("worsened", "silence flapping", FLAP, "w.wccccc", "   ss", "FRX---W.", "flapping ends last"),
    Cell("worsened", "acknowledged flapping", FLAP, "w.wacccccc", "", "FRX.---W.."),
    Cell("worsened", "acknowledged flapping", FLAP, "w.wcaccccu", "", "FRX------W", "the risen level is acked"),
    # ---
    Cell("resolved", "cooldown", COOL, "w......", "", "FR....."),
    Cell("resolved", "silence", PLAIN, "w....", " ss", "F--R.", "told when it ends"),
    Cell("resolved", "silence", PLAIN, "wd__", " ss", "F--R", "of a deleted rule as well"),
    Cell("resolved", "acknowledged", PLAIN, "wa.", "", "F.R"),
    Cell("resolved", "flapping", FLAP, "w.w......", "", "FRX---R..", "told when it has settled"),
    Cell("resolved", "cooldown silence", COOL, "w.......", " ss", "F--R...."),
    Cell("resolved", "cooldown acknowledged", COOL, "wa.", "", "F.R"),
    Cell("resolved", "cooldown flapping", COOL_FLAP, "w.w.......", "", "FRX---R..."),
    Cell("resolved", "silence acknowledged", PLAIN, "wa....", "  ss", "F.--R."),
    Cell("resolved", "silence flapping", FLAP, "w.w.......", "   sssss", "FRX-----R.", "silence ends last"),
    Cell("resolved", "silence flapping", FLAP, "w.w.......", "   ss", "FRX---R...", "flapping ends last"),
    Cell("resolved", "acknowledged flapping", FLAP, "w.wa.......", "", "FRX.---R..."),
    # ---
    Cell("resolved unannounced", "cooldown", COOL, "w.w......", "", "FR-......"),
    Cell("resolved unannounced", "silence", PLAIN, ".ww...", "ssss", ".--..."),
    Cell("resolved unannounced", "acknowledged", COOL, "w.wa......", "", "FR--......"),
    Cell("resolved unannounced", "flapping", FLAP, "w.w..w......", "", "FRX------R..", "only the announced one's"),
    Cell("resolved unannounced", "cooldown silence", COOL, "w.w......", "  s", "FR-......"),
    Cell("resolved unannounced", "cooldown acknowledged", COOL, "w.wa.....", "", "FR--....."),
    Cell("resolved unannounced", "cooldown flapping", COOL_LATER_FLAP, "w.w.w......", "", "FR-X-......"),
    Cell("resolved unannounced", "silence acknowledged", PLAIN, "wa....", "sss", "--...."),
    Cell("resolved unannounced", "silence flapping", FLAP, "w.w.......", "sssss", "-.-......."),
    Cell("resolved unannounced", "acknowledged flapping", LATER_FLAP, "w.w.wa......", "", "FRFX--......"),
    # ---
    Cell("reminder", "cooldown", NAG_COOL, "wwwww", "", "F.M.M"),
    Cell("reminder", "silence", NAG, "wwwwwww", " ss", "F...M.M", "skipped, not queued"),
    Cell("reminder", "acknowledged", NAG, "wawwwuwww", "", "F.....M.M", "skipped, not queued"),
    Cell("reminder", "flapping", NAG_FLAP, "w.wwwwwww", "", "FRX...M.M", "skipped, not queued"),
    Cell("reminder", "cooldown silence", NAG_COOL, "wwwwwww", " ss", "F...M.M"),
    Cell("reminder", "cooldown acknowledged", NAG_COOL, "wawwwuwww", "", "F.....M.M"),
    Cell("reminder", "cooldown flapping", NAG_COOL_FLAP, "w.wwwwwww", "", "FRX...M.M"),
    Cell("reminder", "silence acknowledged", NAG, "wawwwuwww", " sss", "F.....M.M"),
    Cell("reminder", "silence flapping", NAG_FLAP, "w.wwwwwwww", "   sssss", "FRX.....M."),
    Cell("reminder", "acknowledged flapping", NAG_FLAP, "w.wawwwwuwww", "", "FRX.....M.M."),
]  # fmt: skip


@pytest.mark.parametrize(
    "cell", CELLS, ids=[f"{cell.event} × {cell.holds}: {cell.what} {cell.seen}" for cell in CELLS]
)
def test_the_table(cell: Cell) -> None:
    told = Told(cell.how)
    assert told.run(cell.seen, cell.silence) == cell.told
    assert told.agrees, "when no hold is left, what was announced is the present"


def test_every_event_is_told_under_every_hold_and_every_two_of_them() -> None:
    holds = [" ".join(some) for count in (1, 2) for some in combinations(HOLDS, count)]

    assert {(cell.event, cell.holds) for cell in CELLS} == {
        (event, hold) for event in EVENTS for hold in holds
    }


@pytest.mark.parametrize("cell", CELLS, ids=[f"{cell.seen} {cell.silence}" for cell in CELLS])
def test_every_alert_that_was_told_is_closed_once_it_is_over(cell: Cell) -> None:
    told = Told(cell.how)
    told.run(cell.seen + "u" + "." * 20, cell.silence)

    opened = {said.alert_id for said in told.said if said.state.announced_alert == said.alert_id}
    closed = [said.closes for said in told.said if said.closes]
    assert sorted(closed) == sorted(opened)
    assert not told.state.active
