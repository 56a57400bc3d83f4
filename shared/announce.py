"""What is told about one series, what is held, and by what: DESIGN 3.3, *Telling*.

Pure: no clock, no I/O. One comparison rules all cases: the present state against what was announced. A hold only
delays that comparison; when the last hold ends and they differ, it is told once. What was never announced is never
resolved.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.model import EventKind, Millis, SeriesState, Transition
from shared.policy import AnnouncePolicy

COOLDOWN = "cooldown"
SILENCE = "silence"
ACKNOWLEDGED = "acknowledged"
FLAPPING = "flapping"
GROUPED = "grouped"


@dataclass(frozen=True, slots=True)
class Announcement:
    """The outcome for one series in one slot.

    `state` is what to store when this is committed (telling fields updated); `tell` is what to say, or None.
    `alert_id` is the alert that `tell` is about; `closes` is the announced alert that ends with it: the same one for
    RESOLVED, an earlier one when a new alert is told whose predecessor's resolve was still held, else empty.
    `reason` names why it is told or held; `held_by` is empty, or the hold that keeps something untold.
    `before` is the state as decided with nothing told; `group` falls back to it.
    """

    state: SeriesState
    before: SeriesState
    tell: EventKind | None = None
    reason: str = ""
    held_by: str = ""
    alert_id: str = ""
    closes: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """One notification to make: a kind, and the series that join in it (in the order they were given)."""

    kind: EventKind
    announcements: tuple[Announcement, ...]


@dataclass(frozen=True, slots=True)
class Grouped:
    """What one rule tells in one slot. `quiet` are all announcements that say nothing now (held ones included)."""

    told: tuple[Told, ...]
    quiet: tuple[Announcement, ...]
    grouped_until: Millis


def announce(
    policy: AnnouncePolicy,
    state: SeriesState,
    transitions: Sequence[Transition],
    *,
    silenced: bool,
    now: Millis,
) -> Announcement:
    """Compare the state (as `decide` left it) with what was announced, and tell or hold the difference.

    Call it for every active series in every slot, with no transitions when nothing happened: a hold that ends is
    noticed here. Acknowledging is `acked_level`/`acked_until` in the state; it ends with the alert.
    """
    raise NotImplementedError


def group(
    policy: AnnouncePolicy, announcements: Sequence[Announcement], grouped_until: Millis, now: Millis
) -> Grouped:
    """Join the announcements of one rule in one slot into one notification per kind.

    The first firing goes out at once and opens a window of `policy.group_ms`; further firings inside it wait (their
    state goes back to untold, `held_by` grouped) and join one message when it ends. `grouped_until` is the end of
    the rule's window, 0 for none; store the returned one in `rule_status`.
    """
    raise NotImplementedError
