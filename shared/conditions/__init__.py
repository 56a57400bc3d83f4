"""Condition types. Every module in this folder whose name doesn't begin with `_` is one; its name is the type.

Pure: parsing, wording and measuring, no I/O. `parse` is for what people write; the rule book uses `compiled`, which
trusts that the condition was parsed when it was written.
"""

from collections.abc import Mapping
from typing import Any

from shared.model import Frozen
from shared.plan import Compiled


def types() -> tuple[str, ...]:
    """The names of all condition types, from the folder."""
    raise NotImplementedError


def parse(condition: Mapping[str, Any]) -> Frozen:
    """The condition's parameters, validated. InvalidInput names the key, what is valid, and the closest match."""
    raise NotImplementedError


def canonical(condition: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored: the customer's keys as given, validated. InvalidInput as `parse`."""
    raise NotImplementedError


def describe(condition: Mapping[str, Any]) -> str:
    """The condition in words: `price > 60000 (latest, 5 min)`. Trusts a stored condition."""
    raise NotImplementedError


def compiled(condition: Mapping[str, Any], severity: int) -> Compiled:
    """A stored condition made ready to measure; `severity` (1..4) is the rule's. Trusts its input: KeyError,
    TypeError or ValueError for a row that was not written by us."""
    raise NotImplementedError


def json_schema() -> dict[str, Any]:
    """JSON schema of every condition, a union discriminated by `type`."""
    raise NotImplementedError
