"""Shell: the points behind what a slot is about to tell, for charts: one best-effort query for each measurement.

Nothing waits for it longer than it is given, nothing fails with it: an alert without a chart is an alert. It decides
nothing and writes nothing.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from shared.advance import Step
from shared.charted import MOST_POINTS, Charts, Points, charted
from shared.columns import SampleQuery, Samples
from shared.errors import InvalidInput, NotFound, QueryFailed, Unavailable
from shared.layout import GroupKey, MonitorEntry, group_id
from shared.metrics import MetricStore
from shared.model import EventKind, Millis
from shared.rulebook import RuleBook
from shared.series import Tags, parse_series_key, series_text

MOST_SERIES = 100
"""Of so many notifications of a slot, the worst ones, is there a chart."""
MOST_SECONDS = 2.0
"""How long a slot's alerts may wait for their charts, altogether."""
LEAST_SECONDS = 0.2
"""With less time than this nothing is asked."""
MOST_ROWS = 100_000
"""About how many points one query may bring; for more of them it doesn't reach back as far."""
BEFORE_MS = 30 * 60_000
"""How long before its alert a chart begins at the latest; or so many times what the condition looks at: """
WINDOWS_BEFORE = 6
LONGEST_MS = 7 * 86_400_000

log = logging.getLogger("tocsin.evaluate")

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Wanted:
    ref: tuple[str, str]
    monitor: MonitorEntry
    tags: Tags
    field: str
    start: Millis

    @property
    def pinned(self) -> dict[str, str]:
        """The tags of which it has exactly one value; a missing tag is none that a query could name."""
        alone = {tag: values[0] for tag, values in self.monitor.where.items() if len(values) == 1}
        return {tag: value for tag, value in {**alone, **dict(self.tags)}.items() if value}


def charts(
    book: RuleBook,
    steps: Iterable[Step],
    store_of: Callable[[str], MetricStore],
    every_ms: Callable[[str], float],
    stop: Millis,
    seconds: float,
) -> Charts:
    """The points of the worst series of each notification that the steps lead to.

    `every_ms` says of a query group how far its points are apart; `stop` ends the range, as it ended what was decided
    on; `seconds` is the time that there is.
    """
    deadline = perf_counter() + min(seconds, MOST_SECONDS)
    wanted: dict[GroupKey, list[_Wanted]] = defaultdict(list)
    for step in _worst(steps):
        if (one := _wanted(book, step, stop)) is not None:
            wanted[one.monitor.group].append(one)
    found: dict[tuple[str, str], Points] = {}
    away = set[str]()
    for group, series in wanted.items():
        left = deadline - perf_counter()
        if left < LEAST_SECONDS:
            break
        source, _, measurement = group
        if source in away:
            continue
        try:
            samples = store_of(source).read(_query(group, series, every_ms(group_id(group)), stop), left)
        except (QueryFailed, Unavailable, InvalidInput, NotFound) as error:
            if isinstance(error, Unavailable):
                away.add(source)
            log.info("no charts of %s: %s", measurement, error, extra={"slot": stop})
            continue
        found.update({one.ref: points for one in series if len(points := _points(samples, one)) > 1})
    return found


def _worst(steps: Iterable[Step]) -> list[Step]:
    """Of every rule and kind of notification the series that will be named first; the worst of these."""
    best: dict[tuple[str, EventKind], tuple[tuple[int, str], Step]] = {}
    for step in steps:
        said = step.announcement
        if said.tell is None:
            continue
        order = -said.level, series_text(said.state.key, "")
        place = said.state.rule_id, said.tell
        if place not in best or order < best[place][0]:
            best[place] = order, step
    return [step for _, step in sorted(best.values(), key=lambda one: one[0])[:MOST_SERIES]]


def _wanted(book: RuleBook, step: Step, stop: Millis) -> _Wanted | None:
    """None for series of which no number is looked at, or whose rule or monitor is gone."""
    state = step.announcement.before
    compiled = book.compiled.get(state.rule_id)
    shown = charted(book.entry(state.rule_id).condition)
    monitor_id, tags = parse_series_key(state.key)
    monitor = book.monitors.get(monitor_id)
    if compiled is None or shown is None or monitor is None:
        return None
    before = max(BEFORE_MS, WINDOWS_BEFORE * compiled.lookback_ms)
    start = max(min(state.since or stop, stop) - before, stop - LONGEST_MS)
    return _Wanted((state.rule_id, state.series_id), monitor, tags, shown.field, start)


def _query(group: GroupKey, series: Sequence[_Wanted], every_ms: float, stop: Millis) -> SampleQuery:
    _, database, measurement = group
    reach = max(BEFORE_MS, int(MOST_ROWS / len(series) * every_ms))
    pinned = [one.pinned for one in series]
    return SampleQuery(
        measurement,
        tuple(sorted({tag for one in series for tag in (*one.monitor.filter_tags, *dict(one.tags))})),
        tuple(sorted({one.field for one in series})),
        max(min(one.start for one in series), stop - reach),
        stop,
        database,
        tuple(pinned) if all(pinned) else (),
    )


def _points(samples: Samples, one: _Wanted) -> Points:
    column = samples.fields[one.field]
    mine = column.present & ~np.isnan(column.numbers) & (samples.time >= one.start)
    tags = {**one.monitor.where, **{tag: (value,) for tag, value in one.tags}}
    for tag, values in tags.items():
        told = samples.tags[tag]
        mine &= np.isin(told.codes, [code for code, value in enumerate(told.values) if value in values])
    order = np.argsort(samples.time[mine], kind="stable")
    time, value = samples.time[mine][order], column.numbers[mine][order]
    kept = thinned(value, MOST_POINTS)
    return tuple(
        (at, float(f"{number:.7g}"))
        for at, number in zip(time[kept].tolist(), value[kept].tolist(), strict=True)
    )


def thinned(values: NDArray[np.float64], most: int) -> Ints:
    """The places to keep, in order, so that at most `most` are left: the ends, and of every stretch between them the
    lowest and the highest, because these are what alerts are about."""
    count = len(values)
    if count <= most:
        return np.arange(count)
    edges = np.linspace(1, count - 1, (most - 2) // 2 + 1).astype(np.int64)
    stretches = list(pairwise(edges.tolist()))
    low = [begin + int(values[begin:end].argmin()) for begin, end in stretches]
    high = [begin + int(values[begin:end].argmax()) for begin, end in stretches]
    return np.unique(np.array([0, count - 1, *low, *high], np.int64))
