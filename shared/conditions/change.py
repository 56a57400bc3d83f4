"""`change`: an aggregation over a window, compared with the same over an earlier one.

`{"type": "change", "field": "price", "operator": ">", "value": 5, "unit": "percent", "compare_seconds": 600}`

Now is `[stop - window, stop)`; earlier is the window of the same length that ends `compare_seconds` before. The change
is now less earlier, in percent of the earlier amount without its sign. `direction` says which of it counts: `either`
its size, `up` as it is, `down` reversed. Without a value on both sides there is no change to speak of: that is missing.
So is a percentage of zero. Windows without points have a count of 0.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from shared.conditions._aggregations import AGGREGATIONS, AggregationName
from shared.conditions._cells import UNREADABLE, Aggregate, Cells, Status
from shared.conditions._compare import OPPOSITE, TOLERANCE, Operator
from shared.conditions._interface import Measured, Pairs, missing
from shared.conditions._levels import Level, check, columns, compared, worded
from shared.conditions._options import (
    DEFAULT_WINDOW_SECONDS,
    Number,
    Options,
    PositiveSeconds,
    duration,
    number,
    timing,
)
from shared.errors import InvalidInput
from shared.plan import Ask, Compiled, Signature

_ONLY_EARLIER, _ONLY_NOW, _OF_ZERO = 16, 17, 18
"""Ways of being missing, beside those of a single window."""

_VERBS = {"either": "changed", "up": "rose", "down": "fell"}
_AMOUNTS = {
    ">": "more than", ">=": "at least", "<": "less than", "<=": "at most", "==": "exactly", "!=": "anything but"
}  # fmt: skip


class Change(Options):
    """Compare a field with what it was some time before."""

    type: Literal["change"]
    field: str = Field(min_length=1, max_length=200, description="the field of the monitor's measurement")
    operator: Operator
    value: Number | None = Field(None, description="how much change, never negative; see direction")
    unit: Literal["absolute", "percent"] = Field(
        "absolute", description="in the field's own unit, or in percent of the earlier amount"
    )
    direction: Literal["either", "up", "down"] = Field(
        "either", description="count changes both ways, or a rise, or a fall"
    )
    aggregation: AggregationName = "latest"
    compare_seconds: PositiveSeconds | None = Field(
        None, description="how long before the window the earlier one ends; left out: window_seconds"
    )
    recovery_value: Number | None = Field(None, description="clean only beyond this value; on the clean side")
    levels: tuple[Level, ...] = Field((), description="further thresholds, each with its severity")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check(self.operator, self.value, self.levels, self.recovery_value)
        limits = [("levels", level.value) for level in self.levels]
        for key, limit in [("value", self.value or 0), *limits]:
            if limit < 0:
                hint = "A fall is direction down with a positive value"
                raise InvalidInput(f"condition.{key}", limit, "it must not be negative", hint)
        return self


Params = Change


# ------------------------------------------------------------------ words


def describe(condition: Mapping[str, Any]) -> str:
    """`price changed by more than 5 % within 10 min (latest, 5 min)`."""
    unit = _unit(condition)
    limits = worded(condition, lambda operator, value: f"{_AMOUNTS[operator]} {number(value)}{unit}")
    window, before = _windows(condition)
    words = (
        f"{condition['field']} {_VERBS[condition.get('direction', 'either')]} by {limits} "
        f"within {duration(before)} ({condition.get('aggregation', 'latest')}, {duration(window)})"
    )
    clean = condition.get("recovery_value")
    ends = [] if clean is None else [f"clean at {OPPOSITE[condition['operator']]} {number(clean)}{unit}"]
    return words + timing(condition, ends)


def _unit(condition: Mapping[str, Any]) -> str:
    return " %" if condition.get("unit") == "percent" else ""


def _windows(condition: Mapping[str, Any]) -> tuple[int, int]:
    """(window, how long before it the earlier one ends), in seconds."""
    window: int = condition.get("window_seconds", DEFAULT_WINDOW_SECONDS)
    before: int | None = condition.get("compare_seconds")
    return window, window if before is None else before


# ------------------------------------------------------------------ numbers


def compiled(condition: Mapping[str, Any], severity: int) -> Compiled:
    """The condition in numbers: those of its limits."""
    field, aggregation = condition["field"], condition.get("aggregation", "latest")
    unit, direction = condition.get("unit", "absolute"), condition.get("direction", "either")
    if aggregation not in AGGREGATIONS or unit not in ("absolute", "percent") or direction not in _VERBS:
        raise ValueError(f"{aggregation} of field {field!r}, {direction}, {unit} can't be measured")
    window_ms, before_ms = (seconds * 1000 for seconds in _windows(condition))
    no_data = condition.get("no_data", "keep")
    return Compiled(
        type="change",
        signature=(field, aggregation, window_ms, before_ms, unit, direction),
        numbers=columns(condition, severity),
        texts=(),
        asks=(Ask(field, aggregation, window_ms), Ask(field, aggregation, window_ms, before_ms)),
        for_ms=condition.get("for_seconds", 0) * 1000,
        keep_firing_ms=condition.get("keep_firing_seconds", 0) * 1000,
        no_data=no_data,
        expects=no_data == "alert" or aggregation == "count",
        grace_ms=window_ms,
    )


# ------------------------------------------------------------------ measuring


def measure(signature: Signature, pairs: Pairs, cells: Cells) -> Measured:
    """All pairs of one signature."""
    field, aggregation, window_ms, before_ms, _unit, _direction = _read(signature)
    now = cells.aggregate(field, aggregation, window_ms)
    earlier = cells.aggregate(field, aggregation, window_ms, before_ms)
    here, there = _values(now, aggregation), _values(earlier, aggregation)
    gone = (now.status == Status.ABSENT) & (earlier.status == Status.ABSENT)
    changed, status = _changed(signature, here, there)
    status = np.where(gone, np.int8(Status.ABSENT), status)
    at = np.where(now.at > 0, now.at, earlier.at)
    return _compared(signature, pairs, changed[pairs.cell], status[pairs.cell], at[pairs.cell])


_Side = tuple[NDArray[np.float64], NDArray[np.int8]]
"""Values and status of one window."""


def _values(made: Aggregate, aggregation: str) -> _Side:
    if aggregation != "count":
        return made.values, made.status
    nothing = made.status == Status.ABSENT
    return np.where(nothing, 0.0, made.values), np.where(nothing, np.int8(Status.FINE), made.status)


def _changed(signature: Signature, now: _Side, earlier: _Side) -> _Side:
    """The change with its sign, and the status of each cell."""
    percent = signature[4] == "percent"
    (new, here), (old, there) = now, earlier
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        change = new - old
        # Sums of decimals are never exact: what differs by less than that has not changed.
        change[np.abs(change) <= TOLERANCE * np.maximum(np.abs(new), np.abs(old))] = 0
        if percent:
            change = change / np.abs(old) * 100
    troubles = [
        (np.isin(here, UNREADABLE), here),
        (np.isin(there, UNREADABLE), there),
        (here == Status.ABSENT, np.int8(_ONLY_EARLIER)),
        (there == Status.ABSENT, np.int8(_ONLY_NOW)),
        ((here == Status.SHORT) | (there == Status.SHORT), np.int8(Status.SHORT)),
        (old == 0 if percent else np.zeros(len(old), np.bool_), np.int8(_OF_ZERO)),
        (~np.isfinite(change), np.int8(Status.TOO_LARGE)),
    ]
    status = np.full(len(change), Status.FINE, np.int8)
    for where, code in reversed(troubles):
        status = np.where(where, code, status)
    return change, status


def _compared(
    signature: Signature,
    pairs: Pairs,
    change: NDArray[np.float64],
    status: NDArray[np.int8],
    at: NDArray[np.int64],
) -> Measured:
    fine, direction = status == Status.FINE, signature[5]
    counted = np.abs(change) if direction == "either" else -change if direction == "down" else change
    level, recovered = compared(pairs.numbers[pairs.target], counted)
    return Measured(
        level=np.where(fine, level, 0).astype(np.int8),
        recovered=recovered & fine,
        value=np.where(fine, change, np.nan),
        code=np.full(len(pairs), -1, np.int32),
        at=at,
        status=status,
        reasons=_reasons(signature),
    )


def vacant(signature: Signature, pairs: Pairs) -> Measured:
    """A series without points: no points counted is a number on both sides, everything else is missing."""
    field, aggregation, window_ms, before_ms, _unit, _direction = _read(signature)
    if aggregation != "count":
        return missing(
            len(pairs), f"no value of {field!r} in the last {duration((window_ms + before_ms) / 1000)}"
        )
    nothing = np.zeros(len(pairs))
    side = nothing, np.full(len(pairs), Status.FINE, np.int8)
    change, status = _changed(signature, side, side)
    return _compared(signature, pairs, change, status, nothing.astype(np.int64))


def _read(signature: Signature) -> tuple[str, str, int, int, str, str]:
    return cast("tuple[str, str, int, int, str, str]", signature)


def _reasons(signature: Signature) -> dict[int, str]:
    field, aggregation, window_ms, before_ms, _unit, _direction = _read(signature)
    window, before = duration(window_ms / 1000), duration(before_ms / 1000)
    return {
        Status.SHORT: f"not enough data: {aggregation} of {field!r} needs two points, now and {before} before",
        Status.TOO_LARGE: f"the change of the {aggregation} of {field!r} is too large for a number",
        Status.WRONG_TYPE: f"field {field!r} holds text, but the rule compares it with a number",
        _ONLY_EARLIER: f"no value of {field!r} in the last {window}",
        _ONLY_NOW: f"no value of {field!r} in the {window} that ended {before} before",
        _OF_ZERO: f"the {aggregation} of {field!r} was 0 {before} before, and nothing is a percentage of that",
    }
