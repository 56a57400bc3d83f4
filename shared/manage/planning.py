"""What a file means against what is stored: every entry as the monitor, rule or silence that it makes.

Nothing is written here. What is wrong with an entry is collected, so that people can correct a file at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shared import conditions
from shared.channels import ChannelBook
from shared.errors import InvalidInput
from shared.manage import channels, checks
from shared.manage import monitors as monitor_drafts
from shared.manage.drafts import RuleDraft
from shared.manage.exporting import Everything
from shared.manage.rules_file import (
    Document,
    MonitorEntry,
    Placed,
    RuleEntry,
    SilenceEntry,
    placed,
    read_time,
)
from shared.manage.silences import reason_of
from shared.model import Millis, Monitor, Rule
from shared.silences import FOREVER, Matcher
from shared.store import managed
from shared.store.silences import SilenceRow

T = TypeVar("T")
_OWN = {"version", "created_at", "updated_at"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the file wants there to be, by id; `paths` says where it does, and `versions` which one was exported."""

    monitors: dict[str, Monitor] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    silences: dict[str, SilenceRow] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    problems: list[InvalidInput] = field(default_factory=list)
    broken: dict[str, dict[str, str]] = field(default_factory=lambda: {"monitor": {}, "rule": {}})
    """The names of entries that have a problem, by id or path: whoever refers to one has none of his own."""

    def attempt(self, path: str, make: Callable[[], T]) -> T | None:
        """What is made; None when it can't be, and that is a problem of this path."""
        try:
            return make()
        except InvalidInput as error:
            self.problems.append(placed(error, path))
            return None

    def place(self, path: str, key: str, version: int | None) -> bool:
        """Whether this id is wanted here first."""
        if key in self.paths:
            again = InvalidInput("id", key, f"{self.paths[key]} is the same one already")
            self.problems.append(placed(again, path))
            return False
        self.paths[key] = path
        if version is not None:
            self.versions[key] = version
        return True


@dataclass(frozen=True, slots=True)
class Names:
    """Everything of one kind that there is, or will be, by id and by name; `where` says where it was looked for."""

    kind: str
    titles: Mapping[str, str]
    ids: Mapping[str, Sequence[str]]
    where: str = "neither in the file nor stored"

    @classmethod
    def of(cls, kind: str, titles: Mapping[str, str], prune: bool = False) -> "Names":
        """With the ids of each name; with `prune` only what the file has is left."""
        ids: dict[str, list[str]] = {}
        for one, title in titles.items():
            ids.setdefault(title, []).append(one)
        return (
            cls(kind, titles, ids, "not in the file, and what is not in it is removed")
            if prune
            else cls(kind, titles, ids)
        )

    def only(self, key: str, name: str) -> str | None:
        """The id of the only thing of this name; None if there is none. Raises InvalidInput."""
        found = self.ids.get(name, ())
        if len(found) > 1:
            some = ", ".join(sorted(found)[:5])
            raise InvalidInput(key, name, f"{len(found)} {self.kind}s are called so", f"Give an id: {some}")
        return found[0] if found else None

    def find(self, key: str, wanted: str) -> str:
        """The id that is meant by an id or a name. Raises InvalidInput."""
        found = wanted if wanted in self.titles else self.only(key, wanted)
        if found is None:
            hint = checks.meant(wanted, [*self.titles.values(), *self.titles])
            raise InvalidInput(key, wanted, f"there is no such {self.kind}: {self.where}", hint)
        return found


def wanted_of(
    document: Document, known: Everything, book: Callable[[], ChannelBook], *, prune: bool, now: Millis
) -> Wanted:
    """Every entry as what it makes. `book` is asked for only when a rule names channels."""
    found = Wanted(problems=list(document.problems))
    named = Names.of("monitor", {one.id: one.name for one in known.monitors.values()})
    titled = Names.of("rule", {one.id: one.title for one in known.rules.values()})
    for one in document.monitors:
        _monitor(found, one, named)
    monitor_names = _there(named, {one.id: one.name for one in found.monitors.values()}, found, prune)
    for rule in document.rules:
        _rule(found, rule, known, titled, monitor_names, book)
    rule_names = _there(titled, {one.id: one.title for one in found.rules.values()}, found, prune)
    for silence in document.silences:
        _silence(found, silence, known, rule_names, monitor_names, now)
    _unlike(found, "name", named, monitor_names)
    _unlike(found, "title", titled, rule_names)
    return found


def _there(stored: Names, wanted: Mapping[str, str], found: Wanted, prune: bool) -> Names:
    kept = {} if prune else stored.titles
    return Names.of(stored.kind, {**kept, **found.broken[stored.kind], **wanted}, prune)


def same(one: Monitor | Rule, other: Monitor | Rule) -> bool:
    """Whether two differ in nothing that people say."""
    # As texts: 1 is not true, though Python takes them for equal.
    return _said(one) == _said(other)


def _said(one: Monitor | Rule) -> str:
    return managed.dump(one.model_dump(mode="json", exclude=_OWN))


# ------------------------------------------------------------------ monitors


def _monitor(found: Wanted, one: Placed[MonitorEntry], stored: Names) -> None:
    entry = one.entry
    given = entry.model_dump(exclude={"id", "version"})

    def make() -> Monitor:
        key = entry.id or stored.only("name", checks.one_line("name", entry.name))
        return monitor_drafts.draft(**given, monitor_id=key)

    made = found.attempt(one.path, make)
    if made is None:
        found.broken["monitor"][entry.id or one.path] = entry.name
    elif found.place(one.path, made.id, entry.version):
        found.monitors[made.id] = made


