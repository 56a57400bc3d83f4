"""What every condition type shares: the optional keys, durations in words, and errors that help.

Errors name the key, the value, what is valid and the closest match, because a model or a person in a conversation
will correct itself from nothing but this text.
"""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails

from shared.errors import InvalidInput
from shared.model import SEVERITY_WORDS, Frozen, Severity
from shared.policy import NoData

MAX_SECONDS = 30 * 86_400
DEFAULT_WINDOW_SECONDS = 300

Seconds = Annotated[int, Field(ge=0, le=MAX_SECONDS, strict=True)]
PositiveSeconds = Annotated[int, Field(ge=1, le=MAX_SECONDS, strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


def _severity(word: object) -> Severity:
    if isinstance(word, str) and word.strip().lower() in SEVERITY_WORDS:
        return SEVERITY_WORDS[word.strip().lower()]
    raise InvalidInput("condition.levels.severity", word, f"valid are {listed(SEVERITY_WORDS)}")


SeverityWord = Annotated[
    Severity, BeforeValidator(_severity), WithJsonSchema({"type": "string", "enum": list(SEVERITY_WORDS)})
]
"""A severity by its name only: the stored condition keeps the word as it was given."""


class Timing(Frozen):
    """How long things must last. All durations are whole seconds."""

    for_seconds: Seconds = Field(0, description="how long it must breach before it fires")
    keep_firing_seconds: Seconds = Field(0, description="how long it must be clean before it resolves")


class Deciding(Timing):
    """How a series changes its state: what a condition says for itself, and not as a part of another one."""

    no_data: NoData = Field(
        "keep", description="a series sends nothing: keep its state, alert, or count it as ok"
    )


class Options(Deciding):
    """The optional keys of a condition that looks at one window."""

    window_seconds: PositiveSeconds = Field(DEFAULT_WINDOW_SECONDS, description="how far back to look")


OUTER_KEYS = tuple(Deciding.model_fields)
"""Keys of the whole condition: a condition inside `all` or `any` has none of them."""


_WORDS: Mapping[str, str] = {
    "=": "==", "eq": "==", "equals": "==", "is": "==", "<>": "!=", "ne": "!=", "not": "!=",
    "gt": ">", "above": ">", "over": ">", "greater": ">", "more": ">", "=>": ">=", "gte": ">=", "ge": ">=",
    "lt": "<", "below": "<", "under": "<", "less": "<", "=<": "<=", "lte": "<=", "le": "<=",
    "mean": "avg", "average": "avg", "last": "latest", "current": "latest", "total": "sum", "std": "stddev",
    "maximum": "max", "minimum": "min", "increase": "delta", "per_second": "rate", "p99.9": "p99",
    "window": "window_seconds", "for": "for_seconds", "metric": "field", "column": "field", "op": "operator",
    "comparison": "operator", "limit": "value", "target": "value", "duration": "for_seconds",
    "recovery": "recovery_value", "function": "aggregation", "agg": "aggregation",
    "compare": "compare_seconds", "ago": "compare_seconds", "shift": "compare_seconds", "grace": "grace_seconds",
    "children": "conditions", "rules": "conditions", "and": "all", "or": "any", "deadman": "absence",
    "missing": "absence", "no_data": "absence", "nodata": "absence", "heartbeat": "absence", "%": "percent",
    "relative": "percent", "percentage": "percent", "rise": "up", "increases": "up", "fall": "down",
    "drop": "down", "both": "either", "abs": "either",
}  # fmt: skip
"""What people and models write, and what they mean by it."""


def closest(word: object, valid: Iterable[str]) -> str:
    """A hint with the valid word that was probably meant; empty if there is none."""
    names = list(valid)
    text = str(word).strip().lower()
    meant = _WORDS.get(text, "")
    if meant not in names:
        meant = next(iter(get_close_matches(text, names, n=1, cutoff=0.5)), "")
    return f"Did you mean {meant!r}?" if meant else ""


def listed(words: Iterable[str]) -> str:
    """`a, b, c`."""
    return ", ".join(words)


def validated(params: type[Frozen], condition: Mapping[str, Any], *, without: Collection[str] = ()) -> Frozen:
    """The parameters; InvalidInput for the first problem. Keys `without` are not offered."""
    try:
        return params.model_validate(dict(condition))
    except ValidationError as error:
        keys = [key for key in params.model_fields if key not in without]
        problems = error.errors(include_url=False)
        # A key that doesn't exist comes first: it may be the reason why another one is missing.
        problems.sort(key=lambda problem: problem["type"] != "extra_forbidden")
        raise _explained(keys, problems[0]) from None


def _explained(known: Iterable[str], problem: ErrorDetails) -> InvalidInput:
    place, kind, value = problem["loc"], problem["type"], problem["input"]
    field = ".".join(["condition", *(str(part) for part in place)])
    if kind == "extra_forbidden" and len(place) == 1:
        keys = sorted(known, key=lambda key: (key != "type", key in Options.model_fields))
        return InvalidInput(field, value, f"valid keys are {listed(keys)}", closest(place[-1], keys))
    if kind == "missing":
        return InvalidInput(field, None, f"{place[-1]} is required")
    if kind == "literal_error":
        valid = _choices(problem)
        return InvalidInput(field, value, f"valid are {listed(valid)}", closest(value, valid))
    return InvalidInput(field, value, problem["msg"].replace("Input should", "it should"))


def _choices(problem: ErrorDetails) -> list[str]:
    """The words inside pydantic's `'a', 'b' or 'c'`."""
    return str(problem.get("ctx", {}).get("expected", "")).split("'")[1::2]


def duration(seconds: float) -> str:
    """A duration in words: `45 s`, `5 min`, `90 min`, `2 h`, `3 d`."""
    for size, unit, least in ((86_400, "d", 1), (3600, "h", 1), (60, "min", 1)):
        if seconds >= size * least and seconds % size == 0:
            return f"{int(seconds // size)} {unit}"
    return f"{number(seconds)} s"


def number(value: float) -> str:
    """A number as people write it: no `.0`, no exponent for everyday sizes."""
    if float(value).is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(float(value))


def timing(condition: Mapping[str, Any], more: Iterable[str] = ()) -> str:
    """The words for the options: ` for 2 min; clean at <= 80; missing data alerts`."""
    start = f" for {duration(condition['for_seconds'])}" if condition.get("for_seconds") else ""
    words = list(more)
    if seconds := condition.get("keep_firing_seconds"):
        words.append(f"resolves after {duration(seconds)} clean")
    no_data = condition.get("no_data", "keep")
    if no_data != "keep":
        words.append({"alert": "missing data alerts", "ok": "missing data counts as ok"}[no_data])
    return start + "".join(f"; {word}" for word in words)


def shown(value: object) -> str:
    """A value as a condition shows it: `60000`, `true`, `"down"`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number(value)
    return f'"{value}"'
