"""`threshold`: an aggregation of one field over a window, compared with a value. The customer's own format.

`{"type": "threshold", "field": "price", "operator": ">", "value": 60000, "aggregation": "latest"}`

Clean is what doesn't breach; with `recovery_value` a breach ends only when the comparison with that value fails too.
`==` and `!=` on numbers allow a relative error of 1e-9, because sums of decimals are never exact; texts compare
exactly. `latest` looks back `max_age_seconds` if that is longer than the window, and calls an older point missing.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Self, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, StrictBool, StrictStr, field_validator, model_validator

from shared.conditions._aggregations import AGGREGATIONS, AggregationName
from shared.conditions._cells import Aggregate, Cells, Status
from shared.conditions._compare import CODES, EQUALITY, OPPOSITE, Operator
from shared.conditions._interface import Measured, Pairs, missing, valued
from shared.conditions._levels import Level, check, columns, compared, worded
from shared.conditions._options import (
    DEFAULT_WINDOW_SECONDS,
    Number,
    Options,
    PositiveSeconds,
    duration,
    shown,
    timing,
)
from shared.errors import InvalidInput
from shared.plan import Ask, Compiled, Signature


class Threshold(Options):
    """Compare an aggregation of a field with a value."""

    type: Literal["threshold"]
    field: str = Field(min_length=1, max_length=200, description="the field of the monitor's measurement")
    operator: Operator
    value: Annotated[StrictBool | Number | StrictStr | None, Field(union_mode="left_to_right")] = Field(
        None, description="number; true, false or a text with == and !="
    )
    aggregation: AggregationName = "latest"
    recovery_value: Number | None = Field(None, description="clean only beyond this value; on the clean side")
    max_age_seconds: PositiveSeconds | None = Field(
        None, description="for latest: an older point counts as missing"
    )
    levels: tuple[Level, ...] = Field((), description="further thresholds, each with its severity")

    @field_validator("value", mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        if isinstance(value, bool | str | None) or (isinstance(value, int | float) and math.isfinite(value)):
            return value
        raise InvalidInput("condition.value", value, "it must be a finite number, true, false or a text")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if isinstance(self.value, bool | str):
            self._check_word()
        if self.max_age_seconds is not None and self.aggregation != "latest":
            raise InvalidInput(
                "condition.max_age_seconds", self.max_age_seconds, "it works with aggregation latest only"
            )
        limit = 0.0 if isinstance(self.value, str) else self.value
        check(self.operator, limit, self.levels, self.recovery_value)
        return self

    def _check_word(self) -> None:
        kind = "true or false" if isinstance(self.value, bool) else "a text"
        if self.operator not in EQUALITY:
            hint = (
                "Write the number without quotes"
                if _is_number(self.value)
                else f"{kind.capitalize()} has no order"
            )
            raise InvalidInput("condition.operator", self.operator, f"with {kind} valid are ==, !=", hint)
        if self.aggregation != "latest":
            raise InvalidInput("condition.aggregation", self.aggregation, f"with {kind} valid is latest")


Params = Threshold


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return not isinstance(value, bool)


# ------------------------------------------------------------------ words


def describe(condition: Mapping[str, Any]) -> str:
    """`price > 60000 (latest, 5 min) for 2 min`."""
    limits = worded(condition, lambda operator, value: f"{operator} {shown(value)}")
    words = f"{condition['field']} {limits} ({_aggregation(condition)}, {duration(_lookback(condition))})"
    clean = condition.get("recovery_value")
    ends = [] if clean is None else [f"clean at {OPPOSITE[condition['operator']]} {shown(clean)}"]
    return words + timing(condition, ends)


def _aggregation(condition: Mapping[str, Any]) -> str:
    aggregation: str = condition.get("aggregation", "latest")
    return aggregation


def _lookback(condition: Mapping[str, Any]) -> int:
    window: int = condition.get("window_seconds", DEFAULT_WINDOW_SECONDS)
    return max(window, condition.get("max_age_seconds") or 0)


# ------------------------------------------------------------------ numbers


def compiled(condition: Mapping[str, Any], severity: int) -> Compiled:
    """The condition in numbers; `value` is the threshold of the rule's own severity, a level of it wins over it."""
    field, operator, value = condition["field"], condition["operator"], condition.get("value")
    aggregation, window_ms = _aggregation(condition), _lookback(condition) * 1000
    age_ms = (condition.get("max_age_seconds") or 0) * 1000
    if not isinstance(field, str) or aggregation not in AGGREGATIONS:
        raise ValueError(f"{aggregation} of field {field!r} can't be measured")
    no_data = condition.get("no_data", "keep")
    texts = (value,) if isinstance(value, str) else ()
    numbers = (float(CODES[operator]), float(severity)) if texts else columns(condition, severity)
    return Compiled(
        type="threshold",
        signature=(field, aggregation, window_ms, age_ms, bool(texts)),
        numbers=numbers,
        texts=texts,
        asks=_asks(field, "text" if isinstance(value, str) else aggregation, window_ms),
        for_ms=condition.get("for_seconds", 0) * 1000,
        keep_firing_ms=condition.get("keep_firing_seconds", 0) * 1000,
        no_data=no_data,
        expects=no_data == "alert" or aggregation == "count",
        grace_ms=window_ms,
        threshold=float(value) if isinstance(value, int | float) else None,
    )


