"""What a backtest found, as plain frozen data that JSON knows. Times are epoch milliseconds UTC, keys series keys.

Pure data; `collect` fills it. Lists hold the newest entries only, the counts beside them count all.
"""

from dataclasses import dataclass

from shared.model import Millis

MAX_SERIES = 200
MAX_EPISODES = 100
MAX_STEPS = 200
MAX_HOLDS = 100
MAX_TELLINGS = 500
MAX_GAPS = 20
MAX_NAMES = 10


@dataclass(frozen=True, slots=True)
class Episode:
    """One run of breaches of one series, from its first slot. `fired_at` None: it was clean again before it fired.
    `ended_at` None: it lasts beyond the range. `level` is the worst, `peak` the value furthest beyond the threshold."""

    pending_since: Millis
    fired_at: Millis | None
    ended_at: Millis | None
    reason: str
    level: int
    value: float | None
    peak: float | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Stepped:
    """One transition of one series: the value that made it, and what was told about it or what held that back."""

    at: Millis
    change: str
    reason: str
    level: int
    value: float | None
    text: str
    told: str
    held_by: str


@dataclass(frozen=True, slots=True)
class Held:
    """Something to tell about one series that had to wait. `until` None: it still waits at the end of the range.
    `then` is what was told when the hold ended; empty when there was nothing left to tell."""

    key: str
    since: Millis
    until: Millis | None
    event: str
    held_by: str
    then: str


@dataclass(frozen=True, slots=True)
class Told:
    """One notification. `series` are the first of its `count` series, by name."""

    at: Millis
    event: str
    level: int
    count: int
    series: tuple[str, ...]
    value: float | None
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Slots in `[since, until)` without a reading."""

    since: Millis
    until: Millis


@dataclass(frozen=True, slots=True)
class SeriesFound:
    """One series over the range. `coverage` is the share of slots with a reading; `first_at` and `last_at` are the
    times of its first and last point, `point_ms` the usual time between two newest points as the slots saw them;
    `fired` and `pending_only` count episodes."""

    key: str
    name: str
    fired: int
    pending_only: int
    episodes: tuple[Episode, ...]
    steps: tuple[Stepped, ...]
    readings: int
    coverage: float
    gap_count: int
    longest_gap: Gap | None
    gaps: tuple[Gap, ...]
    point_ms: int | None
    first_at: Millis | None
    last_at: Millis | None


@dataclass(frozen=True, slots=True)
class Suggested:
    """Thresholds at which the rule would have fired about once a day and about once a week; None with the reason in
    `note` when the range can't tell. The counts are what they would really have come to in the range."""

    per_day: float | None
    per_day_fired: int
    per_week: float | None
    per_week_fired: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What the rule would have done in `[start, end)`, looked at every `interval_ms`, `lateness_ms` behind.

    `series` are the first ones by how much they fired, `left_out` how many more there were; `troubles` are reasons
    why there was no reading, with the number of (series, slot) pairs. `points` were read from the metric store.
    """

    rule_id: str
    title: str
    condition: str
    start: Millis
    end: Millis
    interval_ms: int
    lateness_ms: int
    slots: int
    points: int
    series_count: int
    fired: int
    pending_only: int
    notifications: int
    notifications_per_day: float
    held_count: int
    series: tuple[SeriesFound, ...]
    left_out: int
    told: tuple[Told, ...]
    held: tuple[Held, ...]
    troubles: tuple[tuple[str, int], ...]
    suggested: Suggested | None = None
