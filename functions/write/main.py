"""InfluxDB's write endpoints (v1 and v2) before the metric store: for Telegraf, client libraries and our monitors."""

import flask
from flask.typing import ResponseReturnValue

from functions.write import api
from shared import function
from shared.wiring import Wiring


@function.http
def write(request: flask.Request, wiring: Wiring) -> ResponseReturnValue:
    """Keep a batch of points; 204 once they are kept."""
    return api.answer(request, wiring.metrics)
