"""`any`: at least one of several conditions on the same series breaches.

`{"type": "any", "conditions": [{"type": "threshold", …}, {"type": "absence", …}], "keep_firing_seconds": 300}`

One part that breaches settles it, whatever the others are; clean is what all parts are. The level is the highest of the
parts'; value and text are those of the first part at that level, and of a clean whole those of the first part that is
not recovered, else of the first. The whole is recovered when every part is.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from shared.conditions import _combine
from shared.conditions._cells import Cells
from shared.conditions._combine import Combination, Parts, Verdict
from shared.conditions._interface import Measured, Pairs
from shared.plan import Compiled, Signature


class AnyOf(Combination):
    """Breaches while at least one of its conditions does."""

    type: Literal["any"]


Params = AnyOf


def describe(condition: Mapping[str, Any]) -> str:
    """`(a > 1 (latest, 5 min)) or (b < 2 (latest, 5 min))`."""
    return _combine.described(condition, "or")


def compiled(condition: Mapping[str, Any], severity: int) -> Compiled:
    """The parts, one after the other."""
    return _combine.compiled("any", condition, severity)


def measure(signature: Signature, pairs: Pairs, cells: Cells) -> Measured:
    """All pairs of one signature."""
    return _combine.measure(_verdict, signature, pairs, cells)


def vacant(signature: Signature, pairs: Pairs) -> Measured:
    """A series without points."""
    return _combine.vacant(_verdict, signature, pairs)


def _verdict(parts: Parts) -> Verdict:
    is_breach = (parts.level > 0).any(0)
    worst, restless = parts.level.argmax(0), (~parts.recovered).argmax(0)
    return Verdict(
        settled=is_breach | np.all(parts.fine, axis=0),
        level=parts.level.max(0),
        recovered=np.all(parts.recovered, axis=0),
        part=np.where(is_breach, worst, restless),
    )
