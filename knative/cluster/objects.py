"""Pure: the objects of an overlay, in which order they are applied, and whether the cluster has made them work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]

KNATIVE = "1.22"
"""The version of Serving and Eventing whose API the manifests are held against."""

OVERLAY = "tocsin.dev/overlay"
"""Label of every object that `deploy` applies: what has it and is no longer in the overlay, is removed."""

PART_OF = "app.kubernetes.io/part-of"
VISIBILITY = "networking.knative.dev/visibility"
BROKER_CLASS = "eventing.knative.dev/broker.class"

_LAST = ("SinkBinding", "Service", "Trigger", "PingSource")
"""Of Knative, in this order: a function needs its sink before its first revision, and nothing should send events before
there is somebody to take them. All else is applied before them."""

_OF_CLASSES = {
    "Kafka": "consumergroups.internal.kafka.eventing.knative.dev",
    "RabbitMQBroker": "rabbitmqbrokerconfigs.eventing.knative.dev",
}


@dataclass(frozen=True)
class Found:
    """One object as the cluster has it. `ready` is None while nobody has said."""

    kind: str
    name: str
    ready: bool | None
    why: str = ""


def resource(item: Mapping[str, Any]) -> str:
    """What kubectl calls the object's kind without doubt: `services.serving.knative.dev`."""
    group, slash, _ = str(item["apiVersion"]).rpartition("/")
    kind = str(item["kind"]).lower()
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    return f"{plural}.{group}" if slash else plural


def name_of(item: Mapping[str, Any]) -> str:
    """The name in its metadata."""
    return str(item["metadata"]["name"])


def is_knative(item: Mapping[str, Any]) -> bool:
    """Whether its kind is Knative's or of an extension of it."""
    return str(item["apiVersion"]).partition("/")[0].endswith("knative.dev")


def namespace_of(objects: Iterable[Manifest]) -> str:
    """The namespace that the overlay makes."""
    return next((name_of(item) for item in objects if item["kind"] == "Namespace"), "default")


def needed(objects: Iterable[Manifest]) -> list[str]:
    """The definitions that the cluster must have: one for each of Knative's kinds, and those of the Broker's class."""
    found = set()
    for item in objects:
        if is_knative(item):
            found.add(resource(item))
        if item["kind"] == "Broker":
            extension = _OF_CLASSES.get(item["metadata"].get("annotations", {}).get(BROKER_CLASS, ""))
            found |= {extension} if extension else set()
    return sorted(found)


def older(version: str) -> bool:
    """Whether a version such as `1.14.2` is before the one that the manifests were held against."""
    parts = version.removeprefix("v").split(".")
    return all(part.isdecimal() for part in parts[:2]) and [int(part) for part in parts[:2]] < [
        int(part) for part in KNATIVE.split(".")
    ]


def prepared(objects: Sequence[Manifest], overlay: str, image: str) -> list[Manifest]:
    """The objects with the label of their overlay, and with another image in place of the overlay's if one is given."""
    ours = {container["image"] for item in objects if _is_function(item) for container in _containers(item)}
    for item in objects:
        item["metadata"].setdefault("labels", {})[OVERLAY] = overlay
        for container in _containers(item):
            if image and container["image"] in ours:
                container["image"] = image
    return list(objects)


def first(objects: Iterable[Manifest]) -> list[Manifest]:
    """What is applied before any function: settings, accounts, policies, servers, the Broker, and Jobs."""
    return [item for item in objects if not (is_knative(item) and item["kind"] in _LAST)]


def last(objects: Iterable[Manifest]) -> list[Manifest]:
    """Functions and what wakes them."""
    later = [item for item in objects if is_knative(item) and item["kind"] in _LAST]
    return sorted(later, key=lambda item: _LAST.index(item["kind"]))


def left_over(objects: Iterable[Manifest], there: Iterable[Manifest]) -> list[Manifest]:
    """What the cluster has of this overlay, and the overlay no longer does."""
    wanted = {(resource(item), name_of(item)) for item in objects}
    return [item for item in there if (resource(item), name_of(item)) not in wanted]


def state_of(item: Mapping[str, Any]) -> Found:
    """Whether an object works, in the words of the cluster."""
    kind, name, status = str(item["kind"]), name_of(item), item.get("status") or {}
    if kind in ("StatefulSet", "Deployment"):
        wanted, there = item["spec"].get("replicas", 1), status.get("readyReplicas", 0)
        return Found(
            kind, name, there >= wanted, "" if there >= wanted else f"{there} of {wanted} pods are ready"
        )
    if status.get("observedGeneration", 0) < item["metadata"].get("generation", 0) and kind != "Job":
        return Found(kind, name, None, "its controller has not seen this version yet")
    told = {condition["type"]: condition for condition in status.get("conditions", ())}
    if kind == "Job":
        failed = told.get("Failed", {}).get("status") == "True"
        done = told.get("Complete", {}).get("status") == "True"
        return Found(
            kind, name, False if failed else done or None, _said(told.get("Failed", {})) if failed else ""
        )
    ready = told.get("Ready", {})
    answer = {"True": True, "False": False}.get(ready.get("status", ""))
    return Found(kind, name, answer, "" if answer else _said(ready))


def _said(condition: Mapping[str, Any]) -> str:
    return ": ".join(str(condition[key]) for key in ("reason", "message") if condition.get(key))


def addresses(there: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Name and address of every function that the outside reaches."""
    for item in there:
        url = (item.get("status") or {}).get("url", "")
        public = item["metadata"].get("labels", {}).get(VISIBILITY) != "cluster-local"
        if _is_function(item) and public and url:
            yield name_of(item), url


def _is_function(item: Mapping[str, Any]) -> bool:
    return is_knative(item) and item["kind"] == "Service"


def _containers(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    template = (item.get("spec") or {}).get("template") or {}
    return list((template.get("spec") or {}).get("containers", ()))
