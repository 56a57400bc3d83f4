"""How two states of monitors, rules and silences differ: field by field, by paths that a file has too. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

from shared.manage.exporting import silence_of
from shared.manage.rules_file import shown_time
from shared.model import Monitor, Rule
from shared.silences import FOREVER
from shared.store import managed
from shared.store.silences import SilenceRow

Thing = Monitor | Rule | SilenceRow
Kind = Literal["monitor", "rule", "silence"]
_RANKS: Mapping[Kind, int] = {"monitor": 0, "rule": 1, "silence": 2}
_HIDDEN = {"id", "version", "created_at", "updated_at"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One field, as a path into its thing, before and after."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class FileChange:
    """One thing that is added, changed or removed. Two are equal whatever ids new things get."""

    kind: Kind
    how: Literal["added", "changed", "removed"]
    name: str
    fields: tuple[Difference, ...] = ()
    id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Naming:
    """What monitors and rules are called, by id."""

    monitors: Mapping[str, str]
    rules: Mapping[str, str]


def changes(
    before: Mapping[str, Thing], after: Mapping[str, Thing], removed: Mapping[str, Thing], names: Naming
) -> list[FileChange]:
    """What is different, by id: things of `after` that are not in `before` are new."""
    found: list[FileChange] = []
    for key in after:
        old, new = before.get(key), after[key]
        # What is added is shown by its name, as the file has it whole.
        how: Literal["added", "changed"] = "added" if old is None else "changed"
        fields = () if old is None else _differences(_flat(old, names), _flat(new, names))
        found.append(FileChange(kind_of(new), how, _name(new if old is None else old), fields, key))
    for key, gone in removed.items():
        found.append(FileChange(kind_of(gone), "removed", _name(gone), (), key))
    return sorted(found, key=lambda one: (one.how == "removed", _RANKS[one.kind], one.name))


def kind_of(one: Thing) -> Kind:
    """What it is, as people say it."""
    return "monitor" if isinstance(one, Monitor) else "rule" if isinstance(one, Rule) else "silence"


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Difference, ...]:
    paths = dict.fromkeys((*old, *new))
    return tuple(
        Difference(path, old.get(path), new.get(path))
        for path in paths
        if managed.dump([old.get(path)]) != managed.dump([new.get(path)])
    )


def _name(one: Thing) -> str:
    return one.name if isinstance(one, Monitor) else one.title if isinstance(one, Rule) else one.reason


def _flat(one: Thing, names: Naming) -> dict[str, Any]:
    """Every field by its path, with names for ids."""
    if isinstance(one, SilenceRow):
        return dict(_leaves("", _silence(one, names)))
    plain = one.model_dump(mode="json", exclude=_HIDDEN)
    if isinstance(one, Rule):
        monitor_id = plain.pop("monitor_id")
        plain = {"monitor": names.monitors.get(monitor_id, monitor_id), **plain}
    return dict(_leaves("", plain))


def _silence(one: SilenceRow, names: Naming) -> dict[str, Any]:
    read = silence_of(one)
    matcher = read.matcher.model_dump(mode="json", exclude_defaults=True)
    for key, known in (("rules", names.rules), ("monitors", names.monitors)):
        if key in matcher:
            matcher[key] = [known.get(each, each) for each in matcher[key]]
    return {
        **matcher,
        "starts_at": shown_time(one.starts_at),
        "ends_at": None if one.ends_at == FOREVER else shown_time(one.ends_at),
        "weekly": read.weekly.model_dump(mode="json") if read.weekly else None,
        "reason": one.reason,
    }


def _leaves(path: str, value: Any) -> Iterable[tuple[str, Any]]:
    """The keys of a mapping are what differs; an empty one says nothing."""
    if not isinstance(value, Mapping):
        return [(path, value)]
    return chain.from_iterable(
        _leaves(f"{path}.{key}" if path else str(key), inner) for key, inner in value.items()
    )
