"""The state machine of one series: (policy, state, reading, now) -> state and transitions.

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
    """The series' next state, and what happened on the way (at most one transition per slot).

    `now` is the slot; a slot that isn't newer than `state.slot` changes nothing. A reading with `error` decides
    nothing. Missing readings follow `policy.no_data`.

    After an episode `since`, `fired_at`, `ended_at` and `alert_id` still name it, for messages; `level` is 0. The next
    episode overwrites them.
    """
    if now <= state.slot:
        return state, ()
    state = replace(state, slot=now)
    if reading.error:
        return state, ()
    if reading.missing:
        return _missing(policy, state, now)
    state = replace(state, seen_at=now, value=reading.value, text=reading.text)
    if reading.level > 0:
        return _breach(policy, state, reading.level, reading.reason or BREACH, now)
    return _calm(policy, state, reading.recovered, now)


def close(state: SeriesState, reason: str, now: Millis) -> Decision:
    """End the series because its rule ended (`rule deleted`, `rule disabled`, `rule changed`): firing resolves with
    that reason, pending is dropped, ok stays as it is."""
    state = replace(state, slot=max(now, state.slot))
    if state.phase is Phase.FIRING:
        return _end(state, Change.RESOLVED, reason, now)
    if state.phase is Phase.PENDING:
        return _end(state, Change.DROPPED, reason, now)
    return state, ()


def alert_id(tenant: str, rule_id: str, series_id: str, fired_at: Millis) -> str:
    """The id of the alert of this episode: the same whoever computes it and however often."""
    text = f"{tenant}\n{rule_id}\n{series_id}\n{fired_at}"
    return "alert_" + hashlib.sha256(text.encode()).hexdigest()[:20]


def _breach(policy: DecidePolicy, state: SeriesState, level: int, reason: str, now: Millis) -> Decision:
    if state.phase is Phase.FIRING:
        return _still_firing(state, level, reason, now)
    opening = state.phase is Phase.OK
    if opening:
        state = replace(
            state, phase=Phase.PENDING, since=now, fired_at=0, ended_at=0, alert_id="", clean_since=0
        )
    state = replace(state, level=level, reason=reason)
    if now - state.since >= policy.for_ms:
        fired = replace(
            state,
            phase=Phase.FIRING,
            fired_at=now,
            alert_id=alert_id(policy.tenant, state.rule_id, state.series_id, now),
        )
        return fired, (_step(Change.FIRED, fired, reason, now),)
    return state, (_step(Change.PENDING, state, reason, now),) if opening else ()


def _still_firing(state: SeriesState, level: int, reason: str, now: Millis) -> Decision:
    """Breaching while firing: the keep-firing clock stops, the level follows the reading."""
    before = state.level
    state = replace(state, clean_since=0, level=level, reason=reason)
    if level == before:
        return state, ()
    change = Change.WORSENED if level > before else Change.IMPROVED
    return state, (_step(change, state, reason, now),)


def _calm(policy: DecidePolicy, state: SeriesState, recovered: bool, now: Millis) -> Decision:
    """Not breaching. Between threshold and recovery value nothing ends and nothing fires: the value is neither."""
    if state.phase is Phase.OK:
        return state, ()
    if not recovered:
        return replace(state, clean_since=0), ()
    if state.phase is Phase.PENDING:
        return _end(state, Change.DROPPED, RECOVERED, now)
    clean_since = state.clean_since or now
    if now - clean_since >= policy.keep_firing_ms:
        return _end(state, Change.RESOLVED, RECOVERED, now)
    return replace(state, clean_since=clean_since), ()


def _missing(policy: DecidePolicy, state: SeriesState, now: Millis) -> Decision:
    if policy.no_data == "alert":
        # An alert that is open already keeps its level: missing data is no improvement.
        level = state.level if state.phase is Phase.FIRING else policy.severity
        return _breach(policy, replace(state, value=None, text=""), level, NO_DATA, now)
    if state.phase is Phase.OK:
        return state, ()
    if policy.no_data == "ok":
        return close(state, NO_DATA, now)
    if now - (state.seen_at or state.since) >= policy.gone_after_ms:
        return close(state, GONE, now)
    # A run of clean readings is broken by a hole in it.
    return replace(state, clean_since=0), ()


def _end(state: SeriesState, change: Change, reason: str, now: Millis) -> Decision:
    step = _step(change, state, reason, now)
    return replace(state, phase=Phase.OK, level=0, clean_since=0, ended_at=now, reason=reason), (step,)


def _step(change: Change, state: SeriesState, reason: str, now: Millis) -> Transition:
    return Transition(change, reason, state.level, state.value, state.text, now)
