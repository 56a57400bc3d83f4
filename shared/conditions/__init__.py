"""Condition types. Every module in this folder whose name doesn't begin with `_` is one; its name is the type.

Pure: parsing, wording and measuring, no I/O. `parse` is for what people write; the rule book uses `compiled`, which
trusts that the condition was parsed when it was written.
"""

import json
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from pydantic.json_schema import models_json_schema

from shared.conditions._options import closest, listed, validated
from shared.errors import InvalidInput
from shared.model import Frozen
from shared.plan import Compiled

if TYPE_CHECKING:
    from shared.conditions._interface import ConditionType


@cache
def types() -> tuple[str, ...]:
    """The names of all condition types, from the folder."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")))


@cache
def condition_type(name: str) -> "ConditionType":
    """The module of a condition type, imported when first asked for. InvalidInput for an unknown name."""
    if name not in types():
        raise InvalidInput("condition.type", name, f"valid are {listed(types())}", closest(name, types()))
    return cast("ConditionType", import_module(f"{__name__}.{name}"))


def parse(condition: Mapping[str, Any]) -> Frozen:
    """The condition's parameters, validated. InvalidInput names the key, what is valid, and the closest match."""
    if not isinstance(condition, Mapping):
        raise InvalidInput("condition", condition, "it must be an object with a `type`")
    name = condition.get("type")
    if not isinstance(name, str):
        raise InvalidInput("condition.type", name, f"valid are {listed(types())}")
    return validated(condition_type(name).Params, condition)


def canonical(condition: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored: the customer's keys as given, validated. InvalidInput as `parse`."""
    parse(condition)
    try:
        copy: dict[str, Any] = json.loads(json.dumps(condition))
    except (TypeError, ValueError) as error:
        raise InvalidInput("condition", condition, f"it must be plain JSON: {error}") from None
    return copy


def describe(condition: Mapping[str, Any]) -> str:
    """The condition in words: `price > 60000 (latest, 5 min)`. Trusts a stored condition."""
    return condition_type(condition["type"]).describe(condition)


def compiled(condition: Mapping[str, Any], severity: int) -> Compiled:
    """A stored condition made ready to measure; `severity` (1..4) is the rule's. Trusts its input: InvalidInput,
    KeyError, TypeError or ValueError for a row that was not written by us."""
    return condition_type(condition["type"]).compiled(condition, severity)


def json_schema() -> dict[str, Any]:
    """JSON schema of every condition, a union discriminated by `type`."""
    models = [condition_type(name).Params for name in types()]
    places, definitions = models_json_schema([(model, "validation") for model in models])
    return {
        "oneOf": [places[model, "validation"] for model in models],
        "discriminator": {"propertyName": "type"},
        **definitions,
    }
