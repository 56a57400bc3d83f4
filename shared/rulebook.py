"""The rule book: every rule and monitor of one tenant, compiled into columns, kept up to date by revision.

Pure: it is given rows and never reads a database. No pydantic here: conditions were validated when they were
written. A row that can't be compiled becomes an entry with `error` and stops nobody else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.model import BookRows, Health
from shared.plan import QueryGroup
from shared.policy import AnnouncePolicy, DecidePolicy


@dataclass(frozen=True, slots=True)
class MonitorEntry:
    """One monitor of the book. `where` maps a tag to its one value or its alternatives."""

    id: str
    name: str
    source: str
    database: str
    measurement: str
    where: Mapping[str, tuple[str, ...]]
    key: tuple[str, ...]
    kind: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RuleEntry:
    """One rule as decisions and messages need it. `channels` None: the default ones. `monitors` are monitor ids.

    `error` is empty, or why the rule can't be evaluated (then policies are the defaults and `fields` is empty).
    `expects`: look at the expected series of this rule that are absent in a slot (`Readings.absent`), because for
    them a missing point means something (`no_data: alert`, absence, a count). `ended` is empty, or why the rule is
    no longer evaluated: `rule deleted` or `rule disabled`.
    """

    rule_id: str
    title: str
    description: str
    condition: Mapping[str, Any]
    condition_text: str
    threshold: float | None
    fields: tuple[str, ...]
    severity: int
    channels: tuple[str, ...] | None
    cooldown_seconds: int
    repeat_seconds: int
    group_seconds: int
    labels: Mapping[str, str]
    runbook_url: str
    monitors: tuple[str, ...]
    decide: DecidePolicy
    announce: AnnouncePolicy
    expects: bool = False
    error: str = ""
    ended: str = ""


@dataclass(frozen=True)
class RuleBook:
    """All rules and monitors at one revision. Immutable; `updated` makes the next one."""

    revision: int
    groups: tuple[QueryGroup, ...]
    inactive: Mapping[str, str]
    """Deleted and disabled rules → the reason to close their open alerts with; `entry` still knows them."""
    problems: Mapping[str, tuple[Health, str]]
    """Enabled rules that no group evaluates (can't be compiled, no such monitor, no monitor matches), and why."""

    def __len__(self) -> int:
        """How many rules are enabled."""
        raise NotImplementedError

    def entry(self, rule_id: str) -> RuleEntry:
        """The rule; made when first asked for. NotFound if the book never saw it."""
        raise NotImplementedError

    def monitor(self, monitor_id: str) -> MonitorEntry:
        """The monitor. NotFound if there is none."""
        raise NotImplementedError

    def expecting(self) -> frozenset[str]:
        """Enabled rules whose absent series matter (`RuleEntry.expects`)."""
        raise NotImplementedError

    def belongs(self, rule_id: str, series_key: str) -> bool:
        """Whether the series is still one of the rule's: its monitor is, and the key tags are the same. If not,
        close its state with reason `rule changed`."""
        raise NotImplementedError


def updated(book: RuleBook | None, rows: BookRows, *, tenant: str = "default") -> RuleBook:
    """The book with the rows applied: only changed rules and monitors are compiled again, only query groups that
    they touch are laid out again. None: from nothing."""
    raise NotImplementedError
