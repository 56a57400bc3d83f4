"""Rules bound to their monitors and laid out in columns, and the same again once rows have changed.

Pure: it is given rows and never reads a database. No pydantic here: conditions were validated when they were
written. A rule that can't be compiled or has no monitor is a problem of its own and stops nobody else.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared import rule_rows
from shared.amend import amended
from shared.layout import GroupKey, MonitorEntry, MonitorIndex, Target, lay_out, read_monitor
from shared.model import BookRows, Health, MonitorRow, RuleRow
from shared.plan import Compiled, QueryGroup

RULE_DELETED = "rule deleted"
RULE_DISABLED = "rule disabled"


@dataclass(frozen=True)
class Binding:
    """All rules and monitors of one revision, by id."""

    groups: tuple[QueryGroup, ...] = ()
    inactive: Mapping[str, str] = field(default_factory=dict)
    """Deleted and disabled rules → the reason to close their open alerts with."""
    problems: Mapping[str, tuple[Health, str]] = field(default_factory=dict)
    """Enabled rules that no group evaluates (can't be compiled, no such monitor, no monitor matches), and why."""
    monitors: Mapping[str, MonitorEntry] = field(default_factory=dict, repr=False)
    rows: Mapping[str, RuleRow] = field(default_factory=dict, repr=False)
    compiled: Mapping[str, Compiled] = field(default_factory=dict, repr=False)
    """Enabled rules that could be compiled."""
    targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    """Enabled rules that are evaluated → their monitors."""


def rebound(old: Binding, rows: BookRows) -> Binding:
    """The binding with the rows applied: only changed rules and monitors are compiled again, only query groups that
    they touch are made again."""
    maker = _Maker(old)
    maker.take_monitors(rows.monitors)
    maker.take_rules(rows.rules)
    maker.resolve()
    return Binding(
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
    """The next binding under way: copies of the old one's columns, and what has changed so far."""

    def __init__(self, old: Binding) -> None:
        self.old = old
        self.monitors, self.rows = dict(old.monitors), dict(old.rows)
        self.compiled, self.targets = dict(old.compiled), dict(old.targets)
        self.inactive, self.problems = dict(old.inactive), dict(old.problems)
        # In order, because rows that lie together in memory are read together faster.
        self.changed: dict[str, None] = {}
        self.dirty: set[GroupKey] = set()
        self.amended: dict[GroupKey, dict[tuple[str, str], Compiled]] = defaultdict(dict)

    def take_monitors(self, rows: Iterable[MonitorRow]) -> None:
        """Put monitors in; the rules on them and all selector rules have changed with them."""
        alike: dict[tuple[str, ...], Any] = {}
        touched: set[str] = set()
        for row in rows:
            touched.add(row.id)
            before = self.monitors.pop(row.id, None)
            if before is not None:
                self.dirty.add(before.group)
            if not row.deleted and (entry := read_monitor(row, alike)) is not None:
                self.monitors[row.id] = entry
                self.dirty.add(entry.group)
        if touched:
            concerned = (
                row.id for row in self.rows.values() if row.selector is not None or row.monitor_id in touched
            )
            self.changed.update(dict.fromkeys(concerned))

    def take_rules(self, rows: Iterable[RuleRow]) -> None:
        """Put rules in."""
        # Many rules have a condition in common, and most have their channels and labels.
        made: dict[tuple[str, int], Compiled | None] = {}
        told: dict[tuple[str | None, str], bool] = {}
        for row in rows:
            self.rows[row.id] = row
            self.changed[row.id] = None
            self.inactive.pop(row.id, None)
            self.compiled.pop(row.id, None)
            if row.deleted or not row.enabled:
                self.inactive[row.id] = RULE_DELETED if row.deleted else RULE_DISABLED
                continue
            condition, telling = (row.condition, row.severity), (row.channels, row.labels)
            if condition not in made:
                made[condition] = rule_rows.compiled(row)
            if telling not in told:
                told[telling] = rule_rows.can_tell(row)
            result = made[condition]
            if result is not None and told[telling]:
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
                found = _Problem(Health.ERROR, rule_rows.trouble(row))
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
        for monitor_id in before + after:
            for monitors in (self.old.monitors, self.monitors):
                if monitor_id in monitors:
                    self.dirty.add(monitors[monitor_id].group)

    def _found(self, row: RuleRow, index: MonitorIndex | None) -> tuple[str, ...] | _Problem:
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
