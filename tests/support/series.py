"""Time series as data, in promtool's notation: `1 5 9 _ 2x3 0+10x4 "text" true` → samples and readings.

`_` is a missing point, `_x3` three of them; `axn` is a and n repetitions of it; `a+bxn` and `a-bxn` count on from a
by b, n times. Words in double quotes are texts, `true` and `false` booleans.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shared.columns import FieldColumn, FieldKind, Samples, TagColumn
from shared.model import BookRows, MonitorRow, RuleRow
from shared.plan import QueryGroup
from shared.readings import Readings, measure
from shared.rulebook import RuleBook, updated

Value = float | bool | str | None
STEP = 30_000
EPOCH = 1_700_000_000_000
"""Where test time begins: any round number will do, as long as nothing in it is 0."""

_REPEAT = re.compile(r"^(?P<first>_|-?[\d.]+(?:e-?\d+)?)(?:(?P<step>[+-][\d.]+))?x(?P<times>\d+)$")


def values(notation: str) -> list[Value]:
    """The values of a series in promtool's notation; None where there is no point."""
    found: list[Value] = []
    for token in re.findall(r'"[^"]*"|\S+', notation):
        repeat = _REPEAT.match(token)
        if repeat and repeat["first"] == "_":
            found += [None] * int(repeat["times"])
        elif repeat:
            first, step = float(repeat["first"]), float(repeat["step"] or 0)
            found += [first + step * i for i in range(int(repeat["times"]) + 1)]
        else:
            found.append(_value(token))
    return found


def _value(token: str) -> Value:
    if token == "_":
        return None
    if token in ("true", "false"):
        return token == "true"
    return token[1:-1] if token[0] == '"' else float(token)


Row = tuple[int, Mapping[str, str], Mapping[str, Value]]
"""(time, tags, fields)"""


def rows(series: Mapping[str, str], *, start: int = EPOCH, step: int = STEP) -> list[Row]:
    """Rows of `{"usage{host=a,path=/}": "1 5 _"}`; the first value is at `start`, one per step."""
    found: list[Row] = []
    for name, notation in series.items():
        field, _, rest = name.partition("{")
        tags = dict(pair.split("=", 1) for pair in rest.rstrip("}").split(",") if pair)
        for i, value in enumerate(values(notation)):
            if value is not None:
                found.append((start + i * step, tags, {field: value}))
    return found


def samples(points: Sequence[Row], tags: Sequence[str], fields: Sequence[str]) -> Samples:
    """Columns of these rows, as a metric store would answer."""
    return Samples(
        time=np.array([at for at, _, _ in points], np.int64),
        tags={tag: _tag([row_tags.get(tag, "") for _, row_tags, _ in points]) for tag in tags},
        fields={name: _field([row_fields.get(name) for _, _, row_fields in points]) for name in fields},
    )


def _tag(column: list[str]) -> TagColumn:
    known = {value: code for code, value in enumerate(dict.fromkeys(column))}
    return TagColumn(np.array([known[value] for value in column], np.int32), tuple(known))


def _field(column: list[Value]) -> FieldColumn:
    texts = {value: code for code, value in enumerate(dict.fromkeys(v for v in column if isinstance(v, str)))}
    kinds: set[FieldKind] = {_kind(value) for value in column if value is not None}
    number = [float(v) if isinstance(v, int | float) and math.isfinite(v) else math.nan for v in column]
    codes = [texts[v] if isinstance(v, str) else -1 for v in column]
    present = ~np.isnan(np.array(number, np.float64)) | (np.array(codes, np.int64) >= 0)
    kind: FieldKind = "empty" if not kinds else kinds.pop() if len(kinds) == 1 else "mixed"
    return FieldColumn(kind, present, np.array(number, np.float64), np.array(codes, np.int32), tuple(texts))


def _kind(value: Value) -> FieldKind:
    return "boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"


# ------------------------------------------------------------------ books of rules


def monitor_row(name: str = "m", **changes: Any) -> MonitorRow:
    """A monitor of measurement `cpu`, keyed by host; `filter`, `key` and `labels` may be given as objects."""
    row: dict[str, Any] = {
        "id": f"mon_{name}", "name": name, "source": "default", "database": "", "measurement": "cpu",
        "filter": {}, "key": ["host"], "kind": "host", "labels": {}, "deleted": False,
    } | changes  # fmt: skip
    return MonitorRow(**row | {key: _text(row[key]) for key in ("filter", "key", "labels")})


def rule_row(name: str = "r", condition: Mapping[str, Any] | str = "usage > 80", **changes: Any) -> RuleRow:
    """A rule on monitor `m`; the condition is an object, `field operator value`, or raw text."""
    row: dict[str, Any] = {
        "id": f"rule_{name}", "monitor_id": "mon_m", "selector": None, "title": name, "description": "",
        "condition": condition if isinstance(condition, Mapping) else _condition(condition), "severity": 2,
        "channels": None, "cooldown_seconds": 300, "repeat_seconds": 0, "group_seconds": 60, "labels": {},
        "runbook_url": "", "enabled": True, "deleted": False,
    } | changes  # fmt: skip
    texts = {key: None if row[key] is None else _text(row[key]) for key in ("selector", "channels")}
    return RuleRow(**row | texts | {key: _text(row[key]) for key in ("condition", "labels")})


def _condition(words: str) -> dict[str, Any] | str:
    """`usage > 80` as a condition; anything else as it is, for rows that nobody validated."""
    return threshold(words) if words.count(" ") >= 2 else words


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def threshold(words: str, **options: Any) -> dict[str, Any]:
    """`usage > 80` as a condition."""
    field, operator, value = words.split(" ", 2)
    return {"type": "threshold", "field": field, "operator": operator, "value": _value(value)} | options


def book(monitors: Sequence[MonitorRow], rules: Sequence[RuleRow], old: RuleBook | None = None) -> RuleBook:
    """The next book of these rows."""
    return updated(old, BookRows((old.revision if old else 0) + 1, tuple(monitors), tuple(rules)))


def read(group: QueryGroup, points: Sequence[Row], stop: int) -> Readings:
    """Measure the group on these rows."""
    return measure(group, samples(points, group.tags, group.fields), stop)
