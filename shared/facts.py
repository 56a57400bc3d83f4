"""What the messages of a tick say about rule, monitor and alerts, from the rule book and what is announced.

No query and no write: what `compose` freezes is put together here from what the commit has read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from shared import compose
from shared.announce import Announcement
from shared.errors import NotFound
from shared.model import EventKind, MonitorFacts, Phase, RuleFacts, SeriesState
from shared.rulebook import RuleBook, RuleEntry
from shared.series import parse_series_key
from shared.store import alerts


def earlier(said: Iterable[Announcement]) -> list[str]:
    """The alerts that something is told about although their series is further on: a hold has kept it till now."""
    return sorted(
        {i for one in said for i in (one.alert_id, one.closes) if i not in ("", one.before.alert_id)}
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """How a notification says where its series are: by its one monitor, or by a name before each series."""

    monitor: MonitorFacts
    names: Mapping[str, str]


def shown(book: RuleBook, told: Sequence[Announcement]) -> Shown:
    """The monitor that these announcements share, or the names of theirs."""
    monitors = {monitor_id: _monitor_facts(book, monitor_id) for monitor_id in map(_monitor_id, told)}
    if len(monitors) == 1:
        return Shown(next(iter(monitors.values())), {})
    return Shown(MonitorFacts(), {name: facts.name or name for name, facts in monitors.items()})


def _monitor_id(said: Announcement) -> str:
    return parse_series_key(said.state.key)[0]


def told_alerts(
    kind: EventKind, announcement: Announcement, names: Mapping[str, str], past: Mapping[str, alerts.Episode]
) -> list[compose.Told]:
    """The alert that is told, and an earlier one of the same series whose end nobody was told."""
    state = _as_of(announcement.before, past.get(announcement.alert_id))
    name = names.get(_monitor_id(announcement), "")
    told = compose.Told(
        state,
        name,
        announcement.alert_id,
        kind,
        announcement.level,
        state.reason if kind is EventKind.RESOLVED else announcement.reason,
        state.ended_at if state.phase is Phase.OK else None,
    )
    if announcement.closes in ("", announcement.alert_id):
        return [told]
    before = _as_of(announcement.before, past.get(announcement.closes))
    ended = before.ended_at or before.slot
    closed = compose.Told(
        before, name, announcement.closes, EventKind.RESOLVED, before.announced, "fired again", ended
    )
    return [told, closed]


def _as_of(state: SeriesState, episode: alerts.Episode | None) -> SeriesState:
    """The state as that earlier episode left it; for the present one as it is."""
    if episode is None or episode.resolved_at is None:
        return state
    return replace(
        state,
        phase=Phase.OK,
        since=episode.started_at,
        fired_at=episode.fired_at,
        ended_at=episode.resolved_at,
        reason=episode.reason,
    )


def rule_facts(entry: RuleEntry) -> RuleFacts:
    """The rule as it is now."""
    return RuleFacts(
        id=entry.rule_id,
        title=entry.title,
        description=entry.description,
        condition=dict(entry.condition),
        condition_text=entry.condition_text,
        threshold=entry.threshold,
        runbook_url=entry.runbook_url,
        labels=dict(entry.labels),
    )


def _monitor_facts(book: RuleBook, monitor_id: str) -> MonitorFacts:
    try:
        monitor = book.monitor(monitor_id)
    except NotFound:  # it was deleted, and what it left behind is being closed
        return MonitorFacts(id=monitor_id)
    return MonitorFacts(
        id=monitor.id, name=monitor.name, measurement=monitor.measurement, labels=dict(monitor.labels)
    )
