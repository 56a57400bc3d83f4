"""Why a tool did nothing, in words that a model can act on: what is wrong, what is valid, which call comes next.

Only words of ours and of whoever asks are in them, never the text of an alert.
"""

import difflib
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shared.errors import InvalidInput, NotFound, QueryFailed, TocsinError, Unavailable

MOST_TEXT = 20_000
MOST_DEPTH = 12
_MOST_SHOWN = 3

_LOOK_UP: Mapping[str, str] = {
    "rule": "Call list_alert_rules to see ids and titles.",
    "monitor": "Call list_monitors to see ids and names, or discover_monitors to see what could become one.",
    "alert": "Call list_alerts to see ids.",
    "silence": "Call list_silences to see ids.",
    "channel": "Call list_channels to see names.",
    "channels": "Call list_channels to see names.",
    "delivery": "Call list_deliveries to see ids.",
    "cursor": "Call the same tool without cursor to begin again.",
    "series": "Call explain_alert_rule without series to see their names.",
    "template": "Call rule_templates with monitor_id to see which ones fit.",
    "source": "Call discover_monitors without source.",
}


def of_error(error: TocsinError, tool: str) -> str:
    """A refusal of `shared.manage` as a tool says it."""
    words = str(error)
    said = words if words.endswith(("?", ".")) else f"{words}."
    if isinstance(error, NotFound):
        return f"{said} {_LOOK_UP.get(error.kind, '')}".rstrip()
    if isinstance(error, InvalidInput):
        return f"{said} {_next_for(error.field)}".rstrip()
    if isinstance(error, Unavailable | QueryFailed):
        return f"{said} Nothing was changed; call {tool} again in a moment."
    return f"{said} Nothing was changed."


def _next_for(field: str) -> str:
    if field.startswith("condition.field"):
        return "Call describe_monitor to see the fields of a monitor."
    if field.startswith("condition"):
        return 'A condition looks like {"type":"threshold","field":"price","operator":">","value":70000}.'
    return _LOOK_UP.get(field.partition(".")[0], "")


def of_arguments(error: ValidationError, tool: str, known: Collection[str]) -> str:
    """What is wrong with the arguments of a call, unknown names first: they explain what is missing."""
    problems = error.errors(include_url=False)
    problems.sort(key=lambda one: one["type"] != "extra_forbidden")
    lines = [_problem(one, known) for one in problems[:_MOST_SHOWN]]
    more = len(problems) - len(lines)
    lines += [f"{more} more problems."] if more else []
    return " ".join([*lines, f"Nothing was done. Correct this and call {tool} again."])


def _problem(problem: ErrorDetails, known: Collection[str]) -> str:
    place = [str(part) for part in problem["loc"]]
    name, kind = ".".join(place), problem["type"]
    if kind == "extra_forbidden" and len(place) == 1:
        return f"There is no argument {name!r}.{closest(name, known)} Valid are {', '.join(known)}."
    if kind == "missing":
        return f"{name} is required."
    value = repr(problem["input"])
    value = value if len(value) <= 120 else value[:117] + "..."
    if kind == "literal_error":
        valid = str(problem.get("ctx", {}).get("expected", "")).split("'")[1::2]
        return (
            f"{name}: {value} is not valid; valid are {', '.join(valid)}.{closest(problem['input'], valid)}"
        )
    said = problem["msg"].removeprefix("Value error, ")
    return f"{name}: {value} is not valid; {said[:1].lower()}{said[1:]}."


def closest(word: object, valid: Iterable[str]) -> str:
    """` Did you mean 'severity'?`, or nothing."""
    found = difflib.get_close_matches(str(word).lower(), list(valid), n=1, cutoff=0.5)
    return f" Did you mean {found[0]!r}?" if found else ""


def unplain(value: Any, place: str = "", depth: int = 0) -> str:
    """Why a value can't be stored or compared, whoever takes it; empty if it can.

    JSON knows no NaN, but many parsers do; and half a surrogate pair is no text to any database.
    """
    if depth > MOST_DEPTH:
        return f"{place} is nested more than {MOST_DEPTH} levels deep."
    if isinstance(value, float) and not math.isfinite(value):
        return f"{place}: {value} is not a finite number."
    if isinstance(value, str):
        return _untext(value, place)
    if isinstance(value, Mapping):
        inner = [(key, f"{place}.{key}" if place else str(key)) for key in value]
        found = (_untext(key, place) or unplain(value[key], name, depth + 1) for key, name in inner)
        return next((why for why in found if why), "")
    if isinstance(value, list):
        return next((why for one in value if (why := unplain(one, place, depth + 1))), "")
    return ""


def _untext(text: str, place: str) -> str:
    if len(text) > MOST_TEXT:
        return f"{place[:100]} has more than {MOST_TEXT} characters."
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        return "A text holds characters that can't be stored (NUL, or half a surrogate pair)."
    return ""
