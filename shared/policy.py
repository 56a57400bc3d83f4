"""What a rule says about deciding and about telling, and the rule as messages need it.

Made by the rule book, read by the pure core; durations are milliseconds. No behaviour lives here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

NoData = Literal["keep", "alert", "ok"]

GONE_AFTER_MS = 3_600_000
"""How long a firing series may send nothing before its alert closes with reason `gone`."""

FLAP_CHANGES = 5
"""A series flaps when it changes more often than this within FLAP_WINDOW_MS."""

FLAP_WINDOW_MS = 15 * 60_000
FLAP_SETTLE_MS = 5 * 60_000
"""A flapping series has settled after this long without a change."""


@dataclass(frozen=True, slots=True)
class DecidePolicy:
    """How one rule's series change state. `severity` is the level of an alert about missing data."""

    rule_id: str
    tenant: str = "default"
    for_ms: int = 0
    keep_firing_ms: int = 0
    no_data: NoData = "keep"
    severity: int = 2
    gone_after_ms: int = GONE_AFTER_MS


@dataclass(frozen=True, slots=True)
class AnnouncePolicy:
    """How often one rule may tell. `repeat_ms` 0: no reminders. `group_ms` 0: every slot tells what it has."""

    cooldown_ms: int = 300_000
    repeat_ms: int = 0
    group_ms: int = 60_000
    flap_changes: int = FLAP_CHANGES
    flap_window_ms: int = FLAP_WINDOW_MS
    flap_settle_ms: int = FLAP_SETTLE_MS


@dataclass(frozen=True, slots=True)
class RuleEntry:
    """One rule as decisions and messages need it. `channels` None: the default ones. `monitors` are monitor ids.

    `error` is empty, or why no query group evaluates the rule.
    `expects`: look at the expected series of this rule that are absent in a slot (`Readings.absent`), because for
    them a missing point means something (`no_data: alert`, absence, a count). `created_at` in epoch ms.
    `ended` is empty, or why the rule is
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
    created_at: int = 0
    error: str = ""
    ended: str = ""
