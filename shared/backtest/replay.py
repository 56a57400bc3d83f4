"""One rule walked through past slots by the same `advance` and `group` as live ticks: what happened, what is told.

Pure. A tick looks at a series that breaches, at one whose state is active, and at an expected one that is absent; so
does this. Slots in which nothing can happen are skipped: a series is looked at when its reading changes, and when one
of its clocks (for, keep firing, cooldown, flapping, reminder, gone) runs out.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from shared.advance import SEEN_EVERY_MS, Sight, Step, advance
from shared.announce import Announcement, Told, group
from shared.backtest.tracks import Tracks
from shared.backtest.walk import Walk
from shared.model import Millis, Reading, SeriesState
from shared.policy import RuleEntry
from shared.series import parse_series_key, series_id

Silenced = Callable[[Millis], bool | Callable[[str, int], bool]]
"""Slot → what `advance` asks about silences there."""

CAME_AFTER_ALL = Reading(0, True)
"""What is seen of a stand-in once the monitor has shown a series."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """The series (key) that speaks for a monitor as long as nothing of it was ever seen, from `due` on. `whole`: it is
    none of the monitor's own series, and ends when one of them appears."""

    key: str
    monitor_id: str
    due: Millis
    whole: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """One slot of one series in which something happened: a transition, or something told or held."""

    at: Millis
    step: Step
    said: Announcement

    @property
    def key(self) -> str:
        """The series key."""
        return self.step.before.key


@dataclass(frozen=True, slots=True)
class Telling:
    """One notification that the rule would have sent."""

    at: Millis
    told: Told


@dataclass
class Played:
    """What some slots came to, in their order."""

    moments: list[Moment] = field(default_factory=list)
    tellings: list[Telling] = field(default_factory=list)


@dataclass
class _Series:
    state: SeriesState
    known: bool


