"""The story of one series of a rule: what it is now, how it came to be so, what holds it back, what comes next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared import conditions
from shared.backtest.trace import Traced
from shared.errors import InvalidInput
from shared.manage import checks, why
from shared.manage.backtest import rule_row, silences_of
from shared.model import Millis, Phase, Rule, SeriesState
from shared.policy import AnnouncePolicy
from shared.rule_rows import deciding
from shared.series import parse_series_key, series_id
from shared.silences import Quiet, subject
from shared.store import histories, listing, monitors
from shared.store.engine import Tx
from shared.store.listing import AlertRow, TransitionRow

_STEPS = 20


@dataclass(frozen=True, slots=True)
class SeriesStory:
    """One series: what it is now, its last slots as they are seen again, its stored steps, its open alert, what was
    told of it, what holds something back now, and what comes next."""

    key: str
    name: str
    situation: str
    slots: tuple[Traced, ...]
    steps: tuple[TransitionRow, ...]
    alert: AlertRow | None
    told: str
    holds: tuple[str, ...]
    next: tuple[str, ...]


def chosen(
    wanted: str,
    names: Mapping[str, str],
    states: Mapping[str, SeriesState],
    traces: Mapping[str, Sequence[Traced]],
) -> str | None:
    """The key of the series that is meant; without a wish the one that is worst. None when there is none at all.

    Raises InvalidInput when nothing, or more than one, is called so.
    """
    if not wanted:
        return min(
            names, key=lambda key: _calm(states.get(key), traces.get(key, ()), names[key]), default=None
        )
    if wanted in names:
        return wanted
    exact = [key for key, name in names.items() if name == wanted]
    found = exact or [key for key, name in names.items() if wanted.casefold() in name.casefold()]
    if len(found) == 1:
        return found[0]
    some = ", ".join(sorted(names[key] for key in found or names)[:5])
    if found:
        raise InvalidInput("series", wanted, f"{len(found)} series are called so", f"Some of them: {some}")
    there = f"there are {some}" if some else "no series was ever seen"
    raise InvalidInput("series", wanted, there, checks.meant(wanted, names.values()))


def _calm(state: SeriesState | None, slots: Sequence[Traced], name: str) -> tuple[int, int, str]:
    """Sorts the worst first: by its stored state, then by what was seen last."""
    seen = slots[-1].level if slots else 0
    if state is None or not state.active:
        return 0, -seen, name
    phases = {Phase.FIRING: 20, Phase.PENDING: 10, Phase.OK: 5}
    return -phases[state.phase] - state.level, -seen, name


def story_of(
    tx: Tx,
    rule: Rule,
    key: str,
    name: str,
    state: SeriesState | None,
    slots: tuple[Traced, ...],
    interval_ms: Millis,
    now: Millis,
) -> SeriesStory:
    """Gather and word it. `state` None: the series was never anything but ok."""
    known = state or SeriesState(rule.id, series_id(key), key)
    alert = listing.alert(tx, known.alert_id) if known.phase is Phase.FIRING else None
    around = why.Circumstances(
        deciding(rule_row(rule), conditions.compiled(rule.condition, rule.severity), tx.tenant),
        AnnouncePolicy(rule.cooldown_seconds * 1000, rule.repeat_seconds * 1000, rule.group_seconds * 1000),
        interval_ms,
        histories.grouped_until(tx, rule.id),
        _silences(tx, rule, known, now),
        alert.acked_by if alert else "",
        alert.ack_note if alert else "",
        slots[-1].missing if slots else "",
    )
    return SeriesStory(
        key,
        name,
        why.situation(known),
        slots,
        tuple(histories.steps_of_series(tx, rule.id, known.series_id, _STEPS)),
        alert,
        why.told(known),
        tuple(why.holds(known, around, now)),
        tuple(why.next_steps(known, around, now)) if rule.enabled else (),
    )


def _silences(tx: Tx, rule: Rule, state: SeriesState, now: Millis) -> list[tuple[str, str, Millis]]:
    """The silence that is over this series now, with the end of its present hours."""
    quiet = Quiet(silences_of(tx, now, now + 1), now)
    if not quiet:
        return []
    monitor_id = parse_series_key(state.key)[0]
    labels = monitors.get(tx, monitor_id, deleted=True).labels
    severity = state.level or state.announced or int(rule.severity)
    silence = quiet.over(subject(rule.id, state.key, severity, rule.labels, lambda _id: labels))
    window = silence.window(now) if silence else None
    return [(silence.id, silence.reason, window[1])] if silence and window else []
