"""Small overlays for the tests of knative.local, written to a test's own folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from knative.local.manifests import load_overlay
from knative.local.overlay import Overlay, read_overlay

SERVING, EVENTING, SOURCES = "serving.knative.dev/v1", "eventing.knative.dev/v1", "sources.knative.dev/v1"


def write_overlay(folder: Path, *objects: Mapping[str, Any], **kustomization: Any) -> Path:
    """An overlay of these objects in one file; keywords become fields of the kustomization."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "all.yaml").write_text(yaml.safe_dump_all([dict(o) for o in objects]), encoding="utf-8")
    fields = {
        "namespace": "tocsin",
        "resources": ["all.yaml"],
        "generatorOptions": {"disableNameSuffixHash": True},
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(fields | kustomization), encoding="utf-8")
    return folder


def loaded(folder: Path, *objects: Mapping[str, Any], **kustomization: Any) -> Overlay:
    """The overlay of these objects, read."""
    return read_overlay(load_overlay(write_overlay(folder, *objects, **kustomization), folder.parent))


def thing(
    version: str, kind: str, name: str, spec: Mapping[str, Any] | None = None, **metadata: Any
) -> dict[str, Any]:
    """One object."""
    body: dict[str, Any] = {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}}
    return body | ({"spec": dict(spec)} if spec is not None else {})


def config_map(name: str, **data: str) -> dict[str, Any]:
    """A ConfigMap."""
    return thing("v1", "ConfigMap", name) | {"data": data}


def secret(name: str, **data: str) -> dict[str, Any]:
    """A Secret in plain text."""
    return thing("v1", "Secret", name) | {"stringData": data}


def service(name: str, *, volumes: list[Any] | None = None, **container: Any) -> dict[str, Any]:
    """A ksvc with one container."""
    pod: dict[str, Any] = {"containers": [{"image": "tocsin", **container}]}
    pod |= {"volumes": volumes} if volumes else {}
    return thing(SERVING, "Service", name, {"template": {"spec": pod}})


def function(name: str, source: Path, **env: str) -> dict[str, Any]:
    """A ksvc that runs the function of that name (with `_`) in `source`."""
    values = {
        "FUNCTION_TARGET": name.replace("-", "_"),
        "FUNCTION_SOURCE": str(source),
        "THREADS": "2",
        **env,
    }
    variables = [{"name": key, "value": value} for key, value in values.items()]
    return service(name, env=variables, readinessProbe={"httpGet": {"path": "/health/readiness"}})


def job(name: str, *command: str) -> dict[str, Any]:
    """A Job that runs one command."""
    pod = {"containers": [{"image": "tocsin", "command": list(command)}], "restartPolicy": "Never"}
    return thing("batch/v1", "Job", name, {"template": {"spec": pod}})


def ref(kind: str, name: str) -> dict[str, Any]:
    """A destination inside the overlay."""
    version = SERVING if kind == "Service" else EVENTING
    return {"ref": {"apiVersion": version, "kind": kind, "name": name}}


def binding(subject: str, broker: str) -> dict[str, Any]:
    """A SinkBinding of a Service to a Broker."""
    spec = {
        "subject": {"apiVersion": SERVING, "kind": "Service", "name": subject},
        "sink": ref("Broker", broker),
    }
    return thing(SOURCES, "SinkBinding", f"{subject}-sink", spec)
