"""The rule book: every rule and monitor of one tenant, compiled into columns, kept up to date by revision.

Pure: it is given rows and never reads a database. No pydantic here: conditions were validated when they were
written. A row that can't be compiled becomes an entry with `error` and stops nobody else.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from shared import rule_rows
from shared.amend import amended
from shared.errors import NotFound
from shared.layout import GroupKey, MonitorEntry, MonitorIndex, Target, lay_out, read_monitor
from shared.model import BookRows, Health, Millis, MonitorRow, RuleRow
from shared.plan import Compiled, QueryGroup
from shared.policy import AnnouncePolicy, RuleEntry
from shared.series import parse_series_key

__all__ = ["MonitorEntry", "RuleBook", "RuleEntry", "updated"]

RULE_DELETED = "rule deleted"
RULE_DISABLED = "rule disabled"
RULE_CHANGED = "rule changed"


@dataclass(frozen=True)
class RuleBook:
    """All rules and monitors at one revision. Immutable; `updated` makes the next one."""

    revision: int
    tenant: str
    groups: tuple[QueryGroup, ...]
    inactive: Mapping[str, str]
    """Deleted and disabled rules → the reason to close their open alerts with; `entry` still knows them."""
    problems: Mapping[str, tuple[Health, str]]
    """Enabled rules that no group evaluates (can't be compiled, no such monitor, no monitor matches), and why."""
    monitors: Mapping[str, MonitorEntry] = field(repr=False)
    rows: Mapping[str, RuleRow] = field(repr=False)
    compiled: Mapping[str, Compiled] = field(repr=False)
    """Enabled rules that could be compiled."""
    targets: Mapping[str, tuple[str, ...]] = field(repr=False)
    """Enabled rules that are evaluated → their monitors."""
    _entries: dict[str, RuleEntry] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        """How many rules are enabled."""
        return len(self.rows) - len(self.inactive)

    def __bool__(self) -> bool:
        """A book without enabled rules is a book all the same: only None is none."""
        return True

    def entry(self, rule_id: str) -> RuleEntry:
        """The rule; made when first asked for. NotFound if the book never saw it."""
        if rule_id not in self._entries:
            self._entries[rule_id] = self._entry(rule_id)
        return self._entries[rule_id]

    def _entry(self, rule_id: str) -> RuleEntry:
        row = self.rows.get(rule_id)
        if row is None:
            raise NotFound("rule", rule_id)
        compiled = self.compiled.get(rule_id)
        condition, text = rule_rows.worded(row)
        channels, labels = rule_rows.told_with(row)
        return RuleEntry(
            rule_id=rule_id,
            title=row.title,
            description=row.description,
            condition=condition,
            condition_text=text,
            threshold=compiled.threshold if compiled else None,
            fields=compiled.fields if compiled else (),
            severity=row.severity,
            channels=channels,
            cooldown_seconds=row.cooldown_seconds,
            repeat_seconds=row.repeat_seconds,
            group_seconds=row.group_seconds,
            labels=labels,
            runbook_url=row.runbook_url,
            monitors=self.targets.get(rule_id, ()),
            decide=rule_rows.deciding(row, compiled, self.tenant),
            announce=AnnouncePolicy(
                row.cooldown_seconds * 1000, row.repeat_seconds * 1000, row.group_seconds * 1000
            ),
            expects=self.expects(rule_id),
            created_at=row.created_at,
            error=self.problems.get(rule_id, (Health.OK, ""))[1],
            ended=self.inactive.get(rule_id, ""),
        )

    def monitor(self, monitor_id: str) -> MonitorEntry:
        """The monitor. NotFound if there is none."""
        if monitor_id not in self.monitors:
            raise NotFound("monitor", monitor_id)
        return self.monitors[monitor_id]

    def expecting(self) -> frozenset[str]:
        """Enabled rules whose absent series matter (`RuleEntry.expects`)."""
        return self._expecting

    @cached_property
    def _expecting(self) -> frozenset[str]:
        return frozenset(rule_id for rule_id in self.targets if self.compiled[rule_id].expects)

    @cached_property
    def spread(self) -> Mapping[str, frozenset[str]]:
        """Rules that several query groups evaluate → the ids of these groups."""
        many = {rule_id for rule_id, monitors in self.targets.items() if len(monitors) > 1}
        found: dict[str, set[str]] = defaultdict(set)
        for group in self.groups if many else ():
            for rule_id in many.intersection(group.rule_ids):
                found[rule_id].add(group.id)
        return {rule_id: frozenset(ids) for rule_id, ids in found.items() if len(ids) > 1}

    def belongs(self, rule_id: str, key: str) -> bool:
        """Whether the series is still one of the rule's: its monitor is, and the key tags are the same, or it stands
        in for a monitor of which nothing was ever seen. If not, close its state with reason `rule changed`."""
        monitor_id, tags = parse_series_key(key)
        monitor = self.monitors.get(monitor_id)
        if monitor is None:
            return False
        like_its_series = monitor.key_tags == tuple(tag for tag, _ in tags)
        if not like_its_series and not (self.expects(rule_id) and key == monitor.stand_in):
            return False
        row, targets = self.rows.get(rule_id), self.targets.get(rule_id, ())
        if row is None or not targets:
            # A rule that has a problem keeps its alerts: an error is no reason to close.
            return row is not None and rule_id in self.problems
        return _matches(row, monitor)

    def expects(self, rule_id: str) -> bool:
        """Whether a series without points can breach the rule."""
        compiled = self.compiled.get(rule_id)
        return bool(compiled and compiled.expects)

    def overdue(self, rule_id: str, monitor_id: str, now: Millis) -> bool:
        """Whether rule and monitor are there for so long that a series of them should have been seen by now."""
        begun = max(self.rows[rule_id].created_at, self.monitors[monitor_id].created_at)
        return now - begun >= self.compiled[rule_id].grace_ms


def _matches(row: RuleRow, monitor: MonitorEntry) -> bool:
    """Whether the rule is about the monitor."""
    if row.selector is None:
        return row.monitor_id == monitor.id
    selector = json.loads(row.selector)
    labels = selector.get("labels") or {}
    return selector.get("kind", "") in ("", monitor.kind) and labels.items() <= monitor.labels.items()


# ------------------------------------------------------------------ making the next book


def updated(book: RuleBook | None, rows: BookRows, *, tenant: str = "default") -> RuleBook:
    """The book with the rows applied: only changed rules and monitors are compiled again, only query groups that
    they touch are made again. None: from nothing."""
    if book is not None and not rows.monitors and not rows.rules:
        # What it has made of its rules is kept with it.
        return book if rows.revision == book.revision else replace(book, revision=rows.revision)
    old = RuleBook(0, tenant, (), {}, {}, {}, {}, {}, {}) if book is None else book
    maker = _Maker(old)
    maker.take_monitors(rows.monitors)
    maker.take_rules(rows.rules)
    maker.resolve()
    return RuleBook(
        rows.revision,
        old.tenant,
        maker.groups(),
        maker.inactive,
        maker.problems,
        maker.monitors,
        maker.rows,
        maker.compiled,
        maker.targets,
    )


@dataclass(frozen=True, slots=True)
class _Problem:
    health: Health
    reason: str


class _Maker:
    """The next book under way: copies of the old one's columns, and what has changed so far."""

    def __init__(self, old: RuleBook) -> None:
        self.old = old
        self.monitors, self.rows = dict(old.monitors), dict(old.rows)
        self.compiled, self.targets = dict(old.compiled), dict(old.targets)
        self.inactive, self.problems = dict(old.inactive), dict(old.problems)
        self.changed: set[str] = set()
        self.dirty: set[GroupKey] = set()
        self.amended: dict[GroupKey, dict[tuple[str, str], Compiled]] = defaultdict(dict)

    def take_monitors(self, rows: Iterable[MonitorRow]) -> None:
        """Put monitors in; the rules on them and all selector rules have changed with them."""
        parsed: dict[str, Any] = {}
        touched: set[str] = set()
        for row in rows:
            touched.add(row.id)
            before = self.monitors.pop(row.id, None)
            if before is not None:
                self.dirty.add(before.group)
            if not row.deleted and (entry := read_monitor(row, parsed)) is not None:
                self.monitors[row.id] = entry
                self.dirty.add(entry.group)
        if touched:
            self.changed.update(
                row.id for row in self.rows.values() if row.selector is not None or row.monitor_id in touched
            )

    def take_rules(self, rows: Iterable[RuleRow]) -> None:
        """Put rules in."""
        made: dict[tuple[object, ...], Compiled | str] = {}
        for row in rows:
            self.rows[row.id] = row
            self.changed.add(row.id)
            self.inactive.pop(row.id, None)
            self.compiled.pop(row.id, None)
            if row.deleted or not row.enabled:
                self.inactive[row.id] = RULE_DELETED if row.deleted else RULE_DISABLED
                continue
            alike = row.condition, row.severity, row.channels, row.labels
            result = made.get(alike)
            if result is None:
                result = made[alike] = rule_rows.compiled(row)
            if isinstance(result, Compiled):
                self.compiled[row.id] = result

    def resolve(self) -> None:
        """Find the monitors of every changed rule."""
        index: MonitorIndex | None = None
        for rule_id in self.changed:
            row = self.rows[rule_id]
            before = self.targets.pop(rule_id, ())
            self.problems.pop(rule_id, None)
            found: tuple[str, ...] | _Problem = ()
            if rule_id in self.compiled:
                if row.selector is not None and index is None:
                    index = MonitorIndex(self.monitors.values())
                found = self._found(row, index)
            elif rule_id not in self.inactive:
                found = _Problem(Health.ERROR, str(rule_rows.compiled(row)))
            if isinstance(found, _Problem):
                self.problems[rule_id] = found.health, found.reason
                found = ()
            elif found:
                self.targets[rule_id] = found
            self._touch(rule_id, before, found)

    def _touch(self, rule_id: str, before: tuple[str, ...], after: tuple[str, ...]) -> None:
        """Note what becomes of the groups of a rule: with the monitors that it had, only its condition is another."""
        if before == after:
            for monitor_id in after:
                self.amended[self.monitors[monitor_id].group][rule_id, monitor_id] = self.compiled[rule_id]
            return
        for monitor_id in {*before, *after}:
            self.dirty.update(_groups(monitor_id, self.old.monitors, self.monitors))

    def _found(self, row: RuleRow, index: MonitorIndex | None) -> "tuple[str, ...] | _Problem":
        if row.selector is None or index is None:
            if row.monitor_id in self.monitors:
                return (row.monitor_id,)
            return _Problem(Health.ERROR, f"monitor {row.monitor_id} does not exist")
        try:
            found = index.matching(json.loads(row.selector))
        except rule_rows.UNREADABLE as error:
            return _Problem(Health.ERROR, f"the stored selector can't be read: {error}")
        return found or _Problem(Health.NO_DATA, "no monitor matches the selector")

    def groups(self) -> tuple[QueryGroup, ...]:
        """The query groups, of which only the dirty ones are laid out again."""
        members: dict[GroupKey, list[Target]] = defaultdict(list)
        monitors, compiled, dirty = self.monitors, self.compiled, self.dirty
        for rule_id, monitor_ids in self.targets.items() if dirty else ():
            for monitor_id in monitor_ids:
                monitor = monitors[monitor_id]
                if monitor.group in dirty:
                    members[monitor.group].append((rule_id, monitor, compiled[rule_id]))
        kept = [self._amended(group) for group in self.old.groups if _key(group) not in dirty]
        made = [lay_out(key, targets) for key, targets in members.items()]
        return tuple(sorted(kept + made, key=_key))

    def _amended(self, group: QueryGroup) -> QueryGroup:
        conditions = self.amended.get(_key(group))
        return amended(group, conditions) if conditions else group


def _key(group: QueryGroup) -> GroupKey:
    return group.source, group.database, group.measurement


def _groups(monitor_id: str, *books: Mapping[str, MonitorEntry]) -> set[GroupKey]:
    return {book[monitor_id].group for book in books if monitor_id in book}
