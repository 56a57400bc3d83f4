"""Knative's webhooks take every object as it is, and each rule of theirs would be noticed if it were broken."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.manifests import (
    Manifest,
    component,
    container,
    of_kind,
    overlays,
    pod,
    rendered,
    unused_components,
)
from tests.support.webhooks import refusals


@pytest.mark.parametrize("overlay", overlays())
def test_knative_refuses_nothing(overlay: str) -> None:
    objects = rendered(overlay)
    found = {f"{item['kind']} {item['metadata']['name']}": refusals(item) for item in objects}

    assert {name: said for name, said in found.items() if said} == {}


def test_knative_refuses_nothing_of_a_component_that_is_in_no_overlay() -> None:
    objects = component(*unused_components())

    assert [said for item in objects for said in refusals(item)] == []


def _in_pod(**changes: Any) -> Callable[[Manifest], None]:
    return lambda service: pod(service).update(changes)


def _in_container(**changes: Any) -> Callable[[Manifest], None]:
    return lambda service: container(service).update(changes)


def _scaled(**annotations: str) -> Callable[[Manifest], None]:
    scaling = {
        f"autoscaling.knative.dev/{name.replace('_', '-')}": value for name, value in annotations.items()
    }
    return lambda service: service["spec"]["template"]["metadata"]["annotations"].update(scaling)


def _in_spec(**changes: Any) -> Callable[[Manifest], None]:
    return lambda item: item["spec"].update(changes)


def _delivered(**changes: Any) -> Callable[[Manifest], None]:
    return lambda trigger: trigger["spec"]["delivery"].update(changes)


@pytest.mark.parametrize(
    ("kind", "name", "break_it"),
    [
        ("Service", "notify-slack", _in_pod(securityContext={"runAsNonRoot": True})),
        ("Service", "notify-slack", _in_pod(initContainers=[])),
        ("Service", "notify-slack", _in_pod(topologySpreadConstraints=[])),
        ("Service", "notify-slack", _in_pod(terminationGracePeriodSeconds=60)),
        ("Service", "notify-slack", _in_pod(containerConcurrency=2000)),
        ("Service", "notify-slack", _in_pod(timeoutSeconds=900)),
        (
            "Service",
            "notify-slack",
            _in_pod(volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]),
        ),
        ("Service", "notify-slack", _in_container(lifecycle={})),
        ("Service", "notify-slack", _in_container(ports=[{"containerPort": 8080}, {"containerPort": 9090}])),
        ("Service", "notify-slack", _in_container(ports=[{"containerPort": 8012}])),
        ("Service", "notify-slack", _in_container(env=[{"name": "PORT", "value": "80"}])),
        (
            "Service",
            "notify-slack",
            _in_container(env=[{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
        ),
        ("Service", "notify-slack", _scaled(min_scale="6", max_scale="5")),
        ("Service", "notify-slack", _scaled(initial_scale="0")),
        ("Service", "notify-slack", _scaled(window="5s")),
        ("Service", "notify-slack", _scaled(target_size="5")),
        (
            "Service",
            "notify-slack",
            lambda service: service["metadata"].update(
                annotations={"autoscaling.knative.dev/min-scale": "1"}
            ),
        ),
        ("Trigger", "notify-slack", _in_spec(filters=[{"exact": {"toslack": "true"}}])),
        ("Trigger", "notify-slack", _in_spec(filter={"attributes": {"toSlack": "true"}})),
        ("Trigger", "notify-slack", _in_spec(filter={"attributes": {"toslack": ""}})),
        ("Trigger", "notify-slack", _in_spec(filter={})),
        ("Trigger", "notify-slack", lambda trigger: trigger["spec"].pop("delivery")),
        ("Trigger", "notify-slack", lambda trigger: trigger["spec"]["delivery"].pop("retry")),
        ("Trigger", "notify-slack", lambda trigger: trigger["spec"]["delivery"].pop("deadLetterSink")),
        ("Trigger", "notify-slack", _delivered(backoffDelay="1s")),
        ("Trigger", "notify-slack", _delivered(timeout="30")),
        ("Trigger", "notify-slack", _delivered(backoffPolicy="doubling")),
        ("Trigger", "notify-slack", _delivered(format="JSON")),
        ("Trigger", "notify-slack", _delivered(retryAfterMax="PT30S")),
        ("Broker", "tocsin", lambda broker: broker["metadata"].pop("annotations")),
        ("Broker", "tocsin", lambda broker: broker.update(spec={"delivery": _only_a_dead_letter_sink()})),
        ("PingSource", "tick", _in_spec(schedule="@every 30s")),
        ("PingSource", "tick", _in_spec(schedule="every minute")),
        ("PingSource", "tick", _in_spec(data="[1]")),
        ("PingSource", "tick", _in_spec(dataBase64="e30=")),
        ("PingSource", "tick", _in_spec(delivery={})),
        ("PingSource", "tick", _in_spec(ceOverrides={"extensions": {"bad-name": "x"}})),
        ("PingSource", "tick", _in_spec(sink={"uri": "http://evaluate"})),
        ("SinkBinding", "evaluate", _in_spec(ceOverrides={"extensions": {"Bad": "x"}})),
        ("SinkBinding", "evaluate", lambda binding: binding["spec"]["subject"].pop("name")),
    ],
)
def test_what_knative_refuses_would_be_noticed(
    kind: str, name: str, break_it: Callable[[Manifest], None]
) -> None:
    item = copy.deepcopy(of_kind(rendered("base"), kind)[name])
    assert refusals(item) == []
    break_it(item)

    assert refusals(item)


def _only_a_dead_letter_sink() -> Manifest:
    return {
        "deadLetterSink": {"ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "x"}}
    }
