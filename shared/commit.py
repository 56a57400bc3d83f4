"""Shell: one chunk of rules in one transaction: states, alerts, outbox and deliveries, or nothing of it.

The rows of the series are locked and decided upon again inside the transaction, so that an acknowledgement which came
in between is neither lost nor overwritten. Locks are taken in one order: lease, states, counters, alerts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared import compose, facts, telemetry
from shared.advance import Sight, Step, advance
from shared.announce import Announcement, Told, group
from shared.channels import ChannelBook, Destination
from shared.charted import Charts
from shared.events import Event, event_id, notification_event, sign, traced
from shared.model import (
    AlertFacts,
    Change,
    ChannelRef,
    EventKind,
    Millis,
    Notification,
    Phase,
    SeriesState,
)
from shared.rulebook import RuleBook, RuleEntry
from shared.series import parse_series_key
from shared.silences import Quiet
from shared.silencing import silenced
from shared.store import alerts, deliveries, outbox, states, ticks
from shared.store.deliveries import NewDelivery
from shared.store.engine import Tx
from shared.store.states import RuleCounter
from shared.store.ticks import Claim

Chunk = Sequence[tuple[RuleEntry, Sequence[Sight]]]


@dataclass
class Commission:
    """What every chunk of one slot has in common."""

    claimed: Claim
    book: RuleBook
    quiet: Quiet
    channels: ChannelBook
    keys: dict[str, bytes]
    tenant: str
    slot: Millis
    charts: Charts = field(default_factory=dict)
    _destinations: dict[tuple[str, ...] | None, list[Destination]] = field(default_factory=dict)

    def destinations(self, names: tuple[str, ...] | None) -> list[Destination]:
        """Where a rule with these channels is told; looked up once per slot."""
        if names not in self._destinations:
            self._destinations[names] = self.channels.destinations(self.channels.for_rule(names))
        return self._destinations[names]


@dataclass
class Outcome:
    """What one chunk writes; also the count of it."""

    steps: list[tuple[RuleEntry, Step, Announcement]] = field(default_factory=list)
    notifications: list[tuple[Notification, Sequence[AlertFacts], Event]] = field(default_factory=list)
    deliveries: list[NewDelivery] = field(default_factory=list)
    counters: dict[str, RuleCounter] = field(default_factory=dict)
    announced: list[str] = field(default_factory=list)
    past: Mapping[str, alerts.Episode] = field(default_factory=dict)
    """Earlier alerts of a series that something is told about."""

    @property
    def transitions(self) -> int:
        """How many transitions there are."""
        return sum(len(step.transitions) for _, step, _ in self.steps)


def commit_chunk(tx: Tx, commission: Commission, chunk: Chunk) -> Outcome:
    """Decide on the locked rows of these rules and write what follows; raises Fenced when a newer tick took over."""
    ticks.hold(tx, commission.claimed)
    locked = states.some(tx, (sight.ref for _, sights in chunk for sight in sights), lock=True)
    decided = [
        (
            entry,
            [
                advance(
                    entry.decide,
                    entry.announce,
                    locked.get(sight.ref, sight.unknown()),
                    sight,
                    silenced=silenced(commission.quiet, commission.book, entry),
                    now=commission.slot,
                )
                for sight in sights
            ],
        )
        for entry, sights in chunk
    ]
    telling = [entry.rule_id for entry, steps in decided if any(step.announcement.tell for step in steps)]
    counters = states.lock_counters(tx, telling) if telling else {}
    said = [step.announcement for _, steps in decided for step in steps if step.announcement.tell]
    outcome = Outcome(past=alerts.episodes(tx, facts.earlier(said)))
    for entry, steps in decided:
        _tell_rule(commission, entry, steps, counters.get(entry.rule_id), outcome)
    _write(tx, outcome)
    return outcome


def _tell_rule(
    commission: Commission,
    entry: RuleEntry,
    steps: Sequence[Step],
    counter: RuleCounter | None,
    outcome: Outcome,
) -> None:
    """Join what the rule's series tell into notifications, numbered from its counter."""
    if counter is None:
        outcome.steps += [(entry, step, step.announcement) for step in steps]
        return
    joined = group(
        entry.announce, [step.announcement for step in steps], counter.grouped_until, commission.slot
    )
    finals = {_ref(item.state): item for item in joined.quiet}
    seq = counter.seq
    for told in joined.told:
        finals.update({_ref(item.state): item for item in told.announcements})
        seq += 1
        _add_notification(commission, entry, told, seq, outcome)
    outcome.counters[entry.rule_id] = RuleCounter(seq, joined.grouped_until)
    outcome.steps += [(entry, step, finals[_ref(step.announcement.state)]) for step in steps]


