"""Compiled rules in columns: what one query of a measurement serves, laid out so that numpy compares all at once.

Laid out by `layout`, read by `readings`. Plain data: nothing here reads, decides or compiles.

    QueryGroup      one (source, database, measurement): one raw query per tick
     └─ Shape       rules whose monitors filter by the same tags and are keyed by the same tags: sorted once
         └─ Batch   rules of one condition type and signature: measured by one vectorised call
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Signature = tuple[Hashable, ...]


class Ask(NamedTuple):
    """One call that a condition will make: `Cells.aggregate(field, aggregation, window_ms, before_ms)`.

    The window is `[stop - before_ms - window_ms, stop - before_ms)`. A comparison of texts asks for "text".
    """

    field: str
    aggregation: str
    window_ms: int
    before_ms: int = 0


@dataclass(frozen=True, slots=True)
class Compiled:
    """One condition ready to be measured.

    `signature` is everything that must be equal for two rules to share one vectorised call (field, aggregation,
    window …); `numbers` and `texts` are what may differ (operator, thresholds) and always have the same length
    within one signature. `expects` says that a known series without points can breach (its absence is a reading),
    so the shell has to look at the expected series of such rules, and at monitors of which no series was ever seen
    once `grace_ms` have passed since rule and monitor were made. `asks` are the very calls that `measure` will make
    on its cells; they follow from the signature. Durations are milliseconds.
    """

    type: str
    signature: Signature
    numbers: tuple[float, ...]
    texts: tuple[str, ...]
    asks: tuple[Ask, ...]
    for_ms: int = 0
    keep_firing_ms: int = 0
    no_data: Literal["keep", "alert", "ok"] = "keep"
    expects: bool = False
    grace_ms: int = 0
    threshold: float | None = None

    def __post_init__(self) -> None:
        """TypeError for what a stored condition of the wrong types comes to: columns would mix it with the others."""
        for ms in (self.for_ms, self.keep_firing_ms, self.grace_ms):
            if type(ms) is not int:
                raise TypeError("durations must be whole numbers")
        for field_name, _, window_ms, before_ms in self.asks:
            if type(field_name) is not str or type(window_ms) is not int or type(before_ms) is not int:
                raise TypeError("durations must be whole numbers, and fields names")

    @property
    def fields(self) -> tuple[str, ...]:
        """What the condition reads, in the order in which it asks."""
        return tuple(dict.fromkeys(ask.field for ask in self.asks))

    @property
    def lookback_ms(self) -> int:
        """How far back the condition looks."""
        return max(ask.window_ms + ask.before_ms for ask in self.asks)


@dataclass(frozen=True)
class Batch:
    """Targets of one signature: `targets[i]` indexes the group's targets, `wheres[i]` the shape's where-sets.

    `numbers` has one row per target; `texts` has one tuple per target (all empty when the signature has none).
    `fields`, `lookback_ms` and `asks` follow from the signature.
    """

    type: str
    signature: Signature
    fields: tuple[str, ...]
    lookback_ms: int
    targets: NDArray[np.int64]
    wheres: NDArray[np.int64]
    numbers: NDArray[np.float64]
    texts: tuple[tuple[str, ...], ...]
    asks: tuple[Ask, ...] = ()


@dataclass(frozen=True)
class Shape:
    """Monitors that filter by `filter_tags` and tell series apart by `key_tags` (both sorted).

    `vocabulary[tag][value]` numbers the filter values that rules name. Row i of `combinations` is one
    combination of such numbers, one column per filter tag, and belongs to where-set `combination_where[i]`;
    a filter with lists of values is one where-set of several combinations.
    """

    filter_tags: tuple[str, ...]
    key_tags: tuple[str, ...]
    vocabulary: Mapping[str, Mapping[str, int]]
    combinations: NDArray[np.int64]
    combination_where: NDArray[np.int64]
    where_count: int
    batches: tuple[Batch, ...]


@dataclass(frozen=True)
class QueryGroup:
    """All rules that one raw query serves. A *target* is one (rule, monitor); targets of a rule need not be adjacent.

    `lookback_ms` is the longest that any rule needs: the query's start is `stop - lookback_ms`.
    `tags` are all key and filter tags, `fields` all fields, both sorted. `id` is stable for the same
    (source, database, measurement).
    """

    id: str
    source: str
    database: str
    measurement: str
    tags: tuple[str, ...]
    fields: tuple[str, ...]
    lookback_ms: int
    shapes: tuple[Shape, ...]
    rule_ids: tuple[str, ...]
    """Every rule that has a target here (a selector rule may have targets in several groups)."""
    target_rule: NDArray[np.int64]
    """Of each target, its rule: an index of `rule_ids`."""
    target_monitor: tuple[str, ...]
    target_index: Mapping[tuple[str, str], int] = field(repr=False)
    """(rule id, monitor id) → target."""
    target_hash: NDArray[np.int64] = field(repr=False)
    """A number for each (rule id, monitor id), the same in every book of this process."""

    def narrowing(self, limit: int = 100) -> tuple[Mapping[str, str], ...]:
        """The tag combinations that rules look at, for `SampleQuery.where`; empty when they are more than `limit`."""
        if sum(len(shape.combinations) for shape in self.shapes) > limit:
            return ()
        if any(not shape.filter_tags for shape in self.shapes):
            return ()
        return tuple(combination for shape in self.shapes for combination in _named(shape))


def _named(shape: Shape) -> list[dict[str, str]]:
    names = [{number: value for value, number in shape.vocabulary[tag].items()} for tag in shape.filter_tags]
    return [
        {tag: names[column][int(row[column])] for column, tag in enumerate(shape.filter_tags)}
        for row in shape.combinations
    ]
