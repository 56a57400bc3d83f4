"""The chart of a notification, drawn again from its frozen facts."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.channels._chart import picture
from shared.channels._combine import combine
from shared.channels._message import build
from shared.manage.ports import Ports
from shared.model import Notification
from shared.store import outbox


def chart_png(ports: Ports, notification_id: str, zone: str) -> bytes | None:
    """A PNG with times in `zone` (one that is not known: UTC); None when there is nothing to draw."""
    found = ports.store.read(lambda tx: outbox.chosen(tx, [notification_id]))
    if not found:
        return None
    told = Notification.model_validate_json(found[0].event.body)
    telling = combine([told], {alert.id for alert in told.alerts})
    if telling is None:
        return None
    known = _known(zone)
    drawn = picture(build(telling, id=notification_id, zone=known), known)
    return None if drawn is None else drawn.png


def _known(zone: str) -> str:
    try:
        return ZoneInfo(zone).key
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is an OSError
        return "UTC"
