"""Decides what one message says when several notifications of one rule wait for one recipient. Pure.

The newest facts of each alert are told. An alert that fired and was resolved before anybody could be told is told
as "was firing"; a resolve whose firing was never told there is dropped there.
"""

from collections.abc import Sequence, Set

from shared.channels._message import Item, Telling
from shared.model import AlertFacts, EventKind, Notification, Severity

_OPENING = (EventKind.FIRING, EventKind.WORSENED, EventKind.REMINDER, EventKind.ESCALATED, EventKind.FLAPPING)

_CALM = (EventKind.RESOLVED, EventKind.ACKNOWLEDGED)


def combine(waiting: Sequence[Notification], told: Set[str]) -> Telling | None:
    """What to tell of the notifications (oldest first, one rule); None when there is nothing left to tell.

    `told` holds the alerts of which this recipient was, or may have been, told before.
    """
    newest = waiting[-1]
    latest: dict[str, AlertFacts] = {}
    opened: set[str] = set()
    for notification in waiting:
        for alert in notification.alerts:
            latest.pop(alert.id, None)
            latest[alert.id] = alert
            if alert.event in _OPENING:
                opened.add(alert.id)
    items = [
        item
        for alert_id, alert in latest.items()
        if (item := _item(alert, seen=alert_id in told, opened=alert_id in opened)) is not None
    ]
    more = max(notification.alert_count - len(notification.alerts) for notification in waiting)
    if latest and not items:
        return None
    items.sort(key=lambda item: (item.alert.event is EventKind.RESOLVED, -item.alert.severity))
    return Telling(
        facts=newest,
        event=_headline(newest, items),
        severity=_severity(newest, items),
        items=tuple(items),
        more=max(0, more),
        still_open=_still_open(waiting, items),
    )


def _still_open(waiting: Sequence[Notification], items: Sequence[Item]) -> str:
    # One that flaps may be over already, and then there is nothing to take in hand.
    shown = (item.alert for item in items)
    firing = {one.id for one in shown if one.event in _OPENING and one.resolved_at is None}
    about = (one.id for one in reversed(waiting) if any(alert.id in firing for alert in one.alerts))
    return "" if waiting[-1].event is EventKind.TEST else next(about, "")


def _item(alert: AlertFacts, *, seen: bool, opened: bool) -> Item | None:
    if alert.event is EventKind.RESOLVED:
        if seen:
            return Item(alert)
        return Item(alert, missed=True) if opened else None
    if alert.event in (EventKind.REMINDER, EventKind.ACKNOWLEDGED) and not seen:
        # Nobody here knows yet what this would remind of, or what was acknowledged.
        return Item(alert.model_copy(update={"event": EventKind.FIRING}))
    return Item(alert)


def _headline(newest: Notification, items: Sequence[Item]) -> EventKind:
    events = [item.alert.event for item in items]
    if not events or newest.event is EventKind.TEST:
        return newest.event
    if newest.event in _CALM or newest.event not in events:
        loud = [event for event in events if event not in _CALM]
        return next(iter(loud), newest.event if newest.event in events else events[0])
    return newest.event


def _severity(newest: Notification, items: Sequence[Item]) -> Severity:
    open_ones = [item.alert.severity for item in items if item.alert.event is not EventKind.RESOLVED]
    return max(open_ones or [item.alert.severity for item in items] or [newest.severity])
