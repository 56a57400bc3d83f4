"""What the terminal shows: tables, times in the local zone, durations, errors. Text from outside can't steer it.

Knows no command and no table of the database; whatever it is given, it prints.
"""

import dataclasses
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.errors import InvalidInput
from shared.manage.words import seconds_of
from shared.model import Millis, Severity

_UTC = re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ")
_STYLES = {
    "critical": "bold red",
    "high": "red",
    "warning": "yellow",
    "info": "cyan",
    "firing": "red",
    "error": "red",
    "fail": "red",
    "warn": "yellow",
}


def clean(text: object) -> str:
    """The text without characters that would steer the terminal."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in str(text))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Print a table that fits into the terminal, without cutting ids; without rows, say `empty`."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        shown.add_column(name, overflow="fold", no_wrap=name == "Id")
    for row in rows:
        shown.add_row(*(_cell(value) for value in row))
    if shown.row_count:
        Console().print(shown)
    else:
        say(empty)


def facts(rows: Iterable[tuple[str, object]]) -> None:
    """Print names and values, one pair a line; pairs with an empty value are left out."""
    shown = Table.grid(padding=(0, 2))
    shown.add_column(style="dim", no_wrap=True)
    shown.add_column(overflow="fold")
    for name, value in rows:
        if value not in ("", None, (), []):
            shown.add_row(name, _cell(value))
    Console().print(shown)


def say(text: str, style: str = "") -> None:
    """Print one plain sentence, in a colour where there are some."""
    Console(soft_wrap=True).print(Text(clean(text), style=style))


def warn(text: str) -> None:
    """Print one sentence on stderr: something may not be as it was meant."""
    Console(stderr=True, soft_wrap=True).print(Text(f"Note: {clean(text)}", style="yellow"))


def fail(text: str) -> None:
    """Print on stderr why nothing was done."""
    Console(stderr=True, soft_wrap=True).print(Text(f"Error: {clean(text)}", style="red"))


def as_json(value: object) -> None:
    """Print a value as JSON: times are epoch milliseconds UTC, severities words."""
    sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n")


def plain(value: Any) -> Any:
    """Models and records as what JSON knows."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        if isinstance(found.get("severity"), int):  # rows of the database hold its number
            found["severity"] = severity(found["severity"])
        return found
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


def when(time: Millis | None) -> str:
    """A time in the local zone with its offset; empty for none."""
    if not time:
        return ""
    local = datetime.fromtimestamp(time / 1000, UTC).astimezone()
    offset = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:5]}"


def times(name: str, given: Iterable[Millis | None]) -> tuple[str, list[str]]:
    """A column of times, its heading and its cells: a day that all have in common is said once, in the heading."""
    cells = [when(time) for time in given]
    days = {(cell[:10], cell[20:]) for cell in cells if cell}
    if len(days) != 1:
        return name, cells
    ((day, offset),) = days
    return f"{name}\n{day} {offset}", [cell[11:19] for cell in cells]


def local(text: str) -> str:
    """The text with its UTC times, such as `2030-01-31 12:03:30Z`, as all other times are shown here."""
    return _UTC.sub(_local, text)


def _local(found: re.Match[str]) -> str:
    with suppress(ValueError):  # then it only looks like a time
        return when(int(datetime.fromisoformat(found[0]).timestamp() * 1000))
    return found[0]


def zone(clock: Path = Path("/etc/localtime")) -> str:
    """The IANA name of the zone in which times are shown here; empty where the system doesn't tell one.

    `clock` links to the file of a zone (`man 5 localtime`).
    """
    named = os.environ.get("TZ")
    name = (
        str(clock.resolve()).partition("/zoneinfo/")[2] if named is None else named.removeprefix(":") or "UTC"
    )
    return name if name in available_timezones() else ""


def lasting(seconds: float) -> str:
    """A duration in its largest unit: `45 s`, `5 min`, `2.5 h`, `3 d`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def severity(level: int) -> str:
    """The name of a severity or level; 0 is clean."""
    return Severity(level).word if level else "clean"


def number(value: float | None, text: str = "") -> str:
    """A reading as people see it: its text, or its number without needless digits."""
    return text or ("" if value is None else f"{value:.6g}")


def moment(field: str, text: str, now: Millis, direction: int) -> Millis:
    """A time as people write it: `now`, ISO 8601 (local without offset), or a duration from now (-1: back, 1: on)."""
    if text == "now":
        return now
    with suppress(ValueError):  # then it is a duration
        # Without an offset the system's zone is meant; astimezone takes a naive time for local.
        return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)
    try:
        return now + direction * seconds_of(field, text) * 1000
    except InvalidInput:
        valid = (
            "expected now, a duration like 90s, 5m or 2h, or a time like 2030-01-31T18:00 or …T18:00+01:00"
        )
        raise InvalidInput(field, text, valid) from None


def _cell(value: object) -> Text:
    text = clean(value)
    return Text(text, style=_STYLES.get(text.split(maxsplit=1)[0] if text.strip() else "", ""))
