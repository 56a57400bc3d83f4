"""From the moments of a replay to what a backtest found: episodes, what was told and held, coverage and gaps. Pure."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from shared.announce import Announcement
from shared.backtest.findings import (
    MAX_EPISODES,
    MAX_GAPS,
    MAX_HOLDS,
    MAX_NAMES,
    MAX_STEPS,
    MAX_TELLINGS,
    Episode,
    Gap,
    Held,
    SeriesFound,
    Stepped,
    Told,
)
from shared.backtest.replay import Moment, Played, Telling
from shared.backtest.tracks import Tracks
from shared.conditions._cells import Status
from shared.model import Change, Millis, Phase, Transition

_MOST_POINT_STEPS = 1_000
"""Of how many points the usual distance is taken."""

_ENDS = (Change.RESOLVED, Change.DROPPED)


@dataclass
class _Seen:
    """One series so far. `next_at` is the first slot after its last reading: a later reading leaves a gap."""

    next_at: Millis
    episodes: deque[Episode] = field(default_factory=lambda: deque(maxlen=MAX_EPISODES))
    open: Episode | None = None
    fired: int = 0
    pending_only: int = 0
    steps: deque[Stepped] = field(default_factory=lambda: deque(maxlen=MAX_STEPS))
    readings: int = 0
    gap_count: int = 0
    gaps: list[Gap] = field(default_factory=list)
    first_at: Millis = 0
    last_at: Millis = 0
    steps_ms: list[int] = field(default_factory=list)

    def gap(self, since: Millis, until: Millis) -> None:
        """Note slots without a reading; only the longest are kept."""
        if since < until:
            self.gap_count += 1
            self.gaps.append(Gap(since, until))
            if len(self.gaps) > 2 * MAX_GAPS:
                self.gaps = _longest(self.gaps)

    def close(self, ended: Episode) -> None:
        """An episode is over, or the range is."""
        self.fired += ended.fired_at is not None
        self.pending_only += ended.fired_at is None
        self.open = None
        self.episodes.append(ended)


class Collection:
    """Takes slots in their order; `series`, `told` and `held` say what was found."""

    def __init__(
        self, start: Millis, interval_ms: int, *, downwards: bool, name: Callable[[str], str]
    ) -> None:
        """`downwards`: a lower value is worse. `name` makes a series key readable."""
        self._start, self._interval, self._downwards, self._name = start, interval_ms, downwards, name
        self._seen: dict[str, _Seen] = {}
        self._waiting: dict[str, Held] = {}
        self._held: deque[Held] = deque(maxlen=MAX_HOLDS)
        self._slots = 0
        self.told: deque[Told] = deque(maxlen=MAX_TELLINGS)
        self.notifications = 0
        self.held_count = 0
        self.troubles: Counter[str] = Counter()

    def take(self, tracks: Tracks, played: Played) -> None:
        """Add some slots."""
        self._slots += len(tracks.slots)
        for row, key in enumerate(tracks.keys):
            self._look(tracks, row, self._of(key))
        for moment in played.moments:
            for transition in moment.step.transitions:
                self._step(self._of(moment.key), moment, transition)
            self._hold(moment)
        self.notifications += len(played.tellings)
        self.told.extend(map(self._told, played.tellings[-MAX_TELLINGS:]))
        for row, key in enumerate(tracks.keys):
            self._peak(tracks, row, self._seen[key])

    def _of(self, key: str) -> _Seen:
        return self._seen.setdefault(key, _Seen(self._start))

    # -------------------------------------------------------------- readings

    def _look(self, tracks: Tracks, row: int, seen: _Seen) -> None:
        """Coverage, gaps, and why there was nothing to see."""
        fine = np.flatnonzero(tracks.status[row] == Status.FINE)
        at = tracks.at[row][tracks.at[row] > 0]
        if len(at):
            if len(seen.steps_ms) < _MOST_POINT_STEPS:
                seen.steps_ms += np.diff(np.unique(at))[:_MOST_POINT_STEPS].tolist()
            seen.first_at, seen.last_at = seen.first_at or int(at.min()), max(seen.last_at, int(at.max()))
        if len(fine):
            times = tracks.slots[fine]
            seen.readings += len(fine)
            seen.gap(seen.next_at, int(times[0]))
            for place in np.flatnonzero(np.diff(fine) > 1).tolist():
                seen.gap(int(times[place]) + self._interval, int(times[place + 1]))
            seen.next_at = int(times[-1]) + self._interval
        for status, reason in tracks.reasons[row].items():
            count = int(np.count_nonzero(tracks.status[row] == status))
            if count:
                self.troubles[reason] += count

    def _peak(self, tracks: Tracks, row: int, seen: _Seen) -> None:
        """The worst value of every episode that these slots are part of; only breaches count."""
        values = np.where(tracks.level[row] > 0, tracks.value[row], np.nan)
        first = int(tracks.slots[0])
        recent = [n for n, one in enumerate(seen.episodes) if one.ended_at is None or one.ended_at >= first]
        for number in recent:
            seen.episodes[number] = self._worst(seen.episodes[number], tracks, values)
        if seen.open is not None:
            seen.open = self._worst(seen.open, tracks, values)

    def _worst(
        self, episode: Episode, tracks: Tracks, values: "np.ndarray[tuple[int], np.dtype[np.float64]]"
    ) -> Episode:
        begin = np.searchsorted(tracks.slots, episode.pending_since)
        end = len(values) if episode.ended_at is None else np.searchsorted(tracks.slots, episode.ended_at)
        inside = values[begin:end]
        inside = inside[~np.isnan(inside)]
        if not len(inside):
            return episode
        found = [float(inside.min() if self._downwards else inside.max())]
        found += [] if episode.peak is None else [episode.peak]
        return replace(episode, peak=min(found) if self._downwards else max(found))

    # -------------------------------------------------------------- what happened

    def _step(self, seen: _Seen, moment: Moment, step: Transition) -> None:
        told = moment.said.tell.value if moment.said.tell else ""
        held = moment.said.held_by
        seen.steps.append(
            Stepped(step.at, step.change.value, step.reason, step.level, step.value, step.text, told, held)
        )
        state = moment.step.announcement.state
        if step.change is Change.PENDING or (step.change is Change.FIRED and seen.open is None):
            seen.open = Episode(state.since, None, None, step.reason, step.level, step.value, None, step.text)
        if seen.open is None:
            return
        if step.change is Change.FIRED:
            seen.open = replace(seen.open, fired_at=step.at, value=step.value, text=step.text)
        if step.change in _ENDS:
            seen.close(replace(seen.open, ended_at=step.at, reason=step.reason))
        else:
            seen.open = replace(seen.open, level=max(seen.open.level, step.level))

    def _hold(self, moment: Moment) -> None:
        """A hold begins, ends, or makes way for another one."""
        said, waits = moment.said, self._waiting.get(moment.key)
        if waits is not None and waits.held_by != said.held_by:
            then = said.tell.value if said.tell else ""
            self._kept(replace(self._waiting.pop(moment.key), until=moment.at, then=then))
        if said.held_by and (waits is None or waits.held_by != said.held_by):
            self._waiting[moment.key] = Held(moment.key, moment.at, None, _wanted(said), said.held_by, "")

    def _kept(self, held: Held) -> None:
        self.held_count += 1
        self._held.append(held)

    def _told(self, telling: Telling) -> Told:
        members = sorted(telling.told.announcements, key=lambda said: -said.level)
        worst = members[0]
        names = tuple(self._name(said.state.key) for said in members[:MAX_NAMES])
        return Told(
            telling.at, telling.told.kind.value, worst.level, len(members), names,
            worst.before.value, worst.before.text, worst.reason,
        )  # fmt: skip

    # -------------------------------------------------------------- the end

    def finish(self, end: Millis) -> tuple[tuple[SeriesFound, ...], tuple[Held, ...]]:
        """All series, those that fired most first, and all holds. Call it once, after the last slot."""
        for seen in self._seen.values():
            seen.gap(seen.next_at, end)
            if seen.open is not None:
                seen.close(seen.open)
        for waits in self._waiting.values():
            self._kept(waits)
        found = [self._found(key, seen) for key, seen in self._seen.items()]
        held = sorted(self._held, key=lambda one: one.since)
        return tuple(sorted(found, key=lambda one: (-one.fired, -one.pending_only, one.name))), tuple(held)

    def _found(self, key: str, seen: _Seen) -> SeriesFound:
        gaps = _longest(seen.gaps)
        return SeriesFound(
            key, self._name(key), seen.fired, seen.pending_only, tuple(seen.episodes), tuple(seen.steps),
            seen.readings, round(seen.readings / max(self._slots, 1), 4), seen.gap_count,
            gaps[0] if gaps else None, tuple(sorted(gaps, key=lambda gap: gap.since)),
            int(np.median(seen.steps_ms)) if seen.steps_ms else None,
            seen.first_at or None, seen.last_at or None,
        )  # fmt: skip


def _longest(gaps: list[Gap]) -> list[Gap]:
    return sorted(gaps, key=lambda gap: gap.since - gap.until)[:MAX_GAPS]


def _wanted(said: Announcement) -> str:
    """What is held back: the difference between the present state and what was announced."""
    state = said.state
    if state.phase is not Phase.FIRING:
        return "resolved"
    return "worsened" if state.announced and state.announced_alert == state.alert_id else "firing"
