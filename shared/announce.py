"""What is told about one series, what is held, and by what.

Pure: no clock, no I/O. One comparison rules all cases: the present state against what was announced. A hold only
delays that comparison; when the last hold ends and they differ, it is told once. What was never announced is never
resolved.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared import flapping
from shared.model import EventKind, Millis, Phase, SeriesState, Transition
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
    `level` is the severity to show: the present one, or the announced one of a resolve.
    `reason` names why it is told or held; `held_by` is empty, or the hold that keeps something untold.
    `before` is the state as decided with nothing told; `group` falls back to it.
    """

    state: SeriesState
    before: SeriesState
    tell: EventKind | None = None
    reason: str = ""
    held_by: str = ""
    alert_id: str = ""
    level: int = 0
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
    state, settled = flapping.track(policy, state, transitions, now)
    hushed = silenced or bool(state.flapping_since)
    state, ack_ended = _without_ended_ack(state, hushed=hushed, now=now)
    if not silenced and flapping.begins(policy, state, transitions):
        return _tell_flapping(policy, state, now)
    want = _difference(state)
    if want is None:
        calm = replace(state, owes=False, held_by="")
        return _remind(policy, calm, hushed=hushed, ack_ended=ack_ended, now=now)
    hold = _hold(want, state, silenced=silenced, now=now)
    if hold:
        held = replace(state, owes=True, held_by=hold)
        return Announcement(held, held, reason=f"held by {hold}", held_by=hold)
    return _tell(policy, want, state, _why(want, state, transitions, settled), now)


def _difference(state: SeriesState) -> EventKind | None:
    """What would have to be told so that the announced state is the present one."""
    if state.phase is Phase.FIRING:
        if not state.announced or state.announced_alert != state.alert_id:
            return EventKind.FIRING
        # Who acknowledged a level that had fallen below what was told has not seen it rise again.
        risen = state.level > state.announced or 0 < state.acked_level < state.level
        return EventKind.WORSENED if risen else None
    return EventKind.RESOLVED if state.announced else None


def _hold(want: EventKind, state: SeriesState, *, silenced: bool, now: Millis) -> str:
    """The hold that keeps `want` untold in this slot, the one to name first first; empty if there is none."""
    if silenced:
        return SILENCE
    if state.flapping_since:
        return FLAPPING
    if want is EventKind.RESOLVED:
        return ""
    if state.acked_level and state.level <= state.acked_level:
        return ACKNOWLEDGED
    if want is EventKind.FIRING and now < state.cooldown_until:
        return COOLDOWN
    return ""


def _why(want: EventKind, state: SeriesState, transitions: Sequence[Transition], settled: bool) -> str:
    if settled:
        return f"{FLAPPING} ended"
    if transitions or not state.held_by:
        return state.reason if want is not EventKind.WORSENED else "level rose"
    return f"{state.held_by} ended"


def _tell(
    policy: AnnouncePolicy, want: EventKind, state: SeriesState, reason: str, now: Millis
) -> Announcement:
    """Commit the present state as the announced one."""
    told = replace(state, owes=False, held_by="", reminded_at=0)
    if want is EventKind.RESOLVED:
        after = replace(told, announced=0, announced_alert="", announced_at=now)
        return Announcement(
            after,
            state,
            want,
            reason,
            "",
            state.announced_alert,
            state.announced,
            closes=state.announced_alert,
        )
    after = replace(
        told,
        announced=state.level,
        announced_alert=state.alert_id,
        announced_at=now,
        acked_level=0,
        acked_until=0,
        cooldown_until=state.cooldown_until if want is EventKind.WORSENED else now + policy.cooldown_ms,
    )
    return Announcement(
        after, state, want, reason, "", state.alert_id, state.level, closes=_superseded(state)
    )


def _superseded(state: SeriesState) -> str:
    """The earlier alert that was announced and whose resolve nobody was told."""
    return state.announced_alert if state.announced and state.announced_alert != state.alert_id else ""


