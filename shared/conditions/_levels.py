"""Several thresholds in one rule, and the value at which a breach ends: what both must keep to."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from shared.conditions._compare import beyond
from shared.conditions._options import Number, SeverityWord, number
from shared.errors import InvalidInput
from shared.model import Frozen


class Level(Frozen):
    """One of several thresholds of a rule."""

    severity: SeverityWord
    value: Number


def check_levels(operator: str, levels: Sequence[Level]) -> None:
    """InvalidInput unless each severity comes once and a worse one lies farther in the operator's direction."""
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


def check_recovery(operator: str, recovery: float | None, limits: Iterable[float]) -> None:
    """InvalidInput if the recovery value lies on the breaching side of a limit; equal to it is clean."""
    for limit in limits:
        if recovery is not None and beyond(operator, recovery, limit):
            side = "at most" if operator[0] == ">" else "at least"
            raise InvalidInput(
                "condition.recovery_value", recovery, f"it must be on the clean side: {side} {number(limit)}"
            )