@lru_cache(1_000, typed=True)
def _asks(field: str, aggregation: str, window_ms: int) -> tuple[Ask, ...]:
    """What many rules ask for alike, once."""
    return (Ask(field, aggregation, window_ms),)


# ------------------------------------------------------------------ measuring


def measure(signature: Signature, pairs: Pairs, cells: Cells) -> Measured:
    """All pairs of one signature."""
    field, aggregation, window_ms, age_ms, is_text = _read(signature)
    made = cells.latest_text(field, window_ms) if is_text else cells.aggregate(field, aggregation, window_ms)
    status = made.status[pairs.cell]
    at = made.at[pairs.cell]
    if age_ms:
        status = np.where((status == Status.FINE) & (at < cells.stop - age_ms), np.int8(Status.STALE), status)
    fine = status == Status.FINE
    level, recovered = (
        _compare_texts(pairs, made)
        if is_text
        else compared(pairs.numbers[pairs.target], made.values[pairs.cell])
    )
    return Measured(
        level=np.where(fine, level, 0).astype(np.int8),
        recovered=recovered & fine,
        value=np.where(fine, made.values[pairs.cell], np.nan),
        code=np.where(fine, made.codes[pairs.cell], -1).astype(np.int32),
        at=at,
        status=status,
        reasons=_reasons(field, aggregation, age_ms, is_text),
        texts=made.texts,
    )


def vacant(signature: Signature, pairs: Pairs) -> Measured:
    """A series without points: no points counted is a number, everything else is missing."""
    field, aggregation, window_ms, _age_ms, _is_text = _read(signature)
    if aggregation != "count":
        return missing(len(pairs), f"no value of {field!r} in the last {duration(window_ms / 1000)}")
    nothing = np.zeros(len(pairs))
    return valued(*compared(pairs.numbers[pairs.target], nothing), nothing, nothing.astype(np.int64))


def _read(signature: Signature) -> tuple[str, str, int, int, bool]:
    field, aggregation, window_ms, age_ms, is_text = cast("tuple[str, str, int, int, bool]", signature)
    return field, aggregation, window_ms, age_ms, is_text


def _reasons(field: str, aggregation: str, age_ms: int, is_text: bool) -> dict[int, str]:
    found, wanted = ("numbers", "a text") if is_text else ("text", "a number")
    return {
        Status.SHORT: f"not enough data: {aggregation} of {field!r} needs two points",
        Status.STALE: f"the newest value of {field!r} is older than {duration(age_ms / 1000)}",
        Status.TOO_LARGE: f"the {aggregation} of {field!r} is too large for a number",
        Status.WRONG_TYPE: f"field {field!r} holds {found}, but the rule compares it with {wanted}",
    }


def _compare_texts(pairs: Pairs, made: Aggregate) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    place = {text: code for code, text in enumerate(made.texts)}
    wanted = np.array([place.get(texts[0], -2) for texts in pairs.texts], np.int64)[pairs.target]
    numbers = pairs.numbers[pairs.target]
    equal = made.codes[pairs.cell] == wanted
    breaches = np.where(numbers[:, 0] == CODES["=="], equal, ~equal)
    return np.where(breaches, numbers[:, 1], 0).astype(np.int8), ~breaches