# ------------------------------------------------------------------ rules


def _rule(
    found: Wanted,
    one: Placed[RuleEntry],
    known: Everything,
    stored: Names,
    monitor_names: Names,
    book: Callable[[], ChannelBook],
) -> None:
    entry = one.entry

    def make() -> Rule:
        key = entry.id or stored.only("title", checks.one_line("title", entry.title))
        before = known.rules.get(key or "")
        condition, severity = conditions.canonical(entry.condition), checks.severity_of(entry.severity)
        if (entry.monitor is None) == (entry.selector is None):
            raise InvalidInput(
                "monitor", entry.monitor, "a rule has either a monitor (id or name) or a selector"
            )
        monitor_id = None
        if entry.monitor is not None:
            # One that was deleted under the rule can stay as it is.
            gone = entry.monitor not in known.monitors
            stays = gone and before is not None and before.monitor_id == entry.monitor
            monitor_id = entry.monitor if stays else monitor_names.find("monitor", entry.monitor)
        names = entry.channels
        if names and (before is None or before.channels != names):
            names = channels.checked_names(book(), names)
        draft = RuleDraft.model_validate({**entry.model_dump(exclude={"version"}), "id": key})
        return draft.rule(condition, severity, names, monitor_id)

    made = found.attempt(one.path, make)
    if made is None:
        found.broken["rule"][entry.id or one.path] = entry.title
    elif found.place(one.path, made.id, entry.version):
        found.rules[made.id] = made


# ------------------------------------------------------------------ silences


def _silence(
    found: Wanted,
    one: Placed[SilenceEntry],
    known: Everything,
    rule_names: Names,
    monitor_names: Names,
    now: Millis,
) -> None:
    entry = one.entry

    def make() -> SilenceRow:
        before = known.silences.get(entry.id or "")
        row = _row(entry, before, _matcher(entry, before, rule_names, monitor_names), now)
        alike = () if entry.id else [each for each in known.silences.values() if _alike(each, row, entry)]
        return alike[0] if alike else row

    made = found.attempt(one.path, make)
    if made is not None and found.place(one.path, made.id, None):
        found.silences[made.id] = made


def _matcher(
    entry: SilenceEntry, before: SilenceRow | None, rule_names: Names, monitor_names: Names
) -> Matcher:
    # A silence may outlive its rules: their ids stay as they are.
    kept = Matcher.model_validate_json(before.matcher) if before else None
    rules_kept, monitors_kept = (kept.rules, kept.monitors) if kept else ((), ())
    values: dict[str, Any] = {
        "rules": [
            one if one in rules_kept else rule_names.find(f"rules.{place}", one)
            for place, one in enumerate(entry.rules)
        ],
        "monitors": [
            one if one in monitors_kept else monitor_names.find(f"monitors.{place}", one)
            for place, one in enumerate(entry.monitors)
        ],
        "severity": None if entry.severity is None else checks.severity_of(entry.severity),
        "at_least": None if entry.at_least is None else checks.severity_of(entry.at_least),
        "labels": checks.labels_of(entry.labels),
    }
    return checks.checked(Matcher, values)


def _row(entry: SilenceEntry, before: SilenceRow | None, matcher: Matcher, now: Millis) -> SilenceRow:
    starts_at = read_time("starts_at", entry.starts_at)
    ends_at = read_time("ends_at", entry.ends_at)
    begin = starts_at if starts_at is not None else before.starts_at if before else now
    if ends_at is None and entry.weekly is None:
        raise InvalidInput("ends_at", None, "say how long it lasts: an end, or weekly hours")
    if ends_at is not None and ends_at <= begin:
        raise InvalidInput("ends_at", entry.ends_at, "it must be after the beginning")
    return SilenceRow(
        id=checks.new_id("sil", entry.id),
        matcher=managed.dump(matcher.model_dump(mode="json", exclude_defaults=True)),
        starts_at=begin,
        ends_at=FOREVER if ends_at is None else ends_at,
        weekly=None if entry.weekly is None else managed.dump(entry.weekly.model_dump(mode="json")),
        reason=reason_of(entry.reason),
        created_by=before.created_by if before else "",
        created_at=before.created_at if before else now,
    )


def _alike(stored: SilenceRow, row: SilenceRow, entry: SilenceEntry) -> bool:
    """Whether an entry without an id is this one: it says the same, and began then, or says nothing of that."""
    same_words = (stored.matcher, stored.weekly, stored.reason, stored.ends_at) == (
        row.matcher, row.weekly, row.reason, row.ends_at
    )  # fmt: skip
    return same_words and (entry.starts_at is None or stored.starts_at == row.starts_at)


# ------------------------------------------------------------------ names


def _unlike(found: Wanted, key: str, stored: Names, there: Names) -> None:
    """Two things of one name can't be told apart; those that are stored so already may stay."""
    for title, ids in there.ids.items():
        new = [one for one in ids if stored.titles.get(one) != title and one in found.paths]
        if len(ids) > 1 and new:
            other = next(one for one in ids if one != new[-1])
            place = found.paths.get(other, f"{there.kind} {other}")
            error = InvalidInput(key, title, f"{place} is called so, too", "Choose one that tells them apart")
            found.problems.append(placed(error, found.paths[new[-1]]))
