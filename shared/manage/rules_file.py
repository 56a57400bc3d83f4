"""Monitors, rules and silences as one file: what it may say, and reading it with the path of whatever is wrong.

Pure. What an entry means against what is stored is `applying`; what is stored as entries is `exporting`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import Field

from shared.errors import InvalidInput
from shared.manage import checks, yaml_text
from shared.manage.drafts import RuleDraft
from shared.model import Frozen, Millis
from shared.weekly import Weekly

SCHEMA = 1
"""The version of the file's format; another one is refused."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MonitorEntry(Frozen):
    """A monitor in a file. `version` is the one that was exported: what changed since is not overwritten unseen."""

    id: str | None = None
    version: int | None = Field(None, ge=1)
    name: str
    measurement: str
    source: str = "default"
    database: str = ""
    where: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    key: tuple[str, ...] = ()
    fields: dict[str, str] = Field(default_factory=dict)
    kind: str = ""
    labels: dict[str, str] = Field(default_factory=dict)


class RuleEntry(RuleDraft):
    """A rule in a file: a draft, and the version that was exported."""

    version: int | None = Field(None, ge=1)


class SilenceEntry(Frozen):
    """A silence in a file; rules and monitors by title, name or id. Times are RFC 3339 with a zone."""

    id: str | None = None
    rules: tuple[str, ...] = ()
    monitors: tuple[str, ...] = ()
    severity: str | None = None
    at_least: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    starts_at: str | None = None
    ends_at: str | None = None
    weekly: Weekly | None = None
    reason: str


E = TypeVar("E", MonitorEntry, RuleEntry, SilenceEntry)


@dataclass(frozen=True, slots=True)
class Placed(Generic[E]):
    """An entry and its place in the file: `rules[3]`."""

    path: str
    entry: E


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says. `problems` are of entries that are not among the others."""

    monitors: Sequence[Placed[MonitorEntry]]
    rules: Sequence[Placed[RuleEntry]]
    silences: Sequence[Placed[SilenceEntry]]
    problems: list[InvalidInput] = field(default_factory=list)


def read(text: str) -> Document:
    """The document that a file holds. Raises InvalidInput when it is no such file at all."""
    found = yaml_text.read(text)
    if not isinstance(found, Mapping):
        raise InvalidInput(
            "file", text[:60], f"expected `schema: {SCHEMA}`, and then monitors, rules and silences"
        )
    valid = ("schema", "monitors", "rules", "silences")
    for key in found:
        if key not in valid:
            raise InvalidInput(key, found[key], f"valid are {', '.join(valid)}", checks.meant(key, valid))
    if found.get("schema") != SCHEMA:
        raise InvalidInput("schema", found.get("schema"), f"this Tocsin reads schema {SCHEMA}")
    problems: list[InvalidInput] = []
    return Document(
        _entries(found, "monitors", MonitorEntry, problems),
        _entries(found, "rules", RuleEntry, problems),
        _entries(found, "silences", SilenceEntry, problems),
        problems,
    )


def _entries(
    found: Mapping[str, Any], name: str, model: type[E], problems: list[InvalidInput]
) -> list[Placed[E]]:
    given = found.get(name)
    if given is None:
        return []
    if not isinstance(given, list):
        raise InvalidInput(name, given, "expected a list")
    made: list[Placed[E]] = []
    for number, one in enumerate(given):
        path = f"{name}[{number}]"
        try:
            if not isinstance(one, Mapping):
                raise InvalidInput("", one, "expected keys and values")
            made.append(Placed(path, checks.checked(model, one)))
        except InvalidInput as error:
            problems.append(placed(error, path))
    return made


def placed(error: InvalidInput, path: str) -> InvalidInput:
    """The error with the path of its entry: `rules[3].condition.window_seconds`."""
    inner = re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", error.field)
    return InvalidInput(f"{path}.{inner}" if inner else path, error.value, error.valid, error.hint)


def shown_time(time: Millis) -> str:
    """`2030-01-31T18:00:00Z`, with milliseconds where there are some."""
    moment = _EPOCH + timedelta(milliseconds=time)
    return moment.isoformat(timespec="milliseconds" if time % 1000 else "seconds").replace("+00:00", "Z")


def read_time(name: str, text: str | None) -> Millis | None:
    """The time that is meant. Raises InvalidInput for one without a zone."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput(name, text, "expected a time with a zone, such as 2030-01-31T18:00:00Z")
    return (moment - _EPOCH) // timedelta(milliseconds=1)
