"""The short form of a condition, `avg(price) > 60000 over 5m for 2m`, and durations as people write them. Pure."""

import re
from typing import Any

from shared.errors import InvalidInput

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "": 1}
_DURATION = r"\d+(?:\.\d+)?\s*[smhd]?"
_SHORT = re.compile(
    rf"""\s* (?: (?P<aggregation>[a-z][a-z0-9]*) \( (?P<inner>[^()<>=!]+) \) | (?P<field>[^()<>=!]+?) )
    \s* (?P<operator> >=|<=|==|!=|>|<|= ) \s* (?P<value>[^\s<>=!].*?)
    (?: \s+ over \s+ (?P<window>{_DURATION}) )? (?: \s+ for \s+ (?P<hold>{_DURATION}) )? \s*""",
    re.VERBOSE,
)
_FORM = "expected FIELD OPERATOR VALUE, such as 'price > 60000' or 'avg(usage_active) >= 90 over 5m for 2m'"


def condition_of(words: str) -> dict[str, Any]:
    """The threshold condition that the short form means, in the JSON format. It is not validated yet.

    `FIELD OP VALUE [over DURATION] [for DURATION]`, FIELD also as `AGGREGATION(FIELD)`. A VALUE is a number, true,
    false, or else a text, with or without quotes.
    """
    found = re.fullmatch(_SHORT, words)
    field = (found["inner"] or found["field"]).strip() if found else ""
    if found is None or not field:
        raise InvalidInput("when", words, _FORM)
    if re.search(r"\s(?:over|for)\s+\d\S*$", found["value"]) and found["value"][-1] not in "'\"":
        raise InvalidInput(
            "when", words, "after `over` and `for` a duration is expected, such as 90s, 5m, 1.5h or 2d"
        )
    condition: dict[str, Any] = {
        "type": "threshold",
        "field": field,
        "operator": "==" if found["operator"] == "=" else found["operator"],
        "value": _value(found["value"]),
    }
    if found["aggregation"]:
        condition["aggregation"] = found["aggregation"]
    if found["window"]:
        condition["window_seconds"] = seconds_of("when", found["window"])
    if found["hold"]:
        condition["for_seconds"] = seconds_of("when", found["hold"])
    return condition


def seconds_of(field: str, text: str) -> int:
    """Whole seconds of `300`, `90s`, `5m`, `1.5h` or `2d`. `field` is what an error calls it."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip())
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.5
    if not seconds.is_integer():
        raise InvalidInput(field, text, "expected whole seconds, such as 300, 90s, 5m, 1.5h or 2d")
    return int(seconds)


def _value(text: str) -> float | int | bool | str:
    if text in ("true", "false"):
        return text == "true"
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if re.fullmatch(r"[+-]?\d[\d_]*", text):
        return int(text)
    if re.fullmatch(r"[+-]?(\d[\d_]*)?\.?\d+([eE][+-]?\d+)?", text):
        return float(text)
    return text
