"""Why a series is told or not told now, and what comes next, in plain sentences. Pure: states in, words out.

Times are UTC to the second, because whoever reads this may be anywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.announce import COOLDOWN, GROUPED
from shared.conditions._options import duration
from shared.model import Millis, Phase, SeriesState, Severity
from shared.policy import AnnouncePolicy, DecidePolicy


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the sentences about one series need besides its state. `grouped_until` is of the rule. `silences` are
    (id, reason, until) of those that hold over it now. `acked_by` and `ack_note` are of its alert."""

    deciding: DecidePolicy
    announcing: AnnouncePolicy
    interval_ms: int
    grouped_until: Millis = 0
    silences: Sequence[tuple[str, str, Millis]] = ()
    acked_by: str = ""
    ack_note: str = ""
    missing: str = ""


def moment(time: Millis) -> str:
    """`2030-01-31 12:03:30Z`; milliseconds that no calendar knows stay a number."""
    try:
        return f"{datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"
    except (ValueError, OverflowError, OSError):
        return f"{time} ms"


def situation(state: SeriesState) -> str:
    """What the series is now, in one sentence."""
    if state.phase is Phase.FIRING:
        level = Severity(max(state.level, 1)).word
        return (
            f"It has been firing ({level}) since {moment(state.fired_at)}; "
            f"it first breached at {moment(state.since)}."
        )
    if state.phase is Phase.PENDING:
        return f"It has been pending since {moment(state.since)}: it breaches, but not for long enough yet."
    if state.ended_at:
        return f"It has been ok since {moment(state.ended_at)} ({state.reason})."
    return "It is ok, and has never fired."


def holds(state: SeriesState, around: Circumstances, now: Millis) -> list[str]:
    """Everything that keeps something about this series from being told now; empty when nothing does."""
    found = []
    for silence_id, reason, ends in around.silences:
        found.append(f"It is silenced until {moment(ends)} by {silence_id} ({reason}).")
    if state.acked_level and (not state.acked_until or now < state.acked_until):
        until = f" until {moment(state.acked_until)}" if state.acked_until else ""
        who, note = around.acked_by or "somebody", f" ({around.ack_note})" if around.ack_note else ""
        found.append(f"It is acknowledged by {who}{until}{note}: not told again until it worsens or ends.")
    if state.flapping_since:
        calm = duration(around.announcing.flap_settle_ms / 1000)
        since = moment(state.flapping_since)
        found.append(f"It changes too often (since {since}): told when it has not changed for {calm}.")
    if now < state.cooldown_until and (state.held_by == COOLDOWN or state.phase is not Phase.FIRING):
        what = "Its firing waits" if state.held_by == COOLDOWN else "A new firing would wait"
        found.append(f"{what} for the cooldown, until {moment(state.cooldown_until)}.")
    if now < around.grouped_until and (state.held_by == GROUPED or not state.announced):
        what = "It waits" if state.held_by == GROUPED else "A firing would wait"
        found.append(
            f"{what} for other series of the rule, to share one message at {moment(around.grouped_until)}."
        )
    return found


def told(state: SeriesState) -> str:
    """What was said of it last."""
    if state.announced and state.announced_alert == state.alert_id:
        level = Severity(state.announced).word
        return f"Its firing was told at {moment(state.announced_at)} ({level})."
    if state.announced:
        return f"An earlier firing was told at {moment(state.announced_at)}, and not yet that it ended."
    if state.phase is Phase.FIRING:
        return "Its firing was not told yet."
    return ""


def next_steps(state: SeriesState, around: Circumstances, now: Millis) -> list[str]:
    """What happens next if the series goes on as it does."""
    deciding, announcing = around.deciding, around.announcing
    found = []
    if state.phase is Phase.PENDING:
        fires = _slot(state.since + deciding.for_ms, around, now)
        found.append(
            f"It fires at {moment(fires)} if it keeps breaching, and is ok again at its first clean value."
        )
    if state.phase is Phase.FIRING and state.clean_since:
        ends = _slot(state.clean_since + deciding.keep_firing_ms, around, now)
        found.append(f"It resolves at {moment(ends)} if it stays clean.")
    elif state.phase is Phase.FIRING and around.missing and deciding.no_data == "keep":
        gone = (state.seen_at or state.since) + deciding.gone_after_ms
        found.append(f"It sends nothing now; it closes as gone at about {moment(gone)} if that lasts.")
    elif state.phase is Phase.FIRING:
        keep = f" for {duration(deciding.keep_firing_ms / 1000)}" if deciding.keep_firing_ms else ""
        found.append(f"It resolves when it is clean{keep}.")
    if state.phase is Phase.FIRING and announcing.repeat_ms and state.announced:
        due = _slot(max(state.announced_at, state.reminded_at) + announcing.repeat_ms, around, now)
        skipped = " (skipped while it is held)" if state.acked_level or state.flapping_since else ""
        found.append(f"The next reminder is due at {moment(due)}{skipped}.")
    if state.phase is Phase.OK and deciding.for_ms:
        found.append(f"It fires once it has breached for {duration(deciding.for_ms / 1000)}.")
    return found


def _slot(time: Millis, around: Circumstances, now: Millis) -> Millis:
    """The first slot at or after a time, and not before the next one."""
    interval = around.interval_ms
    return max(-(-time // interval), now // interval + 1) * interval
