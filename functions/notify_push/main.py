"""Alert event → phones. Answers 204 once every outcome is recorded, 503 or 409 when the event should come again."""

from shared import deliver, function
from shared.events import Event
from shared.wiring import Wiring


@function.cloud_event
def notify_push(event: Event, wiring: Wiring) -> None:
    """Push to the phones what is due."""
    deliver.run(event, "push", wiring)
