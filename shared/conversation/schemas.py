"""JSON schemas as every client reads them: no `$ref`, no `null` arms in what is asked, no titles that repeat a name."""

import copy
from collections.abc import Mapping
from typing import Any

from shared import conditions
from shared.conditions._options import OUTER_KEYS

_DROPPED = ("title", "discriminator")


def asked(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of arguments. Clients that don't know `$ref` drop whole arguments; models take `null` for a value."""
    found: dict[str, Any] = _without_null(inlined(schema))
    return found


def inlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with every `$ref` replaced by what it names. Definitions must not contain themselves."""
    definitions = schema.get("$defs", {})
    found: dict[str, Any] = _walked(schema, definitions)
    found.pop("$defs", None)
    return found


def _walked(schema: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_walked(one, definitions) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        named = definitions[schema["$ref"].rsplit("/", 1)[1]]
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _walked({**named, **beside}, definitions)
    found = {}
    for key, value in schema.items():
        if key == "properties":
            found[key] = {name: _walked(one, definitions) for name, one in value.items()}
        elif key in ("default", "const", "enum", "examples"):
            found[key] = copy.deepcopy(value)
        elif key not in _DROPPED:
            found[key] = _walked(value, definitions)
    return found


def _without_null(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_null(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        key: {name: _without_null(one) for name, one in value.items()}
        if key == "properties"
        else _without_null(value)
        for key, value in schema.items()
    }
    arms = found.get("anyOf")
    if isinstance(arms, list) and {"type": "null"} in arms:
        left = [arm for arm in arms if arm != {"type": "null"}]
        del found["anyOf"]
        found = {**left[0], **found} if len(left) == 1 else {**found, "anyOf": left}
    if "default" in found and found["default"] is None:
        del found["default"]
    return found


def condition() -> dict[str, Any]:
    """The schema of a condition: one of every type. The parts of `all` and `any` are named, not repeated."""
    whole = conditions.json_schema()
    made = []
    # What is asked for most comes first; models read from the top.
    for place in sorted(whole["oneOf"], key=lambda one: "Threshold" not in one["$ref"]):
        one = _walked(whole["$defs"][place["$ref"].rsplit("/", 1)[1]], _Parts(whole["$defs"]))
        made.append(_without_null(one))
    return {"type": "object", "oneOf": made}


class _Parts(dict[str, Any]):
    """The definitions, but for the parts of a composite: inlined twice over they would be most of the schema."""

    def __getitem__(self, name: str) -> Any:
        if name not in ("Part", "PlainPart"):
            return super().__getitem__(name)
        kinds = [kind for kind in conditions.types() if name == "Part" or kind not in ("all", "any")]
        return {
            "type": "object",
            "properties": {"type": {"enum": kinds}},
            "required": ["type"],
            "description": "A condition as described here, without " + ", ".join(OUTER_KEYS),
        }
