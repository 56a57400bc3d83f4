"""The last slots of a replay, one by one, for people who ask why: what was seen, what followed, what held it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.backtest.replay import Moment, Played
from shared.backtest.tracks import Tracks
from shared.model import Millis, Phase, Reading


@dataclass(frozen=True, slots=True)
class Traced:
    """One series in one slot. `point_at` is the time of its newest point, 0 for none; `missing` says why there is no
    value. `state` is the one after the slot; `happened` names its changes; `told` and `held_by` what became of them."""

    at: Millis
    point_at: Millis
    value: float | None
    text: str
    level: int
    missing: str
    state: str
    happened: tuple[str, ...]
    told: str
    held_by: str


class Trace:
    """Keeps every series' slots from `since` on."""

    def __init__(self, since: Millis, absent: Reading) -> None:
        """`absent` is the reading of a series without data."""
        self._since, self._absent = since, absent
        self._phase: dict[str, tuple[Phase, str]] = {}
        self.slots: dict[str, list[Traced]] = {}

    def take(self, tracks: Tracks, played: Played) -> None:
        """Add some slots, in their order."""
        moments: dict[str, dict[Millis, Moment]] = {}
        for moment in played.moments:
            moments.setdefault(moment.key, {})[moment.at] = moment
        rows = {key: row for row, key in enumerate(tracks.keys)}
        for key in dict.fromkeys((*tracks.keys, *self._phase, *moments)):
            self._series(key, rows.get(key), tracks, moments.get(key, {}))

    def _series(self, key: str, row: int | None, tracks: Tracks, moments: dict[Millis, Moment]) -> None:
        phase, held = self._phase.get(key, (Phase.OK, ""))
        for number, at in self._times(tracks, moments):
            moment = moments.get(at)
            if moment is not None:
                phase, held = moment.said.state.phase, moment.said.held_by
            if at < self._since:
                continue
            reading = tracks.reading(row, number) if row is not None else None
            seen = reading or self._absent
            told = moment.said.tell.value if moment and moment.said.tell else ""
            happened = tuple(step.change.value for step in moment.step.transitions) if moment else ()
            self.slots.setdefault(key, []).append(
                Traced(
                    at,
                    seen.at,
                    seen.value,
                    seen.text,
                    seen.level,
                    seen.missing,
                    phase.value,
                    happened,
                    told,
                    held,
                )
            )
        self._phase[key] = phase, held

    def _times(self, tracks: Tracks, moments: Iterable[Millis]) -> list[tuple[int, Millis]]:
        """The slots to look at: all that are kept, and of the others those in which something happened."""
        times = tracks.slots.tolist()
        wanted = set(moments)
        return [(number, at) for number, at in enumerate(times) if at >= self._since or at in wanted]
