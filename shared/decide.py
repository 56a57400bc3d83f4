"""The state machine of one series: (policy, state, reading, now) -> state and transitions. DESIGN 3.3, *State*.

Pure: no clock, no I/O, nothing about telling (that is `announce`). The same function serves live ticks, previews and
backtests. Times are slots, so durations hold across skipped ticks.
"""

import hashlib
from dataclasses import replace

from shared.model import Change, Millis, Phase, Reading, SeriesState, Transition
from shared.policy import DecidePolicy

Decision = tuple[SeriesState, tuple[Transition, ...]]

RECOVERED = "recovered"
NO_DATA = "no_data"
GONE = "gone"
BREACH = "breach"


def decide(policy: DecidePolicy, state: SeriesState, reading: Reading, now: Millis) -> Decision:
    """The series' next state, and what happened on the way.

    `now` is the slot; a slot that isn't newer than `state.slot` changes nothing. A reading with `error` changes
    nothing but the slot. Missing readings follow `policy.no_data`.
    """
    raise NotImplementedError


def close(state: SeriesState, reason: str, now: Millis) -> Decision:
    """End the series because its rule ended (`rule deleted`, `rule disabled`, `rule changed`): firing resolves with
    that reason, pending is dropped, ok stays as it is."""
    raise NotImplementedError


def alert_id(tenant: str, rule_id: str, series_id: str, fired_at: Millis) -> str:
    """The id of the alert of this episode: the same whoever computes it and however often."""
    text = f"{tenant}\n{rule_id}\n{series_id}\n{fired_at}"
    return "alert_" + hashlib.sha256(text.encode()).hexdigest()[:20]


_ = (replace, Change, Phase)
