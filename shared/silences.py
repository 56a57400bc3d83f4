"""Silences: when nobody wants to be told about what. Who is matched, and when it holds.

Pure: no clock, no I/O. It says whether a series is silenced in a slot; what then is held or skipped is `announce`.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import Field, model_validator

from shared.model import Frozen, Millis, SeverityField
from shared.series import parse_series_key
from shared.weekly import Weekly, Window

FOREVER: Millis = 253_370_764_800_000
"""The end of a silence that has none: the year 9999."""

Pairs = frozenset[tuple[str, str]]


class Matcher(Frozen):
    """What is silenced: all that is given must match.

    `rules` and `monitors` are ids, one of which must be the series'. `severity` is the alert's present one exactly,
    `at_least` that or worse. Each of `labels` must be a label of the rule or the monitor, or a key tag of the series.
    """

    rules: tuple[str, ...] = ()
    monitors: tuple[str, ...] = ()
    severity: SeverityField | None = None
    at_least: SeverityField | None = None
    labels: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _says_something(self) -> "Matcher":
        if not (self.rules or self.monitors or self.severity or self.at_least or self.labels):
            raise ValueError("give at least one of rules, monitors, severity, at_least and labels")
        if self.severity and self.at_least:
            raise ValueError("give severity or at_least, not both")
        return self

    def matches(self, about: "Subject") -> bool:
        """Whether the silence is about this."""
        return (
            (not self.rules or about.rule_id in self.rules)
            and (not self.monitors or about.monitor_id in self.monitors)
            and (self.severity is None or about.severity == self.severity)
            and (self.at_least is None or about.severity >= self.at_least)
            and self.labels.items() <= about.labels
        )


@dataclass(frozen=True, slots=True)
class Subject:
    """One series of one rule as matchers see it, at the severity that there is something to say about."""

    rule_id: str
    monitor_id: str
    severity: int
    labels: Pairs


def subject(
    rule_id: str,
    key: str,
    severity: int,
    rule_labels: Mapping[str, str],
    monitor_labels: Callable[[str], Mapping[str, str]],
) -> Subject:
    """The subject with this series key; `monitor_labels` are asked for by id, and empty when it is gone."""
    monitor_id, tags = parse_series_key(key)
    labels = frozenset((*rule_labels.items(), *monitor_labels(monitor_id).items(), *tags))
    return Subject(rule_id, monitor_id, severity, labels)


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence: in `[starts_at, ends_at)`, and with `weekly` only in its hours."""

    id: str
    matcher: Matcher
    starts_at: Millis
    ends_at: Millis
    weekly: Weekly | None = None
    reason: str = ""

    def holds(self, now: Millis) -> bool:
        """Whether it is silent at `now`."""
        window = self.window(now)
        return window is not None and window[0] <= now

    def window(self, now: Millis) -> Window | None:
        """When it is silent next, or now: the first stretch that is not over at `now`; None if it never will be."""
        if now >= self.ends_at:
            return None
        if self.weekly is None:
            return self.starts_at, self.ends_at
        for begin, end in self.weekly.windows(max(now, self.starts_at)):
            stretch = max(begin, self.starts_at), min(end, self.ends_at)
            return stretch if stretch[0] < stretch[1] else None
        return None


def read_silence(
    silence_id: str, matcher: str, starts_at: Millis, ends_at: Millis, weekly: str | None, reason: str
) -> Silence:
    """A silence from its row. Raises ValueError when its JSON can't be used: it was validated when it was written."""
    return Silence(
        silence_id,
        Matcher.model_validate(json.loads(matcher)),
        starts_at,
        ends_at,
        None if weekly is None else Weekly.model_validate(json.loads(weekly)),
        reason,
    )


class Quiet:
    """The silences that hold at one moment, found by what they are about; false when there is none.

    Each is filed under one thing it asks for, so that a thousand silences of a rule each cost a series one look-up.
    """

    def __init__(self, silences: Iterable[Silence], now: Millis) -> None:
        self._by: dict[tuple[str, str, str], list[Silence]] = defaultdict(list)
        for silence in silences:
            if silence.holds(now):
                for place in _places(silence.matcher):
                    self._by[place].append(silence)

    def __bool__(self) -> bool:
        """Whether anything is silenced at all."""
        return bool(self._by)

    def over(self, about: Subject) -> Silence | None:
        """The silence over this, of several the one that holds longest; None if it may be told."""
        found = [
            silence
            for place in _asked(about)
            for silence in self._by.get(place, ())
            if silence.matcher.matches(about)
        ]
        return max(found, key=lambda silence: silence.ends_at, default=None)


def _places(matcher: Matcher) -> list[tuple[str, str, str]]:
    """Where a silence is filed: under its rules, else its monitors, else one label, else with the rest."""
    if matcher.rules:
        return [("rule", rule_id, "") for rule_id in matcher.rules]
    if matcher.monitors:
        return [("monitor", monitor_id, "") for monitor_id in matcher.monitors]
    if matcher.labels:
        return [("label", *min(matcher.labels.items()))]
    return [("any", "", "")]


def _asked(about: Subject) -> Iterator[tuple[str, str, str]]:
    """Every place where a silence over this may be filed."""
    yield "rule", about.rule_id, ""
    yield "monitor", about.monitor_id, ""
    for name, value in about.labels:
        yield "label", name, value
    yield "any", "", ""
