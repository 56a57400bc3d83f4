"""Tick event → one look at this machine → points of measurements `cpu`, `mem`, `disk` and `system`."""

import socket

from shared import function
from shared.events import Event
from shared.monitors import host, points
from shared.wiring import Wiring


@function.cloud_event
def monitor_host(event: Event, wiring: Wiring) -> None:
    """Look and write; a write that fails repeats the tick."""
    settings = wiring.settings
    seen = host.points(host.look(), socket.gethostname(), wiring.clock())
    points.send(settings.write_url, seen, settings.metrics_token.get_secret_value())
