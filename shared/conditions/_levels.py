"""Thresholds: one or several in a rule, and the value at which a breach ends. What they must keep to, in words, and
compared in columns.

In `numbers` they are six columns: the operator's code, the limit of each severity 1..4 (NaN: none), the recovery
value (NaN: none).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.conditions._compare import CODES, EQUALITY, beyond, holds
from shared.conditions._options import Number, SeverityWord, number
from shared.errors import InvalidInput
from shared.model import SEVERITY_WORDS, Frozen, Severity

_OPERATOR, _LEVELS, _RECOVERY = 0, slice(1, 5), 5
_NAN = float("nan")


class Level(Frozen):
    """One of several thresholds of a rule."""

    severity: SeverityWord
    value: Number


def check(operator: str, value: float | None, levels: Sequence[Level], recovery: float | None) -> None:
    """InvalidInput unless there is a limit, and levels and recovery value lie where they can."""
    if value is None and not levels:
        raise InvalidInput("condition.value", None, "a value, or levels with a value each, is required")
    if operator in EQUALITY and levels:
        raise InvalidInput("condition.levels", levels, "it works with > < >= <= only")
    if operator in EQUALITY and recovery is not None:
        raise InvalidInput("condition.recovery_value", recovery, "it works with > < >= <= only")
    _check_levels(operator, levels)
    limits = [level.value for level in levels]
    _check_recovery(operator, recovery, limits if value is None else [*limits, value])


def _check_levels(operator: str, levels: Sequence[Level]) -> None:
    """Each severity comes once, and a worse one lies farther in the operator's direction."""
    for milder, worse in pairwise(sorted(levels, key=lambda level: level.severity)):
        if milder.severity == worse.severity:
            raise InvalidInput("condition.levels", worse.severity.word, "each severity may be given once")
        if not beyond(operator, worse.value, milder.value):
            raise InvalidInput(
                "condition.levels",
                worse.value,
                f"{worse.severity.word} must be beyond {milder.severity.word} ({number(milder.value)}) "
                f"in the direction of {operator}",
            )


def _check_recovery(operator: str, recovery: float | None, limits: Iterable[float]) -> None:
    """The recovery value is not on the breaching side of a limit; equal to it is clean."""
    for limit in limits:
        if recovery is not None and beyond(operator, recovery, limit):
            side = "at most" if operator[0] == ">" else "at least"
            raise InvalidInput(
                "condition.recovery_value", recovery, f"it must be on the clean side: {side} {number(limit)}"
            )


def worded(condition: Mapping[str, Any], say: Callable[[str, Any], str]) -> str:
    """All limits of a stored condition: `say(operator, value)`, and of levels their severity."""
    operator, value = condition["operator"], condition.get("value")
    limits = [say(operator, value)] if value is not None else []
    limits += [
        f"{say(operator, level['value'])} {_severity(level).word}" for level in condition.get("levels") or ()
    ]
    return ", ".join(limits)


def columns(condition: Mapping[str, Any], severity: int) -> tuple[float, ...]:
    """The six numbers of a stored condition; `value` is the limit of the rule's own severity, a level of it wins."""
    limits, value = [_NAN] * 4, condition.get("value")
    if value is not None:
        limits[severity - 1] = float(value)
    for level in condition.get("levels") or ():
        limits[_severity(level) - 1] = float(level["value"])
    recovery = condition.get("recovery_value")
    return (float(CODES[condition["operator"]]), *limits, _NAN if recovery is None else float(recovery))


def compared(
    numbers: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """(level, recovered) of each value against its row of six numbers."""
    operators = numbers[:, _OPERATOR].astype(np.int8)
    level = np.zeros(len(values), np.int8)
    limits = numbers[:, _LEVELS]
    for severity in Severity:
        column = limits[:, severity - 1]
        if not np.isnan(column).all():
            level[holds(operators, values, column)] = severity
    recovered = level == 0
    if not np.isnan(numbers[:, _RECOVERY]).all():
        recovered &= ~holds(operators, values, numbers[:, _RECOVERY])
    return level, recovered


def _severity(level: Mapping[str, Any]) -> Severity:
    return SEVERITY_WORDS[level["severity"].strip().lower()]
