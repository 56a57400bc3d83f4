"""InfluxDB's write endpoints (v1 and v2) before the metric store: for Telegraf, client libraries and our monitors."""

import flask
from flask.typing import ResponseReturnValue

from shared import function
from shared.metrics import endpoint
from shared.wiring import Wiring


@function.http
def write(request: flask.Request, wiring: Wiring) -> ResponseReturnValue:
    """Keep a batch of points; 204 once they are kept."""
    asked = endpoint.Request(
        method=request.method,
        path=request.path,
        values=request.values if request.path == "/query" else request.args,
        headers={name.lower(): value for name, value in request.headers.items()},
        length=request.content_length,
        stream=request.stream,
    )
    answer = endpoint.answer(asked, wiring.metrics)
    return flask.json.jsonify(answer.body) if answer.body else "", answer.status, dict(answer.headers)
