"""What functions tell of their work as real processes: one trace from the tick to the vendor, metrics, ids on logs."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.events import Event, of_http
from shared.store.tables import deliveries
from shared.telemetry import names
from tests.support.collector import Collector, SeenSpan
from tests.support.deliveries import binary
from tests.support.functions import FunctionProcess, child_environment, post_tick, running_function
from tests.support.processes import ROOT
from tests.support.sink import Reply, Sink
from tests.support.world import INTERVAL, STEP, World

SECRET = "/services/T0PSECRET/B0PSECRET/pl4nt3dT0k3n"
LOGIN = "reader:s3cr3t-w0rd"


@dataclass
class Scene:
    """An evaluator and a notify function that tell a collector, a broker that keeps events, and a vendor."""

    world: World
    broker: Sink
    vendor: Sink
    collector: Collector
    environment: Mapping[str, str]

    def breach(self) -> int:
        """A point that breaks the rule of now; its slot."""
        slot = int(time.time()) // INTERVAL * STEP
        self.world.wiring.metrics().write(f"m value=11 {slot - 1000}".encode(), precision="ms")
        return slot

    def event(self) -> Event:
        """The event that the broker got last."""
        request = self.broker.requests[-1]
        return of_http(dict(request.headers), request.body)

    def function(self, name: str, **more: str) -> Any:
        return running_function(name, {**self.environment, **more})


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with (
        Sink(Reply(202)) as broker,
        Sink(Reply(200, body="ok")) as vendor,
        Collector(Reply(200)) as collector,
    ):
        world = World(
            tmp_path,
            broker,
            "sqlite:///tocsin.db",
            "embedded:///metrics.db",
            channels="channels: [{name: ops, kind: slack, default: true}]",
        )
        world.add_monitor("mon_a")
        world.add_rule("rule_a")
        environment = {
            "TOCSIN_STATE_DIR": str(tmp_path),
            "TOCSIN_CHANNELS_FILE": str(tmp_path / "channels.yaml"),
            "TOCSIN_LATENESS_SECONDS": "0",
            "TOCSIN_ALLOWED_HOSTS": "127.0.0.1",
            "TOCSIN_SECRET_OPS_URL": vendor.url + SECRET,
            "K_SINK": broker.url,
            "K_REVISION": "rev-00007",
        }
        yield Scene(world, broker, vendor, collector, environment)
        world.wiring.close()


def post(process: FunctionProcess, event: Event) -> int:
    headers, body = binary(event)
    return httpx.post(process.url, headers=headers, content=body, timeout=30, trust_env=False).status_code


def by_name(spans: list[SeenSpan], service: str) -> dict[str, SeenSpan]:
    """The first span of each name."""
    return {span.name: span for span in reversed(spans) if span.service == service}


def test_one_trace_leads_from_the_tick_to_the_vendor_and_every_metric_is_sent_before_the_end(
    scene: Scene,
) -> None:
    sending = scene.collector.environment()
    with scene.function("evaluate", **sending) as evaluate:
        slot = scene.breach()
        scene.broker.reply(Reply(500))
        assert post_tick(evaluate.url, slot).status_code == 204
        scene.world.expire()
        assert post_tick(evaluate.url, slot + STEP).status_code == 204
        evaluated = evaluate.logs
    event = scene.event()
    with scene.function("notify_slack", **sending) as notify:
        scene.vendor.reply(Reply(503))
        assert [post(notify, event), post(notify, event)] == [503, 204]
        assert post(notify, Event({**event.attributes, "id": "broken"}, b'{"id": 1}')) == 204
        notified = notify.logs

    # Both are gone: with the usual intervals of five and sixty seconds, all of this came at their end.
    spans = scene.collector.spans()
    tick, told = by_name(spans, "evaluate"), by_name(spans, "notify_slack")
    assert {name: tick[name].parent for name in ("gather", "decide", "chart", "commit", "publish")} == (
        dict.fromkeys(("gather", "decide", "chart", "commit", "publish"), tick["tick"].id)
    )
    assert tick["tick"].parent == tick["evaluate"].id
    assert tick["tick"].attributes["tocsin.rules"] == 1
    assert event.attributes["traceparent"].split("-")[1:3] == [tick["commit"].trace, tick["commit"].id]
    refused, accepted = [span for span in spans if span.name == "publish event"]
    assert {refused.parent, accepted.parent} == {tick["commit"].id}
    assert (refused.failed, accepted.failed) == ("Unavailable", "")
    assert refused.links == ()  # it is of the tick's own trace
    (later,) = [span for span in spans if span.name == "publish" and span.id != tick["publish"].id]
    assert accepted.links == (later.id,)
    assert accepted.attributes["tocsin.event_id"] == event.id
    assert {span.trace for span in (*told.values(), refused, accepted)} == {tick["evaluate"].trace}
    assert later.trace != tick["evaluate"].trace
    assert told["notify_slack"].parent == tick["commit"].id
    assert told["claim"].attributes["tocsin.rows"] == 1
    assert told["send"].parent in {span.id for span in spans if span.name == "notify_slack"}
    calls = [span for span in spans if span.name == "call vendor"]
    assert [span.attributes["tocsin.status"] for span in calls] == [503, 200]
    assert {span.failed for span in spans if span.name == "notify_slack"} == {"Unavailable", ""}

    metrics = scene.collector.metrics()
    assert metrics.keys() == {metric.name for metric in names.METRICS}
    assert scene.collector.units() == {metric.name: metric.unit for metric in names.METRICS}
    for metric in names.METRICS:
        expected = {f"tocsin.{name}" for name in metric.attributes}
        assert {frozenset(point.attributes) for point in metrics[metric.name]} == {frozenset(expected)}
    outcomes = {point.attributes["tocsin.outcome"]: point.value for point in metrics["tocsin.deliveries"]}
    assert outcomes == {"retry": 1, "delivered": 1}
    assert [point.value for point in metrics["tocsin.delivery.delay"]] == [1]
    assert 0 < metrics["tocsin.delivery.delay"][0].sum < 120
    assert [point.value for point in metrics["tocsin.rules"]] == [1]

    who = scene.collector.resources()
    assert {one["service.name"] for one in who} == {"evaluate", "notify_slack"}
    assert {one["faas.version"] for one in who} == {"rev-00007"}
    sent = b"".join(request.body for request in scene.collector.requests)
    assert b"pl4nt3d" not in sent
    assert b"T0PSECRET" not in sent

    told_line = next(line for line in evaluated if line["message"].startswith("tells FIRING"))
    assert (told_line["event_id"], told_line["rule_id"]) == (event.id, "rule_a")
    assert (told_line["trace_id"], told_line["span_id"]) == (tick["commit"].trace, tick["commit"].id)
    done = next(line for line in notified if line.get("state") == "delivered")
    assert done["trace_id"] == tick["commit"].trace
    assert done["alert_ids"] == [told_line["alert_id"]]


def test_the_lines_that_matter_name_event_rule_alerts_slot_delivery_and_channel_without_any_collector(
    scene: Scene,
) -> None:
    with scene.function("evaluate") as evaluate:
        slot = scene.breach()
        assert post_tick(evaluate.url, slot).status_code == 204
        told = next(line for line in evaluate.logs if line["message"].startswith("tells FIRING"))
        ticked = next(line for line in evaluate.logs if line["message"].startswith("tick "))
    event = scene.event()
    with scene.function("notify_slack") as notify:
        scene.vendor.reply(Reply(410, body="channel_is_archived"))
        assert [post(notify, event), post(notify, event)] == [204, 204]
        logs = [line for line in notify.logs if line.get("channel")]

    row = scene.world.rows(deliveries)[0]
    alert_id = told["alert_id"]
    assert (told["slot"], told["shard"], told["event_id"], told["rule_id"]) == (
        slot,
        "0/1",
        event.id,
        "rule_a",
    )
    assert (ticked["slot"], ticked["function"], ticked["revision"]) == (slot, "evaluate", "rev-00007")
    assert logs
    for line in logs:
        assert (line["event_id"], line["rule_id"], line["alert_ids"]) == (event.id, "rule_a", [alert_id])
        assert (line["delivery_id"], line["channel"], line["slot"]) == (row["id"], "ops", slot)
    assert "traceparent" not in event.attributes
    assert not any("trace_id" in line for line in logs)


@pytest.mark.parametrize("trouble", ["refuses", "hangs"])
def test_a_collector_in_trouble_slows_nothing_is_told_of_once_and_its_login_stays_hidden(
    scene: Scene, trouble: str
) -> None:
    held = threading.Event()
    scene.collector.default = Reply(400) if trouble == "refuses" else Reply(hold=held)
    address = scene.collector.url.replace("//", f"//{LOGIN}@") + "/collect?token=pl4nt3dT0k3n"
    quick = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_METRIC_EXPORT_INTERVAL": "50"}
    with scene.function("evaluate", OTEL_EXPORTER_OTLP_ENDPOINT=address, **quick) as evaluate:
        slot = scene.breach()
        assert post_tick(evaluate.url, slot - STEP).status_code == 204
        scene.collector.wait_for(2)
        # Whoever hangs does so until the end; ticks go on.
        assert post_tick(evaluate.url, slot).status_code == 204
        assert scene.world.told() == ["firing rule_a"]
        started = time.monotonic()
        evaluate.stop()
        ended_in = time.monotonic() - started
        output = evaluate.stdout + evaluate.stderr
        lost = [line["message"] for line in evaluate.logs if "are lost" in line["message"]]
    with scene.function("notify_slack", OTEL_EXPORTER_OTLP_ENDPOINT=address, **quick) as notify:
        assert post(notify, scene.event()) == 204
        output += notify.stdout + notify.stderr
        notify.kill()
    assert len(scene.vendor.requests) == 1
    held.set()

    assert not evaluate.running
    assert ended_in < 10, "it was killed, because it waited for its collector"
    assert sorted(set(lost)) == sorted(lost)
    if trouble == "refuses":
        assert {line.partition(" ")[0] for line in lost} == {"traces", "metrics"}
    assert "s3cr3t-w0rd" not in output
    assert "pl4nt3d" not in output
    assert "Traceback" not in output


def test_without_an_endpoint_no_function_imports_the_sdk() -> None:
    functions = sorted(path.parent.name for path in (ROOT / "functions").glob("*/main.py"))
    code = f"""
import importlib, sys
for name in {functions}:
    importlib.import_module(f"functions.{{name}}.main")
from shared import telemetry
telemetry.begin("evaluate")
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=child_environment(
            {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
        ),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )

    assert functions
    assert done.stdout.strip().splitlines()[-1] == "[]"
