"""YAML as people mean it: read strictly, written so that every reader reads it the same. Knows nothing of rules.

Words such as `no`, `on`, `22:00` and `2030-01-31` are texts here, as in YAML 1.2: PyYAML would make them false, true, a
number and a date. What is written is quoted wherever either of the two could take a text for something else.
"""

import re
from typing import Any

import yaml

from shared.errors import InvalidInput

try:  # the one in C is ten times as fast; it is missing where PyYAML was built without libyaml
    from yaml import CSafeDumper as _SafeDumper
    from yaml import CSafeLoader as _SafeLoader
except ImportError:
    from yaml import SafeDumper as _SafeDumper  # type: ignore[assignment]
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]

_WIDTH = 100
_TAG = "tag:yaml.org,2002:"
_FLOAT = re.compile(
    r"^[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
)
_PLAIN = (
    ("bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF"),
    ("null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("int", re.compile(r"^[-+]?\d+$"), "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
)


class _Loader(_SafeLoader):
    """Keys are given once; only numbers, true, false and null are not texts."""


class _Dumper(_SafeDumper):
    """Lists of single words in one line, long texts as blocks."""

    def ignore_aliases(self, data: object) -> bool:
        return True


_Loader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in _PLAIN:
    _Loader.add_implicit_resolver(_TAG + _name, _pattern, list(_first))
_Dumper.add_implicit_resolver(_TAG + "float", _FLOAT, list("-+.0123456789"))
_Dumper.add_implicit_resolver(_TAG + "int", re.compile(r"^0o[0-7]+$|^\d+(?::\d+)+$"), list("0123456789"))


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if not isinstance(key, str):
            raise InvalidInput("file", key, f"line {line}: keys are words")
        if key in found:
            raise InvalidInput("file", key, f"line {line} gives this key a second time in one place")
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _integer(_loader: Any, node: yaml.ScalarNode) -> int:
    return int(node.value)


def _number(_loader: Any, node: yaml.ScalarNode) -> float:
    return float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_constructor(_TAG + "map", _mapping)
_Loader.add_constructor(_TAG + "int", _integer)
_Loader.add_constructor(_TAG + "float", _number)


def _texts(dumper: Any, text: str) -> yaml.ScalarNode:
    # A block can't say every character, and ends where its last line does.
    lines = text.split("\n")
    block = len(lines) > 1 and lines[-1] != "" and not text[0].isspace() and all(map(str.isprintable, lines))
    style = "|" if block else '"' if len(lines) > 1 else None
    made: yaml.ScalarNode = dumper.represent_scalar(_TAG + "str", text, style=style)
    return made


def _lists(dumper: Any, items: list[Any]) -> yaml.SequenceNode:
    short = all(not isinstance(one, list | dict) for one in items)
    made: yaml.SequenceNode = dumper.represent_sequence(_TAG + "seq", items, flow_style=short)
    return made


_Dumper.add_representer(str, _texts)
_Dumper.add_representer(list, _lists)


def read(text: str) -> Any:
    """What the text says. Raises InvalidInput with the line of what can't be read."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        why = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        lines = text.splitlines() or [""]
        shown = lines[min(mark.line, len(lines) - 1)] if mark else lines[0]
        raise InvalidInput("file", shown, f"it is no YAML: {place}{why}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput("file", text[:60], f"it is no YAML that can be used: {error}") from None


def write(value: Any) -> str:
    """Plain values as YAML, in the order in which they are."""
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=False
    )
