"""Alert event → text messages. Answers 204 once every outcome is recorded, 503 or 409 when it should come again."""

from shared import deliver, function
from shared.events import Event
from shared.wiring import Wiring


@function.cloud_event
def notify_sms(event: Event, wiring: Wiring) -> None:
    """Text the phones what is due."""
    deliver.run(event, "sms", wiring)
