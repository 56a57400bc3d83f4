"""Give some targets of a query group other conditions, without laying out the whole group again.

Pure. One edited rule among 100,000 costs a few array copies; what is new, gone or about another monitor is laid out
by `layout`.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from shared.plan import Batch, Compiled, QueryGroup, Shape, Signature

_Home = tuple[str, Signature]
"""Condition type and signature: what the targets of one batch have in common."""


def amended(group: QueryGroup, conditions: Mapping[tuple[str, str], Compiled]) -> QueryGroup:
    """The group with these conditions for these (rule id, monitor id), all of which are targets of it already."""
    by_target = {group.target_index[target]: compiled for target, compiled in conditions.items()}
    shapes = tuple(_shape(shape, by_target) for shape in group.shapes)
    batches = [batch for shape in shapes for batch in shape.batches]
    return replace(
        group,
        shapes=shapes,
        fields=tuple(sorted({name for batch in batches for name in batch.fields})),
        lookback_ms=max(batch.lookback_ms for batch in batches),
    )


def _shape(shape: Shape, by_target: Mapping[int, Compiled]) -> Shape:
    """Each changed target leaves its batch, and joins the one of its new signature."""
    batches: dict[_Home, Batch] = {}
    moved: dict[_Home, list[tuple[int, int]]] = {}
    for batch in shape.batches:
        leaving = np.isin(batch.targets, list(by_target))
        batches[batch.type, batch.signature] = _only(batch, ~leaving) if leaving.any() else batch
        for target, where in zip(
            batch.targets[leaving].tolist(), batch.wheres[leaving].tolist(), strict=True
        ):
            compiled = by_target[target]
            moved.setdefault((compiled.type, compiled.signature), []).append((target, where))
    for home, places in moved.items():
        joining = _batch(places, by_target)
        batches[home] = _joined(batches[home], joining) if home in batches else joining
    return replace(shape, batches=tuple(batch for batch in batches.values() if len(batch.targets)))


def _only(batch: Batch, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Batch:
    return replace(
        batch,
        targets=batch.targets[kept],
        wheres=batch.wheres[kept],
        numbers=batch.numbers[kept],
        texts=tuple(texts for texts, keep in zip(batch.texts, kept.tolist(), strict=True) if keep),
    )


def _batch(places: list[tuple[int, int]], by_target: Mapping[int, Compiled]) -> Batch:
    """A batch of these (target, where-set), whose conditions share one signature."""
    conditions = [by_target[target] for target, _ in places]
    first = conditions[0]
    return Batch(
        first.type,
        first.signature,
        first.fields,
        first.lookback_ms,
        np.array([target for target, _ in places], np.int64),
        np.array([where for _, where in places], np.int64),
        np.array([one.numbers for one in conditions], np.float64).reshape(len(places), -1),
        tuple(one.texts for one in conditions),
        first.asks,
    )


def _joined(batch: Batch, more: Batch) -> Batch:
    return replace(
        batch,
        targets=np.concatenate((batch.targets, more.targets)),
        wheres=np.concatenate((batch.wheres, more.wheres)),
        numbers=np.concatenate((batch.numbers, more.numbers)),
        texts=batch.texts + more.texts,
    )
