"""The functions-framework edge: health routes, JSON logs, and the answers that Knative understands.

An event function answers 204 with an empty body: Knative's broker takes any other 2xx body for a broken reply,
counts it as failed and repeats the event. Transient trouble is 503, work held elsewhere 409, hopeless input 422.
Nothing here connects, forks or starts a thread at import: gunicorn imports the function before it forks.
"""

import functools
import gc
import logging
import os
import sys
from collections.abc import Callable

import flask
import functions_framework
from flask.typing import ResponseReturnValue
from pythonjsonlogger.json import JsonFormatter

from shared.errors import Conflict, InProgress, InvalidInput, NotFound, PoisonEvent, TocsinError, Unavailable
from shared.events import Event, InvalidEvent, of_http
from shared.settings import SettingsError, settings
from shared.wiring import Wiring, process_wiring

EventHandler = Callable[[Event, Wiring], None]
HttpHandler = Callable[[flask.Request, Wiring], ResponseReturnValue]
FrameworkHandler = Callable[[flask.Request], ResponseReturnValue]

log = logging.getLogger("tocsin")

_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (InProgress, 409),
    (Unavailable, 503),
    (Conflict, 503),
    (NotFound, 422),
    (InvalidInput, 422),
    (InvalidEvent, 422),
    (PoisonEvent, 422),
)


def cloud_event(handler: EventHandler) -> FrameworkHandler:
    """Register an event function: `handler(event, wiring)` returns when the event is durably dealt with.

    It is an HTTP function to the framework, because the framework's own event wrapper answers 200 "OK" and prints
    whole requests into its errors.
    """

    def serve(request: flask.Request) -> ResponseReturnValue:
        if request.method != "POST":
            return "only POST\n", 405, {"Allow": "POST"}
        try:
            event = of_http(dict(request.headers), request.get_data())
        except InvalidEvent as error:
            log.warning("refused: %s", error)
            return f"{error}\n", 400
        answer = _guarded(handler.__name__, lambda: handler(event, process_wiring()), {"event_id": event.id})
        return ("", 204) if answer is None else answer

    return _register(handler.__name__, functools.update_wrapper(serve, handler))


def http(handler: HttpHandler) -> FrameworkHandler:
    """Register an HTTP function: `handler(request, wiring)` returns any Flask response."""

    def serve(request: flask.Request) -> ResponseReturnValue:
        answer = _guarded(handler.__name__, lambda: handler(request, process_wiring()), {})
        return ("", 204) if answer is None else answer

    return _register(handler.__name__, functools.update_wrapper(serve, handler))


def _guarded(
    name: str, work: Callable[[], ResponseReturnValue | None], context: dict[str, str]
) -> ResponseReturnValue | None:
    """Run the handler; every error becomes a status and one log line, a bug also a traceback."""
    try:
        return work()
    except (TocsinError, InvalidEvent) as error:
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 503)
        level = logging.INFO if status == 409 else logging.WARNING
        log.log(level, "%s: %s", name, error, extra={**context, "status": status})
        return f"{error}\n", status
    except Exception:  # the edge of the process: a bug must be logged and answered, never lost
        log.exception("%s: internal error", name, extra={**context, "status": 500})
        return "internal error\n", 500


def _register(name: str, serve: FrameworkHandler) -> FrameworkHandler:
    if flask.has_app_context():  # the framework runs the module inside the app that will serve it
        prepare(name)
        for route in ("/health/liveness", "/health/readiness"):
            flask.current_app.add_url_rule(route, endpoint=route, view_func=_healthy, methods=["GET"])
    registered: FrameworkHandler = functions_framework.http(serve)
    return registered


def prepare(name: str) -> None:
    """What the process of function `name` needs before its first request: settings that can be used, and JSON logs.

    What was imported stays for good: the garbage collector need not look at it again, in this process and its workers.
    """
    _refuse_wrong_settings()
    _log_json(name)
    gc.freeze()


def _refuse_wrong_settings() -> None:
    """A wrong variable or channels file ends the process at its start, with its name, and not the first event."""
    chosen = settings()
    try:
        _ = process_wiring().keys, process_wiring().link_keys
        if chosen.channels_file is not None:
            _ = process_wiring().channels
    except InvalidInput as error:
        raise SettingsError(str(error)) from None


def _healthy() -> ResponseReturnValue:
    return "ok\n", 200, {"Content-Type": "text/plain"}


def _log_json(function: str) -> None:
    """Log one JSON object per line to standard output, where the platform collects it."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        JsonFormatter(
            "%(asctime)s %(levelname)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level"},
            static_fields={"function": function, "revision": os.environ.get("K_REVISION", "")},
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(os.environ.get("TOCSIN_LOG_LEVEL", "INFO"))
    # httpx logs whole URLs at INFO, and a channel's URL is its secret.
    for noisy in ("httpx", "httpcore", "urllib3", "alembic", "mcp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
