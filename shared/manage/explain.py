"""Why a rule did or did not fire and tell: how it stands, what keeps it from firing or telling, and one series' story.

Reads only. When the metrics can't be read, the explanation says so and goes on with what the database knows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared import conditions
from shared.backtest import Past, Proposal, traced
from shared.backtest.findings import Found
from shared.backtest.trace import Traced
from shared.doubts import Doubt, doubts_of_points
from shared.errors import InvalidInput, QueryFailed, Unavailable
from shared.manage import channels, why
from shared.manage.backtest import known_series, pace, proposal
from shared.manage.doubting import doubts_about
from shared.manage.ports import Ports
from shared.manage.story import SeriesStory, chosen, story_of
from shared.model import Health, Millis, Rule, SeriesState
from shared.series import series_text
from shared.store import histories, monitors, rules, standings
from shared.store.engine import Tx
from shared.store.standings import RuleStanding

SLOTS = 20
MOST_SLOTS = 500
MOST_LISTED = 50
_LEAST_WARM_UP_MS = 3_600_000
_DEADLINE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class SeriesStanding:
    """One series of a rule whose state is not plainly ok. `since` is the slot in which this state began."""

    key: str
    name: str
    state: str
    since: Millis
    level: int
    value: float | None
    text: str
    held_by: str


@dataclass(frozen=True, slots=True)
class Explained:
    """A rule: in words, how it does, why it may never fire, what keeps it from firing or telling at all, its active
    series and the names of the others (the first ones), and the story of one. `trouble` is why the last slots can't
    be shown; `replayed_from` is where looking back began, with nothing known."""

    rule: Rule
    condition_text: str
    monitor: str
    standing: RuleStanding
    told_on: tuple[str, ...]
    doubts: tuple[Doubt, ...]
    obstacles: tuple[str, ...]
    series_count: int
    active: tuple[SeriesStanding, ...]
    story: SeriesStory | None
    others: tuple[str, ...]
    replayed_from: Millis
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the database knows. `names` are of all series that the rule ever saw, by key."""

    rule: Rule
    monitor: str
    standing: RuleStanding
    fields: list[Mapping[str, str]]
    ever_seen: bool
    names: dict[str, str]
    states: Mapping[str, SeriesState]
    proposal: Proposal | None
    trouble: str


