"""The comparison operators: their names, their codes in columns, and what they mean for whole vectors."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Operator = Literal[">", "<", ">=", "<=", "==", "!="]
OPERATORS: tuple[Operator, ...] = (">", "<", ">=", "<=", "==", "!=")
EQUALITY = ("==", "!=")
CODES: Mapping[str, int] = {operator: code for code, operator in enumerate(OPERATORS)}
OPPOSITE: Mapping[str, Operator] = {">": "<=", "<": ">=", ">=": "<", "<=": ">", "==": "!=", "!=": "=="}

TOLERANCE = 1e-9
"""Relative error that == and != allow: sums of decimals are never exact."""


def beyond(operator: str, value: float, limit: float) -> bool:
    """Whether the value lies strictly farther in the operator's direction than the limit."""
    return value > limit if operator[0] == ">" else value < limit


def holds(
    operators: NDArray[np.int8], values: NDArray[np.float64], limits: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Where `value operator limit` is true; false where there is no limit or no value."""
    near = np.abs(values - limits) <= TOLERANCE * np.maximum(np.abs(values), np.abs(limits))
    with np.errstate(invalid="ignore"):
        outcomes = (values > limits, values < limits, values >= limits, values <= limits, near, ~near)
    holds = np.choose(operators, outcomes)
    holds &= ~(np.isnan(limits) | np.isnan(values))
    return holds
