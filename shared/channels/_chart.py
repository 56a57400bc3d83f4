"""The picture of a message: the points of its worst alert as PNG, with the same in words.

A chart is never worth a message: whatever keeps it from being drawn, the message goes out without one. The renderer
is imported when the first chart is drawn, never before.
"""

import logging
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path

from shared.channels._chart_svg import FAMILY, HEIGHT, WIDTH, short, svg
from shared.channels._message import Message, Telling
from shared.channels._text import clean, cut, span
from shared.charted import MOST_POINTS, Charted, Points, charted
from shared.model import AlertFacts

NAME = "chart.png"
MOST_BYTES = 200_000
ZOOM = 1.5
"""900 × 300 pixels: sharp on the screens that people have, and half the work of twice the size."""
LATEST_MS = 253_000_000_000_000

_FONT = Path(__file__).with_name("_chart.ttf")

log = logging.getLogger("tocsin.deliver")


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG. `alt` says in words what it shows; `caption` names series and field, cleaned and not escaped."""

    png: bytes = field(repr=False)
    alt: str
    caption: str
    width: int = WIDTH
    height: int = HEIGHT


def picture(message: Message, zone: str) -> Picture | None:
    """The chart of the first alert of the message that has points; None when there is nothing to draw, or no way."""
    drawn = to_draw(message.telling)
    if drawn is None:
        return None
    png = _png(svg(drawn.points, drawn.shown, zone, drawn.alert.started_at))
    return None if png is None else Picture(png, *_words(drawn, zone))


def in_words(message: Message, zone: str) -> str:
    """What the chart of the message shows, for who doesn't see it; empty when there is nothing to draw."""
    drawn = to_draw(message.telling)
    return _words(drawn, zone)[0] if drawn is not None else ""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The alert that a chart is of, its points, and what is shown of them."""

    alert: AlertFacts
    points: Points
    shown: Charted


def to_draw(telling: Telling) -> Drawn | None:
    """The first alert that has points."""
    shown = charted(telling.facts.rule.condition)
    of_all = ((item.alert, drawable(item.alert)) for item in telling.items if shown is not None)
    return next((Drawn(alert, points, shown) for alert, points in of_all if shown and len(points) >= 2), None)


def captioned(message: Message, chart: Picture | None) -> Message:
    """The message with a note on which of its alerts is drawn, when it is about several: for pictures without words."""
    if chart is None or not message.lines:
        return message
    return replace(message, notes=(*message.notes, f"Chart: {chart.caption}"))


def drawable(alert: AlertFacts) -> Points:
    """The alert's points in order, without what can't be drawn."""
    kept = {at: value for at, value in alert.points if isfinite(value) and 0 < at < LATEST_MS}
    return tuple(sorted(kept.items()))[-MOST_POINTS:]


def _words(drawn: Drawn, zone: str) -> tuple[str, str]:
    alert, points, shown = drawn.alert, drawn.points, drawn.shown
    values = [value for _, value in points]
    name = cut(clean(shown.field), 100)
    parts = [f"lowest {short(min(values))}", f"highest {short(max(values))}", f"last {short(values[-1])}"]
    limits = ", ".join(f"{shown.operator} {short(limit)}" for limit in shown.limits)
    threshold = f"; threshold {limits}" if limits else ""
    alt = f"Chart of {name}, {span(points[0][0], points[-1][0], zone)}: {', '.join(parts)}{threshold}"
    return alt, " · ".join(part for part in (cut(clean(alert.series), 150), name) if part)


def _png(drawing: str) -> bytes | None:
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        log.warning("no chart: its renderer can't be imported: %s", error)
        return None
    if not _FONT.is_file():
        log.warning("no chart: its font is missing")
        return None
    try:
        made = bytes(
            svg_to_bytes(
                svg_string=drawing,
                zoom=ZOOM,
                skip_system_fonts=True,
                font_files=[str(_FONT)],
                font_family=FAMILY,
            )
        )
    except (ValueError, OSError, RuntimeError) as error:
        log.warning("no chart: it could not be drawn: %s", error)
        return None
    return made if len(made) <= MOST_BYTES else None
