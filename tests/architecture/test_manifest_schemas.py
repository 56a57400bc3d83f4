"""Every object is one that Kubernetes and Knative have a schema for, and has no field that the schema doesn't know."""

import copy
import json
from typing import Any

import pytest

from tests.support.manifests import Manifest, component, of_kind, overlays, rendered, unused_components
from tests.support.schemas import complaints, knative_kinds

WITHOUT_A_SCHEMA = {"eventing.knative.dev/v1alpha1/RabbitmqBrokerConfig"}
"""Of RabbitMQ's extension, for which there is no package with a schema."""


def every_object() -> list[Manifest]:
    """Objects of all overlays, and of the components that are in none; of those that differ in names only, one."""
    seen: dict[str, Manifest] = {}
    for objects in [*map(rendered, overlays()), component(*unused_components())]:
        for item in objects:
            name = item["metadata"]["name"]
            seen.setdefault(json.dumps(item).replace(name, "").replace(name.replace("-", "_"), ""), item)
    found = list(seen.values())
    return [item for item in found if f"{item['apiVersion']}/{item['kind']}" not in WITHOUT_A_SCHEMA]


def test_every_object_is_valid() -> None:
    objects = every_object()
    assert {f"{item['apiVersion']}/{item['kind']}" for item in objects} >= knative_kinds() | {
        "apps/v1/StatefulSet"
    }

    found = {f"{item['kind']} {item['metadata']['name']}": complaints(item) for item in objects}

    assert {name: said for name, said in found.items() if said} == {}


@pytest.mark.parametrize(
    ("kind", "name", "path", "value", "said"),
    [
        (
            "Service",
            "ack",
            ("spec", "template", "spec", "containerConcurency"),
            1,
            "containerConcurency: unknown",
        ),
        ("Service", "ack", ("spec", "template", "spec", "containers", 0, "envFrom"), {}, "envFrom"),
        ("Service", "ack", ("spec", "template", "spec", "timeoutSeconds"), "a minute", "timeoutSeconds"),
        ("Trigger", "notify-slack", ("spec", "delivery", "deadletterSink"), {}, "deadletterSink: unknown"),
        ("Trigger", "notify-slack", ("spec", "delivery", "retry"), "five", "retry"),
        ("PingSource", "tick", ("spec", "schedul"), "* * * * *", "schedul: unknown"),
        ("PingSource", "tick", ("spec", "sink", "ref", "names"), "x", "names: unknown"),
        ("SinkBinding", "evaluate", ("spec", "subjects"), {}, "subjects: unknown"),
        ("Broker", "tocsin", ("spec",), {"configuration": {}}, "configuration: unknown"),
        ("Job", "migrate", ("spec", "backofLimit"), 1, "backofLimit"),
        ("NetworkPolicy", "to-dns", ("spec", "egress", 0, "port"), 53, "port"),
        ("NetworkPolicy", "to-dns", ("spec", "egress", 0, "ports", 0, "protocol"), 53, "53"),
        ("PodDisruptionBudget", "evaluate", ("spec", "maxUnavailabel"), 1, "maxUnavailabel"),
        ("ServiceAccount", "ack", ("automountToken",), False, "automountToken"),
        ("ConfigMap", "tocsin", ("data", "A_NUMBER"), 1, "1 is not of type"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_field_that_no_schema_knows_would_be_noticed(
    kind: str, name: str, path: tuple[str | int, ...], value: Any, said: str
) -> None:
    broken = copy.deepcopy(of_kind(rendered("base"), kind)[name])
    assert complaints(broken) == []
    place: Any = broken
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value

    assert said in "\n".join(complaints(broken))