def explain_rule(
    ports: Ports, wanted: str, *, series: str = "", slots: int = SLOTS, now: Millis
) -> Explained:
    """Explain a rule (id or title), and one of its `series`, by key or name (`host=a`); else the one that is worst.

    Raises NotFound for an unknown rule, InvalidInput for an unknown series.
    """
    if not 1 <= slots <= MOST_SLOTS:
        raise InvalidInput("slots", slots, f"expected 1 to {MOST_SLOTS}")
    rule = ports.store.read(lambda tx: rules.find(tx, wanted))
    past = _past(ports, rule, slots, now)
    stored = ports.store.read(lambda tx: _stored(tx, rule, past))
    first = (now // past.interval_ms - slots + 1) * past.interval_ms
    found, traces, trouble = _replayed(ports, stored, past, first)
    names = stored.names | {one.key: one.name for one in (found.series if found else ())}
    key = chosen(series, names, stored.states, traces)
    story = None
    if key is not None:
        state = stored.states.get(key)
        story = ports.store.read(
            lambda tx: story_of(
                tx, rule, key, names[key], state, tuple(traces.get(key, ())), past.interval_ms, now
            )
        )
    active = [state for state in stored.states.values() if state.active]
    return Explained(
        rule=rule,
        condition_text=conditions.describe(rule.condition),
        monitor=stored.monitor,
        standing=stored.standing,
        told_on=tuple(channel.name for channel in ports.channels.for_rule(rule.channels)),
        doubts=_doubts(stored, found),
        obstacles=tuple(_obstacles(ports, stored)),
        series_count=len(names),
        active=tuple(_standing(state, names) for state in active[:MOST_LISTED]),
        story=story,
        others=tuple(sorted(name for other, name in names.items() if other != key)[:MOST_LISTED]),
        replayed_from=past.start,
        trouble=trouble,
    )


# ------------------------------------------------------------------ gathering


def _past(ports: Ports, rule: Rule, slots: int, now: Millis) -> Past:
    """The slots to show and as many before them as their outcome may depend on."""
    made = conditions.compiled(rule.condition, rule.severity)
    longest = max((ask.before_ms + ask.window_ms for ask in made.asks), default=0)
    before = made.for_ms + made.keep_firing_ms + made.grace_ms + longest + rule.cooldown_seconds * 1000
    found = pace(ports)
    start = now - slots * found.interval_ms - max(before, _LEAST_WARM_UP_MS)
    return Past(start, now + 1, found.interval_ms, found.lateness_ms)


def _stored(tx: Tx, rule: Rule, past: Past) -> _Stored:
    states = {state.key: state for state in histories.states_of(tx, rule.id)}
    seen = [one.key for one in histories.seen_series(tx, rule.id)]
    made, trouble = None, ""
    try:
        made = proposal(tx, rule, known_series(tx, rule, past), past)
    except InvalidInput as error:
        trouble = error.valid
    ids = [monitor.id for monitor in made.monitors] if made else []
    fields = histories.monitor_fields(tx, ids)
    name = monitors.names(tx, [rule.monitor_id]).get(rule.monitor_id, "") if rule.monitor_id else ""
    return _Stored(
        rule,
        name or f"{len(ids)} monitors",
        standings.standings(tx, [rule.id])[rule.id],
        [fields.get(monitor_id, {}) for monitor_id in ids],
        bool(seen),
        {key: series_text(key, name) for key in (*seen, *states)},
        states,
        made,
        trouble,
    )


def _replayed(
    ports: Ports, stored: _Stored, past: Past, since: Millis
) -> tuple[Found | None, Mapping[str, Sequence[Traced]], str]:
    """What looking back finds and each series' slots from `since` on; or why it can't be done."""
    if stored.proposal is None:
        return None, {}, stored.trouble
    try:
        found, traces = traced(ports, stored.proposal, past, since, deadline_seconds=_DEADLINE_SECONDS)
    except (QueryFailed, Unavailable, InvalidInput) as error:
        return None, {}, str(error)
    return found, traces, ""


# ------------------------------------------------------------------ in words


def _standing(state: SeriesState, names: Mapping[str, str]) -> SeriesStanding:
    since = state.fired_at or state.since if state.level else state.ended_at
    name = names.get(state.key, "")
    held = state.held_by if state.owes else ""
    return SeriesStanding(
        state.key, name, state.phase.value, since, state.level, state.value, state.text, held
    )


def _doubts(stored: _Stored, found: Found | None) -> tuple[Doubt, ...]:
    rule = stored.rule
    series = found.series if found else ()
    points = [one.point_ms for one in series if one.point_ms]
    seen = stored.ever_seen or any(one.readings for one in series)
    return (
        *doubts_about(rule, stored.standing, stored.fields, seen),
        *doubts_of_points(rule.condition, rule.severity, min(points) if points else None),
    )


def _obstacles(ports: Ports, stored: _Stored) -> list[str]:
    """What keeps the whole rule from being evaluated or told."""
    found = []
    if not stored.rule.enabled:
        found.append("It is disabled: it is not evaluated, and its alerts are closed.")
    nobody = channels.warning(ports.channels, stored.rule.channels)
    if nobody:
        found.append(f"{nobody[:1].upper()}{nobody[1:]}.")
    health = stored.standing
    if health.health == Health.ERROR.value:
        found.append(
            f"It has not been evaluated since {why.moment(health.health_since)}, and its states stay as they are: "
            f"{health.health_reason}."
        )
    return found
