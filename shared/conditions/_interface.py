"""What a condition type is made of: the contract between a file in this folder, the rule book and the readings.

A file `conditions/<type>.py` has
    Params                                      pydantic model; its `type` is Literal["<type>"]
    describe(condition) -> str                  in words; trusts a stored condition
    compiled(condition, severity) -> Compiled   ready to measure; no pydantic, it runs for every rule at start
    measure(signature, pairs, cells) -> Measured    all (rule, series) pairs of one signature at once
    vacant(signature, pairs) -> Measured        the same for series of which the slot has no point
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.conditions._cells import UNREADABLE, Cells, Status
from shared.model import Frozen, Reading
from shared.plan import Compiled, Signature


@dataclass(frozen=True, slots=True)
class Pairs:
    """(rule, series) pairs of one batch: pair i compares `numbers[target[i]]`, `texts[target[i]]` with `cell[i]`."""

    target: NDArray[np.int64]
    cell: NDArray[np.int64]
    numbers: NDArray[np.float64]
    texts: Sequence[tuple[str, ...]]

    def __len__(self) -> int:
        """How many pairs."""
        return len(self.target)

    def only(self, kept: NDArray[np.bool_]) -> "Pairs":
        """The pairs where `kept` is true."""
        return replace(self, target=self.target[kept], cell=self.cell[kept])


@dataclass(frozen=True, slots=True)
class Measured:
    """One result per pair. `status` is a `Status`, or a number of the condition's own from 16 on for a further way of
    being missing; `reasons` words those that aren't FINE.

    `level` and `recovered` are 0 and False unless FINE. `code` is -1 or indexes `texts`. `at` in ms.
    """

    level: NDArray[np.int8]
    recovered: NDArray[np.bool_]
    value: NDArray[np.float64]
    code: NDArray[np.int32]
    at: NDArray[np.int64]
    status: NDArray[np.signedinteger[Any]]
    reasons: Mapping[int, str]
    texts: tuple[str, ...] = ()

    def only(self, kept: NDArray[np.bool_]) -> "Measured":
        """The pairs where `kept` is true."""
        return replace(
            self,
            level=self.level[kept],
            recovered=self.recovered[kept],
            value=self.value[kept],
            code=self.code[kept],
            at=self.at[kept],
            status=self.status[kept],
        )

    def reading(self, i: int) -> Reading:
        """Pair i as decisions see it."""
        status, value, code = int(self.status[i]), float(self.value[i]), int(self.code[i])
        return Reading(
            level=int(self.level[i]),
            recovered=bool(self.recovered[i]),
            value=None if np.isnan(value) else value,
            text=self.texts[code] if code >= 0 else "",
            missing="" if status == Status.FINE else self.reasons[status],
            at=int(self.at[i]),
            error=status in UNREADABLE,
        )


def missing(count: int, reason: str) -> Measured:
    """So many pairs of which there is nothing to see."""
    return Measured(
        level=np.zeros(count, np.int8),
        recovered=np.zeros(count, np.bool_),
        value=np.full(count, np.nan),
        code=np.full(count, -1, np.int32),
        at=np.zeros(count, np.int64),
        status=np.full(count, Status.ABSENT, np.int8),
        reasons={Status.ABSENT: reason},
    )


def valued(
    level: NDArray[np.int8], recovered: NDArray[np.bool_], value: NDArray[np.float64], at: NDArray[np.int64]
) -> Measured:
    """Pairs all of which have a number, or need none (NaN)."""
    count = len(level)
    return Measured(
        level=level,
        recovered=recovered,
        value=value,
        code=np.full(count, -1, np.int32),
        at=at,
        status=np.full(count, Status.FINE, np.int8),
        reasons={},
    )


class ConditionType(Protocol):
    """A module of this folder."""

    Params: type[Frozen]

    def describe(self, condition: Mapping[str, Any]) -> str:
        """The condition in words."""

    def compiled(self, condition: Mapping[str, Any], severity: int) -> Compiled:
        """The condition in numbers."""

    def measure(self, signature: Signature, pairs: Pairs, cells: Cells) -> Measured:
        """All pairs of one signature."""

    def vacant(self, signature: Signature, pairs: Pairs) -> Measured:
        """The same for series without points: FINE where that says something, else ABSENT with its reason."""