class Replay:
    """A rule on its way through time. Begins with nothing known, like a rule that was just made."""

    def __init__(
        self,
        entry: RuleEntry,
        absent: Reading,
        *,
        known: Iterable[str] = (),
        stand_ins: Iterable[StandIn] = (),
        silenced: Silenced | None = None,
    ) -> None:
        """`absent` is the reading of a series without data; `known` are series that were seen before."""
        self._entry, self._absent, self._silenced = entry, absent, silenced
        self._series: dict[str, _Series] = {key: self._new(key, True) for key in known}
        shown = {parse_series_key(key)[0] for key in self._series}
        self._stand_ins = {one.key: one for one in stand_ins if one.monitor_id not in shown}
        self._series.update({key: self._new(key, False) for key in self._stand_ins})
        self._shown: dict[str, Millis] = {}
        self._grouped_until: Millis = 0

    @property
    def states(self) -> Mapping[str, SeriesState]:
        """The state of every series by its key."""
        return {key: series.state for key, series in self._series.items()}

    def _new(self, key: str, known: bool) -> _Series:
        return _Series(SeriesState(self._entry.rule_id, series_id(key), key), known)

    def play(self, tracks: Tracks) -> Played:
        """The next slots; they must follow those that were played before."""
        here = frozenset(tracks.keys)
        walk = Walk(tracks, [*tracks.keys, *(key for key in self._series if key not in here)])
        played = Played()
        for stand_in in self._stand_ins.values():
            self._expect(walk, stand_in)
        for number, rows in walk:
            now = int(tracks.slots[number])
            looks = [(row, look) for row in rows if (look := self._look(walk, row, number, now)) is not None]
            matter = {row for row, step in looks if step.matters}
            finals = self._tell(played, [step for row, step in looks if row in matter], now)
            for row, step in looks:
                said = finals.get(step.before.key, step.announcement)
                changed = row in matter or said != step.announcement
                self._settle(played, walk, row, number, step, said if changed else None)
        return played

    def _look(self, walk: Walk, row: int, number: int, now: Millis) -> Step | None:
        """Advance the series if a tick would look at it here."""
        key = walk.keys[row]
        series = self._series.get(key)
        reading = walk.reading(row, number)
        if series is None:
            if reading is None:
                return None
            series = self._series[key] = self._new(key, False)
        before, known, series.known = series.state, series.known, series.known or reading is not None
        seen = reading or self._unseen(key, known, now, active=before.active)
        if seen is None or not (before.active or reading is None or self._worth(reading)):
            return None
        sight = Sight(before.rule_id, before.series_id, key, seen)
        silenced = self._silenced(now) if self._silenced else False
        return advance(self._entry.decide, self._entry.announce, before, sight, silenced=silenced, now=now)

    def _worth(self, reading: Reading) -> bool:
        """Whether a calm series has to be looked at because of this reading."""
        if reading.level:
            return True
        return self._entry.decide.no_data == "alert" and bool(reading.missing) and not reading.error

    def _unseen(self, key: str, known: bool, now: Millis, *, active: bool) -> Reading | None:
        """What is seen of a series that has no data; None when a tick doesn't look at it."""
        stand_in = self._stand_ins.get(key)
        if stand_in is not None and not known:
            if now < self._shown.get(stand_in.monitor_id, now + 1):
                return self._absent if now >= stand_in.due or (active and not stand_in.whole) else None
            if stand_in.whole:
                return CAME_AFTER_ALL if active else None
        return self._absent if active or (known and self._entry.expects) else None

    def _expect(self, walk: Walk, stand_in: StandIn) -> None:
        """Look at the stand-in when it is due, and when a series of its monitor appears."""
        row = walk.rows[stand_in.key]
        shown = walk.shown.get(stand_in.monitor_id)
        if shown is not None:
            self._shown.setdefault(stand_in.monitor_id, int(walk.tracks.slots[shown]))
            walk.look_again(row, shown)
        walk.look_again(row, walk.slot_at(stand_in.due, -1))

    def _tell(self, played: Played, steps: list[Step], now: Millis) -> dict[str, Announcement]:
        """Join what is told in this slot, as the commit does; what becomes of each series' announcement."""
        if not any(step.announcement.tell for step in steps):
            return {}
        joined = group(self._entry.announce, [step.announcement for step in steps], self._grouped_until, now)
        self._grouped_until = joined.grouped_until
        played.tellings += [Telling(now, told) for told in joined.told]
        finals = {item.state.key: item for item in joined.quiet}
        finals.update({item.state.key: item for told in joined.told for item in told.announcements})
        return finals

    def _settle(
        self, played: Played, walk: Walk, row: int, number: int, step: Step, said: Announcement | None
    ) -> None:
        """Keep the new state if it is one that a tick writes (None: it is not), and say when to look again."""
        if said is not None:
            self._series[step.before.key].state = said.state
            if step.transitions or said.tell is not None or said.held_by != step.before.held_by:
                played.moments.append(Moment(int(walk.tracks.slots[number]), step, said))
        if self._series[step.before.key].state.active:
            soon = said is not None or self._silenced is not None
            walk.look_again(row, number + 1 if soon else walk.slot_at(_due(self._entry, step), number))


def _due(entry: RuleEntry, step: Step) -> Millis:
    """The first moment at which one of the clocks of an unchanged series runs out; until then it stays as it is."""
    state, now = step.before, step.announcement.state.slot
    deciding, announcing = entry.decide, entry.announce
    clocks = [
        state.seen_at + SEEN_EVERY_MS,
        state.since + deciding.for_ms,
        (state.seen_at or state.since) + deciding.gone_after_ms,
        state.clean_since + deciding.keep_firing_ms,
        state.cooldown_until,
        state.acked_until,
        max(state.announced_at, state.reminded_at) + announcing.repeat_ms,
        *(at + announcing.flap_window_ms for at in state.changes[:1]),
        max((state.flapping_since, *state.changes)) + announcing.flap_settle_ms,
    ]
    return min((clock for clock in clocks if clock > now), default=now)
