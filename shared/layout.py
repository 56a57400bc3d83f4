"""Lay compiled rules out in columns: targets in, query groups out. Runs when rules change, never in a tick.

Pure; one pass of plain Python over the targets of one group, everything after it is numpy.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import orjson

from shared.model import Millis, MonitorRow
from shared.plan import Batch, Compiled, QueryGroup, Shape, Signature
from shared.series import series_key

GroupKey = tuple[str, str, str]
"""(source, database, measurement)"""

_KEPT = 1_000
"""Keys and labels are the same for many monitors: so many different ones are parsed and kept but once."""


@dataclass(frozen=True, slots=True)
class MonitorEntry:
    """One monitor of the book. `filter_tags` and `key_tags` are sorted; `filter_values` goes with `filter_tags`, and
    holds each tag's alternatives (one value: a tuple of one).
    """

    id: str
    name: str
    group: GroupKey
    key_tags: tuple[str, ...]
    filter_tags: tuple[str, ...]
    filter_values: tuple[tuple[str, ...], ...]
    kind: str
    labels: Mapping[str, str]
    created_at: Millis = 0

    @property
    def where(self) -> Mapping[str, tuple[str, ...]]:
        """Each tag of the filter → its alternatives."""
        return dict(zip(self.filter_tags, self.filter_values, strict=True))

    @property
    def source(self) -> str:
        """The name of the metric store."""
        return self.group[0]

    @property
    def database(self) -> str:
        """Database or bucket; empty for the store's default one."""
        return self.group[1]

    @property
    def measurement(self) -> str:
        """The measurement it writes."""
        return self.group[2]

    @property
    def stand_in(self) -> str:
        """The series key to speak of the monitor by when none of its series was ever seen: the one series that the
        filter pins, else a key without tags."""
        where = self.where
        pinned = [(tag, where.get(tag, ())) for tag in self.key_tags]
        if any(len(values) != 1 for _, values in pinned):
            return series_key(self.id, ())
        return series_key(self.id, ((tag, values[0]) for tag, values in pinned))


Target = tuple[str, MonitorEntry, Compiled]
"""A rule, one of its monitors, and the rule's condition."""


@dataclass(slots=True)
class _BatchParts:
    compiled: Compiled
    targets: list[int] = field(default_factory=list)
    wheres: list[int] = field(default_factory=list)
    numbers: list[tuple[float, ...]] = field(default_factory=list)
    texts: list[tuple[str, ...]] = field(default_factory=list)

    def batch(self) -> Batch:
        compiled = self.compiled
        return Batch(
            compiled.type,
            compiled.signature,
            compiled.fields,
            compiled.lookback_ms,
            np.array(self.targets, np.int64),
            np.array(self.wheres, np.int64),
            np.array(self.numbers, np.float64).reshape(len(self.targets), -1),
            tuple(self.texts),
            compiled.asks,
        )


@dataclass(slots=True)
class _ShapeParts:
    wheres: dict[tuple[tuple[str, ...], ...], int] = field(default_factory=dict)
    batches: dict[tuple[str, Signature], _BatchParts] = field(default_factory=dict)


def group_id(key: GroupKey) -> str:
    """A short stable id of a query group."""
    return hashlib.sha256("\n".join(key).encode()).hexdigest()[:20]