def _remind(
    policy: AnnouncePolicy, state: SeriesState, *, hushed: bool, ack_ended: bool, now: Millis
) -> Announcement:
    """Say again what was announced: when it is time, or when nobody has it in hand any more."""
    due = policy.repeat_ms and now >= max(state.announced_at, state.reminded_at) + policy.repeat_ms
    if state.phase is not Phase.FIRING or not (due or ack_ended):
        return Announcement(state, state)
    reminded = replace(state, reminded_at=now)
    # A skipped reminder counts as given: the next one is a whole interval away, not due when the hold ends.
    if hushed or state.acked_level:
        return Announcement(reminded, reminded, reason="reminder skipped")
    # It names the present level, so that is the one from which a rise is news.
    after = replace(reminded, announced=state.level)
    reason = "acknowledgement ended" if ack_ended else "reminder due"
    return Announcement(after, state, EventKind.REMINDER, reason, "", state.alert_id, state.level)


def _without_ended_ack(state: SeriesState, *, hushed: bool, now: Millis) -> tuple[SeriesState, bool]:
    """An acknowledgement ends with its alert, or at its own end (second result: it just did, the alert lives on).

    Its end is to be told, so while nothing may be told it stays.
    """
    if not state.acked_level:
        return state, False
    expired = bool(state.acked_until) and now >= state.acked_until
    if state.phase is Phase.FIRING and (not expired or hushed):
        return state, False
    return replace(state, acked_level=0, acked_until=0), state.phase is Phase.FIRING


def _tell_flapping(policy: AnnouncePolicy, state: SeriesState, now: Millis) -> Announcement:
    """One message that names the present state, which thereby is the announced one."""
    firing = state.phase is Phase.FIRING
    about = state.alert_id or state.announced_alert  # a pending series has no alert of its own yet
    closes = _superseded(state) if firing else (state.announced_alert if state.announced else "")
    after = replace(
        state,
        flapping_since=now,
        owes=False,
        held_by="",
        announced=max(state.level, state.announced if not closes else 0) if firing else 0,
        announced_alert=state.alert_id if firing else "",
        announced_at=now,
        reminded_at=0,
        acked_level=0,
        acked_until=0,
        cooldown_until=now + policy.cooldown_ms if firing else state.cooldown_until,
    )
    level = state.level if firing else state.announced
    return Announcement(after, state, EventKind.FLAPPING, "flapping began", "", about, level, closes=closes)


# ------------------------------------------------------------------ grouping

_ORDER = (EventKind.FLAPPING, EventKind.WORSENED, EventKind.FIRING, EventKind.RESOLVED, EventKind.REMINDER)


def group(
    policy: AnnouncePolicy, announcements: Sequence[Announcement], grouped_until: Millis, now: Millis
) -> Grouped:
    """Join the announcements of one rule in one slot into one notification per kind.

    The first firing goes out at once and opens a window of `policy.group_ms`; further firings inside it wait (their
    state goes back to untold, `held_by` grouped) and join one message when it ends. `grouped_until` is the end of
    the rule's window, 0 for none; store the returned one in `rule_status`.
    """
    waiting = now < grouped_until
    quiet: list[Announcement] = []
    by_kind: dict[EventKind, list[Announcement]] = {kind: [] for kind in _ORDER}
    for announcement in announcements:
        if announcement.tell is None:
            quiet.append(announcement)
        elif waiting and announcement.tell is EventKind.FIRING:
            quiet.append(_wait(announcement))
        else:
            by_kind[announcement.tell].append(announcement)
    told = tuple(Told(kind, tuple(members)) for kind, members in by_kind.items() if members)
    if by_kind[EventKind.FIRING]:
        grouped_until = now + policy.group_ms
    return Grouped(told, tuple(quiet), grouped_until)


def _wait(announcement: Announcement) -> Announcement:
    held = replace(announcement.before, owes=True, held_by=GROUPED)
    return Announcement(held, held, reason=f"held by {GROUPED}", held_by=GROUPED)
