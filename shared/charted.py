"""Which field of a condition a chart shows, and which of its limits are lines in it.

Pure, and without numpy: the tick asks it what to read, the notify functions ask it what to draw. It trusts nothing,
because what stands in an event may be older than this code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeGuard

Points = tuple[tuple[int, float], ...]
"""(epoch milliseconds, value), oldest first."""

Charts = Mapping[tuple[str, str], Points]
"""(rule id, series id) → points."""

MOST_POINTS = 120

_IN_THE_FIELDS_UNIT = frozenset({"latest", "avg", "min", "max", "median", "p50", "p90", "p95", "p99"})
"""Aggregations whose result can be compared by eye with the points themselves; a sum or a rate can't."""


@dataclass(frozen=True, slots=True)
class Charted:
    """A field, and the limits that its points can be compared with: the mildest first, none where there is no sense
    in a line. `operator` breaches: `>` above a limit."""

    field: str
    operator: str = ""
    limits: tuple[float, ...] = ()


def charted(condition: Mapping[str, Any]) -> Charted | None:
    """The first comparison of numbers in a stored condition; None for texts, and for what compares nothing."""
    parts = condition.get("conditions")
    if isinstance(parts, list | tuple):
        inner = (charted(part) for part in parts if isinstance(part, Mapping))
        return next((found for found in inner if found is not None), None)
    field, operator = condition.get("field"), condition.get("operator")
    if not isinstance(field, str) or not isinstance(operator, str) or isinstance(condition.get("value"), str):
        return None
    if condition.get("type") != "threshold":
        return Charted(field)
    if condition.get("aggregation", "latest") not in _IN_THE_FIELDS_UNIT:
        return Charted(field)
    levels = condition.get("levels")
    given = [one.get("value") for one in levels or () if isinstance(one, Mapping)] if levels else []
    limits = {float(value) for value in (condition.get("value"), *given) if _is_number(value)}
    return Charted(field, operator, tuple(sorted(limits, reverse=operator.startswith("<"))[:4]))


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
