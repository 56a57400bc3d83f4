"""`all`: every one of several conditions on the same series breaches.

`{"type": "all", "conditions": [{"type": "threshold", …}, {"type": "threshold", …}], "for_seconds": 120}`

One clean part makes the whole clean, whatever the others are. The level is the lowest of the parts'; value and text
are those of the first part at that level, and of a clean whole those of the first clean part (one that is recovered
before others). The whole is recovered when one part is.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from shared.conditions import _combine
from shared.conditions._cells import Cells
from shared.conditions._combine import Combination, Parts, Verdict
from shared.conditions._interface import Measured, Pairs
from shared.plan import Compiled, Signature


class All(Combination):
    """Breaches while every one of its conditions does."""

    type: Literal["all"]


Params = All


def describe(condition: Mapping[str, Any]) -> str:
    """`(a > 1 (latest, 5 min)) and (b < 2 (latest, 5 min))`."""
    return _combine.described(condition, "and")


def compiled(condition: Mapping[str, Any], severity: int) -> Compiled:
    """The parts, one after the other."""
    return _combine.compiled("all", condition, severity)


def measure(signature: Signature, pairs: Pairs, cells: Cells) -> Measured:
    """All pairs of one signature."""
    return _combine.measure(_verdict, signature, pairs, cells)


def vacant(signature: Signature, pairs: Pairs) -> Measured:
    """A series without points."""
    return _combine.vacant(_verdict, signature, pairs)


def _verdict(parts: Parts) -> Verdict:
    clean = parts.fine & (parts.level == 0)
    is_clean, is_breach = clean.any(0), (parts.level > 0).all(0)
    calmest = (clean.astype(np.int8) + parts.recovered).argmax(0)
    return Verdict(
        settled=is_clean | is_breach,
        level=np.where(is_clean, 0, parts.level.min(0)).astype(np.int8),
        recovered=np.any(parts.recovered, axis=0),
        part=np.where(is_clean, calmest, parts.level.argmin(0)),
    )
