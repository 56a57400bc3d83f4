"""A collector of OTLP over HTTP: a sink that keeps the spans and metrics that functions send."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.sink import Request, Sink

HEX = bytes.hex


@dataclass(frozen=True)
class SeenSpan:
    """One span; ids are hexadecimal, `parent` is empty for the first of a trace, `links` are span ids."""

    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    attributes: Mapping[str, Any]
    failed: str


@dataclass(frozen=True)
class SeenPoint:
    """The last value of one series of a metric; of a histogram, the number of its values, their sum beside it."""

    service: str
    value: float
    attributes: Mapping[str, Any]
    sum: float = 0.0


class Collector(Sink):
    """`/v1/traces` and `/v1/metrics`."""

    def environment(self, **more: str) -> dict[str, str]:
        """What makes a function send to it."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, **more}

    def spans(self) -> list[SeenSpan]:
        """Every span so far."""
        found = []
        for request in self._of("/v1/traces"):
            for resource in ExportTraceServiceRequest.FromString(_body(request)).resource_spans:
                service = _values(resource.resource.attributes)["service.name"]
                found += [_span(service, span) for scope in resource.scope_spans for span in scope.spans]
        return found

    def resources(self) -> list[dict[str, Any]]:
        """Who sent spans."""
        requests = [ExportTraceServiceRequest.FromString(_body(one)) for one in self._of("/v1/traces")]
        return [_values(one.resource.attributes) for sent in requests for one in sent.resource_spans]

    def metrics(self) -> dict[str, list[SeenPoint]]:
        """The last points of every metric by its name, of each service and combination of attributes."""
        found: dict[str, dict[Any, SeenPoint]] = {}
        for request in self._of("/v1/metrics"):
            for resource in ExportMetricsServiceRequest.FromString(_body(request)).resource_metrics:
                service = _values(resource.resource.attributes)["service.name"]
                for metric in (one for scope in resource.scope_metrics for one in scope.metrics):
                    points = found.setdefault(metric.name, {})
                    for point in _points(service, metric):
                        points[service, tuple(sorted(point.attributes.items()))] = point
        return {name: list(points.values()) for name, points in found.items()}

    def units(self) -> dict[str, str]:
        """The unit of every metric by its name."""
        return {
            metric.name: metric.unit
            for request in self._of("/v1/metrics")
            for resource in ExportMetricsServiceRequest.FromString(_body(request)).resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def _of(self, path: str) -> list[Request]:
        return [request for request in list(self.requests) if request.path.partition("?")[0] == path]


def _body(request: Request) -> bytes:
    return (
        gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def _span(service: str, span: Any) -> SeenSpan:
    return SeenSpan(
        service,
        span.name,
        span.kind,
        HEX(span.trace_id),
        HEX(span.span_id),
        HEX(span.parent_span_id),
        tuple(HEX(link.span_id) for link in span.links),
        _values(span.attributes),
        span.status.message,
    )


def _points(service: str, metric: Any) -> list[SeenPoint]:
    kind = metric.WhichOneof("data")
    points = getattr(metric, kind).data_points
    if kind == "histogram":
        return [SeenPoint(service, one.count, _values(one.attributes), one.sum) for one in points]
    return [
        SeenPoint(service, getattr(one, one.WhichOneof("value")), _values(one.attributes)) for one in points
    ]
