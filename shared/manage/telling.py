"""Telling what a person did: a notification written by a use case, published at once where that is possible.

What can't be published here is published by the next tick: the rows are the same as those of the evaluator.
"""

from collections.abc import Sequence

from shared import publish, telemetry
from shared.channels import load_kind
from shared.compose import MAX_ALERTS
from shared.events import event_id, notification_event, sign, traced
from shared.manage.ports import Ports
from shared.model import AlertFacts, ChannelRef, EventKind, Millis, Notification, Severity
from shared.publish import PublishReport
from shared.series import parse_series_key, series_text
from shared.store import acks, deliveries, outbox, states
from shared.store.engine import Tx
from shared.store.listing import AlertRow
from shared.store.states import RuleCounter

Place = tuple[str, str, str]
"""Kind, channel and recipient."""


def write(
    tx: Tx, ports: Ports, made: Notification, alerts: Sequence[AlertFacts], places: Sequence[Place]
) -> None:
    """Add a notification about these alerts, with a delivery to each place."""
    event = traced(notification_event(made, at=made.slot), telemetry.carrier())
    event = sign(event, dict(ports.keys))
    outbox.add(tx, [(made, alerts, event)])
    deliveries.insert_many(tx, deliveries.new(made, places))


def publish_now(ports: Ports, ids: Sequence[str]) -> PublishReport:
    """Publish these notifications; a process that knows no broker leaves them to the tick."""
    if not ids or not ports.broker.sink:
        return PublishReport()
    return publish.at_once(ports.store, ports.broker, ids)


def acknowledged(tx: Tx, ports: Ports, held: Sequence[AlertRow], note: str, now: Millis) -> list[str]:
    """Tell those who were told of these alerts (all of one rule) that somebody acknowledged them; the id, or nothing.

    Only where acknowledgements are told. What nobody was told of needs no news either.
    """
    told = [(one.kind, one.channel, one.recipient) for one in acks.places(tx, held)]
    places = [place for place in told if load_kind(place[0]).TOLD_ACKS]
    body = acks.last_told(tx, held) if places else None
    if body is None:
        return []
    last = Notification.model_validate_json(body)
    rule_id = held[0].rule_id
    counter = states.lock_counters(tx, [rule_id])[rule_id]
    alerts = _facts(held, last)
    made = last.model_copy(
        update={
            "id": event_id(tx.tenant, rule_id, counter.seq + 1),
            "event": EventKind.ACKNOWLEDGED,
            "seq": counter.seq + 1,
            "slot": now,
            "severity": max(alert.severity for alert in alerts),
            "alerts": tuple(alerts[:MAX_ALERTS]),
            "alert_count": len(alerts),
            "channels": _refs(places),
            "note": note,
        }
    )
    write(tx, ports, made, alerts, places)
    states.set_counters(tx, {rule_id: RuleCounter(counter.seq + 1, counter.grouped_until)})
    return [made.id]


def _refs(places: Sequence[Place]) -> tuple[ChannelRef, ...]:
    return tuple(
        ChannelRef(kind=kind, name=name) for kind, name in dict.fromkeys((one[0], one[1]) for one in places)
    )


def _facts(held: Sequence[AlertRow], last: Notification) -> list[AlertFacts]:
    """The alerts as they are, under the names that they were told by."""
    names = {alert.id: alert.series for alert in last.alerts}
    return [
        AlertFacts(
            id=one.id,
            series=names.get(one.id) or series_text(one.key, ""),
            series_id=one.series_id,
            event=EventKind.ACKNOWLEDGED,
            severity=Severity(one.severity),
            value=one.value,
            text=one.text,
            started_at=one.started_at,
            fired_at=one.fired_at,
            labels=dict(parse_series_key(one.key)[1]),
        )
        for one in held
    ]
