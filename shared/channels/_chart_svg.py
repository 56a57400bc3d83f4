"""Draws one line of points as SVG, 600 × 200: axes, limits, what breaches them, lowest, highest and last value. Pure.

Nothing but numbers and times gets into a drawing, so that no text from outside can. It has its own opaque ground and
is the same in light and dark mail programs. The same points make the same bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from math import floor, log10
from statistics import median
from zoneinfo import ZoneInfo

from shared.channels._text import number
from shared.charted import Charted, Points
from shared.model import Millis

WIDTH, HEIGHT = 600, 200
FAMILY = "Tocsin Chart"
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 84, 30, 24
_LARGEST = 1e300
"""Beyond it, differences of values are no numbers any more."""
_SMALLEST = 1e-290
"""Below it, a value is drawn as 0."""
_GROUND, _EDGE, _GRID, _INK, _FAINT = "#ffffff", "#d5d9e0", "#e9ecf1", "#1d1f23", "#5b626d"
_LINE, _BREACH = "#1264a3", "#d63232"
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)
_DAY = 86_400
_MOST_TIMES = 7


@dataclass(frozen=True, slots=True)
class _Plot:
    """Where values and times are in the drawing."""

    first: Millis
    last: Millis
    low: float
    high: float

    def x(self, at: Millis) -> float:
        return _LEFT + (at - self.first) / max(self.last - self.first, 1) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - _BOTTOM - min(max(share, 0.0), 1.0) * (HEIGHT - _TOP - _BOTTOM)


def svg(points: Points, charted: Charted, zone: str, since: Millis = 0) -> str:
    """The drawing. `points` are two or more, finite; `since` is when the alert began, marked where it is in range."""
    points = tuple((at, min(max(value, -_LARGEST), _LARGEST)) for at, value in points)
    limits = [limit for limit in charted.limits if abs(limit) <= _LARGEST]
    values = [value for _, value in points]
    marks = _marks(min(values + limits), max(values + limits))
    plot = _Plot(points[0][0], points[-1][0], marks[0], marks[-1])
    parts = [
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="6" fill="{_GROUND}" stroke="{_EDGE}"/>',
        *_grid(plot, marks),
        *_times(plot, zone),
        *_since(plot, since),
        *_drawn(plot, points, charted.operator, limits),
        *_limits(plot, charted.operator, limits),
        *_said(plot, points, limits),
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="{FAMILY}">'
    )
    return head + "".join(parts) + "</svg>"


def _marks(low: float, high: float) -> list[float]:
    """Three to six round values that hold the range."""
    if high - low <= max(abs(high) * 1e-9, _SMALLEST):
        aside = abs(low) / 10 if abs(low) > _SMALLEST * 1e10 else 1.0
        low, high = low - aside, high + aside
    rough = (high - low) / 3
    size = 10.0 ** floor(log10(rough))
    step = size * next(nice for nice in (1, 2, 5, 10) if nice * size >= rough * 0.999)
    first = floor(low / step)
    marks = [float(f"{(first + i) * step:.12g}") for i in range(8)]
    ends = next((i for i, mark in enumerate(marks) if mark >= high), 7)
    return marks[: max(ends, 1) + 1]


def _grid(plot: _Plot, marks: Sequence[float]) -> Iterator[str]:
    for mark in marks:
        y = plot.y(mark)
        yield _line(_LEFT, y, WIDTH - _RIGHT, y, _GRID)
        yield _text(_LEFT - 6, y + 4, short(mark), _FAINT, "end")


def _times(plot: _Plot, zone: str) -> Iterator[str]:
    local = ZoneInfo(zone)
    ticks = _ticks(plot.first, plot.last, local)
    pattern = "%b %d" if ticks.step >= _DAY else "%H:%M" if ticks.step >= 60 else "%H:%M:%S"
    for at in ticks.times:
        words = _moment(at, local).strftime(pattern)
        yield _line(plot.x(at), HEIGHT - _BOTTOM, plot.x(at), HEIGHT - _BOTTOM + 4, _EDGE)
        yield _text(plot.x(at), HEIGHT - 7, words, _FAINT, "middle")
    offset = _moment(plot.last, local).strftime("%z")
    yield _text(WIDTH - 8, HEIGHT - 7, f"{offset[:3]}:{offset[3:5]}", _FAINT, "end")


@dataclass(frozen=True, slots=True)
class _Ticks:
    step: int
    times: tuple[Millis, ...]


def _ticks(first: Millis, last: Millis, local: ZoneInfo) -> _Ticks:
    """Round moments of the zone's clock."""
    seconds = (last - first) / 1000
    most = _MOST_TIMES - 1
    days = _DAY * (1 + int(seconds // (_DAY * most)))
    step = next((one for one in _STEPS if seconds / one <= most), days)
    utc_offset = _moment(last, local).utcoffset()
    offset = int(utc_offset.total_seconds()) if utc_offset else 0
    begins = -(-(first // 1000 + offset) // step) * step - offset
    times = (begins * 1000 + i * step * 1000 for i in range(_MOST_TIMES))
    return _Ticks(step, tuple(at for at in times if first <= at <= last))


def _moment(at: Millis, local: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(local)


def _since(plot: _Plot, since: Millis) -> Iterator[str]:
    if plot.first < since < plot.last:
        x = plot.x(since)
        yield _line(x, _TOP, x, HEIGHT - _BOTTOM, _BREACH, 'stroke-opacity="0.35"')


def _drawn(plot: _Plot, points: Points, operator: str, limits: Sequence[float]) -> Iterator[str]:
    """The line; beyond the mildest limit it is red, and what lies between it and the limit is filled.

    What is beyond is cut out here: a clip path would cost the renderer as much as everything else together.
    """
    runs = list(_runs(points))
    yield _stroke("".join(_path(plot, run) for run in runs), _LINE)
    yield from (_dot(plot, *run[0], 1.5, _LINE) for run in runs if len(run) == 1)
    if not limits or operator[:1] not in ("<", ">"):
        return
    edge, up = plot.y(limits[0]), operator[0] == ">"
    top, height = (_TOP, edge - _TOP) if up else (edge, HEIGHT - _BOTTOM - edge)
    yield (
        f'<rect x="{_LEFT}" y="{top:.1f}" width="{WIDTH - _LEFT - _RIGHT}" height="{max(height, 0.0):.1f}" '
        f'fill="{_BREACH}" fill-opacity="0.06"/>'
    )
    beyond = [part for run in runs for part in _beyond(run, limits[0], up)]
    if beyond:
        filled = "".join(_area(plot, part, edge) for part in beyond)
        yield f'<path d="{filled}" fill="{_BREACH}" fill-opacity="0.22"/>'
        yield _stroke("".join(_path(plot, part) for part in beyond), _BREACH)


def _beyond(run: Points, limit: float, up: bool) -> Iterator[Points]:
    """The parts of the line on the far side of the limit, from crossing to crossing."""
    part: list[tuple[Millis, float]] = []
    for i, (at, value) in enumerate(run):
        over = value > limit if up else value < limit
        if i and over != bool(part):
            before_at, before = run[i - 1]
            share = _share(limit - before, value - before)
            part.append((before_at + round((at - before_at) * share), limit))
            if not over:
                yield tuple(part)
                part = []
        if over:
            part.append((at, value))
    if len(part) > 1:
        yield tuple(part)


def _share(part: float, whole: float) -> float:
    return part / whole if abs(whole) > _SMALLEST else 0.0


def _runs(points: Points) -> Iterator[Points]:
    """The points between gaps: where nothing came for long, no line pretends that something did."""
    usual = median(after[0] - before[0] for before, after in pairwise(points))
    begin = 0
    for i, (before, after) in enumerate(pairwise(points), start=1):
        if after[0] - before[0] > max(4 * usual, (points[-1][0] - points[0][0]) / 40):
            yield points[begin:i]
            begin = i
    yield points[begin:]


def _path(plot: _Plot, run: Points) -> str:
    return "".join(
        f"{'L' if i else 'M'}{plot.x(at):.1f} {plot.y(value):.1f}" for i, (at, value) in enumerate(run)
    )


def _area(plot: _Plot, run: Points, edge: float) -> str:
    return f"{_path(plot, run)}L{plot.x(run[-1][0]):.1f} {edge:.1f}L{plot.x(run[0][0]):.1f} {edge:.1f}Z"


def _limits(plot: _Plot, operator: str, limits: Sequence[float]) -> Iterator[str]:
    """Dashed lines; a label that would stand upon another is left out."""
    free = [0.0]
    for limit in limits:
        y = plot.y(limit)
        yield _line(_LEFT, y, WIDTH - _RIGHT, y, _BREACH, 'stroke-dasharray="5 4" stroke-width="1.5"')
        if all(abs(y - other) >= 12 for other in free):
            yield _text(WIDTH - _RIGHT + 8, y + 4, f"{_shown(operator)} {short(limit)}", _BREACH, "start")
            free.append(y)


def _said(plot: _Plot, points: Points, limits: Sequence[float]) -> Iterator[str]:
    """Dots at the extremes and at the end, and their numbers above the plot."""
    low, high = min(points, key=lambda one: one[1]), max(points, key=lambda one: one[1])
    last = points[-1]
    words = ("last", last[1]), ("lowest", low[1]), ("highest", high[1])
    for place, (word, value) in enumerate(words):
        x = _LEFT + place * 150
        yield _text(x, 19, f'<tspan fill="{_FAINT}">{word} </tspan>{short(value)}', _INK, "start")
    for at, value in dict.fromkeys((low, high)):
        yield _dot(plot, at, value, 2.5, _FAINT)
    yield _dot(plot, *last, 3.5, _INK)


def short(value: float) -> str:
    """A number in nine characters or so: `97.25`, `61.2k`, `1.5e+12`."""
    plain = number(float(f"{value:.5g}"))
    if abs(value) < 100_000 and len(plain) <= 9:
        return plain
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size <= abs(value) < size * 1000:
            return f"{number(float(f'{value / size:.4g}'))}{unit}"
    return f"{value:.3g}"


def _shown(operator: str) -> str:
    return {">": "&gt;", ">=": "≥", "<": "&lt;", "<=": "≤", "==": "=", "!=": "≠"}.get(operator, "")


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {more}/>'


def _text(x: float, y: float, words: str, colour: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="11.5" fill="{colour}" text-anchor="{anchor}">{words}</text>'


def _stroke(path: str, colour: str) -> str:
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.8" stroke-linejoin="round"/>'


def _dot(plot: _Plot, at: Millis, value: float, radius: float, colour: str) -> str:
    return f'<circle cx="{plot.x(at):.1f}" cy="{plot.y(value):.1f}" r="{radius}" fill="{colour}"/>'
