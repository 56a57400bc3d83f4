"""What a monitor wrote lately: for each field its type and the least, the middle and the greatest value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.columns import FieldColumn, FieldKind, SampleQuery, Samples
from shared.errors import QueryFailed, Unavailable
from shared.manage.monitors import get_monitor
from shared.manage.ports import Ports
from shared.model import Millis, Monitor

SPANS_MS: Sequence[Millis] = (3_600_000, 86_400_000, 30 * 86_400_000)
"""How far back to look: further only when nothing is there, so that a busy monitor costs an hour of points."""
_TIMEOUT_SECONDS = 10.0
_TEXTS = 5
_TEXT_LENGTH = 100


@dataclass(frozen=True, slots=True)
class FieldSeen:
    """One field. `unit` is what the monitor says of it; numbers are None for texts, `texts` the first few of them."""

    name: str
    unit: str
    kind: FieldKind
    points: int
    least: float | None = None
    median: float | None = None
    greatest: float | None = None
    latest: float | None = None
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MonitorDescribed:
    """A monitor, the titles of the rules on it, and what it wrote since `since`. `trouble`: why that is not known."""

    monitor: Monitor
    rules: tuple[str, ...]
    since: Millis
    points: int
    series_count: int
    last_at: Millis | None
    fields: tuple[FieldSeen, ...]
    trouble: str = ""


def describe_monitor(ports: Ports, wanted: str, *, now: Millis) -> MonitorDescribed:
    """Describe a monitor (id or name). Raises NotFound; a metric store that doesn't answer is `trouble`."""
    monitor, titles = get_monitor(ports, wanted)
    unknown = tuple(FieldSeen(name, unit, "empty", 0) for name, unit in sorted(monitor.fields.items()))
    since, trouble = now, ""
    for span in SPANS_MS:
        since = now - span
        try:
            samples = _read(ports, monitor, since, now + 1)
        except (QueryFailed, Unavailable) as error:
            trouble = str(error)
            break
        rows = _of_monitor(samples, monitor)
        if rows.any():
            return _described(monitor, tuple(titles), samples, rows, since)
    return MonitorDescribed(monitor, tuple(titles), since, 0, 0, None, unknown, trouble)


def _read(ports: Ports, monitor: Monitor, start: Millis, stop: Millis) -> Samples:
    tags = sorted({*monitor.key, *monitor.where})
    query = SampleQuery(
        monitor.measurement, tuple(tags), tuple(sorted(monitor.fields)), start, stop, monitor.database
    )
    return ports.metrics(monitor.source).read(query, _TIMEOUT_SECONDS)


def _of_monitor(samples: Samples, monitor: Monitor) -> NDArray[np.bool_]:
    """Which rows pass the monitor's filter."""
    rows = np.ones(len(samples), np.bool_)
    for tag, given in monitor.where.items():
        column, valid = samples.tags[tag], (given,) if isinstance(given, str) else given
        rows &= np.isin(column.codes, [code for code, value in enumerate(column.values) if value in valid])
    return rows


def _described(
    monitor: Monitor, titles: tuple[str, ...], samples: Samples, rows: NDArray[np.bool_], since: Millis
) -> MonitorDescribed:
    keys = [samples.tags[tag].codes[rows] for tag in monitor.key]
    series = len(np.unique(np.stack(keys), axis=1).T) if keys else 1
    time = samples.time[rows]
    names: Mapping[str, FieldColumn] = samples.fields
    fields = [
        _field(name, monitor.fields.get(name, ""), names[name], rows, samples.time) for name in sorted(names)
    ]
    return MonitorDescribed(monitor, titles, since, int(rows.sum()), series, int(time.max()), tuple(fields))


def _field(
    name: str, unit: str, column: FieldColumn, rows: NDArray[np.bool_], time: NDArray[np.int64]
) -> FieldSeen:
    present = rows & column.present
    count = int(present.sum())
    numbers = column.numbers[present]
    known = ~np.isnan(numbers)
    if not known.any():
        used = np.unique(column.codes[present])
        texts = [column.texts[code][:_TEXT_LENGTH] for code in used.tolist() if code >= 0]
        return FieldSeen(name, unit, column.kind, count, texts=tuple(sorted(texts)[:_TEXTS]))
    newest = int(np.argmax(np.where(known, time[present], np.int64(-1))))
    values = numbers[known]
    return FieldSeen(
        name,
        unit,
        column.kind,
        count,
        float(values.min()),
        float(np.median(values)),
        float(values.max()),
        float(numbers[newest]),
    )
