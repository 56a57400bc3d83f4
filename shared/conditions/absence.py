"""`absence`: a series has sent no value of a field for a while, or was never seen at all.

`{"type": "absence", "field": "usage", "window_seconds": 600}`

Any value counts, whatever its type. A series is there as long as its newest value lies in the window; its reading is
the age of that value in seconds at the window's end. A series without one has no reading of its own: it is a breach
when it is expected, because it was seen before. So `no_data` would say nothing here: missing is what this is about.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shared.conditions._cells import Cells, Status
from shared.conditions._interface import Measured, Pairs, valued
from shared.conditions._options import (
    DEFAULT_WINDOW_SECONDS,
    PositiveSeconds,
    Seconds,
    Timing,
    duration,
    timing,
)
from shared.plan import Ask, Compiled, Signature


class Absence(Timing):
    """Notice that a series sends no value of a field any more, or never did."""

    type: Literal["absence"]
    field: str = Field(min_length=1, max_length=200, description="the field of the monitor's measurement")
    window_seconds: PositiveSeconds = Field(
        DEFAULT_WINDOW_SECONDS, description="so long without a value is absence"
    )
    grace_seconds: Seconds | None = Field(
        None, description="so long after rule and monitor were made, a series may never have been seen"
    )


Params = Absence


def describe(condition: Mapping[str, Any]) -> str:
    """`no value of usage for 10 min`."""
    return f"no value of {condition['field']} for {duration(_window(condition))}{timing(condition)}"


def _window(condition: Mapping[str, Any]) -> int:
    window: int = condition.get("window_seconds", DEFAULT_WINDOW_SECONDS)
    return window


def compiled(condition: Mapping[str, Any], severity: int) -> Compiled:
    """The condition in numbers: only the level that absence has."""
    window, grace = _window(condition), condition.get("grace_seconds")
    ask = Ask(condition["field"], "latest", window * 1000)
    return Compiled(
        type="absence",
        signature=(ask.field, ask.window_ms),
        numbers=(float(severity),),
        texts=(),
        asks=(ask,),
        for_ms=condition.get("for_seconds", 0) * 1000,
        keep_firing_ms=condition.get("keep_firing_seconds", 0) * 1000,
        expects=True,
        grace_ms=(window if grace is None else grace) * 1000,
    )


def measure(signature: Signature, pairs: Pairs, cells: Cells) -> Measured:
    """All pairs of one signature; ABSENT without a value. A cell may be there by points that only other rules read:
    what
    is absent is up to the series that are known, see `vacant`."""
    field, window_ms = cast("tuple[str, int]", signature)
    made = cells.aggregate(field, "latest", window_ms)
    here, at = made.status[pairs.cell] != Status.ABSENT, made.at[pairs.cell]
    age = np.where(here, (cells.stop - at) / 1000, np.nan)
    fine = valued(np.zeros(len(pairs), np.int8), here, age, at)
    return replace(fine, status=np.where(here, np.int8(Status.FINE), np.int8(Status.ABSENT)))


def vacant(signature: Signature, pairs: Pairs) -> Measured:
    """A series without points is what this is about."""
    count = len(pairs)
    return valued(_level(pairs), np.zeros(count, np.bool_), np.full(count, np.nan), np.zeros(count, np.int64))


def _level(pairs: Pairs) -> NDArray[np.int8]:
    return pairs.numbers[:, 0].astype(np.int8)[pairs.target]
