"""What Knative's webhooks (1.22, default features) refuse, and what they take but nobody wants. Must not read files."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from croniter import croniter

from tests.support.manifests import Manifest

AUTOSCALING = "autoscaling.knative.dev/"
_RESERVED_NAMES = {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"}
_REFUSED_IN_PODS = (
    "securityContext",
    "initContainers",
    "topologySpreadConstraints",
    "terminationGracePeriodSeconds",
)
_SCALING = {
    *("class", "metric", "target", "target-utilization-percentage", "target-burst-capacity"),
    *("min-scale", "max-scale", "initial-scale", "activation-scale"),
    *("window", "scale-down-delay", "scale-to-zero-pod-retention-period"),
    *("panic-window-percentage", "panic-threshold-percentage"),
}
_SPANS = {"window": (6, 3600), "scale-down-delay": (0, 3600), "scale-to-zero-pod-retention-period": (0, 3600)}
"""Annotations that are spans of time, and their limits in seconds."""
_ATTRIBUTE = re.compile(r"[a-z][a-z0-9]*")
_DURATION = re.compile(r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")


def refusals(item: Manifest) -> list[str]:
    """What is wrong with one of Knative's objects; empty when it would be taken, and do what it says."""
    check = _CHECKS.get(item["kind"])
    return list(check(item)) if check else []


def _service(service: Manifest) -> Iterator[str]:
    if service["apiVersion"] == "v1":
        return
    for name in service["metadata"].get("annotations", {}):
        if name.startswith(AUTOSCALING):
            yield f"annotation {name} on the Service instead of its template"
    template = service["spec"]["template"]
    yield from _refused_scaling(template.get("metadata", {}).get("annotations", {}))
    spec = template["spec"]
    yield from (f"pod {name}" for name in _REFUSED_IN_PODS if name in spec)
    if not 0 <= spec.get("containerConcurrency", 0) <= 1000:
        yield "containerConcurrency above 1000"
    if spec.get("timeoutSeconds", 300) > 600:
        yield "timeoutSeconds above 600"
    yield from (
        "persistent volume" for volume in spec.get("volumes", ()) if "persistentVolumeClaim" in volume
    )
    for item in spec["containers"]:
        yield from _refused_in_container(item)


def _refused_scaling(annotations: dict[str, str]) -> Iterator[str]:
    least = int(annotations.get(f"{AUTOSCALING}min-scale", "0"))
    most = int(annotations.get(f"{AUTOSCALING}max-scale", "0"))
    if 0 < most < least:
        yield "max-scale below min-scale"
    if annotations.get(f"{AUTOSCALING}initial-scale") == "0":
        yield "initial-scale 0"
    for name, value in annotations.items():
        key = name.removeprefix(AUTOSCALING)
        if key not in _SCALING and key != name:
            yield f"annotation {name}"
        if key in _SPANS and not _within(value, *_SPANS[key]):
            yield f"{key} {value}"


def _within(span: str, least: int, most: int) -> bool:
    found = re.fullmatch(r"(\d+)(s|m|h)", span)
    return found is not None and least <= int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]] <= most


def _refused_in_container(item: dict[str, Any]) -> Iterator[str]:
    if "lifecycle" in item:
        yield "lifecycle"
    ports = item.get("ports", ())
    if len(ports) > 1:
        yield "two ports"
    if any(port.get("containerPort") == 8012 for port in ports):
        yield "port 8012"
    for variable in item.get("env", ()):
        if variable["name"] in _RESERVED_NAMES:
            yield f"env {variable['name']}"
        if {"fieldRef", "resourceFieldRef"} & set(variable.get("valueFrom", {})):
            yield "fieldRef"


def _trigger(trigger: Manifest) -> Iterator[str]:
    spec = trigger["spec"]
    if "filters" in spec:
        yield "filters, which not every class of Broker knows"
    for name, value in spec.get("filter", {}).get("attributes", {}).items():
        if not _ATTRIBUTE.fullmatch(name):
            yield f"attribute {name}"
        if value == "":
            yield f"attribute {name} that matches everything"
    if not spec.get("filter", {}).get("attributes"):
        yield "no filter: every event"
    if "delivery" not in spec:
        yield "no delivery: the Broker's"
    yield from _delivery(spec.get("delivery", {}))


def _delivery(delivery: Mapping[str, Any]) -> Iterator[str]:
    """A delivery block replaces its parent's as a whole, so half of one means no retries."""
    yield from (f"delivery without {name}" for name in _WHOLE_DELIVERY if delivery and name not in delivery)
    for name in ("backoffDelay", "timeout"):
        if name in delivery and not _DURATION.fullmatch(delivery[name]):
            yield f"{name} {delivery[name]}"
    if delivery.get("backoffPolicy", "exponential") not in ("linear", "exponential"):
        yield f"backoffPolicy {delivery['backoffPolicy']}"
    if delivery.get("format", "json") not in ("json", "binary"):
        yield f"format {delivery['format']}"
    if "retryAfterMax" in delivery:
        yield "retryAfterMax, a feature that is off"


def _broker(broker: Manifest) -> Iterator[str]:
    if "eventing.knative.dev/broker.class" not in broker["metadata"].get("annotations", {}):
        yield "no class: whatever the cluster's default is"
    yield from _delivery(broker.get("spec", {}).get("delivery", {}))


def _ping(source: Manifest) -> Iterator[str]:
    spec = source["spec"]
    schedule = spec.get("schedule", "* * * * *")
    if not croniter.is_valid(schedule, second_at_beginning=len(schedule.split()) == 6):
        yield f"schedule {schedule}"
    if "data" in spec and "dataBase64" in spec:
        yield "data and dataBase64"
    if spec.get("contentType") == "application/json" and not _is_object(spec.get("data", "")):
        yield "data that is no JSON object"
    yield from (f"spec.{name}" for name in ("delivery", "retry") if name in spec)
    yield from _extensions(spec)
    if "ref" not in spec["sink"]:
        yield "a sink by address: nothing holds a tick while its function rolls out"


def _binding(binding: Manifest) -> Iterator[str]:
    yield from _extensions(binding["spec"])
    if not {"name", "selector"} & binding["spec"]["subject"].keys():
        yield "a subject without name and selector"


def _extensions(spec: Mapping[str, Any]) -> Iterator[str]:
    for name in spec.get("ceOverrides", {}).get("extensions", {}):
        if not re.fullmatch("[a-z0-9]+", name):
            yield f"extension {name}"


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


_WHOLE_DELIVERY = ("retry", "backoffPolicy", "backoffDelay", "timeout", "deadLetterSink")
_CHECKS = {
    "Service": _service,
    "Trigger": _trigger,
    "Broker": _broker,
    "PingSource": _ping,
    "SinkBinding": _binding,
}
