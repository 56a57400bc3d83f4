"""Alert event → Discord. Answers 204 once every outcome is recorded, 503 or 409 when the event should come again."""

from shared import deliver, function
from shared.events import Event
from shared.wiring import Wiring


@function.cloud_event
def notify_discord(event: Event, wiring: Wiring) -> None:
    """Tell the Discord channels what is due."""
    deliver.run(event, "discord", wiring)