def _ref(state: SeriesState) -> tuple[str, str]:
    return state.rule_id, state.series_id


def _add_notification(
    commission: Commission, entry: RuleEntry, told: Told, seq: int, outcome: Outcome
) -> None:
    places = commission.destinations(entry.channels)
    shown = facts.shown(commission.book, told.announcements)
    refs = dict.fromkeys((place.kind, place.channel) for place in places)
    made, frozen = compose.notification(
        event_id=event_id(commission.tenant, entry.rule_id, seq),
        tenant=commission.tenant,
        rule=facts.rule_facts(entry),
        monitor=shown.monitor,
        event=told.kind,
        seq=seq,
        slot=commission.slot,
        told=[
            item
            for announcement in told.announcements
            for item in facts.told_alerts(told.kind, announcement, shown.names, outcome.past)
        ],
        channels=[ChannelRef(kind=kind, name=name) for kind, name in refs],
        charts=commission.charts,
    )
    event = traced(notification_event(made, at=commission.slot), telemetry.carrier())
    event = sign(event, commission.keys)
    outcome.notifications.append((made, frozen, event))
    outcome.deliveries += deliveries.new(made, [(p.kind, p.channel, p.recipient) for p in places])
    if told.kind in (EventKind.FIRING, EventKind.FLAPPING):
        outcome.announced += [
            said.alert_id for said in told.announcements if said.alert_id == said.state.announced_alert
        ]


def _write(tx: Tx, outcome: Outcome) -> None:
    """Write everything in bulk; rows that only look as they did are left alone."""
    now = tx.now()
    changed = [
        (entry, step, said)
        for entry, step, said in outcome.steps
        if step.matters or said != step.announcement
    ]
    fired, worse, ended, unacked = [], [], [], []
    for entry, step, said in changed:
        if step.before.acked_level and not said.state.acked_level and said.state.phase is Phase.FIRING:
            unacked.append(said.state.alert_id)
        for transition in step.transitions:
            if transition.change is Change.FIRED:
                fired.append(_new_alert(entry, said.state, transition.reason))
            elif transition.change is Change.WORSENED:
                worse.append(
                    alerts.Worsening(said.state.alert_id, transition.level, transition.value, transition.text)
                )
            elif transition.change is Change.RESOLVED:
                ended.append(alerts.Ending(step.before.alert_id, transition.at, transition.reason))
    alerts.resolve(tx, ended, now)
    alerts.open_alerts(tx, fired, now)
    alerts.worsen(tx, worse, now)
    alerts.end_acknowledgements(tx, unacked, now)
    states.save(tx, [said.state for _, _, said in changed])
    states.add_transitions(
        tx,
        [
            (said.before, transition, said.held_by)
            for _, step, said in changed
            for transition in step.transitions
        ],
    )
    if outcome.notifications:
        states.set_counters(tx, outcome.counters)
        outbox.add(tx, outcome.notifications)
        deliveries.insert_many(tx, outcome.deliveries)
        alerts.announced(tx, outcome.announced)


def _new_alert(entry: RuleEntry, state: SeriesState, reason: str) -> alerts.NewAlert:
    monitor_id, _tags = parse_series_key(state.key)
    return alerts.NewAlert(
        id=state.alert_id,
        rule_id=entry.rule_id,
        series_id=state.series_id,
        key=state.key,
        monitor_id=monitor_id,
        title=entry.title,
        severity=state.level,
        value=state.value,
        text=state.text,
        started_at=state.since,
        fired_at=state.fired_at,
        reason=reason,
    )
