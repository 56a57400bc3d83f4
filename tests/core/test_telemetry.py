"""Ids on log lines, when telemetry is wanted, the names of metrics, and the trace that an event carries."""

import io
import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from shared import telemetry
from shared.events import notification_event, of_http, parse_keys, routed, sign, to_http, traced, verify
from shared.telemetry import logs, names, otel
from shared.telemetry.names import Metric
from tests.support.deliveries import notification

KEYS = parse_keys("one:MDEyMzQ1Njc4OWFiY2RlZg==")
TRACE = {"traceparent": "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01", "tracestate": "vendor=1"}


# ------------------------------------------------------------------ ids on log lines


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is logged as JSON; the loggers are as before afterwards."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    logs.log_json("evaluate", lambda: {"trace_id": "t"})
    return written


def test_bound_ids_are_on_every_line_of_the_block_and_explicit_ones_win(lines: io.StringIO) -> None:
    log = logging.getLogger("tocsin.test")

    with telemetry.bound(event_id="e", rule_id="", alert_ids=[]):
        with telemetry.bound(slot=0, event_id="inner"):
            log.warning("one")
        log.warning("two", extra={"event_id": "mine"})
    log.warning("three")

    one, two, three = (json.loads(line) for line in lines.getvalue().splitlines())
    assert (one["event_id"], one["slot"], one["trace_id"]) == ("inner", 0, "t")
    assert "rule_id" not in one
    assert "alert_ids" not in one
    assert two["event_id"] == "mine"
    assert "event_id" not in three
    assert three["function"] == "evaluate"


def test_carried_work_keeps_the_ids_in_several_threads_at_once(lines: io.StringIO) -> None:
    log = logging.getLogger("tocsin.test")

    with telemetry.bound(slot=7), ThreadPoolExecutor(4) as pool:
        work = telemetry.carried(lambda number: log.warning("work %d", number))
        assert len(list(pool.map(work, range(20)))) == 20
        pool.submit(log.warning, "bare").result()

    found = {line["message"]: line.get("slot") for line in map(json.loads, lines.getvalue().splitlines())}
    assert found == {f"work {number}": 7 for number in range(20)} | {"bare": None}


# ------------------------------------------------------------------ when it is wanted


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "TRUE"}, False),
    ],
)
def test_it_is_wanted_where_an_endpoint_is_set_and_it_is_not_switched_off(
    environ: dict[str, str], expected: bool
) -> None:
    assert telemetry.wanted(environ) is expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, (True, True)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, (True, False)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, (False, True)),
    ],
)
def test_traces_and_metrics_go_only_where_an_endpoint_is_set_for_them(
    environ: dict[str, str], expected: tuple[bool, bool]
) -> None:
    assert (otel.is_sent("TRACES", environ), otel.is_sent("METRICS", environ)) == expected


def test_without_the_package_there_is_one_sentence_and_work_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "shared.telemetry.otel", None)
    monkeypatch.delattr(telemetry, "otel")
    monkeypatch.setattr(telemetry, "_begun", type(telemetry._begun)())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")

    telemetry.begin("evaluate")
    telemetry.begin("evaluate")

    assert not telemetry.recording()
    assert [record.getMessage() for record in caplog.records] == [
        "OTEL_EXPORTER_OTLP_ENDPOINT is set, but shared.telemetry.otel is not installed: install tocsin[otel]"
    ]


def test_a_variable_that_cannot_be_used_is_one_sentence_and_work_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = logging.getLogger("opentelemetry")
    monkeypatch.setattr(theirs, "handlers", [])
    monkeypatch.setattr(theirs, "propagate", True)
    monkeypatch.setattr(telemetry, "_begun", type(telemetry._begun)())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "0")

    telemetry.begin("evaluate")

    assert not telemetry.recording()
    ignored, off = [record.getMessage() for record in caplog.records]
    assert ignored == "OTEL_EXPORTER_OTLP_PROTOCOL is ignored: functions speak http/protobuf only"
    assert off.startswith("no traces and no metrics are sent: interval value 0")


def test_without_recording_everything_does_nothing() -> None:
    with telemetry.span("tick", slot=1) as span:
        span.set(rules=2)
        span.fail(ValueError())
        telemetry.measure(names.RULES, 1)
        assert telemetry.carrier() == telemetry.trace_ids() == {}


def test_the_service_is_the_function_unless_its_variables_say_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environ = {"K_SERVICE": "notify-slack", "K_REVISION": "notify-slack-00002", "HOSTNAME": "pod-1"}

    plain = otel.resource_of("notify_slack", environ).attributes
    monkeypatch.setenv("OTEL_SERVICE_NAME", "slack")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.namespace=ours,deployment.environment.name=dev")
    given = otel.resource_of("notify_slack", environ).attributes

    assert (plain["service.name"], plain["service.namespace"]) == ("notify_slack", "tocsin")
    assert (plain["faas.name"], plain["faas.version"]) == ("notify-slack", "notify-slack-00002")
    assert (given["service.name"], given["service.namespace"]) == ("slack", "ours")
    assert given["deployment.environment.name"] == "dev"
    assert given["faas.version"] == "notify-slack-00002"


# ------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (Metric("http.server.requests", "counter", "{request}", ""), ("http_server_requests_total",)),
        (Metric("cpu.time", "counter", "s", ""), ("cpu_time_seconds_total",)),
        (Metric("queue.size", "gauge", "{item}", ""), ("queue_size",)),
        (
            Metric("wait", "histogram", "s", ""),
            ("wait_seconds_bucket", "wait_seconds_sum", "wait_seconds_count"),
        ),
    ],
)
def test_prometheus_gets_names_with_units_and_suffixes(metric: Metric, expected: tuple[str, ...]) -> None:
    assert names.prometheus_names(metric) == expected


def test_every_metric_has_a_name_of_its_own_a_unit_and_words() -> None:
    assert len({metric.name for metric in names.METRICS}) == len(names.METRICS)
    for metric in names.METRICS:
        assert metric.name.startswith(names.PREFIX)
        assert metric.unit
        assert metric.description
        assert bool(metric.bounds) == (metric.kind == "histogram")
        assert list(metric.bounds) == sorted(metric.bounds)


# ------------------------------------------------------------------ the trace of an event


def test_an_event_carries_its_trace_through_the_wire_outside_of_the_signature() -> None:
    event = notification_event(notification(), at=1)

    sent = traced(sign(event, KEYS), {**TRACE, "baggage": "user=ann"})
    got = of_http(*to_http(routed(sent, ["slack"])))

    assert {name: got.attributes[name] for name in TRACE} == TRACE
    assert "baggage" not in got.attributes
    verify(got, KEYS)
    verify(replace(got, attributes={**got.attributes, "traceparent": "other"}), KEYS)


def test_an_event_without_a_trace_stays_as_it_is() -> None:
    event = notification_event(notification(), at=1)

    assert traced(event, {}) is event
    assert not {"traceparent", "tracestate"} & event.attributes.keys()
    verify(of_http(*to_http(sign(event, KEYS))), KEYS)