def lay_out(key: GroupKey, targets: Iterable[Target]) -> QueryGroup:
    """The query group of these targets, all of which read the measurement that `key` names."""
    shapes: dict[tuple[tuple[str, ...], tuple[str, ...]], _ShapeParts] = {}
    rules: dict[str, int] = {}
    index: dict[tuple[str, str], int] = {}
    target_rule: list[int] = []
    for target, (rule_id, monitor, compiled) in enumerate(targets):
        target_rule.append(rules.setdefault(rule_id, len(rules)))
        index[rule_id, monitor.id] = target
        parts = shapes.get((monitor.filter_tags, monitor.key_tags))
        if parts is None:
            parts = shapes[monitor.filter_tags, monitor.key_tags] = _ShapeParts()
        batch = parts.batches.get((compiled.type, compiled.signature))
        if batch is None:
            batch = parts.batches[compiled.type, compiled.signature] = _BatchParts(compiled)
        batch.targets.append(target)
        batch.wheres.append(parts.wheres.setdefault(monitor.filter_values, len(parts.wheres)))
        batch.numbers.append(compiled.numbers)
        batch.texts.append(compiled.texts)
    done = tuple(_shape(tags, keys, parts) for (tags, keys), parts in shapes.items())
    batches = [batch for shape in done for batch in shape.batches]
    return QueryGroup(
        id=group_id(key),
        source=key[0],
        database=key[1],
        measurement=key[2],
        tags=tuple(sorted({tag for shape in done for tag in shape.filter_tags + shape.key_tags})),
        fields=tuple(sorted({name for batch in batches for name in batch.fields})),
        lookback_ms=max(batch.lookback_ms for batch in batches),
        shapes=done,
        rule_ids=tuple(rules),
        target_rule=np.array(target_rule, np.int64),
        target_monitor=tuple(monitor_id for _, monitor_id in index),
        target_index=index,
        target_hash=np.fromiter(map(hash, index), np.int64, len(index)),
    )


def _shape(filter_tags: tuple[str, ...], key_tags: tuple[str, ...], parts: _ShapeParts) -> Shape:
    named = [(values, where) for lists, where in parts.wheres.items() for values in product(*lists)]
    vocabulary: dict[str, dict[str, int]] = {tag: {} for tag in filter_tags}
    columns = [
        [book.setdefault(values[number], len(book)) for values, _ in named]
        for number, book in enumerate(vocabulary[tag] for tag in filter_tags)
    ]
    return Shape(
        filter_tags=filter_tags,
        key_tags=key_tags,
        vocabulary=vocabulary,
        combinations=np.array(columns, np.int64).reshape(len(filter_tags), len(named)).T,
        combination_where=np.array([where for _, where in named], np.int64),
        where_count=len(parts.wheres),
        batches=tuple(batch.batch() for batch in parts.batches.values()),
    )


# ------------------------------------------------------------------ monitors


def read_monitor(row: MonitorRow, alike: dict[tuple[str, ...], Any]) -> MonitorEntry | None:
    """The monitor of a row; None if it can't be read (its rules then say that it does not exist).

    `alike` keeps the tuples that many rows have in common; pass the same dict for all rows.
    """
    same = alike.setdefault
    try:
        where = orjson.loads(row.filter)
        tags, group = tuple(sorted(where)), (row.source, row.database, row.measurement)
        values = tuple([_alternatives(where[tag]) for tag in tags])
        return MonitorEntry(
            row.id,
            row.name,
            same(group, group),
            _keys(row.key),
            same(tags, tags),
            values,
            row.kind,
            _labels(row.labels),
            row.created_at,
        )
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        return None


def _alternatives(value: str | list[str]) -> tuple[str, ...]:
    """Sorted and without repeats: a row must not count twice because a value is named twice."""
    return (value,) if type(value) is str else tuple(sorted({_text(one) for one in value}))


@lru_cache(_KEPT)
def _keys(text: str) -> tuple[str, ...]:
    return tuple(sorted(map(_text, orjson.loads(text))))


@lru_cache(_KEPT)
def _labels(text: str) -> Mapping[str, str]:
    return {name: _text(value) for name, value in orjson.loads(text).items()}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


_KIND = "\0kind"  # no label is named like this


class MonitorIndex:
    """Monitors by kind and label, so that selectors don't look at each of them."""

    def __init__(self, monitors: Iterable[MonitorEntry]) -> None:
        self._all: list[str] = []
        self._by: dict[tuple[str, str], set[str]] = defaultdict(set)
        for monitor in monitors:
            self._all.append(monitor.id)
            self._by[_KIND, monitor.kind].add(monitor.id)
            for pair in monitor.labels.items():
                self._by[pair].add(monitor.id)

    def matching(self, selector: Mapping[str, Any]) -> tuple[str, ...]:
        """The monitors of a selector, sorted by id; one that says nothing matches all."""
        wanted = list((selector.get("labels") or {}).items())
        if selector.get("kind"):
            wanted.append((_KIND, selector["kind"]))
        if not wanted:
            return tuple(sorted(self._all))
        sets = sorted((self._by.get(pair, set()) for pair in wanted), key=len)
        return tuple(sorted(sets[0].intersection(*sets[1:])))
