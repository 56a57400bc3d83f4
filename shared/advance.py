"""Pure: one series of one rule through one slot, `decide` and then `announce`. Live ticks and previews share it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from shared.announce import Announcement, announce
from shared.decide import close, decide
from shared.model import Millis, Reading, SeriesState, Transition
from shared.policy import AnnouncePolicy, DecidePolicy

SEEN_EVERY_MS = 300_000
"""A state that only saw the same again is written this often: `gone` needs to know roughly when data stopped."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of one series in a slot: a reading, or why its rule no longer looks at it."""

    rule_id: str
    series_id: str
    key: str
    reading: Reading | None = None
    ended: str = ""

    @property
    def ref(self) -> tuple[str, str]:
        """(rule id, series id)."""
        return self.rule_id, self.series_id

    def unknown(self) -> SeriesState:
        """The state of a series that was never looked at."""
        return SeriesState(self.rule_id, self.series_id, self.key)


@dataclass(frozen=True, slots=True)
class Step:
    """One series before and after the slot, what happened to it, and what of that is told."""

    before: SeriesState
    transitions: tuple[Transition, ...]
    announcement: Announcement

    @property
    def matters(self) -> bool:
        """Whether anything must be written: not for a series that merely looks as it did."""
        if self.transitions or self.announcement.tell is not None:
            return True
        after = self.announcement.state
        if after.seen_at - self.before.seen_at >= SEEN_EVERY_MS:
            return True
        same = replace(
            after,
            slot=self.before.slot,
            seen_at=self.before.seen_at,
            value=self.before.value,
            text=self.before.text,
        )
        return same != self.before


def advance(
    deciding: DecidePolicy,
    announcing: AnnouncePolicy,
    before: SeriesState,
    sight: Sight,
    *,
    silenced: bool | Callable[[str, int], bool],
    now: Millis,
) -> Step:
    """Decide on what is seen, then compare with what was announced. `now` is the slot.

    `silenced` may be a question about (series key, severity), where the severity is the one to be told: of an alert
    that ended, the one that was announced, or that it had. A reading of a slot that isn't newer than the state changes
    and tells nothing.
    """
    if sight.reading is None:
        state, transitions = close(before, sight.ended, now)
    elif now <= before.slot:
        # Somebody has evaluated this slot or a newer one: what that left is neither changed nor told again.
        return Step(before, (), Announcement(before, before))
    else:
        state, transitions = decide(deciding, before, sight.reading, now)
    hushed = (
        silenced
        if isinstance(silenced, bool)
        else silenced(state.key, state.level or state.announced or before.level)
    )
    return Step(before, transitions, announce(announcing, state, transitions, silenced=hushed, now=now))
