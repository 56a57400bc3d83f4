"""Condition types. Every module in this folder whose name doesn't begin with `_` is one; its name is the type.

Pure: parsing, wording and measuring, no I/O. `parse` is for what people write; the rule book uses `compiled`, which
trusts that the condition was parsed when it was written.
"""

import copy
import json
import pkgutil
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, cast

import numpy as np
from pydantic.json_schema import models_json_schema

from shared.conditions._interface import ConditionType, Pairs
from shared.conditions._options import OUTER_KEYS, closest, listed, validated
from shared.errors import InvalidInput
from shared.model import Frozen, Reading
from shared.plan import Compiled, Signature


@cache
def types() -> tuple[str, ...]:
    """The names of all condition types, from the folder."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")))


@cache
def condition_type(name: str) -> ConditionType:
    """The module of a condition type, imported when first asked for. InvalidInput for an unknown name."""
    if name not in types():
        raise InvalidInput("condition.type", name, f"valid are {listed(types())}", closest(name, types()))
    return cast("ConditionType", import_module(f"{__name__}.{name}"))


def parse(condition: Mapping[str, Any], *, without: Collection[str] = ()) -> Frozen:
    """The condition's parameters, validated. InvalidInput names the key, what is valid, and the closest match;
    keys `without` are not offered there."""
    if not isinstance(condition, Mapping):
        raise InvalidInput("condition", condition, "it must be an object with a `type`")
    name = condition.get("type")
    if not isinstance(name, str):
        raise InvalidInput("condition.type", name, f"valid are {listed(types())}")
    return validated(condition_type(name).Params, condition, without=without)


def canonical(condition: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored: the customer's keys as given, validated. InvalidInput as `parse`."""
    parse(condition)
    try:
        stored: dict[str, Any] = json.loads(json.dumps(condition))
    except (TypeError, ValueError) as error:
        raise InvalidInput("condition", condition, f"it must be plain JSON: {error}") from None
    return stored


def describe(condition: Mapping[str, Any]) -> str:
    """The condition in words: `price > 60000 (latest, 5 min)`. Trusts a stored condition."""
    return condition_type(condition["type"]).describe(condition)


def compiled(condition: Mapping[str, Any], severity: int) -> Compiled:
    """A stored condition made ready to measure; `severity` (1..4) is the rule's. Trusts its input: InvalidInput,
    KeyError, TypeError or ValueError for a row that was not written by us."""
    return condition_type(condition["type"]).compiled(condition, severity)


def absent(name: str, signature: Signature, numbers: Sequence[float], texts: tuple[str, ...]) -> Reading:
    """What a condition of this type sees in a known series of which the slot has no point."""
    one = np.zeros(1, np.int64)
    pairs = Pairs(one, one, np.array([numbers], np.float64).reshape(1, -1), (texts,))
    return condition_type(name).vacant(signature, pairs).reading(0)


def json_schema() -> dict[str, Any]:
    """JSON schema of every condition, a union discriminated by `type`.

    What `all` and `any` hold are definitions of their own (`…Part`): without the keys of a whole condition, and with
    no third level.
    """
    models = {name: condition_type(name).Params for name in types()}
    places, made = models_json_schema([(model, "validation") for model in models.values()])
    whole = {name: places[model, "validation"]["$ref"].rsplit("/", 1)[1] for name, model in models.items()}
    definitions: dict[str, Any] = made["$defs"]
    # What the parts of `all` and `any` are to pydantic; the real ones are below.
    del definitions[Frozen.__name__]
    nesting = [name for name in models if "conditions" in models[name].model_fields]
    for name, title in whole.items():
        part = copy.deepcopy(definitions[title])
        for key in OUTER_KEYS:
            part["properties"].pop(key, None)
        definitions[f"{title}Part"] = part
        if name in nesting:
            definitions[title]["properties"]["conditions"]["items"] = {"$ref": "#/$defs/Part"}
            part["properties"]["conditions"]["items"] = {"$ref": "#/$defs/PlainPart"}
    definitions["Part"] = _union({name: f"{title}Part" for name, title in whole.items()})
    plain = {name: f"{title}Part" for name, title in whole.items() if name not in nesting}
    definitions["PlainPart"] = _union(plain)
    return {**_union(whole), "$defs": definitions}


def _union(titles: Mapping[str, str]) -> dict[str, Any]:
    places = {name: f"#/$defs/{title}" for name, title in titles.items()}
    return {
        "oneOf": [{"$ref": place} for place in places.values()],
        "discriminator": {"propertyName": "type", "mapping": places},
    }
