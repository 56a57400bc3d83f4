"""Tick event → every URL of TOCSIN_MONITOR_URLS is asked once → points of measurement `website`."""

from shared import function
from shared.events import Event
from shared.monitors import http, points
from shared.wiring import Wiring


@function.cloud_event
def monitor_http(event: Event, wiring: Wiring) -> None:
    """Check and write; a write that fails repeats the tick."""
    settings = wiring.settings
    seen = http.check(http.parse_targets(settings.monitor_urls), wiring.clock())
    points.send(settings.write_url, seen, settings.metrics_token.get_secret_value())
