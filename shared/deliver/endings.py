"""Decides what an earlier message says once all its alerts are over. Pure."""

from dataclasses import replace

from shared.channels._combine import combine
from shared.channels._message import Item, Telling
from shared.model import EventKind, Notification
from shared.store.earlier import Earlier, Ending

MOST_ALERTS = 500
"""How many ended alerts one message looks for among the earlier ones."""


def over(telling: Telling) -> list[str]:
    """The alerts of whose end a message tells."""
    return [item.alert.id for item in telling.items if item.alert.event is EventKind.RESOLVED][:MOST_ALERTS]


def closing(earlier: Earlier) -> Telling | None:
    """What the earlier message told, with every alert resolved; None when its facts can't be read."""
    try:
        facts = [Notification.model_validate_json(body) for body in earlier.bodies]
    except ValueError:
        return None
    telling = combine(facts, earlier.endings.keys())
    if telling is None:
        return None
    items = tuple(_ended(item, earlier.endings.get(item.alert.id)) for item in telling.items)
    worst = max((item.alert.severity for item in items), default=telling.severity)
    return replace(telling, event=EventKind.RESOLVED, severity=worst, items=items)


def _ended(item: Item, ending: Ending | None) -> Item:
    if ending is None or item.alert.event is EventKind.RESOLVED:
        return item
    known = {"event": EventKind.RESOLVED, "resolved_at": ending.at, "reason": ending.reason}
    return Item(item.alert.model_copy(update=known))
