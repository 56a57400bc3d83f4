"""Daily tick event → what was kept long enough is removed. An answer of 503 asks for the event again, to go on."""

from shared import function
from shared import retention as keeping
from shared.events import Event
from shared.wiring import Wiring


@function.cloud_event
def retention(event: Event, wiring: Wiring) -> None:
    """Remove for as long as one request may take. The event says that it is time, and nothing else counts."""
    keeping.run_in_time(wiring, wiring.clock())
