"""Why a rule may never fire: a field that is not there, a value of the wrong type, a window between two points.

Pure. A doubt is `sure` when no point that the monitor can send would make the rule fire; otherwise it is what was
seen so far. Rules that fire for missing data are never doubted for missing data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared import conditions
from shared.conditions._compare import CODES, holds
from shared.conditions._options import duration
from shared.model import Health
from shared.plan import Compiled

_TEXT, _BOOLEAN = "text", "boolean"
_KINDS: Mapping[str, str] = {
    "string": _TEXT,
    "text": _TEXT,
    "boolean": _BOOLEAN,
    "bool": _BOOLEAN,
    **dict.fromkeys(("float", "integer", "int", "unsigned", "number", "double", "long"), "number"),
}
_TWO_POINTS = ("rate", "delta", "stddev")


@dataclass(frozen=True, slots=True)
class Doubt:
    """One reason why a rule may never fire. `code` names its kind: selector, field, type, value, never_seen, window or
    for."""

    code: str
    text: str
    sure: bool


def doubts_of_condition(
    condition: Mapping[str, Any], severity: int, fields: Sequence[Mapping[str, str]]
) -> tuple[Doubt, ...]:
    """What the fields (name → type) of the rule's monitors say; a monitor without known fields says nothing. A rule on
    several monitors is only doubted for what holds for all of them."""
    compiled = conditions.compiled(condition, severity)
    if compiled.expects or not fields or not all(fields):
        return ()
    found = [_against(condition, compiled, one) for one in fields]
    return () if any(doubt is None for doubt in found) else tuple(doubt for doubt in found[:1] if doubt)


def doubts_of_history(
    condition: Mapping[str, Any], severity: int, *, health: str, reason: str, ever_seen: bool
) -> tuple[Doubt, ...]:
    """What the ticks found so far: `health` and its reason, and whether the rule ever saw a series."""
    if ever_seen or health != Health.NO_DATA.value or conditions.compiled(condition, severity).expects:
        return ()
    if "selector" in reason:
        return (Doubt("selector", reason, True),)
    return (Doubt("never_seen", f"it has never seen a series: {reason}", False),)


def doubts_of_points(condition: Mapping[str, Any], severity: int, point_ms: int | None) -> tuple[Doubt, ...]:
    """What the time between two points of a series means for the windows; None: not known."""
    if not point_ms:
        return ()
    compiled = conditions.compiled(condition, severity)
    every = f"a series sends a point about every {duration(round(point_ms / 1000))}"
    found = []
    for ask in compiled.asks:
        window = duration(ask.window_ms / 1000)
        if ask.aggregation in _TWO_POINTS and ask.window_ms < 2 * point_ms:
            text = f"{ask.aggregation} of {ask.field!r} needs two points in {window}, and {every}"
            found.append(Doubt("window", text, False))
        elif ask.aggregation == "count" and ask.window_ms < point_ms:
            found.append(Doubt("window", f"it counts the points of {window}, and {every}", False))
    longest = max((ask.window_ms for ask in compiled.asks), default=0)
    if compiled.no_data == "ok" and longest < point_ms and compiled.for_ms >= longest:
        text = (
            f"it has to breach for {duration(compiled.for_ms / 1000)}, missing data counts as ok, "
            f"it looks back {duration(longest / 1000)}, and {every}"
        )
        found.append(Doubt("for", text, False))
    return tuple(found)


def _against(condition: Mapping[str, Any], compiled: Compiled, fields: Mapping[str, str]) -> Doubt | None:
    """The first reason why these fields can't make the condition breach; None if they may."""
    children = condition.get("conditions")
    if children:
        made = [_against(one, conditions.compiled(one, 1), fields) for one in children]
        if condition["type"] == "any":
            return next(iter(made), None) if all(made) else None
        return next((doubt for doubt in made if doubt), None)
    if condition["type"] == "absence":
        return None
    for ask in compiled.asks:
        if ask.field not in fields:
            listed = ", ".join(sorted(fields))
            # Fields are known from when the monitor was added: one that is new is not among them.
            return Doubt(
                "field", f"the monitor is not known to have a field {ask.field!r}; it has {listed}", False
            )
        kind = _KINDS.get(fields[ask.field].lower(), "")
        if ask.aggregation == "text" and kind in ("number", _BOOLEAN):
            return Doubt("type", f"it compares with a text, and {ask.field!r} is {fields[ask.field]}", True)
        if ask.aggregation != "text" and kind == _TEXT:
            return Doubt("type", f"it compares with a number, and {ask.field!r} is {fields[ask.field]}", True)
        if (
            kind == _BOOLEAN
            and condition["type"] == "threshold"
            and ask.aggregation in ("latest", "min", "max")
        ):
            return _never_of_boolean(condition, ask.field)
    return None


def _never_of_boolean(condition: Mapping[str, Any], field: str) -> Doubt | None:
    limits = [condition.get("value"), *(level["value"] for level in condition.get("levels") or ())]
    code = np.full(2, CODES[condition["operator"]], np.int8)
    numbers = [float(limit) for limit in limits if limit is not None]
    if any(holds(code, np.array([0.0, 1.0]), np.full(2, limit)).any() for limit in numbers):
        return None
    text = f"{field!r} is true or false, which count as 1 and 0: neither is {condition['operator']} {numbers[0]:g}"
    return Doubt("value", text, True)
