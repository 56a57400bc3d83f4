"""A series and what is told about it, slot by slot: decide and announce as the evaluator calls them."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from shared.announce import Announcement, announce
from shared.decide import close, decide
from shared.model import EventKind, Notification, Phase, Reading, SeriesState
from shared.policy import AnnouncePolicy, DecidePolicy
from tests.support.series import EPOCH, STEP

SEEN = {
    ".": Reading(0, True, value=1.0),
    "~": Reading(0, False, value=75.0),
    "w": Reading(2, False, value=85.0),
    "h": Reading(3, False, value=90.0),
    "c": Reading(4, False, value=95.0),
    "_": Reading(0, False, missing="no point"),
}
LETTERS = {
    EventKind.FIRING: "F", EventKind.WORSENED: "W", EventKind.RESOLVED: "R", EventKind.REMINDER: "M",
    EventKind.FLAPPING: "X",
}  # fmt: skip


def told_policy(
    *, cooldown_slots: int = 0, repeat_slots: int = 0, flap_changes: int = 1000, settle_slots: int = 10
) -> AnnouncePolicy:
    """Telling without cooldown, reminders or flapping unless they are asked for."""
    return AnnouncePolicy(
        cooldown_ms=cooldown_slots * STEP,
        repeat_ms=repeat_slots * STEP,
        flap_changes=flap_changes,
        flap_settle_ms=settle_slots * STEP,
    )


@dataclass
class Told:
    """One series under one rule. `story` has a letter per slot: what was told, `-` for held, `.` for nothing."""

    how: AnnouncePolicy = field(default_factory=told_policy)
    rule: DecidePolicy = field(default_factory=lambda: DecidePolicy("rule_r", "acme"))
    state: SeriesState = field(default_factory=lambda: SeriesState("rule_r", "abc", '["mon_m",[]]'))
    now: int = EPOCH
    story: str = ""
    said: list[Announcement] = field(default_factory=list)

    def slot(self, symbol: str, *, silenced: bool = False) -> Announcement:
        """One slot: `a` acknowledges, `A` does for two slots, `u` takes that back, `d` deletes the rule, and
        every other letter is a reading."""
        self.now += STEP
        if symbol in "aAu":
            level = self.state.level if symbol in "aA" else 0
            until = self.now + 2 * STEP if symbol == "A" else 0
            self.state = replace(self.state, acked_level=level, acked_until=until)
            symbol = "_"
        if symbol == "d":
            decided, steps = close(self.state, "rule deleted", self.now)
        else:
            decided, steps = decide(self.rule, self.state, SEEN[symbol], self.now)
        announcement = announce(self.how, decided, steps, silenced=silenced, now=self.now)
        self.state = announcement.state
        if announcement.tell:
            self.said.append(announcement)
        self.story += (
            LETTERS[announcement.tell] if announcement.tell else "-" if announcement.held_by else "."
        )
        return announcement

    def run(self, seen: str, silence: str = "") -> str:
        """Many slots; `silence` has an `s` for each slot that is silenced."""
        for symbol, hush in zip(seen, silence.ljust(len(seen)), strict=True):
            self.slot(symbol, silenced=hush == "s")
        return self.story

    @property
    def agrees(self) -> bool:
        """Whether what was announced is the present: firing or not, the same alert, and no level left untold."""
        if self.state.phase is not Phase.FIRING:
            return self.state.announced == 0
        return self.state.announced_alert == self.state.alert_id and self.state.level <= self.state.announced


def opened_and_resolved(
    told: Iterable[Notification], hushed: Collection[int], cooldowns: Mapping[int, int]
) -> tuple[set[str], Counter[str]]:
    """The alerts that were told as open and as over, after checking that each was told as open first and not twice,
    that none was told in the slots that are `hushed`, and no firing of a series in the cooldown of another one
    (`cooldowns`: slot → seconds)."""
    opened: set[str] = set()
    resolved: Counter[str] = Counter()
    fired: Counter[str] = Counter()
    free: dict[str, int] = {}
    for one in told:
        assert one.event is EventKind.ACKNOWLEDGED or one.slot not in hushed
        for alert in one.alerts:
            flaps = alert.event is EventKind.FLAPPING
            if alert.event is EventKind.RESOLVED or (flaps and alert.resolved_at):
                assert flaps or alert.id in opened, "resolved before it was told"
                resolved[alert.id] += 1
            elif flaps or alert.event is EventKind.FIRING:
                assert flaps or one.slot >= free.get(alert.series_id, 0)
                opened.add(alert.id)
                fired[alert.id] += not flaps
                free[alert.series_id] = one.slot + cooldowns[one.slot] * 1000
    assert max(resolved.values(), default=1) == 1
    assert max(fired.values(), default=0) <= 1
    return opened, resolved
