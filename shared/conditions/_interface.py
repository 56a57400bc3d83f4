"""What a condition type is made of: the contract between a file in this folder, the rule book and the readings.

A file `conditions/<type>.py` has
    Params                                      pydantic model; its `type` is Literal["<type>"]
    describe(condition) -> str                  in words; trusts a stored condition
    compiled(condition, severity) -> Compiled   ready to measure; no pydantic, it runs for every rule at start
    measure(signature, pairs, cells) -> Measured    all (rule, series) pairs of one signature at once
    absent(signature, numbers, texts) -> Reading    a known series without any point in the slot
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.conditions._cells import Cells
from shared.model import Frozen, Reading
from shared.plan import Compiled, Signature


@dataclass(frozen=True, slots=True)
class Pairs:
    """(rule, series) pairs of one batch: pair i compares `numbers[target[i]]`, `texts[target[i]]` with `cell[i]`."""

    target: NDArray[np.int64]
    cell: NDArray[np.int64]
    numbers: NDArray[np.float64]
    texts: Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Measured:
    """One result per pair. `status` is a `Status`; `reasons` words those that aren't FINE.

    `level` and `recovered` are 0 and False unless FINE. `code` is -1 or indexes `texts`. `at` in ms.
    """

    level: NDArray[np.int8]
    recovered: NDArray[np.bool_]
    value: NDArray[np.float64]
    code: NDArray[np.int32]
    at: NDArray[np.int64]
    status: NDArray[np.int8]
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


class ConditionType(Protocol):
    """A module of this folder."""

    Params: type[Frozen]

    def describe(self, condition: Mapping[str, Any]) -> str:
        """The condition in words."""

    def compiled(self, condition: Mapping[str, Any], severity: int) -> Compiled:
        """The condition in numbers."""

    def measure(self, signature: Signature, pairs: Pairs, cells: Cells) -> Measured:
        """All pairs of one signature."""

    def absent(self, signature: Signature, numbers: Sequence[float], texts: Sequence[str]) -> Reading:
        """A series without points."""
