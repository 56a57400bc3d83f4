"""A rule's row: its condition compiled, its words, its channels and labels. The JSON in it was validated when it was
written, and is trusted as little as it costs: a row that somebody edited by hand is an error of this rule alone.

Pure: no I/O, and no pydantic, because it runs for 100,000 rows at a cold start.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from shared import conditions
from shared.errors import InvalidInput
from shared.model import RuleRow
from shared.plan import Compiled
from shared.policy import DecidePolicy

UNREADABLE = (InvalidInput, ValueError, TypeError, KeyError, AttributeError, IndexError)
"""What reading a row that nobody validated can raise."""


def compiled(row: RuleRow) -> Compiled | None:
    """The rule's condition; None when it can't be used: `trouble` says why."""
    try:
        return conditions.compiled(orjson.loads(row.condition), row.severity)
    except UNREADABLE:
        return None


def trouble(row: RuleRow) -> str:
    """Why the rule can't be used: the first of its columns that can't; else empty."""
    columns: Mapping[str, Callable[[], object]] = {
        "condition": lambda: conditions.compiled(orjson.loads(row.condition), row.severity),
        "channels": lambda: _channels(row),
        "labels": lambda: _labels(row),
    }
    for column, read in columns.items():
        try:
            read()
        except UNREADABLE as error:
            return f"the stored {column} can't be used: {type(error).__name__}: {error}"
    return ""


def worded(row: RuleRow) -> tuple[dict[str, Any], str]:
    """The condition, and the same in words; nothing when it can't be read."""
    try:
        condition = json.loads(row.condition)
        return condition, conditions.describe(condition)
    except UNREADABLE:
        return {}, ""


def told_with(row: RuleRow) -> tuple[tuple[str, ...] | None, dict[str, str]]:
    """Channels and labels; the default ones when they can't be read, because what still fires must be told."""
    try:
        return _channels(row), _labels(row)
    except UNREADABLE:
        return None, {}


def can_tell(row: RuleRow) -> bool:
    """Whether its channels and labels can be read."""
    try:
        _channels(row), _labels(row)
    except UNREADABLE:
        return False
    return True


def deciding(row: RuleRow, made: Compiled | None, tenant: str) -> DecidePolicy:
    """How the rule's series change state."""
    if made is None:
        return DecidePolicy(row.id, tenant, severity=row.severity)
    return DecidePolicy(row.id, tenant, made.for_ms, made.keep_firing_ms, made.no_data, row.severity)


def _channels(row: RuleRow) -> tuple[str, ...] | None:
    if row.channels is None:
        return None
    return tuple(map(_text, json.loads(row.channels)))


def _labels(row: RuleRow) -> dict[str, str]:
    return {name: _text(value) for name, value in json.loads(row.labels).items()}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
