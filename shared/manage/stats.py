"""Statistics: how much there was, what made the noise, how quickly people answered, what never said anything."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from shared.errors import InvalidInput
from shared.manage.doubting import doubts_of
from shared.manage.ports import Ports
from shared.model import Millis, Severity
from shared.store import rules, standings, stats
from shared.store.engine import Tx
from shared.store.stats import Answer, Told, Volume

DAY_MS = 86_400_000
LONGEST_DAYS = 90
MOST = 50
"""Rows of any list: more is not read."""
_DAYS_EACH = 45


@dataclass(frozen=True, slots=True)
class Stretch:
    """The alerts that fired in one day, or one week of a long range, by severity; those that did not are left out."""

    start: Millis
    alerts: int
    by_severity: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class NoisyRule:
    """One rule's share of all alerts, 0 to 1; `announced` of them were told."""

    rule_id: str
    title: str
    alerts: int
    announced: int
    series: int
    share: float


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took, in seconds, over `count` alerts; None when there was none."""

    count: int
    median: float | None
    p90: float | None


@dataclass(frozen=True, slots=True)
class FlappingRule:
    """A rule of which series flapped: how often that was told in the range, and how many of them do so now."""

    rule_id: str
    title: str
    times: int
    now: int


@dataclass(frozen=True, slots=True)
class SilentRule:
    """An enabled rule of which there is no alert at all, and why it may never fire, as far as that is known."""

    rule_id: str
    title: str
    created_at: Millis
    health: str
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AlertStats:
    """What happened in `[since, until)`.

    `stretch_days` is 1 or 7. `acknowledge` and `resolve` are over the newest `answers_of` alerts; of these
    `never_acknowledged` were not.
    """

    since: Millis
    until: Millis
    alerts: int
    announced: int
    firing: int
    by_severity: Mapping[str, int]
    stretch_days: int
    stretches: tuple[Stretch, ...]
    noisiest: tuple[NoisyRule, ...]
    answers_of: int
    acknowledge: Spread
    resolve: Spread
    never_acknowledged: int
    flapping: tuple[FlappingRule, ...]
    never_fired: tuple[SilentRule, ...]
    never_fired_total: int
    told: tuple[Told, ...]


def alert_stats(ports: Ports, *, since: Millis, until: Millis, limit: int = 10) -> AlertStats:
    """Count what happened in `[since, until)`, 90 days at the most; `limit` (1 to 50) rules in each list of them."""
    if not 1 <= limit <= MOST:
        raise InvalidInput("limit", limit, f"expected 1 to {MOST}")
    if since >= until:
        raise InvalidInput("since", _utc(since), f"it must be before until, {_utc(until)}")
    if until - since > LONGEST_DAYS * DAY_MS:
        raise InvalidInput("since", _utc(since), f"at most {LONGEST_DAYS} days before until are counted")
    return ports.store.read(lambda tx: _counted(tx, since, until, limit))


def _utc(time: Millis) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).isoformat(sep=" ", timespec="seconds")


def _counted(tx: Tx, since: Millis, until: Millis, limit: int) -> AlertStats:
    days = 1 if until - since <= _DAYS_EACH * DAY_MS else 7
    step, origin = days * DAY_MS, since - since % DAY_MS
    found = stats.volume(tx, since, until, origin, step)
    total = sum(one.alerts for one in found)
    answers = stats.answers(tx, since, until)
    silent = stats.never_fired(tx)
    told, flapped = stats.told(tx, since, until)
    acknowledged = [one.acknowledged_at - one.fired_at for one in answers if one.acknowledged_at is not None]
    resolved = [one.resolved_at - one.fired_at for one in answers if one.resolved_at is not None]
    return AlertStats(
        since=since,
        until=until,
        alerts=total,
        announced=sum(one.announced for one in found),
        firing=_open(answers),
        by_severity=_by_severity(found),
        stretch_days=days,
        stretches=tuple(_stretches(found, range(origin, until, step))),
        noisiest=_noisiest(tx, since, until, limit, total),
        answers_of=len(answers),
        acknowledge=_spread(acknowledged),
        resolve=_spread(resolved),
        never_acknowledged=len(answers) - len(acknowledged),
        flapping=_flapping(tx, flapped, limit),
        never_fired=_silent(tx, silent[:limit]),
        never_fired_total=len(silent),
        told=tuple(told),
    )


def _open(answers: Collection[Answer]) -> int:
    return sum(1 for one in answers if one.resolved_at is None)


def _by_severity(found: Collection[Volume]) -> dict[str, int]:
    """The worst first; severities that did not fire are left out."""
    counts = {severity: sum(one.alerts for one in found if one.severity == severity) for severity in Severity}
    return {one.word: count for one, count in sorted(counts.items(), reverse=True) if count}


def _stretches(found: Sequence[Volume], starts: Collection[Millis]) -> list[Stretch]:
    """Every day or week, those without alerts too."""
    of: dict[Millis, list[Volume]] = {start: [] for start in starts}
    for one in found:
        of[one.start].append(one)
    return [Stretch(start, sum(one.alerts for one in some), _by_severity(some)) for start, some in of.items()]


def _spread(milliseconds: Sequence[Millis]) -> Spread:
    if not milliseconds:
        return Spread(0, None, None)
    # An acknowledgement is in real time, firing in slots, which may be a little ahead.
    seconds = np.maximum(np.array(milliseconds, np.float64), 0) / 1000
    median, p90 = np.percentile(seconds, (50, 90)).tolist()
    return Spread(len(milliseconds), median, p90)


def _noisiest(tx: Tx, since: Millis, until: Millis, limit: int, total: int) -> tuple[NoisyRule, ...]:
    found = stats.noisiest(tx, since, until, limit)
    titles = rules.titles(tx, [one.rule_id for one in found])
    return tuple(
        NoisyRule(
            one.rule_id,
            titles.get(one.rule_id, one.rule_id),
            one.alerts,
            one.announced,
            one.series,
            one.alerts / total,
        )
        for one in found
    )


def _flapping(tx: Tx, past: Counter[str], limit: int) -> tuple[FlappingRule, ...]:
    present = stats.flapping(tx, limit)
    ids = sorted({*past, *present}, key=lambda one: (-past[one], -present.get(one, 0), one))[:limit]
    titles = rules.titles(tx, ids)
    return tuple(FlappingRule(one, titles.get(one, one), past[one], present.get(one, 0)) for one in ids)


def _silent(tx: Tx, ids: Sequence[str]) -> tuple[SilentRule, ...]:
    found = {rule.id: rule for rule in rules.some(tx, ids)}
    standing_of = standings.standings(tx, ids)
    doubts = doubts_of(tx, list(found.values()), standing_of)
    return tuple(
        SilentRule(
            one,
            found[one].title,
            found[one].created_at,
            standing_of[one].health,
            tuple(doubt.text for doubt in doubts[one]),
        )
        for one in ids
        if one in found  # deleted just now
    )
