"""Thresholds that would have fired about once a day and about once a week, found by replaying the range. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import conditions
from shared.backtest.findings import Suggested
from shared.backtest.replay import Replay
from shared.backtest.tracks import Tracks
from shared.conditions._cells import Status
from shared.conditions._compare import CODES, EQUALITY, holds
from shared.model import Change
from shared.policy import RuleEntry

DAY_MS = 86_400_000
_BISECTIONS = 8


def suggestible(condition: Mapping[str, Any]) -> str:
    """Empty if other thresholds can be tried; else why not."""
    value = condition.get("value")
    if condition.get("type") != "threshold" or isinstance(value, bool | str):
        return "suggestions are made for thresholds on numbers only"
    if value is None or condition["operator"] in EQUALITY:
        return "suggestions are made for a value that is compared with > < >= <="
    return ""


def suggest(
    entry: RuleEntry, tracks: Sequence[Tracks], span_ms: int, go_on: Callable[[], object]
) -> Suggested:
    """Try other values for a `suggestible` condition over the same readings; `for_seconds` and the like stay, a
    `recovery_value` keeps its distance, further levels are left out. `go_on` is called before each try and may raise
    what ends them all."""
    trial = _Trial(entry, tracks, go_on)
    if not len(trial.values):
        return Suggested(None, 0, None, 0, "there was no reading in the range")
    days = span_ms / DAY_MS
    per_day = trial.nearest(days) if days >= 1 else None
    per_week = trial.nearest(days / 7) if days >= 7 else None
    notes = [f"a range of {least} or longer is needed for once a {unit}" for unit, least, enough in (
        ("day", "1 day", days >= 1), ("week", "7 days", days >= 7)) if not enough]  # fmt: skip
    if (days >= 1 and per_day is None) or (days >= 7 and per_week is None):
        notes.append("no threshold fires that often: the values change too little")
    day, week = per_day or (None, 0), per_week or (None, 0)
    return Suggested(day[0], day[1], week[0], week[1], "; ".join(notes))


class _Trial:
    """One rule with other thresholds; every value is replayed once."""

    def __init__(self, entry: RuleEntry, tracks: Sequence[Tracks], go_on: Callable[[], object]) -> None:
        self._entry, self._tracks, self._go_on = entry, tracks, go_on
        self._condition = {key: value for key, value in entry.condition.items() if key != "levels"}
        self._down = self._condition["operator"] in ("<", "<=")
        fine = [part.value[part.status == Status.FINE] for part in tracks]
        self.values: NDArray[np.float64] = np.sort(np.concatenate(fine)) if fine else np.zeros(0)
        self._counts: dict[float, int] = {}

    def nearest(self, target: float) -> tuple[float, int] | None:
        """The value that fires about `target` times: from the most extreme on, the tail is doubled until it fires so
        often; then the step between is halved."""
        rare = self._quantile(0.0)
        for doubling in range(int(math.log2(len(self.values) + 1)), 0, -1):
            often = self._quantile(2.0**-doubling)
            if self._fired(often) >= target:
                break
            rare = often
        else:
            return None
        for _ in range(_BISECTIONS):
            middle = _rounded((rare + often) / 2)
            if middle in (rare, often):
                break
            rare, often = (rare, middle) if self._fired(middle) >= target else (middle, often)
        best = min((often, rare), key=lambda value: abs(self._fired(value) - target))
        return (best, self._fired(best)) if self._fired(best) else (often, self._fired(often))

    def _quantile(self, tail: float) -> float:
        return _rounded(float(np.quantile(self.values, tail if self._down else 1 - tail)))

    def _fired(self, value: float) -> int:
        """How often the rule would have fired with this threshold."""
        if value not in self._counts:
            self._go_on()
            self._counts[value] = self._replayed(value)
        return self._counts[value]

    def _replayed(self, value: float) -> int:
        condition = {**self._condition, "value": value}
        clean = self._condition.get("recovery_value")
        recovery = math.nan if clean is None else clean + value - self._condition["value"]
        if clean is not None:
            condition["recovery_value"] = recovery
        compiled = conditions.compiled(condition, self._entry.severity)
        absent = conditions.absent(compiled.type, compiled.signature, compiled.numbers, compiled.texts)
        replay, fired = Replay(self._entry, absent), 0
        for part in self._tracks:
            moments = replay.play(
                _against(part, condition["operator"], value, recovery, self._entry.severity)
            ).moments
            fired += sum(
                step.change is Change.FIRED for moment in moments for step in moment.step.transitions
            )
        return fired


def _against(part: Tracks, operator: str, value: float, recovery: float, severity: int) -> Tracks:
    fine = part.status == Status.FINE
    code = np.array([CODES[operator]], np.int8)
    breaches = np.zeros(part.value.shape, np.bool_)
    beyond = breaches.copy()
    breaches[fine] = holds(code, part.value[fine], np.array([value]))
    if not math.isnan(recovery):
        beyond[fine] = holds(code, part.value[fine], np.array([recovery]))
    level = np.where(breaches, severity, 0).astype(np.int8)
    return replace(part, level=level, recovered=fine & ~breaches & ~beyond)


def _rounded(value: float) -> float:
    """Four digits are enough for a threshold that people will read."""
    return float(f"{value:.4g}")
