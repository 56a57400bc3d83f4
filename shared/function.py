"""The functions-framework edge: health routes, JSON logs, and the answers that Knative understands.

An event function answers 204 with an empty body: Knative's broker takes any other 2xx body for a broken reply,
counts it as failed and repeats the event. Transient trouble is 503, work held elsewhere 409, hopeless input 422.
Nothing here connects, forks or starts a thread at import: gunicorn imports the function before it forks.
"""

import functools
import gc
import logging
from collections.abc import Callable

import flask
import functions_framework
from flask.typing import ResponseReturnValue

from shared import telemetry
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
        telemetry.begin(handler.__name__)
        # A tick's id is random and says nothing; its slot is bound by who evaluates it.
        ids = {"event_id": event.id, "rule_id": event.subject} if event.subject else {"tick_id": event.id}
        with (
            telemetry.bound(**ids),
            telemetry.span(handler.__name__, "consumer", event.attributes, **ids) as span,
        ):
            answer = _guarded(handler.__name__, lambda: handler(event, process_wiring()), span)
        return ("", 204) if answer is None else answer

    return _register(handler.__name__, functools.update_wrapper(serve, handler))


def http(handler: HttpHandler) -> FrameworkHandler:
    """Register an HTTP function: `handler(request, wiring)` returns any Flask response."""

    def serve(request: flask.Request) -> ResponseReturnValue:
        telemetry.begin(handler.__name__)
        with telemetry.span(handler.__name__, "server") as span:
            answer = _guarded(handler.__name__, lambda: handler(request, process_wiring()), span)
        return ("", 204) if answer is None else answer

    return _register(handler.__name__, functools.update_wrapper(serve, handler))


def _guarded(
    name: str, work: Callable[[], ResponseReturnValue | None], span: telemetry.Span
) -> ResponseReturnValue | None:
    """Run the handler; every error becomes a status and one log line, a bug also a traceback."""
    try:
        return work()
    except (TocsinError, InvalidEvent) as error:
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 503)
        level = logging.INFO if status == 409 else logging.WARNING
        log.log(level, "%s: %s", name, error, extra={"status": status})
        span.fail(error)
        return f"{error}\n", status
    except Exception as error:  # the edge of the process: a bug must be logged and answered, never lost
        log.exception("%s: internal error", name, extra={"status": 500})
        span.fail(error)
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
    telemetry.log_as_json(name)
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
