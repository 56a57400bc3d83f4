"""What a rule says about deciding and about telling: the numbers that `decide` and `announce` work with.

Made by the rule book, read by the pure core; durations are milliseconds. No behaviour lives here.
"""

from dataclasses import dataclass
from typing import Literal

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
