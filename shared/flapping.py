"""When a series changes too often to tell each change, and when it has settled.

Pure: no clock, no I/O. What is said about it is `announce`.
"""

from collections.abc import Sequence
from dataclasses import replace

from shared.model import Change, Millis, Phase, SeriesState, Transition
from shared.policy import AnnouncePolicy

_CHANGES = (Change.FIRED, Change.WORSENED, Change.RESOLVED)
_KEPT_CHANGES = 20


def track(
    policy: AnnouncePolicy, state: SeriesState, transitions: Sequence[Transition], now: Millis
) -> tuple[SeriesState, bool]:
    """Record changes, forget old ones, and end flapping when it has settled (second result: it just did)."""
    changes = state.changes + tuple(step.at for step in transitions if step.change in _CHANGES)
    recent = tuple(at for at in changes if at > now - policy.flap_window_ms)[-_KEPT_CHANGES:]
    if state.flapping_since and now - max((state.flapping_since, *changes)) >= policy.flap_settle_ms:
        # What led to flapping was told; the next change after it is news again.
        return replace(state, flapping_since=0, changes=()), True
    return replace(state, changes=recent) if recent != state.changes else state, False


def begins(policy: AnnouncePolicy, state: SeriesState, transitions: Sequence[Transition]) -> bool:
    """Whether the series flaps from now on, and there is somebody to whom that is news.

    It is none while the alert is acknowledged at this level, nor about a series that is pending, or ok for a while
    already, and of which nothing is announced: a silence has hidden all of it.
    """
    if state.flapping_since or len(state.changes) <= policy.flap_changes:
        return False
    if state.phase is Phase.FIRING:
        return not 0 < state.level <= state.acked_level
    return bool(state.announced) or (state.phase is Phase.OK and bool(transitions))
