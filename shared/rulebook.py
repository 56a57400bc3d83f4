"""The rule book: every rule and monitor of one tenant, as decisions and messages ask for them, by revision.

Pure: it is given rows and never reads a database. `binding` compiles them.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from shared import rule_rows
from shared.binding import Binding, rebound
from shared.errors import NotFound
from shared.layout import MonitorEntry
from shared.model import BookRows, Health, Millis, RuleRow
from shared.policy import AnnouncePolicy, RuleEntry
from shared.series import parse_series_key

__all__ = ["MonitorEntry", "RuleBook", "RuleEntry", "updated"]

RULE_CHANGED = "rule changed"


@dataclass(frozen=True)
class RuleBook(Binding):
    """All rules and monitors of one tenant at one revision. Immutable; `updated` makes the next one."""

    revision: int = 0
    tenant: str = "default"
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


def updated(book: RuleBook | None, rows: BookRows, *, tenant: str = "default") -> RuleBook:
    """The book with the rows applied, at the cost of what has changed. None: from nothing."""
    if book is not None and not rows.monitors and not rows.rules:
        # What it has made of its rules is kept with it.
        return book if rows.revision == book.revision else replace(book, revision=rows.revision)
    old = RuleBook(tenant=tenant) if book is None else book
    return RuleBook(**vars(rebound(old, rows)), revision=rows.revision, tenant=old.tenant)
