"""Every place where a manifest names another object, found by the shape of the field. Must not read files."""

from collections.abc import Iterator
from typing import Any

from tests.support.manifests import Manifest

_NAMED_BY_KEY = {
    "configMapRef": ("ConfigMap", "name"),
    "configMapKeyRef": ("ConfigMap", "name"),
    "configMap": ("ConfigMap", "name"),
    "secretRef": ("Secret", "name"),
    "secretKeyRef": ("Secret", "name"),
    "secret": ("Secret", "secretName"),
}
_PLAIN_TEXT = {
    "serviceAccountName": "v1/ServiceAccount",
    "serviceName": "v1/Service",
    "broker": "eventing.knative.dev/v1/Broker",
}


def identity(item: Manifest) -> str:
    """What others name an object by: `serving.knative.dev/v1/Service evaluate`."""
    return f"{item['apiVersion']}/{item['kind']} {item['metadata']['name']}"


def references(item: Manifest) -> Iterator[tuple[str, bool]]:
    """The identity of every object that this one names, and whether it may be missing."""
    yield from _found(item["spec"]) if isinstance(item.get("spec"), dict) else ()


def _found(value: Any, key: str = "") -> Iterator[tuple[str, bool]]:
    if isinstance(value, list):
        for below in value:
            yield from _found(below, key)
    elif isinstance(value, dict):
        if key in _NAMED_BY_KEY:
            kind, where = _NAMED_BY_KEY[key]
            yield f"v1/{kind} {value.get(where) or value['name']}", value.get("optional") is True
        elif {"apiVersion", "kind", "name"} <= value.keys():
            yield f"{value['apiVersion']}/{value['kind']} {value['name']}", False
        for name, below in value.items():
            yield from _found(below, name)
    elif key in _PLAIN_TEXT and isinstance(value, str):
        yield f"{_PLAIN_TEXT[key]} {value}", False


def dangling(objects: tuple[Manifest, ...]) -> list[str]:
    """Names that lead nowhere: `Trigger notify-slack → v1/Secret x`. What may be missing counts only as a Secret."""
    there = {identity(item) for item in objects}
    found = []
    for item in objects:
        for wanted, optional in references(item):
            if wanted not in there and not (optional and wanted.startswith("v1/Secret ")):
                found.append(f"{item['kind']} {item['metadata']['name']} → {wanted}")
    return found
