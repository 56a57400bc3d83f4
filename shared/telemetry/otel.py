"""OpenTelemetry's SDK, set up by its own variables: spans and metrics to an OTLP/HTTP endpoint.

Imported only where an endpoint is set. Its threads do all sending; this thread puts what was recorded into bounded
queues and never waits. What the exporter would log names addresses, so only its success and failure are logged.
"""

import atexit
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.telemetry.names import METRICS, PREFIX, Metric

FLUSH_SECONDS = 2.0
"""How long the end of a process may wait until what was recorded last is sent."""
SCOPE = "tocsin"
PROTOCOL = "http/protobuf"

_KINDS = {kind.name.lower(): kind for kind in trace.SpanKind}
_CONTEXT = TraceContextTextMapPropagator()

log = logging.getLogger("tocsin.telemetry")

Values = Mapping[str, Any]


def start(function: str, environ: Mapping[str, str]) -> "Recorder":
    """Start recording as the service `function`, and flush when the process ends.

    Raises ValueError for a variable that OpenTelemetry can't use.
    """
    _quiet()
    if environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", PROTOCOL) != PROTOCOL:
        log.warning("OTEL_EXPORTER_OTLP_PROTOCOL is ignored: functions speak %s only", PROTOCOL)
    resource = resource_of(function, environ)
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    readers: list[PeriodicExportingMetricReader] = []
    ending = _Ending()
    if is_sent("TRACES", environ):
        tracers.add_span_processor(BatchSpanProcessor(_Spans()))
        ending.add(tracers.shutdown)
    if is_sent("METRICS", environ):
        readers.append(PeriodicExportingMetricReader(_Metrics()))
    meters = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
    ending.add(meters.shutdown)
    atexit.register(ending.run)
    return Recorder(tracers, meters)


def is_sent(signal: str, environ: Mapping[str, str]) -> bool:
    """Whether TRACES or METRICS have an endpoint and are not switched off; the SDK would send to this machine else."""
    off = environ.get(f"OTEL_{signal}_EXPORTER", "").strip().lower() == "none"
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    return not off and any(environ.get(name, "").strip() for name in endpoints)


def resource_of(function: str, environ: Mapping[str, str]) -> Resource:
    """Who tells: the function and its revision, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise."""
    try:
        release = version("tocsin")
    except PackageNotFoundError:  # run from a folder that nobody installed
        release = ""
    host = environ.get("HOSTNAME") or socket.gethostname()
    ours = {
        "service.namespace": SCOPE,
        "service.name": function,
        "service.version": release,
        "service.instance.id": f"{host}:{os.getpid()}",
        "faas.name": environ.get("K_SERVICE", ""),
        "faas.version": environ.get("K_REVISION", ""),
        "faas.instance": host,
    }
    given = OTELResourceDetector().detect().attributes
    return Resource.create({**{name: value for name, value in ours.items() if value}, **given})


class Recorder:
    """Spans and metrics of one process."""

    def __init__(self, tracers: TracerProvider, meters: MeterProvider) -> None:
        self._tracer = tracers.get_tracer(SCOPE)
        meter = meters.get_meter(SCOPE)
        self._instruments: dict[str, Any] = {}
        for one in METRICS:
            if one.kind == "histogram":
                self._instruments[one.name] = meter.create_histogram(
                    one.name, one.unit, one.description, explicit_bucket_boundaries_advisory=one.bounds
                ).record
            elif one.kind == "gauge":
                self._instruments[one.name] = meter.create_gauge(one.name, one.unit, one.description).set
            else:
                self._instruments[one.name] = meter.create_counter(one.name, one.unit, one.description).add

    @contextmanager
    def span(
        self, name: str, kind: str, parent: Mapping[str, str] | None, attributes: Values
    ) -> Iterator["_Span"]:
        """See `telemetry.span`."""
        here, context, links = trace.get_current_span().get_span_context(), None, []
        above = trace.get_current_span(_CONTEXT.extract(parent or {}, Context())).get_span_context()
        if above.is_valid:
            context = trace.set_span_in_context(trace.NonRecordingSpan(above))
            links = [trace.Link(here)] if here.is_valid and here.trace_id != above.trace_id else []
        with self._tracer.start_as_current_span(
            name,
            context=context,
            kind=_KINDS[kind],
            attributes=_prefixed(attributes),
            links=links,
            record_exception=False,  # its text may say what must not leave
            set_status_on_exception=False,
        ) as span:
            recorded = _Span(span)
            try:
                yield recorded
            except BaseException as error:
                recorded.fail(error)
                raise

    def carrier(self) -> dict[str, str]:
        """See `telemetry.carrier`."""
        found: dict[str, str] = {}
        _CONTEXT.inject(found)
        return found

    def trace_ids(self) -> dict[str, str]:
        """See `telemetry.trace_ids`."""
        here = trace.get_current_span().get_span_context()
        if not here.is_valid:
            return {}
        return {
            "trace_id": trace.format_trace_id(here.trace_id),
            "span_id": trace.format_span_id(here.span_id),
        }

    def measure(self, metric: Metric, value: float, attributes: Values) -> None:
        """See `telemetry.measure`."""
        self._instruments[metric.name](value, _prefixed(attributes))


class _Span:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, **attributes: Any) -> None:
        self._span.set_attributes(_prefixed(attributes))

    def fail(self, error: BaseException) -> None:
        self._span.set_status(trace.Status(trace.StatusCode.ERROR, type(error).__name__))


def _prefixed(attributes: Values) -> dict[str, Any]:
    return {PREFIX + name: value for name, value in attributes.items()}


class _Notice:
    """Says once that nobody takes what is sent, and once that it is taken again."""

    def __init__(self, what: str) -> None:
        self._what, self._lost = what, False

    def of(self, *, taken: bool) -> None:
        if taken and self._lost:
            log.info("%s are taken again", self._what)
        elif not taken and not self._lost:
            log.warning("%s are lost: nobody takes them at OTEL_EXPORTER_OTLP_ENDPOINT", self._what)
        self._lost = not taken


class _Spans(OTLPSpanExporter):
    def __init__(self) -> None:
        super().__init__()
        self._notice = _Notice("traces")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        self._notice.of(taken=result is SpanExportResult.SUCCESS)
        return result


class _Metrics(OTLPMetricExporter):
    def __init__(self) -> None:
        super().__init__()
        self._notice = _Notice("metrics")

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        result = super().export(metrics_data, timeout_millis, **kwargs)
        self._notice.of(taken=result is MetricExportResult.SUCCESS)
        return result


def _quiet() -> None:
    """The SDK's own words stay here: they may hold the address of the collector, and a token in it."""
    theirs = logging.getLogger("opentelemetry")
    theirs.addHandler(logging.NullHandler())
    theirs.propagate = False


class _Ending:
    """Ends what sends when the process ends: all at once, and for a bounded time, whoever hangs.

    Its threads wait from the beginning, because none can be started safely while a process ends.
    """

    def __init__(self) -> None:
        self._now = threading.Event()
        self._threads: list[threading.Thread] = []

    def add(self, shutdown: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._wait, args=(shutdown,), name="telemetry-ending", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _wait(self, shutdown: Callable[[], None]) -> None:
        self._now.wait()
        shutdown()

    def run(self) -> None:
        self._now.set()
        deadline = time.monotonic() + FLUSH_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
