"""Alert event → signed webhooks. Answers 204 once all outcomes are recorded, 503 or 409 to get it again."""

from shared import deliver, function
from shared.events import Event
from shared.wiring import Wiring


@function.cloud_event
def notify_webhook(event: Event, wiring: Wiring) -> None:
    """Tell the webhook channels what is due."""
    deliver.run(event, "webhook", wiring)
