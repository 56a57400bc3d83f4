"""What Tocsin tells of its work: the ids on its log lines, and traces and metrics by OTLP where an endpoint is set.

Without `OTEL_EXPORTER_OTLP_ENDPOINT` everything here does nothing and OpenTelemetry's SDK is not even imported. With
it, work is never slowed: what was recorded leaves in the SDK's own threads, and is lost where nobody takes it.
"""

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, Protocol

from shared.telemetry.logs import bound as bound
from shared.telemetry.logs import carried as carried
from shared.telemetry.logs import log_json
from shared.telemetry.names import Metric

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Value = str | int | float | bool
Carrier = Mapping[str, str]
"""The W3C trace context, `traceparent` and `tracestate`, as attributes of an event; other keys are ignored."""

ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)

log = logging.getLogger("tocsin.telemetry")


class Span(Protocol):
    """A piece of work that is being recorded."""

    def set(self, **attributes: Value) -> None:
        """Say more about it; each name gets the prefix `tocsin.`."""

    def fail(self, error: BaseException) -> None:
        """Mark it as failed, with the name of the error's type: its text may say what must not leave."""


class Recorder(Protocol):
    """What records; `otel.Recorder` is one."""

    @contextmanager
    def span(
        self, name: str, kind: Kind, parent: Carrier | None, attributes: Mapping[str, Value]
    ) -> Iterator[Span]: ...
    def carrier(self) -> dict[str, str]: ...
    def trace_ids(self) -> dict[str, str]: ...
    def measure(self, metric: Metric, value: float, attributes: Mapping[str, Value]) -> None: ...


class _Ignored:
    def set(self, **attributes: Value) -> None:
        """Nobody wants to know."""

    def fail(self, error: BaseException) -> None:
        """Nobody wants to know."""


_IGNORED = _Ignored()
_lock = threading.Lock()
_recorder: Recorder | None = None
_begun = threading.Event()


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether an endpoint is set, and OpenTelemetry is not switched off."""
    off = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return not off and any(environ.get(name, "").strip() for name in ENDPOINTS)


def begin(function: str) -> None:
    """Start recording in this process, once, if it is wanted.

    To be called in the process that serves, at its first request: the exporter has threads, and the server forks.
    """
    global _recorder
    if _begun.is_set():
        return
    with _lock:
        if not _begun.is_set() and wanted(os.environ):
            _recorder = _opened(function)
        _begun.set()


def _opened(function: str) -> Recorder | None:
    try:
        from shared.telemetry import otel
    except ImportError as error:
        missing = error.name or "a package"
        log.warning("%s is set, but %s is not installed: install tocsin[otel]", ENDPOINTS[0], missing)
        return None
    try:
        return otel.start(function, os.environ)
    except ValueError as error:  # a variable of OpenTelemetry's; people are told of alerts without it
        log.warning("no traces and no metrics are sent: %s", error)
        return None


def recording() -> bool:
    """Whether anything is recorded: what would only be measured need not be asked for else."""
    return _recorder is not None


@contextmanager
def span(
    name: str, kind: Kind = "internal", parent: Carrier | None = None, /, **attributes: Value
) -> Iterator[Span]:
    """Record the block as a span: below that of here; or below `parent`, if there is a trace in it, linked with here.

    An exception marks it as failed, and passes on.
    """
    if _recorder is None:
        yield _IGNORED
        return
    with _recorder.span(name, kind, parent, attributes) as recorded:
        yield recorded


def carrier() -> dict[str, str]:
    """The context of the span of here, to be put into an event; empty without one."""
    return {} if _recorder is None else _recorder.carrier()


def trace_ids() -> dict[str, str]:
    """`trace_id` and `span_id` of here as logs show them; empty without a span."""
    return {} if _recorder is None else _recorder.trace_ids()


def measure(metric: Metric, value: float, **attributes: Value) -> None:
    """Add to a counter, set a gauge, or put a value into a histogram. `attributes` are those of the metric."""
    if _recorder is not None:
        _recorder.measure(metric, value, attributes)


def log_as_json(function: str) -> None:
    """Make all logs of this process JSON lines with the ids of what is being worked on."""
    log_json(function, trace_ids)
