"""Tick event → evaluation of every rule. Answers 204 also when the slot is already done or taken."""

from shared import function, tick
from shared.events import Event, tick_of
from shared.wiring import Wiring


@function.cloud_event
def evaluate(event: Event, wiring: Wiring) -> None:
    """Evaluate the slot of the PingSource's event."""
    tick.run(tick_of(event), wiring)
