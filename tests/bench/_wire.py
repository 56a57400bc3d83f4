"""The queries of a tick as they went over the wire, and the same queries once more without anybody parsing them."""

import http.client
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from shared import tick
from shared.events import Tick
from shared.settings import Settings
from shared.wiring import Wiring
from tests.bench._fleet import INTERVAL, Fleet
from tests.support.gate import Gate
from tests.support.sink import Request

_READ_BYTES = 1 << 20
_KEPT = ("content-type", "accept")


def recorded(fleet: Fleet) -> list[Request]:
    """The requests that one tick of the fleet makes, from a tick that writes nothing.

    The second of two, because a process may plan its reads better once it has seen how many points there are.
    """
    base, _, database = fleet.metrics_url.removeprefix("influxql+").rpartition("/")
    with Gate(base) as gate:
        settings = Settings.model_validate(
            {
                "database_url": fleet.database_url,
                "metrics_url": f"influxql+{gate.url}/{database}",
                "tenant": fleet.tenant,
                "lateness_seconds": 0,
            }
        )
        wiring = Wiring(settings, {})
        for _ in range(2):
            gate.clear()
            report = tick.dry_run(Tick(fleet.slot, INTERVAL), wiring)
            assert not report.errors, report.error
        wiring.close()
        return list(gate.requests)


def replayed(fleet: Fleet, requests: Sequence[Request]) -> float:
    """Seconds from the first request to the last byte of the last answer, one after the other, unparsed."""
    target = urlsplit(fleet.metrics_url.removeprefix("influxql+"))
    connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=60)
    started = time.perf_counter()
    for request in requests:
        headers = {name: request.headers[name] for name in _KEPT if name in request.headers}
        connection.request(request.method, request.path, request.body, headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read(500)
        while answer.read(_READ_BYTES):
            pass
    seconds = time.perf_counter() - started
    connection.close()
    return seconds
